#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/gp/composite.hpp"
#include "optcore/gp/detail/checks.hpp"
#include "optcore/gp/stationary.hpp"
#include "optcore/linalg/panels.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// Choice of inducing inputs among candidates by pivoted Cholesky: each next one is the point whose
/// variance given those chosen before is largest, so the trace of what the bound misses falls
/// fastest and no two of them are alike. O(c m^2) for m of c candidates, c m numbers.
///
/// Source: Fine & Scheinberg, JMLR 2 (2001), section 3; for inducing inputs: Burt, Rasmussen &
/// van der Wilk, JMLR 21 (2020), section 4.2.
template <class T>
class InducingChoice {
 public:
  OPTCORE_HD void bind(Arena& arena, int candidates, int dims, int most,
                       int kernel_parameters = 0) noexcept {
    const int rows = linalg::whole_tiles<T>(candidates);
    inputs_ = {arena.array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(dims)),
               dims, rows};
    left_ = arena.array<T>(static_cast<std::size_t>(rows));
    row_ = arena.array<T>(static_cast<std::size_t>(most));
    factor_ = {arena.array<T>(linalg::panels_size<T>(candidates, most)), rows,
               static_cast<std::ptrdiff_t>(linalg::tile_rows<T>) * most};
    point_ = arena.array<T>(static_cast<std::size_t>(dims));
    composite_.bind(arena, kernel_parameters);
    candidates_ = candidates;
    most_ = most;
  }

  /// @param X          (candidates, d)
  /// @param tolerance  stop when no candidate has more than this fraction of the largest variance
  /// left
  /// @param chosen     (most,) indices, best first
  /// @param count      how many were chosen
  [[nodiscard]] OPTCORE_HD Status choose(MatrixView<const T> X, const Hyperparameters<T>& hyper,
                                         T tolerance, VectorView<int> chosen, int& count) noexcept {
    const int d = inputs_.dims;
    const bool composite = hyper.family == KernelFamily::composite;
    if (X.rows != candidates_ || X.cols != d || hyper.length_scales.size != (composite ? 0 : d) ||
        chosen.size < most_) {
      return Status::shape_mismatch;
    }
    if (!is_known(hyper.family) || !detail::all_positive(hyper.length_scales)) {
      return Status::invalid_argument;
    }
    if (!detail::all_finite(X)) return Status::not_finite;
    if (composite) {
      const Status set = composite_.set(hyper.nodes, hyper.parameters, d);
      if (failed(set)) return set;
    }
    for (int f = 0; f < d; ++f) {
      const T scale =
          composite ? T(1) : static_cast<T>(input_scale(hyper.family)) / hyper.length_scales[f];
      T* const feature = inputs_.feature(f);
      for (int i = 0; i < candidates_; ++i) feature[i] = X(i, f) * scale;
      detail::set_zero(feature + candidates_, inputs_.stride - candidates_);
    }
    with_family(hyper.family, [&]<KernelFamily F>() {
      count = pivot<F>(tolerance, chosen);
      return 0;
    });
    return Status::ok;
  }

 private:
  /// On correlations where the kernel is stationary: the variance does not change the order.
  template <KernelFamily F>
  OPTCORE_HD int pivot(T tolerance, VectorView<int> chosen) noexcept {
    constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>, R = linalg::tile_registers<T>;
    using P = Pack<T>;
    const int d = inputs_.dims;
    T largest = F == KernelFamily::composite ? T(0) : T(1);
    for (int i = 0; i < factor_.rows; ++i) {
      left_[i] = i < candidates_ ? T(1) : T(0);
      if constexpr (F == KernelFamily::composite) {
        if (i >= candidates_) continue;
        composite_.gather(inputs_, i, point_);
        left_[i] = composite_.diagonal(point_);
        largest = max(largest, left_[i]);
      }
    }
    for (int k = 0; k < most_; ++k) {
      int best = 0;
      for (int i = 1; i < candidates_; ++i) {
        if (left_[i] > left_[best]) best = i;
      }
      if (!(left_[best] > tolerance * largest)) return k;
      chosen[k] = best;
      const P inverse = P::broadcast(T(1) / sqrt(left_[best]));
      for (int j = 0; j < k; ++j) row_[j] = factor_(best, j);
      if constexpr (F == KernelFamily::composite) composite_.gather(inputs_, best, point_);
      for (int i = 0; i < factor_.rows; i += H) {
        T* const panel = factor_.panel(i);
        P value[R];
        if constexpr (F == KernelFamily::composite) {
          alignas(64) T values[CompositeKernel<T>::run];
          for (int r = 0; r < R; ++r) {
            composite_.values(inputs_, i + r * W, W, point_, -1, values);
            value[r] = P::load(values);
          }
        } else {
          for (int r = 0; r < R; ++r) {
            P q = P::zero();
            for (int f = 0; f < d; ++f) {
              const P difference =
                  P::load(inputs_.feature(f) + i + r * W) - P::broadcast(inputs_.feature(f)[best]);
              q = fma(difference, difference, q);
            }
            value[r] = Correlation<F>::value(q);
          }
        }
        for (int j = 0; j < k; ++j) {
          const P factor = P::broadcast(row_[j]);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            value[r] = fnma(P::load(panel + j * H + r * W), factor, value[r]);
          }
        }
        for (int r = 0; r < R; ++r) {
          const P column = value[r] * inverse;
          column.store(panel + k * H + r * W);
          fnma(column, column, P::load(left_ + i + r * W)).store(left_ + i + r * W);
        }
      }
      left_[best] = T(0);
    }
    return most_;
  }

  int candidates_ = 0, most_ = 0;
  ScaledInputs<T> inputs_;
  linalg::Panels<T> factor_;  // candidates x most
  CompositeKernel<T> composite_;
  T* point_ = nullptr;  // d
  T* left_ = nullptr;   // variance of each candidate given those chosen
  T* row_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::gp
