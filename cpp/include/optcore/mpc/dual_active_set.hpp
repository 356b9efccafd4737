#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/status.hpp"
#include "optcore/mpc/working_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Dual active-set method in the space of the constraints' values.
///
///     minimise over lambda   1/2 lambda'Gamma lambda - lambda'y0 + sum max(high lambda, low
///     lambda)
///
/// which is the dual of min 1/2 x'Hx + f'x, low <= G x <= high, with Gamma = G H^-1 G' and
/// y0 = -G H^-1 f, the values at the unconstrained minimum. The method never sees H or G: it asks
/// for the row of Gamma of each constraint it activates, so whoever keeps those rows between
/// solves (the model stays the same) pays only |W| (m + |W|) operations an iteration. Factors
/// Gamma_WW = L D L' of the working set W are updated row by row; the set, the factors and the
/// multipliers stay for the next solve.
///
/// Sources: Arnström, Bemporad & Axehill, "A dual active-set solver for embedded quadratic
/// programming using recursive LDL' updates", IEEE TAC 67(8) (2022); Goldfarb & Idnani, Math.
/// Programming 27 (1983).
template <class T>
class DualActiveSet {
 public:
  /// @param size      numbers in y, low, high: a multiple of the register; fill with free entries.
  /// @param capacity  most constraints active at once: the rank of Gamma + 1 is always enough.
  constexpr void attach(Arena& arena, int size, int capacity) noexcept {
    set_.attach(arena, size, capacity);
    y_ = arena.array<T>(static_cast<std::size_t>(size));
  }

  /// Gamma as an operator, where its rows are too many to keep: y <- y - sum_k weight[k] times the
  /// row of constraint[k], over k < count and over the `gone` from `capacity` on. row(i) then gives
  /// a row of which i and the working set's entries are asked, and only until the next one.
  using Subtract = void (*)(void* gram, const int* constraint, const T* weight, int count,
                            int capacity, int gone, T* y);
  constexpr void set_operator(void* gram, Subtract subtract) noexcept {
    gram_ = gram;
    subtract_ = subtract;
  }

  /// Forgets the working set.
  constexpr void reset() noexcept { set_.clear(); }

  [[nodiscard]] int count() const noexcept { return set_.count; }
  [[nodiscard]] bool contains(int constraint) const noexcept { return set_.place[constraint] >= 0; }
  /// Constraint k < count() of the working set, and its multiplier: >= 0 at its upper side.
  [[nodiscard]] int active(int k) const noexcept { return set_.constraint[k]; }
  [[nodiscard]] T multiplier(int k) const noexcept { return set_.multiplier[k]; }
  /// (count(),) each.
  [[nodiscard]] const int* working_set() const noexcept { return set_.constraint; }
  [[nodiscard]] const T* multipliers() const noexcept { return set_.multiplier; }
  /// After primal_infeasible: the certificate's entry, sum_k p_k G_k = 0 and its bounds contradict.
  [[nodiscard]] T ray(int k) const noexcept { return set_.direction[k]; }
  /// True when the last call left out a constraint that contradicts the set by no more than the
  /// rounding of the values: call resume() with exact ones.
  [[nodiscard]] bool doubtful() const noexcept { return doubtful_; }
  /// Values of all constraints, (size,).
  [[nodiscard]] const T* values() const noexcept { return y_; }

  /// Solves from the values y0 of the unconstrained minimum, with the kept set and multipliers.
  ///
  /// @param row         row(i) gives Gamma's row i, (size,); it must stay valid until reset().
  /// @param tolerance   on violations.
  /// @param iterations  counts on; capped by max_iterations.
  template <class Rows>
  Status solve(const T* y0, const T* low, const T* high, Rows&& row, T tolerance,
               int max_iterations, int& iterations) noexcept {
    low_ = low, high_ = high;
    T size = 0;
    for (int i = 0; i < set_.size; ++i) {
      y_[i] = y0[i];
      size = max(size, abs(y0[i]));
    }
    set_.gone = 0;
    for (int k = 0; k < set_.count; ++k) set_.change[k] = set_.multiplier[k];
    refresh_sides();
    T violation = 0;
    apply(violation);
    if (Status status = add_equalities(row, tolerance); failed(status)) return status;
    // The values are sums of numbers of this size: below their rounding nothing is known yet.
    noise_ = max(tolerance, T(16) * epsilon<T>() * size);
    return iterate(row, noise_, max_iterations, iterations);
  }

  /// Goes on from values computed afresh for the present multipliers: the step of refinement.
  template <class Rows>
  Status resume(const T* y, Rows&& row, T tolerance, int max_iterations, int& iterations) noexcept {
    T size = 0;
    for (int i = 0; i < set_.size; ++i) {
      y_[i] = y[i];
      size = max(size, abs(y[i]));
    }
    for (int k = 0; k < set_.count; ++k) set_.value[k] = y_[set_.constraint[k]];
    noise_ = T(16) * epsilon<T>() * size;
    return iterate(row, tolerance, max_iterations, iterations);
  }

 private:
  template <class Rows>
  Status iterate(Rows&& row, T tolerance, int max_iterations, int& iterations) noexcept {
    doubtful_ = false;
    for (;;) {
      if (Status status = maximise(iterations, max_iterations); failed(status)) return status;
      T violation = 0;
      const int worst = apply(violation);
      if (!is_finite(violation)) return Status::not_finite;
      if (violation <= tolerance) return Status::ok;
      if (++iterations > max_iterations) return Status::max_iterations;
      if (set_.place[worst] >= 0) return Status::ok;  // rounding; refinement is the caller's
      // More than the rank allows: rounding made dependent constraints look independent.
      if (set_.count == set_.capacity) return Status::max_iterations;
      const signed char side = y_[worst] > high_[worst] ? 1 : -1;
      if (!set_.push(worst, side, row(worst), y_[worst])) {
        const Status status = leave_degenerate(side);
        if (status == Status::primal_infeasible && violation <= doubt(tolerance)) {
          remove(set_.count - 1);  // contradicts by no more than what is not known
          doubtful_ = true;
          return Status::ok;
        }
        if (failed(status)) return status;
      }
    }
  }

  /// Violation below which a contradiction along the ray may be made of rounding.
  [[nodiscard]] T doubt(T tolerance) const noexcept {
    T total = 0;
    for (int k = 0; k < set_.count; ++k) total += abs(set_.direction[k]);
    return T(10) * max(tolerance, noise_ * total);
  }

  [[nodiscard]] T bound(int k) const noexcept {
    return set_.side[k] < 0 ? low_[set_.constraint[k]] : high_[set_.constraint[k]];
  }

  /// The sides of a kept set may have moved to infinity or have become equalities.
  void refresh_sides() noexcept {
    for (int k = set_.count - 1; k >= 0; --k) {
      const int i = set_.constraint[k];
      if (low_[i] == high_[i]) {
        set_.side[k] = 0;
      } else {
        if (set_.side[k] == 0) set_.side[k] = set_.multiplier[k] < 0 ? -1 : 1;
        const T b = bound(k);
        if (b - b != T(0)) remove(k);
      }
    }
  }

  template <class Rows>
  Status add_equalities(Rows&& row, T tolerance) noexcept {
    for (int i = 0; i < set_.size; ++i) {
      if (low_[i] != high_[i] || set_.place[i] >= 0) continue;
      if (set_.count == set_.capacity || set_.push(i, 0, row(i), y_[i])) {
        if (set_.count == set_.capacity) return Status::primal_infeasible;
        continue;
      }
      // Depends on the others. Active inequalities may leave; among equalities it is redundant
      // or contradicts, which the values will tell.
      set_.find_ray();
      int blocking = -1;
      for (int k = 0; k + 1 < set_.count; ++k) {
        if (set_.side[k] != 0 && abs(set_.direction[k]) > T(1e-9)) blocking = k;
      }
      if (blocking >= 0) {
        remove(blocking);
        const int again = set_.constraint[set_.count - 1];
        remove(set_.count - 1);
        T violation = 0;
        apply(violation);
        if (set_.push(again, 0, row(again), y_[again])) continue;
      }
      T rest = 0, scale = 1;
      for (int k = 0; k < set_.count; ++k) {
        rest += set_.direction[k] * (y_[set_.constraint[k]] - bound(k));
        scale =
            max(scale, abs(set_.direction[k]) * max(abs(y_[set_.constraint[k]]), abs(bound(k))));
      }
      if (abs(rest) > tolerance + T(64) * epsilon<T>() * scale) return Status::primal_infeasible;
      remove(set_.count - 1);
    }
    return Status::ok;
  }

  void remove(int r) noexcept {
    retire(r);
    set_.remove(r);
  }

  /// Constraint r leaves, its multiplier going to zero: what the values have still to learn of it.
  void retire(int r) noexcept {
    const T change = set_.change[r] - set_.multiplier[r];
    if (change == 0) return;
    if (set_.gone == set_.capacity) {
      set_.change[r] = change;
      T violation = 0;
      apply(violation);
      return;
    }
    set_.constraint[set_.capacity + set_.gone] = set_.constraint[r];
    set_.row[set_.capacity + set_.gone] = set_.row[r];
    set_.change[set_.capacity + set_.gone] = change;
    ++set_.gone;
  }

  /// Multipliers of the working set that maximise the dual, dropping those that change sign.
  Status maximise(int& iterations, int max_iterations) noexcept {
    for (;;) {
      // how far the multipliers are from those at which all of the set lie on their bounds
      set_.solve([this](int k) { return set_.value[k] - bound(k); });
      T step = 1;
      int blocking = -1;
      for (int k = 0; k < set_.count; ++k) {
        const T s = static_cast<T>(set_.side[k]);
        if (s * (set_.multiplier[k] + set_.direction[k]) < 0) {
          const T limit = -set_.multiplier[k] / set_.direction[k];
          if (blocking < 0 || limit < step) step = limit, blocking = k;
        }
      }
      step = clamp(step, T(0), T(1));
      for (int k = 0; k < set_.count; ++k) {
        set_.multiplier[k] += step * set_.direction[k];
        set_.change[k] += step * set_.direction[k];
        set_.value[k] -= step * (set_.value[k] - bound(k));
      }
      if (blocking < 0) return Status::ok;
      remove(blocking);
      if (++iterations > max_iterations) return Status::max_iterations;
    }
  }

  /// The last constraint depends on the others: moves along the ray until one of them leaves, and
  /// again while rounding leaves it dependent.
  Status leave_degenerate(signed char side) noexcept {
    for (;;) {
      set_.find_ray();
      const int n = set_.count - 1;
      T size = 0;
      for (int k = 0; k <= n; ++k) {
        set_.direction[k] *= static_cast<T>(side);
        size = max(size, abs(set_.direction[k]));
      }
      T step = infinity<T>();
      int blocking = -1;
      for (int k = 0; k < n; ++k) {
        const T slope = static_cast<T>(set_.side[k]) * set_.direction[k];
        if (slope < -T(64) * epsilon<T>() * size) {
          const T limit = max(-static_cast<T>(set_.side[k]) * set_.multiplier[k] / slope, T(0));
          if (limit < step) step = limit, blocking = k;
        }
      }
      if (blocking < 0) return Status::primal_infeasible;
      // Gamma_WW p = 0: the values of the set stay.
      for (int k = 0; k <= n; ++k) {
        set_.multiplier[k] += step * set_.direction[k];
        set_.change[k] += step * set_.direction[k];
      }
      remove(blocking);
      if (set_.repivot()) return Status::ok;
    }
  }

  /// Brings the values up to date with the multipliers' changes; the worst violation and where.
  int apply(T& violation) noexcept {
    constexpr int W = native_lanes<T>;
    int worst = -1, i = 0;
    violation = 0;
    if (subtract_ != nullptr && any_change()) {
      subtract_(gram_, set_.constraint, set_.change, set_.count, set_.capacity, set_.gone, y_);
    }
    for (; i + 4 * W <= set_.size; i += 4 * W) apply_block<4>(i, violation, worst);
    for (; i < set_.size; i += W) apply_block<1>(i, violation, worst);
    for (int k = 0; k < set_.count; ++k) {
      set_.change[k] = 0;
      set_.value[k] = y_[set_.constraint[k]];
    }
    set_.gone = 0;
    if (worst < 0) return worst;
    for (i = worst; i < min(worst + 4 * W, set_.size); ++i) {
      if (max(y_[i] - high_[i], low_[i] - y_[i]) == violation) return i;
    }
    violation = infinity<T>();  // NaN
    return worst;
  }

  [[nodiscard]] bool any_change() const noexcept {
    bool any = set_.gone > 0;
    for (int k = 0; k < set_.count; ++k) any = any || set_.change[k] != 0;
    return any;
  }

  template <int R>
  void apply_block(int i, T& violation, int& worst) noexcept {
    using P = Pack<T>;
    constexpr int W = native_lanes<T>;
    P y[R];
    for (int r = 0; r < R; ++r) y[r] = P::load(y_ + i + r * W);
    const auto add = [&](int k) {
      const P weight = P::broadcast(set_.change[k]);
      for (int r = 0; r < R; ++r) y[r] = fnma(P::load(set_.row[k] + i + r * W), weight, y[r]);
    };
    if (subtract_ == nullptr) {
      for (int k = 0; k < set_.count; ++k) add(k);
      for (int k = set_.capacity; k < set_.capacity + set_.gone; ++k) add(k);
    }
    P excess = P::zero();
    for (int r = 0; r < R; ++r) {
      y[r].store(y_ + i + r * W);
      excess =
          max(excess, max(y[r] - P::load(high_ + i + r * W), P::load(low_ + i + r * W) - y[r]));
    }
    const T top = largest(excess);
    if (!(top <= violation)) {
      violation = top;
      worst = i;
    }
  }

  WorkingSet<T> set_;
  bool doubtful_ = false;
  T noise_ = 0;  ///< of the values
  T* y_ = nullptr;
  const T *low_ = nullptr, *high_ = nullptr;
  void* gram_ = nullptr;
  Subtract subtract_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
