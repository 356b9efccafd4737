#pragma once

#include "optcore/mpc/condensed_tables.hpp"
#include "optcore/mpc/dual_active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

struct CondensedInfo {
  Status status = Status::not_ready;
  int iterations = 0;  ///< bounds that entered or left the active set
  int active = 0;      ///< bounds active at the solution
};

/// What CondensedController asks of its tables: here they hold everything.
template <class T>
class TableGram {
 public:
  using Tables = CondensedTables<T>;
  /// Rows of Gamma stay; otherwise DualActiveSet subtracts through this class.
  static constexpr bool keeps_rows = true;

  constexpr void attach(Arena&, const Tables& tables) noexcept { t_ = tables; }
  [[nodiscard]] const Tables& tables() const noexcept { return t_; }
  [[nodiscard]] T unit(int i) const noexcept { return t_.unit[i]; }

  /// y (stride,) <- response p + offset, the plan without bounds; its largest magnitude, NaN for
  /// NaN.
  T respond(const T* x0, const T* disturbance, T* y) const noexcept {
    using P = Pack<T>;
    constexpr int W = native_lanes<T>, R = W == 1 ? 4 : 1;
    const int stride = t_.stride;
    const int measured = t_.states + (disturbance != nullptr ? t_.disturbances : 0);
    P most = P::zero(), check = P::zero();
    for (int i = 0; i < stride; i += R * W) {
      P v[R];
      for (int r = 0; r < R; ++r) v[r] = P::load(t_.offset + i + r * W);
      const T* column = t_.response + i;
      for (int j = 0; j < measured; ++j, column += stride) {
        const P p = P::broadcast(j < t_.states ? x0[j] : disturbance[j - t_.states]);
        for (int r = 0; r < R; ++r) v[r] = fma(P::load(column + r * W), p, v[r]);
      }
      for (int r = 0; r < R; ++r) {
        v[r].store(y + i + r * W);
        most = max(most, max(v[r], -v[r]));
        check += v[r] * P::zero();
      }
    }
    return largest(most) + sum(check);
  }

  [[nodiscard]] const T* row(int i, const DualActiveSet<T>&, T*) const noexcept {
    return t_.gram + static_cast<std::ptrdiff_t>(i) * t_.stride;
  }

  /// y <- y - gram weight.
  void subtract(const int* constraint, const T* weight, int count, T* y) const noexcept {
    using P = Pack<T>;
    for (int k = 0; k < count; ++k) {
      const T* row = t_.gram + static_cast<std::ptrdiff_t>(constraint[k]) * t_.stride;
      const P share = P::broadcast(weight[k]);
      for (int i = 0; i < t_.stride; i += native_lanes<T>) {
        fnma(P::load(row + i), share, P::load(y + i)).store(y + i);
      }
    }
  }

 private:
  Tables t_{};
};

/// Model-predictive controller on condensed tables: a dual active-set method that starts from the
/// last active set. An iteration costs one row of the Gram matrix per active bound and no
/// factorisation; nothing is allocated after attach(). For models that stay the same and short
/// horizons, as on a microcontroller; OcpSolver is for the others.
///
/// Source: Arnström, Bemporad & Axehill, IEEE TAC 67(8) (2022); condensing as in Borrelli,
/// Bemporad & Morari, Predictive Control (2017), section 8.2.
///
/// ```cpp
/// // x1 = x0 + u, cost (u^2 + x1^2) / 2, |u| <= 1/4; optcore.mpc.export_header writes such tables
/// constexpr float inf = optcore::infinity<float>();
/// alignas(64) static const float response[16] = {-0.5f}, offset[16] = {}, gram[16] = {0.5f};
/// alignas(64) static float low[16], high[16], unit[16];
/// for (int i = 0; i < 16; ++i) low[i] = -inf, high[i] = inf, unit[i] = 1;
/// low[0] = -0.25f, high[0] = 0.25f;
/// const optcore::CondensedTables<float> tables = {1,        1,      1,   0,    1,    16,  2,
///                                                 response, offset, low, high, gram, unit};
/// alignas(64) unsigned char memory[4096];
/// optcore::Arena arena(memory, sizeof memory);
/// optcore::mpc::CondensedController<float> mpc;
/// mpc.attach(arena, tables);
/// const float x0 = 2;
/// assert(!failed(mpc.solve(&x0).status) && mpc.u(0, 0) == -0.25f);
/// ```
template <class T, class Gram = TableGram<T>>
class CondensedController {
 public:
  using Tables = typename Gram::Tables;

  /// Call on Arena::measure() first; the tables stay where they are (flash).
  constexpr void attach(Arena& arena, const Tables& tables) noexcept {
    gram_.attach(arena, tables);
    const auto size = static_cast<std::size_t>(tables.stride);
    free_ = arena.array<T>(size);
    plan_ = arena.array<T>(size);
    fresh_ = arena.array<T>(size);
    low_ = arena.array<T>(size);
    high_ = arena.array<T>(size);
    set_.attach(arena, tables.stride, tables.capacity);
    if (arena.overflowed()) free_ = nullptr;
    if (free_ == nullptr) return;
    for (int i = 0; i < tables.stride; ++i) {
      plan_[i] = 0;
      low_[i] = tables.low[i];
      high_[i] = tables.high[i];
    }
  }

  /// Other bounds than the tables', (values,) each, in the plan's own units. Infinite for none.
  void set_bounds(const T* low, const T* high) noexcept {
    for (int i = 0; i < tables().values; ++i) {
      low_[i] = low[i] / gram_.unit(i);
      high_[i] = high[i] / gram_.unit(i);
    }
  }
  /// Forgets the active set: the next solve starts cold.
  void reset() noexcept { set_.reset(); }

  /// @param x0           (states,) measured state
  /// @param disturbance  (disturbances,) or null for zero
  /// @param tolerance    on violations of the bounds, in units of the tables' `unit`; not below
  /// what
  ///                     rounding of the plan without bounds leaves
  /// @return ok: the violations, computed afresh, are within twice the tolerance. not_finite
  /// (input,
  ///         or overflow on the way) leaves the plan as it was; after primal_infeasible (hard
  ///         bounds on states that cannot be kept) and max_iterations the inputs still lie within
  ///         their bounds. The solve after a failure starts cold.
  CondensedInfo solve(const T* x0, const T* disturbance = nullptr, T tolerance = T(1e-4),
                      int max_iterations = 200) noexcept {
    CondensedInfo info;
    if (free_ == nullptr) return info;
    const T largest = gram_.respond(x0, disturbance, free_);
    if constexpr (!Gram::keeps_rows) set_.set_operator(&gram_, &Gram::subtract_from);
    info.status = is_finite(largest) ? find(largest, tolerance, max_iterations, info.iterations)
                                     : Status::not_finite;
    info.active = set_.count();
    if (failed(info.status)) set_.reset();
    return info;
  }

  /// The plan's value i, clamped to its bounds.
  [[nodiscard]] T value(int i) const noexcept {
    return clamp(plan_[i], low_[i], high_[i]) * gram_.unit(i);
  }
  /// Input j of stage k.
  [[nodiscard]] T u(int k, int j) const noexcept { return value(k * tables().inputs + j); }
  [[nodiscard]] const Tables& tables() const noexcept { return gram_.tables(); }

  /// Bytes that attach() cuts, a constant expression.
  [[nodiscard]] static constexpr std::size_t workspace(const Tables& tables) noexcept {
    Arena arena = Arena::measure();
    CondensedController().attach(arena, tables);
    return arena.used();
  }

 private:
  static constexpr int refinements = 4;

  /// Solves, then holds the plan against the tables: what the updates of the values have lost on
  /// the way is taken up from there.
  Status find(T largest, T tolerance, int max_iterations, int& iterations) noexcept {
    const auto row = [this](int i) { return gram_.row(i, set_, fresh_); };
    const T reachable = max(tolerance, T(16) * epsilon<T>() * largest);
    Status status = set_.solve(free_, low_, high_, row, tolerance, max_iterations, iterations);
    for (int round = 0; !failed(status); ++round) {
      const T violation = recompute();
      if (!is_finite(violation)) return Status::not_finite;
      const bool doubtful = round == 0 && set_.doubtful();
      if (violation <= 2 * reachable && !doubtful) break;
      if (round == refinements) status = Status::max_iterations;
      if (round < refinements) {
        status = set_.resume(fresh_, row, reachable, max_iterations, iterations);
      }
    }
    if (failed(status) && !is_finite(recompute())) return Status::not_finite;
    for (int i = 0; i < tables().stride; ++i) plan_[i] = fresh_[i];
    return status;
  }

  /// fresh <- free - gram lambda; the largest violation, NaN or infinite where something is.
  T recompute() noexcept {
    T worst = 0, check = 0;
    for (int i = 0; i < tables().stride; ++i) fresh_[i] = free_[i];
    gram_.subtract(set_.working_set(), set_.multipliers(), set_.count(), fresh_);
    for (int i = 0; i < tables().stride; ++i) {
      worst = max(worst, max(fresh_[i] - high_[i], low_[i] - fresh_[i]));
      check += fresh_[i] * T(0);
    }
    return worst + check;
  }

  Gram gram_;
  DualActiveSet<T> set_;
  T *free_ = nullptr, *plan_ = nullptr, *fresh_ = nullptr;
  T *low_ = nullptr, *high_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
