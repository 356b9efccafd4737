#pragma once

#include "optcore/belief/discrete.hpp"

/// A discrete Bayes filter over a whole sequence of observations.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

template <class T>
OPTCORE_HD void write_row(const DiscreteState<T>& s, const SequenceOutput<T>& out, int t,
                          Status status) noexcept {
  if (out.probabilities.data != nullptr) {
    T* row = out.probabilities.row_data(t);
    for (int j = 0; j < s.states; ++j) row[j] = s.probability[j];
  }
  if (out.log_evidence.size > 0) {
    out.log_evidence[t] = failed(status) ? T(__builtin_nan("")) : s.log_evidence;
  }
  if (out.row_status.size > 0) out.row_status[t] = status;
}

/// Steps [t, rows) by a matrix over P states while probabilities suffice. The sum that normalises a
/// step is divided out in the next one, where it overlaps with the matrix product.
/// @return the first row that was not taken; the state holds the belief before it.
template <class T, int P>
OPTCORE_HD int run_small(DiscreteState<T>& s, MatrixView<const T> log_likelihoods, int t,
                         const SequenceOutput<T>& out) noexcept {
  constexpr int lanes = register_lanes<T, P>, registers = P / lanes;
  constexpr int chunk = 64;
  using V = Pack<T, lanes>;
  alignas(64) T belief[P];  // not normalised: `scale` is 1 / its sum
  alignas(64) T masses[chunk];
  T peaks[chunk];
  T scale = T(1), last_mass = T(1), last_peak = T(0);
  for (int j = 0; j < P; ++j) belief[j] = s.probability[j];

  // a row shorter than P may be read into the next ones, not past the end of the last
  const int beyond = P - s.states, stride = log_likelihoods.stride;
  const int last_readable = log_likelihoods.rows - (beyond + stride - 1) / stride;
  const int start = t;
  bool taken = true;
  while (taken && t < log_likelihoods.rows) {
    const int first = t;
    const int end = log_likelihoods.rows - t < chunk ? log_likelihoods.rows : t + chunk;
    for (; t < end; ++t) {
      const T* row = log_likelihoods.row_data(t);
      V logs[registers], weights[registers];
      load_logs<T, P>(row, s.states, t < last_readable, logs);
      T peak;
      propagate_small<T, P>(s.transition, belief, weights);
      const T mass = weigh<T, P>(weights, logs, scale, weights, peak);
      if (!(mass > T(0))) [[unlikely]] {
        taken = false;
        break;
      }
      for (int r = 0; r < registers; ++r) weights[r].store(belief + r * lanes);
      scale = T(1) / mass;
      masses[t - first] = last_mass = mass;
      peaks[t - first] = last_peak = peak;
      if (out.probabilities.data != nullptr) {
        T* target = out.probabilities.row_data(t);
        if (s.states == P) {
          for (int r = 0; r < registers; ++r) {
            (weights[r] * V::broadcast(scale)).store(target + r * lanes);
          }
        } else {
          for (int j = 0; j < s.states; ++j) target[j] = belief[j] * scale;
        }
      }
    }
    const int done = t - first;
    if (out.row_status.size > 0) {
      for (int k = 0; k < done; ++k) out.row_status[first + k] = Status::ok;
    }
    if (out.log_evidence.size > 0) {
      for (int k = done; k < chunk; ++k) masses[k] = T(1);
      for (int k = 0; k < done; k += lanes) log(V::load(masses + k)).store(masses + k);
      for (int k = 0; k < done; ++k) out.log_evidence[first + k] = peaks[k] + masses[k];
    }
  }
  for (int j = 0; j < P; ++j) s.probability[j] = belief[j] * scale;
  if (t > start) s.log_evidence = last_peak + log(last_mass);
  return t;
}

template <class T>
OPTCORE_HD int run(DiscreteState<T>& s, MatrixView<const T> log_likelihoods, int t,
                   const SequenceOutput<T>& out) noexcept {
  if (s.transition == nullptr || s.in_logs) return t;
  constexpr int one = DiscreteState<T>::lanes, two = 2 * one;
  if (s.padded == one) return run_small<T, one>(s, log_likelihoods, t, out);
  if (s.padded == two) return run_small<T, two>(s, log_likelihoods, t, out);
  return t;
}

}  // namespace detail

/// Takes a sequence of observations; rows that fail keep the belief and are skipped.
///
/// @param log_likelihoods (steps, states), as the argument of step().
/// @param predict_first   whether to predict before the first observation; without it the state's
///                        belief is the prior of the first row, as in hidden Markov models.
/// @return the status of the first row that failed, else ok; shape_mismatch before anything is
/// done.
template <class T>
[[nodiscard]] OPTCORE_HD Status filter_sequence(DiscreteState<T>& s,
                                                MatrixView<const T> log_likelihoods,
                                                bool predict_first,
                                                const SequenceOutput<T>& out = {}) noexcept {
  const int steps = log_likelihoods.rows;
  const auto fits = [&](int size) { return size == 0 || size == steps; };
  if (log_likelihoods.cols != s.states || !fits(out.log_evidence.size) ||
      !fits(out.row_status.size) ||
      (out.probabilities.data != nullptr &&
       (out.probabilities.rows != steps || out.probabilities.cols != s.states))) {
    return Status::shape_mismatch;
  }
  Status first_failure = Status::ok;
  bool predict = predict_first;
  for (int t = 0; t < steps;) {
    if (predict) {
      t = detail::run(s, log_likelihoods, t, out);
      if (t == steps) break;
    }
    const Status status = detail::step_any(s, log_likelihoods.row_data(t), predict);
    if (failed(status) && !failed(first_failure)) first_failure = status;
    detail::write_row(s, out, t, status);
    predict = true;
    ++t;
  }
  return first_failure;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
