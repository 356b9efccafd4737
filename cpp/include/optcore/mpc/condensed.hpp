#pragma once

#include "optcore/mpc/condensed_tables.hpp"
#include "optcore/mpc/dual_active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

struct CondensedInfo {
  Status status = Status::not_ready;
  int iterations = 0;  ///< bounds that entered or left the active set
  int active = 0;      ///< bounds active at the solution
};

/// Model-predictive controller on condensed tables: a dual active-set method that starts from the
/// last active set. An iteration costs one row of the Gram matrix per active bound and no
/// factorisation; nothing is allocated after attach(). For models that stay the same and short
/// horizons, as on a microcontroller; OcpSolver is for the others.
///
/// Source: Arnström, Bemporad & Axehill, IEEE TAC 67(8) (2022); condensing as in Borrelli,
/// Bemporad & Morari, Predictive Control (2017), section 8.2.
template <class T>
class CondensedController {
 public:
  /// Call on Arena::measure() first; the tables stay where they are (flash).
  constexpr void attach(Arena& arena, const CondensedTables<T>& tables) noexcept {
    tables_ = tables;
    free_ = arena.array<T>(static_cast<std::size_t>(tables.stride));
    set_.attach(arena, tables.stride, tables.capacity);
    low_ = tables.low, high_ = tables.high;
  }

  /// Bounds other than the tables', (stride,) each; they must stay. Infinite for none.
  void set_bounds(const T* low, const T* high) noexcept { low_ = low, high_ = high; }
  /// Forgets the active set: the next solve starts cold.
  void reset() noexcept { set_.reset(); }

  /// @param x0           (states,) measured state
  /// @param disturbance  (disturbances,) or null for zero
  /// @param tolerance    on violations of the bounds, in their units
  /// @return not_finite leaves the plan as it was; after primal_infeasible (hard bounds on states
  ///         that cannot be kept) and max_iterations the inputs still lie within their bounds. The
  ///         solve after a failure starts cold.
  CondensedInfo solve(const T* x0, const T* disturbance = nullptr, T tolerance = T(1e-4),
                      int max_iterations = 200) noexcept {
    CondensedInfo info;
    if (free_ == nullptr) return info;
    T check = 0;
    for (int i = 0; i < tables_.states; ++i) check += x0[i] * T(0);
    for (int i = 0; disturbance != nullptr && i < tables_.disturbances; ++i) {
      check += disturbance[i] * T(0);
    }
    if (check != T(0)) {
      info.status = Status::not_finite;
      return info;
    }
    respond(x0, disturbance);
    const auto row = [this](int i) {
      return tables_.gram + static_cast<std::ptrdiff_t>(i) * tables_.stride;
    };
    info.status = set_.solve(free_, low_, high_, row, tolerance, max_iterations, info.iterations);
    info.active = set_.count();
    if (failed(info.status)) set_.reset();
    return info;
  }

  /// The plan's value i, clamped to its bounds.
  [[nodiscard]] T value(int i) const noexcept { return clamp(set_.values()[i], low_[i], high_[i]); }
  /// Input j of stage k.
  [[nodiscard]] T u(int k, int j) const noexcept { return value(k * tables_.inputs + j); }
  [[nodiscard]] const CondensedTables<T>& tables() const noexcept { return tables_; }

  /// Bytes that attach() cuts, a constant expression.
  [[nodiscard]] static constexpr std::size_t workspace(const CondensedTables<T>& tables) noexcept {
    Arena arena = Arena::measure();
    CondensedController().attach(arena, tables);
    return arena.used();
  }

 private:
  /// free <- response p + offset, the plan without bounds.
  void respond(const T* x0, const T* disturbance) noexcept {
    using P = Pack<T>;
    constexpr int W = native_lanes<T>, R = W == 1 ? 4 : 1;
    const int stride = tables_.stride;
    const int measured = tables_.states + (disturbance != nullptr ? tables_.disturbances : 0);
    for (int i = 0; i < stride; i += R * W) {
      P y[R];
      for (int r = 0; r < R; ++r) y[r] = P::load(tables_.offset + i + r * W);
      const T* column = tables_.response + i;
      for (int j = 0; j < measured; ++j, column += stride) {
        const P p = P::broadcast(j < tables_.states ? x0[j] : disturbance[j - tables_.states]);
        for (int r = 0; r < R; ++r) y[r] = fma(P::load(column + r * W), p, y[r]);
      }
      for (int r = 0; r < R; ++r) y[r].store(free_ + i + r * W);
    }
  }

  CondensedTables<T> tables_{};
  DualActiveSet<T> set_;
  T* free_ = nullptr;
  const T *low_ = nullptr, *high_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
