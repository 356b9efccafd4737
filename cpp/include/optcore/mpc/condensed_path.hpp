#pragma once

#include "optcore/mpc/active_set.hpp"
#include "optcore/mpc/dual_active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Dual active set on what has a bound: the path of problems whose model stays the same.
///
/// The rows of Gamma = G H^-1 G' that DualActiveSet asks for are the plan's answers to a unit force
/// on one bounded value: one solve with the factor of the problem without bounds. No condensed
/// Hessian is ever formed, so unstable models lose nothing, and a row is computed when it is first
/// wanted and kept, with the factor, until the matrices change. A change of the set then costs a
/// pass over the values instead of a factorisation.
///
/// Source: Arnström, Bemporad & Axehill, IEEE TAC 67(8) (2022), for the dual method.
template <class T, int Nx, int Nu>
class CondensedPath {
  using P = Pack<T>;

 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, const Data& d, OcpSize size) noexcept {
    const int most = size.horizon * (size.nx + size.nu) + (size.horizon + 1) * size.rows;
    fits_ = most <= most_values;
    if (!fits_) return;
    short_ = size.horizon * size.nu <= few_inputs;
    room_ = min(most, most_rows);
    stride_ = Data::padded(most);
    const auto values = static_cast<std::size_t>(stride_);
    const auto plan = static_cast<std::size_t>(d.stages()) * static_cast<std::size_t>(d.zs());
    riccati_.attach(arena, d);
    set_.attach(arena, stride_, min(size.horizon * size.nu, most_active) + 1);
    rows_ = arena.array<T>(static_cast<std::size_t>(room_) * values);
    slot_ = arena.array<int>(values);
    at_ = arena.array<int>(values);
    value_ = arena.array<T>(values);
    low_ = arena.array<T>(values);
    high_ = arena.array<T>(values);
    force_ = arena.array<T>(plan);
    answer_ = arena.array<T>(plan);
    no_weight_ = arena.array<T>(plan);
    no_row_weight_ = arena.array<T>(static_cast<std::size_t>(d.stages() * d.rs()));
    if (no_row_weight_ == nullptr) return;
    for (int i = 0; i < d.stages() * d.zs(); ++i) force_[i] = no_weight_[i] = 0;
    for (int i = 0; i < d.stages() * d.rs(); ++i) no_row_weight_[i] = 0;
    version_ = seen_ = -1;
  }

  /// Was the last call's model this one? The first solve of a model is left to others, since the
  /// factor and the rows pay only from the second on.
  [[nodiscard]] bool seen(const Data& d) noexcept {
    const bool same = seen_ == d.version;
    seen_ = d.version;
    return fits_ && same;
  }
  [[nodiscard]] bool available() const noexcept { return fits_; }
  /// So short that it beats even a factor kept for the last active set.
  [[nodiscard]] bool is_short() const noexcept { return short_; }

  /// From it.z, a trajectory of the dynamics, to the solution with its multipliers. Leaves H z + g
  /// in it.hz.
  /// @return false when there are priced rows, no positive definite factor, no feasible point, or
  /// more changes of the set than pay
  [[nodiscard]] bool run(Data& d, OcpIterate<T>& it, bool warm, T tolerance,
                         int& iterations) noexcept {
    if (version_ != d.version) prepare(d);
    if (!usable_) return false;
    if (used_ + most_active > room_ && room_ < count_) forget_rows();
    if (!warm) set_.reset();
    ActiveSet<T, Nx, Nu>::multiply_hessian(d, it);
    riccati_.solve(d, it.hz, it.dz);
    move(d, it);
    gather(d, it.z, value_);
    limits(d);
    const auto row = [&](int i) { return row_of(d, i); };
    const T close = T(0.1) * tolerance;
    const int cap = iterations + most_steps;
    Status status = set_.solve(value_, low_, high_, row, close, cap, iterations);
    for (int round = 0; status == Status::ok && round < most_rounds; ++round) {
      force(d, it);
      riccati_.solve(d, it.lin, it.dz);
      move(d, it);
      gather(d, it.z, value_);
      if (out_of_room_) break;
      if (within(T(0.5) * tolerance) && !set_.doubtful()) return true;
      status = set_.resume(value_, row, close, cap, iterations);
    }
    if (out_of_room_) forget_rows();
    set_.reset();
    return false;
  }

 private:
  static constexpr int most_values = 8192, most_rows = 512, most_active = 128, few_inputs = 64;
  static constexpr int most_steps = 200, most_rounds = 4;

  /// Lists the bounded values and factors the problem without them.
  void prepare(Data& d) noexcept {
    version_ = d.version;
    count_ = bounds_ = 0;
    usable_ = true;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = d.first(k); j < d.last(k); ++j) {
        const int i = k * d.zs() + j;
        if (d.low[i] > -Data::none || d.high[i] < Data::none) at_[count_++] = i;
      }
    }
    bounds_ = count_;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int i = k * d.rs(); i < k * d.rs() + d.counts[k]; ++i) {
        if (d.row_low[i] <= -Data::none && d.row_high[i] >= Data::none) continue;
        if (d.l1[i] < Data::none) usable_ = false;
        at_[count_++] = i;
      }
    }
    for (int i = 0; i < stride_; ++i) {
      value_[i] = 0;
      low_[i] = -infinity<T>();
      high_[i] = infinity<T>();
    }
    forget_rows();
    usable_ = usable_ && riccati_.factorise(d, no_weight_, no_row_weight_, d.horizon());
  }

  void forget_rows() noexcept {
    for (int i = 0; i < stride_; ++i) slot_[i] = -1;
    used_ = 0;
    out_of_room_ = false;
    set_.reset();
  }

  [[nodiscard]] const T* row_of(const Data& d, int i) noexcept {
    const auto at = [this](int slot) {
      return rows_ + static_cast<std::ptrdiff_t>(slot) * stride_;
    };
    if (slot_[i] >= 0) return at(slot_[i]);
    if (used_ == room_) {  // any row will do: the run is given up
      out_of_room_ = true;
      return at(0);
    }
    slot_[i] = used_++;
    T* row = at(slot_[i]);
    push(d, i, T(-1), force_);
    riccati_.solve(d, force_, answer_);
    push(d, i, T(1), force_);
    for (int n = count_; n < stride_; ++n) row[n] = 0;
    gather(d, answer_, row);
    return row;
  }

  /// Adds `weight` times value i's gradient to `lin`.
  void push(const Data& d, int i, T weight, T* lin) noexcept {
    if (i < bounds_) {
      lin[at_[i]] += weight;
      return;
    }
    const int k = at_[i] / d.rs(), r = at_[i] % d.rs();
    for (int t = 0; t < d.touched_count; ++t) {
      const int j = d.touched[t];
      lin[k * d.zs() + j] += weight * d.coefficients[(k * d.nz() + j) * d.rs() + r];
    }
  }

  void gather(const Data& d, const T* z, T* values) const noexcept {
    for (int i = 0; i < bounds_; ++i) values[i] = z[at_[i]];
    for (int i = bounds_; i < count_; ++i) {
      values[i] = detail::row_value(d, at_[i] / d.rs(), at_[i] % d.rs(), z);
    }
  }

  void limits(const Data& d) noexcept {
    const auto copy = [](int i, T low, T high, T* lows, T* highs) {
      lows[i] = low > -Data::none ? low : -infinity<T>();
      highs[i] = high < Data::none ? high : infinity<T>();
    };
    for (int i = 0; i < bounds_; ++i) copy(i, d.low[at_[i]], d.high[at_[i]], low_, high_);
    for (int i = bounds_; i < count_; ++i) {
      copy(i, d.row_low[at_[i]], d.row_high[at_[i]], low_, high_);
    }
  }

  /// The set's multipliers, and it.lin = H z + g - G' multipliers.
  void force(const Data& d, OcpIterate<T>& it) noexcept {
    for (int i = 0; i < d.stages() * d.zs(); ++i) {
      it.lin[i] = it.hz[i];
      it.multiplier[i] = 0;
    }
    for (int i = 0; i < d.stages() * d.rs(); ++i) it.row_multiplier[i] = 0;
    for (int k = 0; k < set_.count(); ++k) {
      const int i = set_.active(k);
      const T multiplier = -set_.multiplier(k);
      (i < bounds_ ? it.multiplier : it.row_multiplier)[at_[i]] = multiplier;
      push(d, i, -multiplier, it.lin);
    }
  }

  static void move(const Data& d, OcpIterate<T>& it) noexcept {
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      (P::load(it.z + i) + P::load(it.dz + i)).store(it.z + i);
    }
    ActiveSet<T, Nx, Nu>::multiply_hessian(d, it);
  }

  [[nodiscard]] bool within(T tolerance) const noexcept {
    T worst = 0, size = 1, check = 0;
    for (int i = 0; i < count_; ++i) {
      worst = max(worst, max(value_[i] - high_[i], low_[i] - value_[i]));
      size = max(size, abs(value_[i]));
      check += value_[i] * T(0);
    }
    return check == T(0) && worst <= max(tolerance, T(16) * epsilon<T>() * size);
  }

  bool fits_ = false, short_ = false, usable_ = false, out_of_room_ = false;
  int room_ = 0, used_ = 0;  ///< rows that can be kept, and that are
  int stride_ = 0, count_ = 0;
  int bounds_ = 0;  ///< of the values, before the rows
  int version_ = -1, seen_ = -1;
  Riccati<T, Nx, Nu> riccati_;  ///< of the problem without bounds
  DualActiveSet<T> set_;
  T* rows_ = nullptr;    ///< (room, stride) rows of Gamma
  int* slot_ = nullptr;  ///< (stride,) where a value's row is, or -1
  int* at_ = nullptr;    ///< where a value is among z, or a row among the stages'
  T* value_ = nullptr;   ///< (stride,)
  T *low_ = nullptr, *high_ = nullptr;
  T *force_ = nullptr, *answer_ = nullptr;  ///< (N+1, zs); the force is zero between calls
  T *no_weight_ = nullptr, *no_row_weight_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
