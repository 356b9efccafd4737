#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/view.hpp"

/// Bounds on the value of a belief: the two inner loops of point-based planning, and what a robot
/// needs of a finished plan.
///
/// Rows and beliefs are padded with zeros to a multiple of `belief_lanes`, so no loop has a tail.
///
/// Source: Smith & Simmons, "Point-based POMDP algorithms: improved analysis and implementation",
/// UAI 2005; Hauskrecht, JAIR 13 (2000).
namespace optcore::inline OPTCORE_ISA::planning {

inline constexpr int belief_lanes = 8;

template <class T>
struct BestVector {
  int index = -1;
  T value = -infinity<T>();
};

/// The row with the largest inner product with `belief` (cols,): a lower bound when rows are
/// alpha vectors of policies, and then the row's action is the one to take.
template <class T>
[[nodiscard]] OPTCORE_HD BestVector<T> best_vector(MatrixView<const T> rows,
                                                   const T* belief) noexcept {
  constexpr int lanes = native_lanes<T> < belief_lanes ? native_lanes<T> : belief_lanes;
  using V = Pack<T, lanes>;
  constexpr int together = 4;
  BestVector<T> best;
  int i = 0;
  for (; i + together <= rows.rows; i += together) {
    V total[together] = {V::zero(), V::zero(), V::zero(), V::zero()};
    for (int j = 0; j < rows.cols; j += lanes) {
      const V b = V::load(belief + j);
      for (int k = 0; k < together; ++k) {
        total[k] = fma(V::load(rows.row_data(i + k) + j), b, total[k]);
      }
    }
    for (int k = 0; k < together; ++k) {
      const T value = sum(total[k]);
      if (value > best.value) best = {i + k, value};
    }
  }
  for (; i < rows.rows; ++i) {
    V total = V::zero();
    for (int j = 0; j < rows.cols; j += lanes) {
      total = fma(V::load(rows.row_data(i) + j), V::load(belief + j), total);
    }
    const T value = sum(total);
    if (value > best.value) best = {i, value};
  }
  return best;
}

/// Beliefs whose value is known to be at most `value`, beside the convex base bound
/// max_a <base_a, b>, whose terms at each point are kept in `base`.
template <class T>
struct SawtoothPoints {
  MatrixView<const T> belief;  ///< (points, padded)
  MatrixView<const T> base;    ///< (points, actions) <base_a, point>
  const T* value;              ///< (points,)
  const T* gain;               ///< (points,) max_a base - value, >= 0
};

/// Upper bound at a belief: with phi the largest share of a point that fits into the belief,
/// V(b) <= phi value + max_a (<base_a, b> - phi <base_a, point>), the best point counting.
///
/// @param base_at_b  (actions,) <base_a, b>
/// @param inverse_b  (padded,) 1 / b, or a huge number where b is 0
template <class T>
[[nodiscard]] OPTCORE_HD T sawtooth(const SawtoothPoints<T>& points, VectorView<const T> base_at_b,
                                    const T* inverse_b) noexcept {
  constexpr int lanes = native_lanes<T> < belief_lanes ? native_lanes<T> : belief_lanes;
  using V = Pack<T, lanes>;
  constexpr int chunk = 8 * belief_lanes;
  T convex = -infinity<T>();
  for (int a = 0; a < base_at_b.size; ++a) convex = max(convex, base_at_b[a]);
  T best = convex;
  for (int i = 0; i < points.belief.rows; ++i) {
    // A point improves the bound by at most phi * gain, so 1 / phi has a limit worth reaching.
    const T least = convex - best;
    const T* row = points.belief.row_data(i);
    T inverse_phi = T(1);
    bool useful = points.gain[i] > least;
    for (int from = 0; useful && from < points.belief.cols; from += chunk) {
      const int end = min(from + chunk, points.belief.cols);
      V largest_ratio = V::zero();
      for (int j = from; j < end; j += lanes) {
        largest_ratio = max(largest_ratio, V::load(row + j) * V::load(inverse_b + j));
      }
      inverse_phi = max(inverse_phi, largest(largest_ratio));
      useful = points.gain[i] > least * inverse_phi;
    }
    if (!useful || !(inverse_phi < T(1e100))) continue;
    const T phi = T(1) / inverse_phi;
    T rest = -infinity<T>();
    for (int a = 0; a < base_at_b.size; ++a) {
      rest = max(rest, base_at_b[a] - phi * points.base(i, a));
    }
    best = min(best, phi * points.value[i] + rest);
  }
  return best;
}

}  // namespace optcore::inline OPTCORE_ISA::planning
