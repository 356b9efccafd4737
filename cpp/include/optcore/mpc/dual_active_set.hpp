#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

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
    size_ = size;
    capacity_ = capacity;
    const auto c = static_cast<std::size_t>(capacity);
    set_ = arena.array<int>(2 * c);
    place_ = arena.array<int>(static_cast<std::size_t>(size));
    lower_ = arena.array<T>(c * c);
    pivot_ = arena.array<T>(c);
    lambda_ = arena.array<T>(c);
    target_ = arena.array<T>(c);
    right_ = arena.array<T>(c);
    value_ = arena.array<T>(c);
    change_ = arena.array<T>(2 * c);
    side_ = arena.array<signed char>(c);
    y_ = arena.array<T>(static_cast<std::size_t>(size));
    rows_ = arena.array<const T*>(2 * c);
    if (rows_ != nullptr) reset();
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
  constexpr void reset() noexcept {
    count_ = gone_ = 0;
    for (int i = 0; i < size_; ++i) place_[i] = -1;
  }

  [[nodiscard]] int count() const noexcept { return count_; }
  [[nodiscard]] bool contains(int constraint) const noexcept { return place_[constraint] >= 0; }
  /// Constraint k < count() of the working set, and its multiplier: >= 0 at its upper side.
  [[nodiscard]] int active(int k) const noexcept { return set_[k]; }
  [[nodiscard]] T multiplier(int k) const noexcept { return lambda_[k]; }
  /// (count(),) each.
  [[nodiscard]] const int* working_set() const noexcept { return set_; }
  [[nodiscard]] const T* multipliers() const noexcept { return lambda_; }
  /// After primal_infeasible: the certificate's entry, sum_k p_k G_k = 0 and its bounds contradict.
  [[nodiscard]] T ray(int k) const noexcept { return target_[k]; }
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
    for (int i = 0; i < size_; ++i) {
      y_[i] = y0[i];
      size = max(size, abs(y0[i]));
    }
    gone_ = 0;
    for (int k = 0; k < count_; ++k) change_[k] = lambda_[k];
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
    for (int i = 0; i < size_; ++i) {
      y_[i] = y[i];
      size = max(size, abs(y[i]));
    }
    for (int k = 0; k < count_; ++k) value_[k] = y_[set_[k]];
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
      if (place_[worst] >= 0) return Status::ok;  // rounding; refinement is the caller's
      // More than the rank allows: rounding made dependent constraints look independent.
      if (count_ == capacity_) return Status::max_iterations;
      const signed char side = y_[worst] > high_[worst] ? 1 : -1;
      if (!push(worst, side, row(worst))) {
        const Status status = leave_degenerate(side);
        if (status == Status::primal_infeasible && violation <= doubt(tolerance)) {
          remove(count_ - 1);  // contradicts by no more than what is not known
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
    for (int k = 0; k < count_; ++k) total += abs(target_[k]);
    return T(10) * max(tolerance, noise_ * total);
  }

  [[nodiscard]] T bound(int k) const noexcept {
    return side_[k] < 0 ? low_[set_[k]] : high_[set_[k]];
  }
  T* l(int k) noexcept { return lower_ + static_cast<std::ptrdiff_t>(k) * capacity_; }

  /// The sides of a kept set may have moved to infinity or have become equalities.
  void refresh_sides() noexcept {
    for (int k = count_ - 1; k >= 0; --k) {
      const int i = set_[k];
      if (low_[i] == high_[i]) {
        side_[k] = 0;
      } else {
        if (side_[k] == 0) side_[k] = lambda_[k] < 0 ? -1 : 1;
        const T b = bound(k);
        if (b - b != T(0)) remove(k);
      }
    }
  }

  template <class Rows>
  Status add_equalities(Rows&& row, T tolerance) noexcept {
    for (int i = 0; i < size_; ++i) {
      if (low_[i] != high_[i] || place_[i] >= 0) continue;
      if (count_ == capacity_ || push(i, 0, row(i))) {
        if (count_ == capacity_) return Status::primal_infeasible;
        continue;
      }
      // Depends on the others. Active inequalities may leave; among equalities it is redundant
      // or contradicts, which the values will tell.
      ray();
      int blocking = -1;
      for (int k = 0; k + 1 < count_; ++k) {
        if (side_[k] != 0 && abs(target_[k]) > T(1e-9)) blocking = k;
      }
      if (blocking >= 0) {
        remove(blocking);
        const int again = set_[count_ - 1];
        remove(count_ - 1);
        T violation = 0;
        apply(violation);
        if (push(again, 0, row(again))) continue;
      }
      T rest = 0, scale = 1;
      for (int k = 0; k < count_; ++k) {
        rest += target_[k] * (y_[set_[k]] - bound(k));
        scale = max(scale, abs(target_[k]) * max(abs(y_[set_[k]]), abs(bound(k))));
      }
      if (abs(rest) > tolerance + T(64) * epsilon<T>() * scale) return Status::primal_infeasible;
      remove(count_ - 1);
    }
    return Status::ok;
  }

  /// Appends a constraint with multiplier 0. False when it depends on the others: the last pivot
  /// is then zero.
  bool push(int i, signed char side, const T* gram) noexcept {
    const int n = count_;
    T* row = l(n);
    T pivot = gram[i];
    const T scale = pivot;
    for (int k = 0; k < n; ++k) {
      T s = gram[set_[k]];
      const T* lk = l(k);
      for (int j = 0; j < k; ++j) s -= lk[j] * row[j];
      row[k] = s;  // times the pivot until divided below
    }
    for (int k = 0; k < n; ++k) {
      const T s = row[k];
      row[k] = s / pivot_[k];
      pivot -= s * row[k];
    }
    set_[n] = i;
    place_[i] = n;
    side_[n] = side;
    rows_[n] = gram;
    lambda_[n] = change_[n] = 0;
    value_[n] = y_[i];
    ++count_;
    const bool independent = pivot > (sizeof(T) == 8 ? T(1e-9) : T(1e-4)) * scale;
    pivot_[n] = independent ? pivot : T(0);
    return independent;
  }

  /// Takes constraint r out and mends the factors by a rank-one update of what follows it.
  void remove(int r) noexcept {
    place_[set_[r]] = -1;
    retire(r);
    T weight = pivot_[r];
    for (int i = r + 1; i < count_; ++i) right_[i - 1] = l(i)[r];
    for (int i = r + 1; i < count_; ++i) {
      const T* from = l(i);
      T* to = l(i - 1);
      for (int j = 0; j < r; ++j) to[j] = from[j];
      for (int j = r + 1; j < i; ++j) to[j - 1] = from[j];
      set_[i - 1] = set_[i];
      place_[set_[i]] = i - 1;
      side_[i - 1] = side_[i];
      rows_[i - 1] = rows_[i];
      lambda_[i - 1] = lambda_[i];
      change_[i - 1] = change_[i];
      value_[i - 1] = value_[i];
      pivot_[i - 1] = pivot_[i];
    }
    --count_;
    for (int j = r; j < count_ && weight > 0; ++j) {  // L D L' + weight v v', v in right_
      const T v = right_[j], old = pivot_[j];
      const T fresh = old + weight * v * v;
      pivot_[j] = fresh;
      if (!(fresh > 0)) continue;
      const T beta = weight * v / fresh;
      weight *= old / fresh;
      for (int i = j + 1; i < count_; ++i) {
        T* entry = l(i) + j;
        right_[i] -= v * *entry;
        *entry += beta * right_[i];
      }
    }
  }

  /// Constraint r leaves, its multiplier going to zero: what the values have still to learn of it.
  void retire(int r) noexcept {
    const T change = change_[r] - lambda_[r];
    if (change == 0) return;
    if (gone_ == capacity_) {
      change_[r] = change;
      T violation = 0;
      apply(violation);
      return;
    }
    set_[capacity_ + gone_] = set_[r];
    rows_[capacity_ + gone_] = rows_[r];
    change_[capacity_ + gone_] = change;
    ++gone_;
  }

  /// Multipliers of the working set that maximise the dual, dropping those that change sign.
  Status maximise(int& iterations, int max_iterations) noexcept {
    for (;;) {
      solve_equalities();
      T step = 1;
      int blocking = -1;
      for (int k = 0; k < count_; ++k) {
        const T s = static_cast<T>(side_[k]);
        if (s * (lambda_[k] + target_[k]) < 0) {
          const T limit = -lambda_[k] / target_[k];
          if (blocking < 0 || limit < step) step = limit, blocking = k;
        }
      }
      step = clamp(step, T(0), T(1));
      for (int k = 0; k < count_; ++k) {
        lambda_[k] += step * target_[k];
        change_[k] += step * target_[k];
        value_[k] -= step * (value_[k] - bound(k));
      }
      if (blocking < 0) return Status::ok;
      remove(blocking);
      if (++iterations > max_iterations) return Status::max_iterations;
    }
  }

  /// target <- Gamma_WW^-1 (values - bounds of the set): how far the multipliers are from those at
  /// which all of the set lie on their bounds.
  void solve_equalities() noexcept {
    for (int k = 0; k < count_; ++k) {
      T s = value_[k] - bound(k);
      const T* row = l(k);
      for (int j = 0; j < k; ++j) s -= row[j] * right_[j];
      right_[k] = s;
    }
    for (int k = 0; k < count_; ++k) target_[k] = right_[k] / pivot_[k];
    back_substitute(count_);
  }

  /// target <- L^-T target over the first n entries.
  void back_substitute(int n) noexcept {
    for (int k = n - 1; k > 0; --k) {
      const T* row = l(k);
      const T value = target_[k];
      for (int j = 0; j < k; ++j) target_[j] -= row[j] * value;
    }
  }

  /// target <- the direction p with Gamma_WW p = 0 when the last constraint depends on the others.
  void ray() noexcept {
    const int n = count_ - 1;
    const T* row = l(n);
    for (int k = 0; k < n; ++k) target_[k] = -row[k];
    back_substitute(n);
    target_[n] = 1;
  }

  /// The last constraint depends on the others: moves along the ray until one of them leaves, and
  /// again while rounding leaves it dependent.
  Status leave_degenerate(signed char side) noexcept {
    for (;;) {
      ray();
      const int n = count_ - 1;
      T size = 0;
      for (int k = 0; k <= n; ++k) {
        target_[k] *= static_cast<T>(side);
        size = max(size, abs(target_[k]));
      }
      T step = infinity<T>();
      int blocking = -1;
      for (int k = 0; k < n; ++k) {
        const T slope = static_cast<T>(side_[k]) * target_[k];
        if (slope < -T(64) * epsilon<T>() * size) {
          const T limit = max(-static_cast<T>(side_[k]) * lambda_[k] / slope, T(0));
          if (limit < step) step = limit, blocking = k;
        }
      }
      if (blocking < 0) return Status::primal_infeasible;
      // Gamma_WW p = 0: the values of the set stay.
      for (int k = 0; k <= n; ++k) {
        lambda_[k] += step * target_[k];
        change_[k] += step * target_[k];
      }
      remove(blocking);
      if (repivot()) return Status::ok;
    }
  }

  /// The last pivot afresh from the row of Gamma, after a constraint has made room for it; true
  /// when it is independent now.
  bool repivot() noexcept {
    const int n = count_ - 1, i = set_[n];
    const T kept = lambda_[n], change = change_[n];
    const signed char side = side_[n];
    const T* gram = rows_[n];
    change_[n] = lambda_[n] = 0;  // nothing to retire: it comes back
    remove(n);
    const bool independent = push(i, side, gram);
    lambda_[n] = kept;
    change_[n] = change;
    return independent;
  }

  /// Brings the values up to date with the multipliers' changes; the worst violation and where.
  int apply(T& violation) noexcept {
    constexpr int W = native_lanes<T>;
    int worst = -1, i = 0;
    violation = 0;
    if (subtract_ != nullptr && any_change()) {
      subtract_(gram_, set_, change_, count_, capacity_, gone_, y_);
    }
    for (; i + 4 * W <= size_; i += 4 * W) apply_block<4>(i, violation, worst);
    for (; i < size_; i += W) apply_block<1>(i, violation, worst);
    for (int k = 0; k < count_; ++k) {
      change_[k] = 0;
      value_[k] = y_[set_[k]];
    }
    gone_ = 0;
    if (worst < 0) return worst;
    for (i = worst; i < min(worst + 4 * W, size_); ++i) {
      if (max(y_[i] - high_[i], low_[i] - y_[i]) == violation) return i;
    }
    violation = infinity<T>();  // NaN
    return worst;
  }

  [[nodiscard]] bool any_change() const noexcept {
    bool any = gone_ > 0;
    for (int k = 0; k < count_; ++k) any = any || change_[k] != 0;
    return any;
  }

  template <int R>
  void apply_block(int i, T& violation, int& worst) noexcept {
    using P = Pack<T>;
    constexpr int W = native_lanes<T>;
    P y[R];
    for (int r = 0; r < R; ++r) y[r] = P::load(y_ + i + r * W);
    const auto add = [&](int k) {
      const P weight = P::broadcast(change_[k]);
      for (int r = 0; r < R; ++r) y[r] = fnma(P::load(rows_[k] + i + r * W), weight, y[r]);
    };
    if (subtract_ == nullptr) {
      for (int k = 0; k < count_; ++k) add(k);
      for (int k = capacity_; k < capacity_ + gone_; ++k) add(k);
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

  int size_ = 0, capacity_ = 0, count_ = 0;
  bool doubtful_ = false;
  T noise_ = 0;   ///< of the values
  int gone_ = 0;  ///< constraints that left since the values were brought up to date
  int *set_ = nullptr, *place_ = nullptr;
  T *lower_ = nullptr, *pivot_ = nullptr, *lambda_ = nullptr, *target_ = nullptr;
  T *right_ = nullptr, *y_ = nullptr;
  T* value_ = nullptr;   ///< of the set's constraints at the present multipliers
  T* change_ = nullptr;  ///< of the multipliers since then: the set, then those that left
  signed char* side_ = nullptr;
  const T** rows_ = nullptr;
  void* gram_ = nullptr;
  Subtract subtract_ = nullptr;
  const T *low_ = nullptr, *high_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
