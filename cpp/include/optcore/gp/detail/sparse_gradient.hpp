#pragma once

#include "optcore/gp/sparse.hpp"

/// With w the weights of the mean, alpha = (y - Knm w) / noise and o outputs,
///     d bound / d Kmn = w alpha' + o Q Kmn,  Q = Kmm^-1 / noise - (noise Kmm + Kmn Knm)^-1
///     d bound / d Kmm = -1/2 w w' - o / (2 noise) E'E,  E = (chol(B)' - noise chol(B)^-1) L^-1
/// so one product with Q per block of rows is all that the gradient costs beyond the bound.
namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD void Sparse<T>::subtract_square(Panels rows, T scale) noexcept {
  constexpr int H = linalg::tile_rows<T>;
  const int m = inducing_;
  for (int first = 0; first < m; first += block) {
    const int count = min(block, m - first);
    for (int i = 0; i < product_.rows; i += H) {
      for (int k = 0; k < count; ++k) {
        for (int r = 0; r < H; ++r) {
          product_.panel(i)[k * H + r] = i + r < m ? scale * rows(first + k, i + r) : T(0);
        }
      }
      detail::set_zero(product_.panel(i) + count * H,
                       static_cast<std::ptrdiff_t>(block - count) * H);
    }
    linalg::subtract_packed(factor_, 0, block, linalg::padded<T>(m),
                            static_cast<const T*>(product_.data));
  }
}

template <class T>
OPTCORE_HD void Sparse<T>::begin_gradient() noexcept {
  const int m = inducing_, padded = linalg::padded<T>(m);
  const T count = static_cast<T>(outputs());
  const auto clear = [&] {
    detail::set_zero(factor_.data, static_cast<std::ptrdiff_t>(factor_.stride) * padded);
  };
  detail::set_zero(sums_, max(inputs_.dims + 1, composite_.parameters()));
  residuals_ = 0;

  // d Kmm, contracted at once: its terms are those of `inputs_` as a block of rows
  detail::pack_triangle<T>(inner_, T(1), true, left_);
  linalg::multiply_panels(left_, linalg::Shape::upper, whiten_, whiten_.rows, right_);
  for (int i = 0; i < m; ++i) {
    for (int k = 0; k < m; ++k) right_(i, k) -= noise_ * posterior_(i, k);
  }
  clear();
  subtract_square(right_, sqrt(count / (2 * noise_)));
  for (int j = 0; j < m; ++j) {
    for (int i = j; i < m; ++i) {
      for (int o = 0; o < outputs(); ++o) {
        factor_(i, j) -= T(0.5) * weights_(o, i) * weights_(o, j);
      }
    }
  }
  T on_diagonal = 0;
  for (int first = 0; first < m; first += block) {
    const int columns = min(block, m - first);
    for (int k = 0; k < columns; ++k) {
      const int j = first + k;
      for (int i = 0; i < product_.rows; ++i) {
        product_(i, k) = i < m ? factor_(max(i, j), min(i, j)) : T(0);
      }
      for (int f = 0; f < inputs_.dims; ++f) {
        block_[k * inputs_.dims + f] = inputs_.feature(f)[j];
      }
      on_diagonal += factor_(j, j);
    }
    contract(product_, columns, first);
  }
  if (family_ != KernelFamily::composite) {  // the jitter is a fraction of the variance
    sums_[inputs_.dims] += jitter_ * variance_ * on_diagonal;
  }

  // left_ <- -o Q, symmetric
  clear();
  subtract_square(whiten_, sqrt(count / noise_));
  for (int j = 0; j < m; ++j) {
    for (int i = j; i < m; ++i) factor_(i, j) = -factor_(i, j);
  }
  subtract_square(posterior_, sqrt(count));
  for (int i = 0; i < left_.rows; ++i) {
    for (int k = 0; k < left_.rows; ++k) {
      left_(i, k) = i < m && k < m ? -factor_(max(i, k), min(i, k)) : T(0);
    }
  }
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Sparse<T>::contract_stationary(Panels g, int count) noexcept {
  constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>;
  const int d = inputs_.dims, rows = linalg::padded<T>(inducing_);
  for (int k = 0; k < count; ++k) {
    const T* const x = block_ + k * d;
    P values = P::zero();
    for (int i = 0; i < rows; i += W) {
      P q = P::zero();
      for (int f = 0; f < d; ++f) {
        const P difference = P::load(inputs_.feature(f) + i) - P::broadcast(x[f]);
        q = fma(difference, difference, q);
      }
      const P value = P::load(g.panel(i) + i % H + k * H);
      values = fma(value, Correlation<F>::value(q), values);
      (value * Correlation<F>::slope(q)).store(slopes_ + i);
    }
    sums_[d] += variance_ * sum(values);
    for (int f = 0; f < d; ++f) {
      const P at = P::broadcast(x[f]);
      P total = P::zero();
      for (int i = 0; i < rows; i += W) {
        const P difference = P::load(inputs_.feature(f) + i) - at;
        total = fma(P::load(slopes_ + i) * difference, difference, total);
      }
      sums_[f] += variance_ * sum(total);
    }
  }
}

template <class T>
OPTCORE_HD void Sparse<T>::contract_composite(Panels g, int count, int first) noexcept {
  constexpr int run = CompositeKernel<T>::run;
  const int rows = linalg::padded<T>(inducing_);
  alignas(64) T weights[run];
  for (int k = 0; k < count; ++k) {
    const int self = first < 0 ? -1 : first + k;
    for (int i = 0; i < rows; i += run) {
      const int length = min(run, rows - i);
      for (int p = 0; p < length; ++p) {
        weights[p] = i + p < inducing_ ? g(i + p, k) : T(0);
        if (i + p == self) weights[p] *= 1 + jitter_;
      }
      composite_.add_slopes(inputs_, i, length, block_ + k * inputs_.dims, self, weights, sums_,
                            nullptr);
    }
  }
}

template <class T>
OPTCORE_HD void Sparse<T>::contract_prior(const T* x, T weight) noexcept {
  constexpr int W = native_lanes<T>;
  for (int f = 0; f < inputs_.dims; ++f) {
    for (int lane = 0; lane < W; ++lane) self_.feature(f)[lane] = x[f];
  }
  alignas(64) T weights[W] = {weight};
  composite_.add_slopes(self_, 0, W, x, 0, weights, sums_, nullptr);
}

template <class T>
OPTCORE_HD Status Sparse<T>::add_gradient(MatrixView<const T> X, MatrixView<const T> Y) noexcept {
  constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>;
  if (X.cols != inputs_.dims || Y.cols != outputs() || X.rows != Y.rows) {
    return Status::shape_mismatch;
  }
  if (!detail::all_finite(X) || !detail::all_finite(Y)) return Status::not_finite;
  for (int first = 0; first < X.rows; first += block) {
    const int count = min(block, X.rows - first);
    scale_block(X, first, count);
    cross(count);
    linalg::multiply_panels(left_, linalg::Shape::full, cross_, whole_columns(count), product_);
    for (int o = 0; o < outputs(); ++o) {
      const T* const w = weights_.row_data(o);
      for (int k = 0; k < count; ++k) {
        P total = P::zero();
        for (int i = 0; i < cross_.rows; i += W) {
          total = fma(P::load(cross_.panel(i) + i % H + k * H), P::load(w + i), total);
        }
        const T alpha = (Y(first + k, o) - prior_mean_[o] - sum(total)) / noise_;
        residuals_ += alpha * alpha;
        const P factor = P::broadcast(alpha);
        for (int i = 0; i < product_.rows; i += W) {
          T* const g = product_.panel(i) + i % H + k * H;
          fma(P::load(w + i), factor, P::load(g)).store(g);
        }
      }
    }
    contract(product_, count, -1);
    if (family_ == KernelFamily::composite) {
      const T weight = T(-0.5) * static_cast<T>(outputs()) / noise_;
      for (int k = 0; k < count; ++k) contract_prior(block_ + k * inputs_.dims, weight);
    }
  }
  return Status::ok;
}

template <class T>
OPTCORE_HD void Sparse<T>::finish_gradient(BoundGradient<T>& out) noexcept {
  const T n = static_cast<T>(rows_), m = static_cast<T>(inducing_);
  const T count = static_cast<T>(outputs());
  if (family_ == KernelFamily::composite) {
    for (int p = 0; p < out.parameters.size; ++p) out.parameters[p] = sums_[p];
  } else {
    for (int f = 0; f < out.log_length_scales.size; ++f) {
      out.log_length_scales[f] = T(-2) * sums_[f];
    }
    out.log_variance = sums_[inputs_.dims] - count * n * variance_ / (2 * noise_);
  }
  const T inverse_trace = (n - m + noise_ * trace_) / noise_;  // of (Q + noise I)^-1
  const T missing = prior_ - trace_of_gram();
  out.log_noise =
      T(0.5) * noise_ * (residuals_ - count * inverse_trace + count * missing / (noise_ * noise_));
}

}  // namespace optcore::inline OPTCORE_ISA::gp
