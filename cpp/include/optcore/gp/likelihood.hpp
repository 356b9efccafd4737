#pragma once

#include "optcore/gp/model.hpp"
#include "optcore/linalg/inverse.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// Where log_marginal_likelihood() writes; absent parts are null or empty.
template <class T>
struct LikelihoodOutput {
  T value = 0;                           ///< nats, summed over the outputs
  T log_variance = 0;                    ///< d value / d log(signal variance)
  T log_noise = 0;                       ///< d value / d log(noise), the common part of the noise
  VectorView<T> log_length_scales = {};  ///< (d,) d value / d log(length scale)
  VectorView<T> mean = {};               ///< (outputs,) d value / d constant mean
  VectorView<T> parameters = {};         ///< of a composite kernel: d value / d each
  int failing_pivot = -1;
};

/// The log marginal likelihood of data under hyper-parameters and all its gradients, in one n x n
/// buffer: the covariance, then its factor, then minus its inverse; what the gradient needs of the
/// covariance itself is computed again from the inputs, which costs O(n^2 d) beside O(n^3).
///
/// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), equation 5.9.
///
/// ```cpp
/// alignas(64) unsigned char memory[4096];
/// optcore::Arena arena(memory, sizeof memory);
/// optcore::gp::Likelihood<double> likelihood;
/// likelihood.bind(arena, /*points=*/1, /*dims=*/1, /*outputs=*/1, /*gradient=*/false);
/// const double X[] = {0}, Y[] = {2}, scale[] = {1};
/// optcore::gp::LikelihoodOutput<double> out;
/// assert(!failed(likelihood.evaluate({X, 1, 1, 1}, {Y, 1, 1, 1},
///                                    {.length_scales = {scale, 1}, .noise = 1}, false, out)));
/// const double expected = -1 - 0.5 * std::log(4 * 3.141592653589793);  // log N(2; 0, 2)
/// assert(std::abs(out.value - expected) < 1e-9);
/// ```
template <class T>
class Likelihood {
 public:
  /// @param kernel_parameters  most parameters of a composite kernel; 0: none will be evaluated.
  OPTCORE_HD void bind(Arena& arena, int points, int dims, int outputs, bool gradient,
                       int kernel_parameters = 0) noexcept {
    const int rows = linalg::padded<T>(points);
    const int stride = linalg::padded_stride<T>(points);
    buffer_ = {arena.array<T>(static_cast<std::size_t>(stride) * static_cast<std::size_t>(rows)),
               points, stride};
    inputs_ = {arena.array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(dims)),
               dims, rows};
    weights_ = arena.matrix<T>(outputs, rows);
    point_ = arena.array<T>(static_cast<std::size_t>(dims));
    composite_.bind(arena, kernel_parameters);
    sums_ = arena.array<T>(static_cast<std::size_t>((dims + 1) * native_lanes<T>));
    const std::size_t factor = linalg::factor_workspace<T>(points);
    const std::size_t inverse = gradient ? linalg::inverse_workspace<T>(points) : 0;
    workspace_ = arena.array<T>(factor > inverse ? factor : inverse);
  }

  /// @param X (n, d)   @param Y (n, outputs)   @param out fields asked for by `gradient`
  /// @return as Model::fit(); `out` is unchanged on failure but for failing_pivot.
  [[nodiscard]] OPTCORE_HD Status evaluate(MatrixView<const T> X, MatrixView<const T> Y,
                                           const Hyperparameters<T>& hyper, bool gradient,
                                           LikelihoodOutput<T>& out) noexcept {
    const int n = X.rows, d = inputs_.dims, outputs = weights_.rows;
    if (n != buffer_.size || Y.rows != n || X.cols != d || Y.cols != outputs) {
      return Status::shape_mismatch;
    }
    const Status checked = detail::check(X, Y, hyper);
    if (failed(checked)) return checked;
    if (hyper.family == KernelFamily::composite) {
      const Status set = composite_.set(hyper.nodes, hyper.parameters, d);
      if (failed(set)) return set;
    }
    return with_family(hyper.family, [&]<KernelFamily F>() {
      return evaluate_family<F>(X, Y, hyper, gradient, out);
    });
  }

 private:
  using P = Pack<T>;

  template <KernelFamily F>
  OPTCORE_HD Status evaluate_family(MatrixView<const T> X, MatrixView<const T> Y,
                                    const Hyperparameters<T>& hyper, bool gradient,
                                    LikelihoodOutput<T>& out) noexcept {
    const int n = X.rows, d = X.cols, outputs = Y.cols, rows = linalg::padded<T>(n);
    constexpr bool composite = F == KernelFamily::composite;
    for (int f = 0; f < d; ++f) {
      const T scale = composite ? T(1) : static_cast<T>(input_scale(F)) / hyper.length_scales[f];
      T* const feature = inputs_.feature(f);
      for (int i = 0; i < n; ++i) feature[i] = X(i, f) * scale;
      detail::set_zero(feature + n, rows - n);
    }
    T largest = hyper.variance;  // on the diagonal
    if constexpr (composite) {
      composite_.fill(inputs_, hyper.noise, buffer_, point_);
      largest = T(0);
      for (int i = 0; i < n; ++i) largest = max(largest, buffer_(i, i));
    } else {
      fill_covariance<F, T>(inputs_, hyper.variance, hyper.noise, buffer_);
    }
    detail::add_point_noise(buffer_, hyper.point_noise);
    const Status status = linalg::factor(buffer_, workspace_, &out.failing_pivot,
                                         detail::minimum_pivot(largest + hyper.noise));
    if (failed(status)) return status;
    T squares = 0;
    for (int o = 0; o < outputs; ++o) {
      T* const w = weights_.row_data(o);
      for (int i = 0; i < n; ++i) {
        w[i] = Y(i, o) - detail::prior_mean_at(hyper.mean, outputs, o, X.row_data(i), d);
      }
      detail::set_zero(w + n, rows - n);
      linalg::solve_lower<T>(buffer_, w);
      squares += linalg::dot(w, w, rows);
      linalg::solve_lower_transposed<T>(buffer_, w);
    }
    const T each = linalg::log_determinant<T>(buffer_) + static_cast<T>(n) * log(2 * pi<T>);
    out.value = T(-0.5) * (squares + static_cast<T>(outputs) * each);
    if (!gradient) return Status::ok;

    linalg::negative_inverse(buffer_, workspace_);
    for (int o = 0; o < out.mean.size; ++o) {
      T total = 0;
      for (int i = 0; i < n; ++i) total += weights_(o, i);
      out.mean[o] = total;
    }
    T trace = 0;
    for (int i = 0; i < n; ++i) trace += outer(i, i);
    out.log_noise = T(0.5) * hyper.noise * trace;
    if constexpr (composite) {
      contract_composite(out.parameters);
      return Status::ok;
    } else {
      contract<F>(outputs);
      // the sums run below the diagonal, hence both halves of 1/2 tr(G dK)
      out.log_variance = hyper.variance * (lane_sum(d) + T(0.5) * trace);
      for (int f = 0; f < out.log_length_scales.size; ++f) {
        out.log_length_scales[f] = T(-2) * hyper.variance * lane_sum(f);
      }
      return Status::ok;
    }
  }

  [[nodiscard]] OPTCORE_HD T lane_sum(int row) const noexcept {
    return sum(P::load(sums_ + row * native_lanes<T>));
  }

  /// G(i, j) = sum_o a_o(i) a_o(j) - outputs * K^-1(i, j)
  [[nodiscard]] OPTCORE_HD T outer(int i, int j) const noexcept {
    T value = static_cast<T>(weights_.rows) * buffer_(i, j);
    for (int o = 0; o < weights_.rows; ++o) value += weights_(o, i) * weights_(o, j);
    return value;
  }

  /// Below the diagonal: sum G k in sums[d], sum G slope (difference_f)^2 in sums[f], by lanes.
  template <KernelFamily F>
  OPTCORE_HD void contract(int outputs) noexcept {
    constexpr int W = native_lanes<T>;
    const int n = buffer_.size, d = inputs_.dims, rows = linalg::padded<T>(n);
    detail::set_zero(sums_, (d + 1) * W);
    const P count = P::broadcast(static_cast<T>(outputs));
    for (int j = 0; j < n; ++j) {
      P values = P::zero();
      for (int i = j / W * W; i < rows; i += W) {
        P g = count * P::load(buffer_.column(j) + i);
        for (int o = 0; o < outputs; ++o) {
          g = fma(P::load(weights_.row_data(o) + i), P::broadcast(weights_(o, j)), g);
        }
        if (i <= j || i + W > n) {
          alignas(64) T lanes[W];
          g.store(lanes);
          for (int lane = 0; lane < W; ++lane) {
            if (i + lane <= j || i + lane >= n) lanes[lane] = T(0);
          }
          g = P::load(lanes);
        }
        P q = P::zero();
        for (int f = 0; f < d; ++f) {
          const P difference =
              P::load(inputs_.feature(f) + i) - P::broadcast(inputs_.feature(f)[j]);
          q = fma(difference, difference, q);
        }
        values = fma(g, Correlation<F>::value(q), values);
        const P steep = g * Correlation<F>::slope(q);
        for (int f = 0; f < d; ++f) {
          const P difference =
              P::load(inputs_.feature(f) + i) - P::broadcast(inputs_.feature(f)[j]);
          T* const total = sums_ + f * W;
          fma(steep * difference, difference, P::load(total)).store(total);
        }
      }
      (P::load(sums_ + d * W) + values).store(sums_ + d * W);
    }
  }

  /// As contract() for a tree of terms: 1/2 tr(G dK) by its lower triangle, half of its diagonal.
  OPTCORE_HD void contract_composite(VectorView<T> slopes) noexcept {
    constexpr int W = native_lanes<T>, run = CompositeKernel<T>::run;
    const int n = buffer_.size, rows = linalg::padded<T>(n);
    detail::set_zero(slopes.data, slopes.size);
    if (slopes.size < composite_.parameters()) return;
    alignas(64) T weights[run];
    for (int j = 0; j < n; ++j) {
      composite_.gather(inputs_, j, point_);
      for (int first = j / W * W; first < rows; first += run) {
        const int count = min(run, rows - first);
        for (int p = 0; p < count; ++p) {
          const int i = first + p;
          weights[p] = i < j || i >= n ? T(0) : (i == j ? T(0.5) : T(1)) * outer(i, j);
        }
        composite_.add_slopes(inputs_, first, count, point_, j, weights, slopes.data, nullptr);
      }
    }
  }

  linalg::Triangle<T> buffer_;
  ScaledInputs<T> inputs_;
  MatrixView<T> weights_;
  T* sums_ = nullptr;
  T* point_ = nullptr;  // d
  CompositeKernel<T> composite_;
  T* workspace_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::gp
