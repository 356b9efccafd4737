#pragma once

#include "optcore/mpc/active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Proofs that a problem has no solution, checked from its data so that no failure is called
/// infeasible without one.
template <class T, int Nx, int Nu>
class Certificate {
 public:
  using Data = OcpData<T, Nx, Nu>;

  /// Do the multipliers prove that no input satisfies all hard constraints? (Farkas)
  ///
  /// Along every input sequence sum y (limit - v) differs from its value at it.z by the costate
  /// recursion's residual times the change of the inputs; feasible points make it negative. So a
  /// value above what the residual can make good within the inputs' range is a proof. Inputs
  /// without bounds are taken to stay below 1e6. Overwrites it.lin.
  static bool no_feasible_point(const Data& d, OcpIterate<T>& it) noexcept {
    T value = 0;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = d.first(k); j < d.last(k); ++j) {
        const int i = k * d.zs() + j;
        value += worth(it.multiplier[i], d.low[i] - it.z[i], d.high[i] - it.z[i]);
        it.lin[i] = -it.multiplier[i];
      }
      for (int j = d.nz(); j < d.zs(); ++j) it.lin[k * d.zs() + j] = 0;
      if (k == 0) {
        for (int j = 0; j < d.nx(); ++j) it.lin[j] = 0;
      }
      for (int i = 0; i < d.counts[k]; ++i) {
        const int at = k * d.rs() + i;
        if (d.l1[at] < Data::none) it.row_multiplier[at] = 0;
        const T v = detail::row_value(d, k, i, it.z);
        value += worth(it.row_multiplier[at], d.row_low[at] - v, d.row_high[at] - v);
      }
    }
    T* end = it.lin + d.horizon() * d.zs();
    for (int j = d.nx(); j < d.nz(); ++j) end[j] = 0;
    detail::pull_rows(d, it.row_multiplier, it.lin);
    T spoiled = 0;
    for (int k = d.horizon() - 1; k >= 0; --k) {
      detail::costate_step(d, k, it.lin);
      for (int j = d.nx(); j < d.nz(); ++j) {
        const int i = k * d.zs() + j;
        const T reach = max(d.high[i] - it.z[i], it.z[i] - d.low[i]);
        spoiled += abs(it.lin[i]) * min(abs(reach), T(1e6));
      }
    }
    return value > T(2) * spoiled && value > T(0);
  }

  /// Is it.dz a direction of the dynamics along which the cost falls for ever and no hard
  /// constraint is met? Overwrites it.lin.
  static bool falls_for_ever(const Data& d, OcpIterate<T>& it) noexcept {
    T size = 0, slope = 0, bend = 0, steepest = 0;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = d.first(k); j < d.last(k); ++j) size = max(size, abs(it.dz[k * d.zs() + j]));
    }
    if (!(size > 0) || !is_finite(size)) return false;
    const T small = T(1e3) * sqrt(epsilon<T>()) * size;
    for (int k = 0; k <= d.horizon(); ++k) {
      const int at = k * d.zs();
      for (int j = d.first(k); j < d.last(k); ++j) {
        const T dz = it.dz[at + j];
        const T* row = d.hessian + at * d.nz() + j * d.zs();
        T h = 0, top = 0;
        for (int l = d.first(k); l < d.last(k); ++l) {
          h += row[l] * it.dz[at + l];
          top = max(top, abs(row[l]));
        }
        bend = max(bend, abs(h));
        steepest = max(steepest, top);
        slope += d.gradient[at + j] * dz;
        if (k == 0) {  // the cross term with x0 is linear in u
          for (int l = 0; l < d.nx(); ++l) slope += row[l] * it.z[l] * dz;
        }
        if (dz < -small && d.low[at + j] > -Data::none) return false;
        if (dz > small && d.high[at + j] < Data::none) return false;
      }
      for (int i = 0; i < d.counts[k]; ++i) {
        const T v = detail::row_value(d, k, i, it.dz);
        if (v < -small && d.row_low[k * d.rs() + i] > -Data::none) return false;
        if (v > small && d.row_high[k * d.rs() + i] < Data::none) return false;
      }
    }
    return bend <= steepest * small && slope < -small;
  }

 private:
  static T worth(T multiplier, T low_room, T high_room) noexcept {
    if (multiplier > 0) return multiplier * low_room;
    return multiplier < 0 ? multiplier * high_room : T(0);
  }
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
