#pragma once

#include "optcore/mpc/detail/panels.hpp"

/// Products with the constraint rows of a stage; only components with a coefficient are visited.
namespace optcore::inline OPTCORE_ISA::mpc::detail {

/// C v of one pack of rows of stage k; v (N+1, zs).
template <class Data, class T>
[[nodiscard]] OPTCORE_INLINE Pack<T> row_along(const Data& d, int k, int pack,
                                               const T* v) noexcept {
  const T* c = d.coefficients + k * d.nz() * d.rs() + pack * Pack<T>::lanes;
  Pack<T> total = Pack<T>::zero();
  for (int t = 0; t < d.touched_count; ++t) {
    const int j = d.touched[t];
    total = fma(Pack<T>::broadcast(v[k * d.zs() + j]), Pack<T>::load(c + j * d.rs()), total);
  }
  return total;
}

/// c'v of row i of stage k.
template <class Data, class T>
[[nodiscard]] T row_value(const Data& d, int k, int i, const T* v) noexcept {
  T total = 0;
  for (int t = 0; t < d.touched_count; ++t) {
    const int j = d.touched[t];
    total += d.coefficients[(k * d.nz() + j) * d.rs() + i] * v[k * d.zs() + j];
  }
  return total;
}

/// Adds [A B]' costate[k + 1] to the gradient of stage k; its x part becomes costate[k].
template <class Data, class T>
OPTCORE_INLINE void costate_step(const Data& d, int k, T* lin) noexcept {
  T* here = lin + k * d.zs();
  combine<Data::z_static>(d.zs() / Data::lanes, here, d.nx(), here + d.zs(),
                          d.dynamics + k * d.nx() * d.zs(), d.zs(), here);
}

/// lin -= C' pull of stage k.
template <class Data, class T>
OPTCORE_INLINE void pull_stage(const Data& d, int k, const T* pull, T* lin) noexcept {
  const T* c = d.coefficients + k * d.nz() * d.rs();
  for (int t = 0; t < d.touched_count; ++t) {
    const int j = d.touched[t];
    lin[k * d.zs() + j] -= dot(d.row_packs(k), c + j * d.rs(), pull + k * d.rs());
  }
}

/// lin -= C' pull of all stages; pull (N+1, rs).
template <class Data, class T>
void pull_rows(const Data& d, const T* pull, T* lin) noexcept {
  for (int k = 0; k <= d.horizon(); ++k) {
    if (d.counts[k] > 0) pull_stage(d, k, pull, lin);
  }
}

}  // namespace optcore::inline OPTCORE_ISA::mpc::detail
