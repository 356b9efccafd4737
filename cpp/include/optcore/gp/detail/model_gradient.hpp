#pragma once

// Definitions of gp/model.hpp: derivatives with respect to the input.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD void Model<T>::contract_slopes(const T* query, MatrixView<const T> weights, T factor,
                                          T* gradient) const noexcept {
  constexpr int chunk =
      2048 / static_cast<int>(sizeof(T));  // points whose slopes wait on the stack
  const int rows = this->rows(), dims = inputs_.dims;
  for (int e = 0; e < weights.rows * dims; ++e) gradient[e] = T(0);
  if (family_ == KernelFamily::composite) {
    constexpr int run = CompositeKernel<T>::run;
    for (int v = 0; v < weights.rows; ++v) {
      T* const own = gradient + v * dims;
      for (int i = 0; i < rows; i += run) {
        composite_.add_slopes(inputs_, i, min(run, rows - i), query, -1, weights.row_data(v) + i,
                              nullptr, own);
      }
      for (int f = 0; f < dims; ++f) own[f] *= factor;
    }
    return;
  }
  alignas(64) T slopes[chunk];
  for (int first = 0; first < rows; first += chunk) {
    const int count = min(chunk, rows - first);
    with_family(family_, [&]<KernelFamily F>() {
      if constexpr (F != KernelFamily::composite) {
        int i = 0;
        const auto step = [&]<int G>() {
          P q[G];
          scaled_distances(query, first + i, q);
#pragma GCC unroll 4
          for (int c = 0; c < G; ++c) Correlation<F>::slope(q[c]).store(slopes + i + c * lanes);
          i += G * lanes;
        };
        while (i + 4 * lanes <= count) step.template operator()<4>();
        while (i < count) step.template operator()<1>();
      }
      return 0;
    });
    for (int f = 0; f < dims; ++f) {
      const P x = P::broadcast(query[f] * scale_[f]);
      const T* const feature = inputs_.feature(f) + first;
      for (int v = 0; v < weights.rows; ++v) {
        const T* const w = weights.row_data(v) + first;
        P even = P::zero(), odd = P::zero();
        int i = 0;
        for (; i + 2 * lanes <= count; i += 2 * lanes) {
          even = fma(P::load(slopes + i) * P::load(w + i), x - P::load(feature + i), even);
          odd = fma(P::load(slopes + i + lanes) * P::load(w + i + lanes),
                    x - P::load(feature + i + lanes), odd);
        }
        if (i < count) {
          even = fma(P::load(slopes + i) * P::load(w + i), x - P::load(feature + i), even);
        }
        gradient[v * dims + f] += factor * 2 * variance_ * scale_[f] * sum(even + odd);
      }
    }
  }
}

template <class T>
OPTCORE_HD void Model<T>::mean_gradient(MatrixView<const T> queries, MatrixView<T> mean,
                                        MatrixView<T> gradient) const noexcept {
  this->mean(queries, mean);
  for (int m = 0; m < queries.rows; ++m) {
    contract_slopes(queries.row_data(m), weights_, T(1), gradient.row_data(m));
    if (!has_linear_mean()) continue;
    for (int o = 0; o < outputs_; ++o) {
      for (int f = 0; f < inputs_.dims; ++f) {
        gradient(m, o * inputs_.dims + f) += mean_slopes(o)[f];
      }
    }
  }
}

template <class T>
OPTCORE_HD void Model<T>::variance_gradient(MatrixView<const T> queries,
                                            MatrixView<T> gradient) noexcept {
  for (int m = 0; m < queries.rows; ++m) {  // -2 (K^-1 k)' dk/dx
    T* const w = row_;
    with_family(family_, [&]<KernelFamily F>() {
      covariances<F>(queries.row_data(m), w);
      return 0;
    });
    linalg::solve_lower<T>(factor_, w);
    linalg::solve_lower_transposed<T>(factor_, w);
    T* const slopes = gradient.row_data(m);
    contract_slopes(queries.row_data(m), {w, 1, rows(), rows()}, T(-2), slopes);
    if (family_ == KernelFamily::composite) {
      composite_.diagonal_slopes(queries.row_data(m), inputs_.dims, point_);
      for (int f = 0; f < inputs_.dims; ++f) slopes[f] += point_[f];
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::gp
