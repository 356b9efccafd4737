#pragma once

#include "optcore/mpc/ocp_data.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// The trajectory that all methods work on, with its multipliers.
template <class T>
struct OcpIterate {
  template <class Data>
  void attach(Arena& arena, const Data& d) noexcept {
    const auto take = [&](T*& p, int each) {
      p = arena.array<T>(static_cast<std::size_t>(d.stages()) * static_cast<std::size_t>(each));
    };
    take(z, d.zs()), take(dz, d.zs()), take(hz, d.zs()), take(lin, d.zs());
    take(spare, d.zs());
    take(multiplier, d.zs()), take(weight, d.zs());
    take(row_value, d.rs()), take(row_multiplier, d.rs()), take(row_weight, d.rs());
    if (row_weight == nullptr) return;
    for (int i = 0; i < d.stages() * d.zs(); ++i) z[i] = dz[i] = multiplier[i] = weight[i] = 0;
    for (int i = 0; i < d.stages() * d.rs(); ++i) {
      row_value[i] = row_multiplier[i] = row_weight[i] = 0;
    }
  }

  /// Is the new x0 nearer to the plan's second state than to its first?
  template <class Data>
  [[nodiscard]] bool one_stage_on(const Data& d) const noexcept {
    T here = 0, next = 0;
    for (int i = 0; i < d.nx(); ++i) {
      const T x0 = d.x0[i], now = z[i], then = z[d.zs() + i];
      here += (x0 - now) * (x0 - now);
      next += (x0 - then) * (x0 - then);
    }
    return next < here;
  }

  /// Moves the plan and its multipliers on by one stage; the factor stays where it is.
  template <class Data>
  void shift(const Data& d) noexcept {
    const int zs = d.zs(), rs = d.rs(), n = d.horizon();
    for (int i = 0; i < (n - 1) * zs; ++i) z[i] = z[i + zs];
    for (int i = 0; i < d.nx(); ++i) z[(n - 1) * zs + i] = z[n * zs + i];
    for (int i = 0; i < n * zs; ++i) multiplier[i] = multiplier[i + zs];
    for (int i = 0; i < n * rs; ++i) row_multiplier[i] = row_multiplier[i + rs];
    for (int i = 0; i < d.nx(); ++i) multiplier[i] = 0;  // x0 has no bounds
    for (int i = 0; i < d.nu(); ++i) multiplier[n * zs + d.nx() + i] = 0;
  }

  /// Inputs finite and within their bounds; states are to follow from stage 0 on.
  template <class Data>
  void into_bounds(Data& d) const noexcept {
    for (int k = 0; k < d.horizon(); ++k) {
      for (int j = d.nx(); j < d.nz(); ++j) {
        const int i = k * d.zs() + j;
        if (!is_finite(z[i])) z[i] = 0;
        z[i] = clamp(z[i], d.low[i], d.high[i]);
      }
    }
    d.changed = d.horizon();
  }

  /// Zero inputs, no multipliers; states are to follow from stage 0 on.
  template <class Data>
  void clear(Data& d) noexcept {
    for (int i = 0; i < d.stages() * d.zs(); ++i) {
      z[i] = multiplier[i] = weight[i] = 0;
    }
    for (int i = 0; i < d.stages() * d.rs(); ++i) {
      row_multiplier[i] = row_weight[i] = 0;
    }
    d.changed = d.horizon();
  }

  T *z = nullptr, *dz = nullptr;    ///< (N+1, zs)
  T* spare = nullptr;               ///< z to come back to
  T *hz = nullptr, *lin = nullptr;  ///< H z + g, and the gradient of the Newton system
  T* multiplier = nullptr;          ///< of the bounds; positive: lower, negative: upper
  T* weight = nullptr;              ///< diagonal the bounds add to H
  T* row_value = nullptr;           ///< (N+1, rs)  C z
  T *row_multiplier = nullptr, *row_weight = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
