#pragma once

#include "optcore/belief/sparse_state.hpp"
#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"

/// Belief update of a partially observable Markov decision process with sparse transitions:
/// b'(s') = O(z | a, s') sum_s T(s' | s, a) b(s) / p(z | b, a).
///
/// Prediction, weighing and the sum that normalises are one pass; the division is left to the next
/// update (`scale`). When few states are possible, only those are visited (`listed`). The tables
/// may be float while the belief is double: half the memory traffic, and an update loses nothing
/// but the tables' own rounding.
///
/// Source: Kaelbling, Littman & Cassandra, Artificial Intelligence 101 (1998), section 3.3.
namespace optcore::inline OPTCORE_ISA::belief {

/// Sum of the new weights and how many are positive.
template <class T>
struct SparseSum {
  T mass = T(0);
  int count = 0;
};

namespace detail {

template <class T, int W>
OPTCORE_INLINE Pack<T, W> gather(const T* values, const int* index) noexcept {
  if constexpr (W == 1) {
    return {values[index[0]]};
  } else {
    Pack<T, W> out;
    for (int i = 0; i < W; ++i) out.v[i] = values[index[i]];
    return out;
  }
}

/// out = likelihood * (A b) * scale over slices of eight rows; a null likelihood is one.
template <class T, class Table>
OPTCORE_HD SparseSum<T> weigh_slices(const SlicedMatrix<Table>& A, const T* b, T scale,
                                     const Table* likelihood, T* out) noexcept {
  constexpr int height = SlicedMatrix<Table>::height;
  constexpr int lanes = native_lanes<T> < height ? native_lanes<T> : height;
  constexpr int packs = height / lanes;
  using V = Pack<T, lanes>;
  V total[packs], positive[packs];
  for (int p = 0; p < packs; ++p) total[p] = positive[p] = V::zero();
  const V factor = V::broadcast(scale), one = V::broadcast(T(1));
  const Table* value = A.value;
  for (int s = 0; s < A.slices; ++s) {
    const int* index = A.index + A.index_begin[s];
    const int width = A.begin[s + 1] - A.begin[s];
    V sum[packs];
    for (int p = 0; p < packs; ++p) sum[p] = V::zero();
    if (A.index_begin[s + 1] - A.index_begin[s] == width) {
      for (int k = 0; k < width; ++k, value += height) {
        const T* from = b + index[k];
        for (int p = 0; p < packs; ++p) {
          const V entry = convert<T>(Pack<Table, lanes>::load(value + p * lanes));
          sum[p] = fma(entry, V::load(from + p * lanes), sum[p]);
        }
      }
    } else {
      for (int k = 0; k < width; ++k, value += height, index += height) {
        for (int p = 0; p < packs; ++p) {
          const V entry = convert<T>(Pack<Table, lanes>::load(value + p * lanes));
          sum[p] = fma(entry, gather<T, lanes>(b, index + p * lanes), sum[p]);
        }
      }
    }
    for (int p = 0; p < packs; ++p) {
      const int at = s * height + p * lanes;
      V weight = sum[p] * factor;
      if (likelihood != nullptr) weight *= convert<T>(Pack<Table, lanes>::load(likelihood + at));
      weight.store(out + at);
      total[p] += weight;
      positive[p] += {weight.v > V::zero().v ? one.v : V::zero().v};
    }
  }
  for (int p = 1; p < packs; ++p) {
    total[0] += total[p];
    positive[0] += positive[p];
  }
  return {sum(total[0]), static_cast<int>(sum(positive[0]))};
}

/// The same by rows of the transition matrix, for those that slices do not suit.
template <class T, class Table>
OPTCORE_HD SparseSum<T> weigh_rows(const CsrView<Table>& A, const T* b, T scale,
                                   const Table* likelihood, T* out, int padded) noexcept {
  for (int j = 0; j < padded; ++j) out[j] = T(0);
  for (int i = 0; i < A.rows; ++i) {
    const T from = b[i] * scale;
    if (from == T(0)) continue;
    for (int k = A.begin[i]; k < A.begin[i + 1]; ++k) {
      out[A.column[k]] += from * static_cast<T>(A.value[k]);
    }
  }
  SparseSum<T> result;
  for (int j = 0; j < A.cols; ++j) {
    if (likelihood != nullptr) out[j] *= static_cast<T>(likelihood[j]);
    result.mass += out[j];
    result.count += out[j] > T(0) ? 1 : 0;
  }
  return result;
}

/// The successors of the listed states alone, when they come in ascending order: nothing has to be
/// added up. @return a count of -1 as soon as one does not.
template <class T, class Table>
OPTCORE_HD SparseSum<T> weigh_ascending(const CsrView<Table>& A, const int* support, const T* mass,
                                        int count, T scale, const Table* likelihood,
                                        int* next_support, T* next_mass) noexcept {
  SparseSum<T> result;
  int last = -1;
  for (int n = 0; n < count; ++n) {
    const T from = mass[n] * scale;
    const int end = A.begin[support[n] + 1];
    for (int k = A.begin[support[n]]; k < end; ++k) {
      const int j = A.column[k];
      if (j <= last) return {T(0), -1};
      T weight = from * static_cast<T>(A.value[k]);
      if (likelihood != nullptr) weight *= static_cast<T>(likelihood[j]);
      next_support[result.count] = j;
      next_mass[result.count] = weight;
      result.count += weight > T(0) ? 1 : 0;
      last = j;
    }
  }
  T odd = T(0);
  int n = 0;
  for (; n + 1 < result.count; n += 2) {
    result.mass += next_mass[n];
    odd += next_mass[n + 1];
  }
  if (n < result.count) result.mass += next_mass[n];
  result.mass += odd;
  return result;
}

/// The successors of the listed states alone. `sums` (states,) is zero before and after.
template <class T, class Table>
OPTCORE_HD SparseSum<T> weigh_list(const CsrView<Table>& A, const int* support, const T* mass,
                                   int count, T scale, const Table* likelihood, T* sums,
                                   int* next_support, T* next_mass) noexcept {
  SparseSum<T> result =
      weigh_ascending(A, support, mass, count, scale, likelihood, next_support, next_mass);
  if (result.count >= 0) return result;
  result = {};
  int touched = 0;
  for (int n = 0; n < count; ++n) {
    const T from = mass[n] * scale;
    const int end = A.begin[support[n] + 1];
    for (int k = A.begin[support[n]]; k < end; ++k) {
      const int j = A.column[k];
      const T before = sums[j];
      const T share = from * static_cast<T>(A.value[k]);
      // written always, kept when it is the first positive share
      next_support[touched] = j;
      touched += before == T(0) && share > T(0) ? 1 : 0;
      sums[j] = before + share;
    }
  }
  for (int n = 0; n < touched; ++n) {
    const int j = next_support[n];
    const T weight = likelihood == nullptr ? sums[j] : sums[j] * static_cast<T>(likelihood[j]);
    sums[j] = T(0);
    next_support[result.count] = j;
    next_mass[result.count] = weight;
    result.count += weight > T(0) ? 1 : 0;
    result.mass += weight;
  }
  return result;
}

template <class T>
OPTCORE_HD void swap(T& a, T& b) noexcept {
  const T c = a;
  a = b;
  b = c;
}

/// Lists the possible states.
template <class T>
OPTCORE_HD void enlist(SparseBeliefState<T>& s) noexcept {
  int count = 0;
  for (int j = 0; j < s.states; ++j) {
    s.support[count] = j;
    s.mass[count] = s.weight[j];
    count += s.weight[j] > T(0) ? 1 : 0;
    s.next[j] = T(0);
  }
  s.count = count;
  s.listed = true;
}

template <class T>
OPTCORE_HD void spread(SparseBeliefState<T>& s) noexcept {
  for (int j = 0; j < s.padded; ++j) s.weight[j] = T(0);
  for (int n = 0; n < s.count; ++n) s.weight[s.support[n]] = s.mass[n];
  s.listed = false;
}

}  // namespace detail

/// b'(s') without the division by its sum, out of place and from normalised numbers; for planners
/// that hold their own beliefs.
/// @param b    (padded,) zero beyond the states  @param likelihood row of the action's, or null
/// @param out  (padded,), not b
template <class T, class Table>
OPTCORE_HD SparseSum<T> weigh(const SparseAction<Table>& action, const T* b, T scale,
                              const Table* likelihood, T* out, int padded) noexcept {
  if (action.by_target.slices > 0) {
    return detail::weigh_slices(action.by_target, b, scale, likelihood, out);
  }
  return detail::weigh_rows(action.transition, b, scale, likelihood, out, padded);
}

/// p(observation) of every observation, from the predicted belief.
/// @param likelihood (observations, padded)  @param predicted (padded,)  @param out (observations,)
template <class T, class Table>
OPTCORE_HD void observe(MatrixView<const Table> likelihood, VectorView<const T> predicted,
                        VectorView<T> out) noexcept {
  constexpr int height = SlicedMatrix<Table>::height;
  constexpr int lanes = native_lanes<T> < height ? native_lanes<T> : height;
  using V = Pack<T, lanes>;
  for (int z = 0; z < likelihood.rows; ++z) {
    const Table* row = likelihood.row_data(z);
    V total = V::zero();
    for (int j = 0; j < predicted.size; j += lanes) {
      const V weight = convert<T>(Pack<Table, lanes>::load(row + j));
      total = fma(weight, V::load(predicted.data + j), total);
    }
    out[z] = sum(total);
  }
}

/// Sets the belief.
/// @param prior (states,) >= 0, any scale; empty: uniform.
/// @return shape_mismatch or invalid_argument; the belief is then as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status set_belief(SparseBeliefState<T>& s,
                                           VectorView<const T> prior) noexcept {
  if (prior.size != 0 && prior.size != s.states) return Status::shape_mismatch;
  T total = prior.size == 0 ? static_cast<T>(s.states) : T(0);
  for (int i = 0; i < prior.size; ++i) {
    if (!(prior[i] >= T(0))) return Status::invalid_argument;
    total += prior[i];
  }
  if (!(total > T(0)) || !is_finite(total)) return Status::invalid_argument;
  s.count = 0;
  for (int i = 0; i < s.padded; ++i) {
    const bool state = i < s.states;
    s.weight[i] = !state ? T(0) : (prior.size == 0 ? T(1) : prior[i]) / total;
    s.count += s.weight[i] > T(0) ? 1 : 0;
  }
  s.scale = T(1);
  s.log_evidence = T(0);
  s.listed = false;
  return Status::ok;
}

/// Acts and observes: predict through the action's transitions, weigh by the likelihood of one
/// observation (a row of action.likelihood; null: nothing observed), normalise.
/// @return zero_evidence when no possible state explains the observation; the belief is then as it
///         was.
template <class T, class Table>
[[nodiscard]] OPTCORE_HD Status update(SparseBeliefState<T>& s, const SparseAction<Table>& action,
                                       const Table* likelihood) noexcept {
  const bool few = s.count <= s.capacity / (action.longest_row > 0 ? action.longest_row : 1);
  if (few != s.listed) few ? detail::enlist(s) : detail::spread(s);
  const SparseSum<T> sum =
      few ? detail::weigh_list(action.transition, s.support, s.mass, s.count, s.scale, likelihood,
                               s.next, s.next_support, s.next_mass)
          : weigh(action, s.weight, s.scale, likelihood, s.next, s.padded);
  const T scale = T(1) / sum.mass;
  if (!(sum.mass > T(0)) || !is_finite(scale)) return Status::zero_evidence;
  if (few) {
    detail::swap(s.support, s.next_support);
    detail::swap(s.mass, s.next_mass);
  } else {
    detail::swap(s.weight, s.next);
  }
  s.count = sum.count;
  s.scale = scale;
  s.log_evidence = log(sum.mass);
  return Status::ok;
}

/// (states,) probabilities that sum to 1.
template <class T>
OPTCORE_HD void probabilities(const SparseBeliefState<T>& s, VectorView<T> out) noexcept {
  if (!s.listed) {
    for (int j = 0; j < s.states; ++j) out[j] = s.weight[j] * s.scale;
    return;
  }
  for (int j = 0; j < s.states; ++j) out[j] = T(0);
  for (int n = 0; n < s.count; ++n) out[s.support[n]] = s.mass[n] * s.scale;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
