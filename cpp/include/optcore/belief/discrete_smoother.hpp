#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

/// What a whole sequence says about each of its states: smoothing and the most probable path.
namespace optcore::inline OPTCORE_ISA::belief {

/// Probability of each state given observations up to `lag` steps later, from filtered beliefs, by
/// the backward recursion of Rauch, Tung & Striebel for discrete states: it never divides by a
/// likelihood, so nothing underflows.
///
/// @param transition  (K, K) element (i, j) = p(next = j | now = i)
/// @param filtered    (steps, K) p(state t | observations up to t)
/// @param lag         fixed lag >= 0; steps - 1 or more: the whole interval
/// @param smoothed    (steps, K), not the same memory
/// @param scratch     (2 K,)
/// @return shape_mismatch or invalid_argument; the output is then as it was.
///
/// Source: Kitagawa, JASA 82 (1987), eq. (2.4); Rabiner, Proc. IEEE 77(2) (1989).
template <class T>
[[nodiscard]] OPTCORE_HD Status smooth(MatrixView<const T> transition, MatrixView<const T> filtered,
                                       int lag, MatrixView<T> smoothed,
                                       VectorView<T> scratch) noexcept {
  const int steps = filtered.rows, K = filtered.cols;
  if (transition.rows != K || transition.cols != K || smoothed.rows != steps ||
      smoothed.cols != K || scratch.size < 2 * K) {
    return Status::shape_mismatch;
  }
  if (lag < 0) return Status::invalid_argument;
  T* ratio = scratch.data;
  T* current = scratch.data + K;
  const auto back = [&](int t, const T* later) {
    // current(i) = filtered(t, i) sum_j A(i, j) later(j) / predicted(t + 1, j)
    const T* now = filtered.row_data(t);
    for (int j = 0; j < K; ++j) ratio[j] = T(0);
    for (int i = 0; i < K; ++i) {
      for (int j = 0; j < K; ++j) ratio[j] += now[i] * transition(i, j);
    }
    for (int j = 0; j < K; ++j) ratio[j] = ratio[j] > T(0) ? later[j] / ratio[j] : T(0);
    T total = T(0);
    for (int i = 0; i < K; ++i) {
      T sum = T(0);
      for (int j = 0; j < K; ++j) sum += transition(i, j) * ratio[j];
      current[i] = now[i] * sum;
      total += current[i];
    }
    // rounding alone; a belief that filtering could not hold keeps what filtering says
    for (int i = 0; i < K; ++i) current[i] = total > T(0) ? current[i] / total : now[i];
  };
  const auto copy = [&](const T* from, T* to) {
    for (int i = 0; i < K; ++i) to[i] = from[i];
  };
  if (lag >= steps - 1) {
    for (int t = steps - 1; t >= 0; --t) {
      if (t == steps - 1) {
        copy(filtered.row_data(t), smoothed.row_data(t));
      } else {
        back(t, smoothed.row_data(t + 1));
        copy(current, smoothed.row_data(t));
      }
    }
    return Status::ok;
  }
  for (int t = 0; t < steps; ++t) {
    const int last = t + lag < steps ? t + lag : steps - 1;
    T* out = smoothed.row_data(t);
    copy(filtered.row_data(last), out);
    for (int u = last - 1; u >= t; --u) {
      back(u, out);
      copy(current, out);
    }
  }
  return Status::ok;
}

/// The most probable sequence of states (Viterbi) and its joint log-probability.
///
/// @param log_prior, log_transition  (K,), (K, K) natural logarithms, -inf for impossible
/// @param log_likelihoods            (steps, K)
/// @param path                       (steps,)
/// @param back                       (steps, K) scratch  @param scratch (2 K,)
/// @return zero_evidence when no path is possible, not_finite on NaN or +inf; the path is then as
/// it
///         was.
///
/// Source: Viterbi, IEEE Trans. Inf. Theory 13(2) (1967).
template <class T>
[[nodiscard]] OPTCORE_HD Status viterbi(VectorView<const T> log_prior,
                                        MatrixView<const T> log_transition,
                                        MatrixView<const T> log_likelihoods, VectorView<int> path,
                                        MatrixView<int> back, VectorView<T> scratch,
                                        T& log_probability) noexcept {
  const int steps = log_likelihoods.rows, K = log_likelihoods.cols;
  if (steps < 1 || log_prior.size != K || log_transition.rows != K || log_transition.cols != K ||
      path.size != steps || back.rows != steps || back.cols != K || scratch.size < 2 * K) {
    return Status::shape_mismatch;
  }
  T* best = scratch.data;
  T* next = scratch.data + K;
  for (int t = 0; t < steps; ++t) {
    const T* likelihood = log_likelihoods.row_data(t);
    for (int j = 0; j < K; ++j) {
      T top = t == 0 ? log_prior[j] : -infinity<T>();
      int from = 0;
      for (int i = 0; t > 0 && i < K; ++i) {
        const T value = best[i] + log_transition(i, j);
        from = value > top ? i : from;
        top = max(top, value);
      }
      next[j] = top + likelihood[j];
      if (!(next[j] < infinity<T>())) return Status::not_finite;
      back(t, j) = from;
    }
    T* const swapped = best;
    best = next;
    next = swapped;
  }
  int state = 0;
  for (int j = 1; j < K; ++j) state = best[j] > best[state] ? j : state;
  if (best[state] == -infinity<T>()) return Status::zero_evidence;
  log_probability = best[state];
  for (int t = steps - 1; t >= 0; --t) {
    path[t] = state;
    state = back(t, state);
  }
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
