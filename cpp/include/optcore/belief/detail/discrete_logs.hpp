#pragma once

#include "optcore/belief/discrete_state.hpp"
#include "optcore/core/simd_math.hpp"

/// The discrete Bayes filter on logarithms: what is done when a possible state's probability would
/// underflow. Log-sum-exp is exact whatever the range.
namespace optcore::inline OPTCORE_ISA::belief::detail {

/// Weights below this are carried as logarithms; their product with a transition probability above
/// it is still a normal number.
template <class T>
inline constexpr T smallest = sizeof(T) == 4 ? T(1e-18) : T(1e-150);
/// The belief returns to probabilities when all its logarithms are above this.
template <class T>
inline constexpr T contracted = sizeof(T) == 4 ? T(-35) : T(-320);

/// log sum_k exp(x_k); -inf when all are.
template <class T>
OPTCORE_HD T log_sum_exp(const T* x, int n) noexcept {
  T peak = -infinity<T>();
  for (int i = 0; i < n; ++i) peak = max(peak, x[i]);
  if (peak == -infinity<T>()) return peak;
  T mass = 0;
  for (int i = 0; i < n; ++i) mass += exp(x[i] - peak);
  return peak + log(mass);
}

/// The predicted belief as logarithms; exact whatever its range.
template <class T>
OPTCORE_HD void predict_in_logs(const DiscreteState<T>& s, const T* log_belief, T* terms,
                                T* out) noexcept {
  for (int j = 0; j < s.states; ++j) {
    if (s.moves()) {
      for (int i = 0; i < s.states; ++i) terms[i] = log_belief[i] + log(s.transition_at(i, j));
      out[j] = log_sum_exp(terms, s.states);
    } else {
      const T both[2] = {log(s.keep) + log_belief[j], log(T(1) - s.keep) + log(s.prior[j])};
      out[j] = log_sum_exp(both, 2);
    }
  }
}

/// Stores a belief given by its logarithms, in the representation that its range asks for.
template <class T>
OPTCORE_HD void store_logs(DiscreteState<T>& s, const T* logs, T offset) noexcept {
  T least = T(0);
  T mass = T(0);
  for (int j = 0; j < s.states; ++j) {
    const T value = logs[j] - offset;
    s.log_belief[j] = value;
    s.probability[j] = exp(value);
    mass += s.probability[j];
    if (value > -infinity<T>()) least = min(least, value);
  }
  for (int j = 0; j < s.states; ++j) s.probability[j] /= mass;
  s.in_logs = s.tiny_transitions || least < contracted<T>;
}

/// Predict (when asked) and update by log-sum-exp: the path that is taken when probabilities would
/// underflow or the input is bad.
template <class T>
[[gnu::noinline]] OPTCORE_HD Status step_in_logs(DiscreteState<T>& s, const T* log_likelihood,
                                                 bool predict) noexcept {
  for (int j = 0; j < s.states; ++j) {
    if (!(log_likelihood[j] < infinity<T>())) return Status::not_finite;
  }
  T* current = s.scratch;
  T* terms = s.scratch + s.padded;
  T* next = s.scratch + 2 * s.padded;
  for (int j = 0; j < s.states; ++j) {
    current[j] = s.in_logs ? s.log_belief[j] : log(s.probability[j]);
  }
  if (predict) {
    predict_in_logs(s, current, terms, next);
  } else {
    for (int j = 0; j < s.states; ++j) next[j] = current[j];
  }
  const T before = log_sum_exp(next, s.states);
  int best = 0;
  for (int j = 1; j < s.states; ++j) {
    if (next[j] + log_likelihood[j] > next[best] + log_likelihood[best]) best = j;
  }
  const T prior_peak = next[best], peak = log_likelihood[best];
  if (prior_peak + peak == -infinity<T>()) return Status::zero_evidence;
  // differences to the best state first: likelihoods far from 0 cost no digits
  for (int j = 0; j < s.states; ++j) next[j] = (next[j] - prior_peak) + (log_likelihood[j] - peak);
  const T relative = log_sum_exp(next, s.states);
  store_logs(s, next, relative);
  s.log_evidence = peak + (prior_peak - before + relative);
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief::detail
