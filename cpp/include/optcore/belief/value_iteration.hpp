#pragma once

#include "optcore/belief/value_iteration_types.hpp"
#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::belief {

/// out[r] = a[r] . x for rows of a row-major table; four rows share each load of x.
template <class T, class Table>
OPTCORE_HD void multiply_rows(const Table* a, int rows, int cols, const T* x, T* out) noexcept {
  constexpr int lanes = native_lanes<T>;
  using V = Pack<T, lanes>;
  using Entries = Pack<Table, lanes>;
  constexpr int height = 4;
  int r = 0;
  for (; r + height <= rows; r += height, a += static_cast<std::ptrdiff_t>(height) * cols) {
    V sums[height];
    for (int i = 0; i < height; ++i) sums[i] = V::zero();
    int j = 0;
    for (; j + lanes <= cols; j += lanes) {
      const V value = V::load(x + j);
      for (int i = 0; i < height; ++i) {
        const Table* row = a + static_cast<std::ptrdiff_t>(i) * cols;
        sums[i] = fma(convert<T>(Entries::load(row + j)), value, sums[i]);
      }
    }
    for (int i = 0; i < height; ++i) {
      const Table* row = a + static_cast<std::ptrdiff_t>(i) * cols;
      T total = sum(sums[i]);
      for (int k = j; k < cols; ++k) total += static_cast<T>(row[k]) * x[k];
      out[r + i] = total;
    }
  }
  for (; r < rows; ++r, a += cols) {
    T total = T(0);
    for (int j = 0; j < cols; ++j) total += static_cast<T>(a[j]) * x[j];
    out[r] = total;
  }
}

/// multiply_rows() with products in the table's precision. @param room (cols,)
template <class T, class Table>
OPTCORE_HD void multiply_rows_roughly(const Table* a, int rows, int cols, const T* x, T* room,
                                      T* out) noexcept {
  Table* const input = reinterpret_cast<Table*>(room);
  for (int j = 0; j < cols; ++j) {
    const Table value = static_cast<Table>(x[j]);
    __builtin_memcpy(input + j, &value, sizeof value);  // room holds numbers of T otherwise
  }
  constexpr int chunk = 64;
  Table found[chunk];
  for (int r = 0; r < rows; r += chunk) {
    const int count = min(chunk, rows - r);
    multiply_rows<Table, Table>(a + static_cast<std::ptrdiff_t>(r) * cols, count, cols, input,
                                found);
    for (int k = 0; k < count; ++k) out[r + k] = static_cast<T>(found[k]);
  }
}

/// Optimal values and a policy of a discounted Markov decision process, by value iteration with
/// MacQueen's bounds: the smallest and largest change of a sweep bound the optimal value from both
/// sides, so it stops long before the values themselves stand still.
///
/// @param transition  (S * A, S), row s * A + a: p(. | s, a); float tables halve the traffic
/// @param reward      (S, A)
/// @param value       (S,) start in, answer out  @param policy (S,) best action
/// @param scratch     (S * (A + 1),)
/// @return max_iterations with the best values so far when the tolerance is not reached;
///         invalid_argument, shape_mismatch or not_finite leave the values as they were.
///
/// Source: MacQueen, J. Math. Anal. Appl. 14 (1966); Puterman, Markov Decision Processes (1994),
/// section 6.6.
template <class T, class Table>
[[nodiscard]] OPTCORE_HD ValueIterationInfo value_iteration(MatrixView<const Table> transition,
                                                            MatrixView<const T> reward,
                                                            const ValueIterationSettings& settings,
                                                            VectorView<T> value,
                                                            VectorView<int> policy,
                                                            VectorView<T> scratch) noexcept {
  const int states = reward.rows, actions = reward.cols;
  ValueIterationInfo info;
  if (states < 1 || actions < 1 || transition.rows != states * actions ||
      transition.cols != states || transition.stride != states || value.size != states ||
      policy.size != states || scratch.size < states * (actions + 1)) {
    info.status = Status::shape_mismatch;
    return info;
  }
  const T discount = static_cast<T>(settings.discount);
  if (!(discount >= T(0) && discount < T(1)) || !(settings.tolerance > 0) ||
      settings.max_sweeps < 1) {
    info.status = Status::invalid_argument;
    return info;
  }
  const T amplify = discount / (T(1) - discount), tolerance = static_cast<T>(settings.tolerance);
  T* const future = scratch.data;  // (S, A) expected values of the next state
  T* const bests = scratch.data + static_cast<std::ptrdiff_t>(states) * actions;  // (S,)
  // Where the table is in single precision, so are the products, until the end is near: a sweep in
  // T bounds the values whatever it started from.
  bool rough = sizeof(Table) < sizeof(T);
  T before = infinity<T>();
  for (;;) {
    if (info.sweeps + 1 >= settings.max_sweeps) rough = false;  // the last sweep bounds the error
    if (rough) {
      multiply_rows_roughly(transition.data, states * actions, states, value.data, bests, future);
    } else {
      multiply_rows(transition.data, states * actions, states, value.data, future);
    }
    T least = infinity<T>(), most = -infinity<T>(), check = T(0);
    for (int s = 0; s < states; ++s) {
      const T* next = future + static_cast<std::ptrdiff_t>(s) * actions;
      const T* now = reward.row_data(s);
      T best = now[0] + discount * next[0];
      for (int a = 1; a < actions; ++a) best = max(best, now[a] + discount * next[a]);
      const T change = best - value[s];
      bests[s] = best;
      least = min(least, change);
      most = max(most, change);
      check += change;
    }
    if (!is_finite(check) && rough) {  // more than single precision holds
      rough = false;
      continue;
    }
    if (!is_finite(check)) {
      info.status = Status::not_finite;
      return info;
    }
    const T error = amplify * (most - least) / T(2);
    const bool last = ++info.sweeps >= settings.max_sweeps || (!rough && error <= tolerance);
    if (rough && (error <= tolerance || !(error < before))) rough = false;
    before = error;
    if (!last) {
      for (int s = 0; s < states; ++s) value[s] = bests[s];
      continue;
    }
    const T shift = amplify * (most + least) / T(2);
    for (int s = 0; s < states; ++s) {
      const T* next = future + static_cast<std::ptrdiff_t>(s) * actions;
      const T* now = reward.row_data(s);
      int best = 0;
      T top = now[0] + discount * next[0];
      for (int a = 1; a < actions; ++a) {
        const T q = now[a] + discount * next[a];
        best = q > top ? a : best;
        top = max(top, q);
      }
      value[s] = bests[s] + shift;
      policy[s] = best;
    }
    info.error = static_cast<double>(error);
    if (!(error <= tolerance)) info.status = Status::max_iterations;
    return info;
  }
}

}  // namespace optcore::inline OPTCORE_ISA::belief
