#pragma once

#include "optcore/belief/particle_state.hpp"
#include "optcore/core/random.hpp"
#include "optcore/core/view.hpp"

/// Ancestors of a new generation of particles, without a branch for each particle.
///
/// A particle's offspring stand side by side, so it is enough to mark where each family begins: a
/// childless particle's mark is overwritten by the next one's, and a running maximum of the marks
/// gives everybody's ancestor.
///
/// Source: systematic and stratified resampling: Kitagawa, J. Comp. Graph. Stat. 5(1) (1996); Douc,
/// Cappe & Moulines (2005).
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// marks[k] = the particle whose family begins at position k, 0 elsewhere.
/// @param weight (n,) >= 0  @param end_of how many positions lie below a running sum of weights
template <class T, class EndOf>
OPTCORE_INLINE void mark_families(VectorView<const T> weight, EndOf end_of, int* marks) noexcept {
  const int n = weight.size;
  for (int k = 0; k < n; ++k) marks[k] = 0;
  const T* w = weight.data;
  int i = 0, begin = 0;
  T run = T(0);
  for (; i + 4 <= n; i += 4) {  // pairs first: one addition in the chain for four
    const T ab = w[i] + w[i + 1], abc = ab + w[i + 2], abcd = ab + (w[i + 2] + w[i + 3]);
    const int a = end_of(run + w[i]), b = end_of(run + ab), c = end_of(run + abc);
    const int d = end_of(run + abcd);
    if (d >= n) break;
    marks[begin] = i;
    marks[a] = i + 1;
    marks[b] = i + 2;
    marks[c] = i + 3;
    begin = d;
    run += abcd;
  }
  for (; i < n && begin < n; ++i) {
    run += w[i];
    const int end = min(end_of(run), n);
    if (end > begin) marks[begin] = i;
    begin = max(begin, end);
  }
  if (begin < n) marks[begin] = 0;  // rounding left positions over: they are the last family's
}

/// Positions are k + u, one u for all (systematic), or k + u_k (stratified), in n cells.
template <class T>
OPTCORE_HD void mark(VectorView<const T> weight, T total, Resampling scheme, const RandomKey& key,
                     int* marks) noexcept {
  const T count = static_cast<T>(weight.size);
  // n / total overflows where weights are subnormal: they are lifted first
  const T lift = is_finite(count / total) ? T(1) : (sizeof(T) == 4 ? T(0x1p100) : T(0x1p600));
  const T scale = count / (total * lift);
  const auto place = [lift, scale](T share) { return share * lift * scale; };
  // rounding may carry a share a little beyond the last position
  const auto position = [count](T x) { return static_cast<int>(min(x, count)); };
  if (scheme == Resampling::systematic) {
    const T next = T(1) - Draws<T>(key, 0xFFFFFFFFu).uniform();  // > 0: truncation rounds down
    mark_families(weight, [&](T share) { return position(place(share) + next); }, marks);
  } else {
    mark_families(
        weight,
        [&](T share) {
          const int cell = position(place(share));
          Draws<T> draws(key, static_cast<std::uint32_t>(cell), 0x80000000u);
          return cell + (place(share) - static_cast<T>(cell) > draws.uniform() ? 1 : 0);
        },
        marks);
  }
}

}  // namespace detail

/// Ancestors of a new generation of the same size.
///
/// Systematic: one uniform for all positions; stratified: one for each. Ancestors ascend, and the
/// expected number of offspring of a particle is n times its weight.
/// @param weight (n,) >= 0 with finite sum `total` > 0  @param ancestor (n,)
template <class T>
OPTCORE_HD void resample(VectorView<const T> weight, T total, Resampling scheme,
                         const RandomKey& key, int* ancestor) noexcept {
  detail::mark(weight, total, scheme, key, ancestor);
  int running = 0;
  for (int k = 0; k < weight.size; ++k) ancestor[k] = running = max(running, ancestor[k]);
}

}  // namespace optcore::inline OPTCORE_ISA::belief
