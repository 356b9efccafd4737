#pragma once

#include "optcore/belief/detail/discrete_step.hpp"

/// Discrete Bayes filter on a DiscreteState: set-up, predict, update, step, forget.
///
/// A step costs one matrix-vector product and one vector exp: probabilities are propagated, and the
/// log-likelihoods are shifted by their largest. Only when a possible state's weight would fall
/// below `smallest` does it switch to log-sum-exp, which cannot underflow, and back when the belief
/// has contracted. Input that cannot be used leaves the state as it was.
///
/// Source: Thrun, Burgard & Fox, Probabilistic Robotics (2005), chapter 2; Rabiner, Proc. IEEE
/// 77(2) (1989), section V.A (scaling).
namespace optcore::inline OPTCORE_ISA::belief {

/// Back to the prior.
template <class T>
OPTCORE_HD void reset(DiscreteState<T>& s) noexcept {
  s.in_logs = s.tiny_transitions;
  for (int i = 0; i < s.padded; ++i) {
    s.probability[i] = s.prior[i];
    if (s.prior[i] > T(0) && s.prior[i] < detail::smallest<T>) s.in_logs = true;
  }
  for (int i = 0; i < s.states; ++i) s.log_belief[i] = log(s.prior[i]);
  s.log_evidence = T(0);
}

/// Sets prior and belief.
/// @param prior (states,) >= 0, any scale; empty: uniform.
/// @return invalid_argument or shape_mismatch; the state is then as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status set_prior(DiscreteState<T>& s, VectorView<const T> prior) noexcept {
  if (prior.size != 0 && prior.size != s.states) return Status::shape_mismatch;
  T total = prior.size == 0 ? static_cast<T>(s.states) : T(0);
  for (int i = 0; i < prior.size; ++i) {
    if (!(prior[i] >= T(0))) return Status::invalid_argument;
    total += prior[i];
  }
  if (!(total > T(0)) || !is_finite(total)) return Status::invalid_argument;
  for (int i = 0; i < s.padded; ++i) s.prior[i] = T(0);
  for (int i = 0; i < s.states; ++i) s.prior[i] = (prior.size == 0 ? T(1) : prior[i]) / total;
  reset(s);
  return Status::ok;
}

/// Sets the transition matrix, element (i, j) = p(next = j | now = i); rows must sum to 1 within
/// 1e-6 (single precision 1e-3) and are normalised. The state must have been made with room for it.
template <class T>
[[nodiscard]] OPTCORE_HD Status set_transition(DiscreteState<T>& s,
                                               MatrixView<const T> transition) noexcept {
  if (!s.moves()) return Status::not_ready;
  if (transition.rows != s.states || transition.cols != s.states) return Status::shape_mismatch;
  constexpr T tolerance = sizeof(T) == 4 ? T(1e-3) : T(1e-6);
  for (int i = 0; i < s.states; ++i) {
    T row = T(0);
    for (int j = 0; j < s.states; ++j) {
      if (!(transition(i, j) >= T(0))) return Status::invalid_argument;
      row += transition(i, j);
    }
    if (!(abs(row - T(1)) <= tolerance)) return Status::invalid_argument;
  }
  s.tiny_transitions = false;
  const std::ptrdiff_t entries = static_cast<std::ptrdiff_t>(s.padded) * s.padded;
  for (std::ptrdiff_t k = 0; k < entries; ++k) {  // propagate() reads the padding too
    if (s.rounded != nullptr) {
      s.rounded[k] = 0;
    } else {
      s.transition[k] = T(0);
    }
  }
  for (int i = 0; i < s.states; ++i) {
    T row = T(0);
    for (int j = 0; j < s.states; ++j) row += transition(i, j);
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(i) * s.padded;
    for (int j = 0; j < s.states; ++j) {
      const T entry = transition(i, j) / row;
      if (s.rounded != nullptr) {
        // a possible move stays one, however rare
        const float kept = static_cast<float>(entry);
        s.rounded[first + j] = entry > T(0) && !(kept > 1.2e-38F) ? 1.2e-38F : kept;
      } else {
        s.transition[first + j] = entry;
      }
      if (entry > T(0) && entry < detail::smallest<T>) s.tiny_transitions = true;
    }
  }
  reset(s);
  return Status::ok;
}

/// Without a transition matrix: at each step the state is redrawn from the prior with this
/// probability, in [0, 1]; 0 is a constant state.
template <class T>
[[nodiscard]] OPTCORE_HD Status set_switching(DiscreteState<T>& s, T probability) noexcept {
  if (s.moves() || !(probability >= T(0) && probability <= T(1))) {
    return Status::invalid_argument;
  }
  s.keep = T(1) - probability;
  return Status::ok;
}

/// Predict, then update: fused, and undone together on failure.
/// @param log_likelihood (states,) natural log of p(observation | state), any common offset; -inf
///        says impossible.
/// @return not_finite (NaN, +inf), zero_evidence (no state explains it), shape_mismatch.
template <class T>
[[nodiscard]] OPTCORE_HD Status step(DiscreteState<T>& s,
                                     VectorView<const T> log_likelihood) noexcept {
  if (log_likelihood.size != s.states) return Status::shape_mismatch;
  return detail::step_any(s, log_likelihood.data, true);
}

/// Bayes' rule alone; as step() without the prediction.
template <class T>
[[nodiscard]] OPTCORE_HD Status update(DiscreteState<T>& s,
                                       VectorView<const T> log_likelihood) noexcept {
  if (log_likelihood.size != s.states) return Status::shape_mismatch;
  return detail::step_any(s, log_likelihood.data, false);
}

/// One step ahead without an observation.
template <class T>
OPTCORE_HD void predict(DiscreteState<T>& s) noexcept {
  T* next = s.scratch + 2 * s.padded;
  if (s.in_logs) {
    detail::predict_in_logs(s, s.log_belief, s.scratch, next);
    return detail::store_logs(s, next, detail::log_sum_exp(next, s.states));
  }
  detail::predict_into(s, next);
  T mass = T(0), least = T(1);
  for (int j = 0; j < s.states; ++j) {
    mass += next[j];
    if (next[j] > T(0)) least = min(least, next[j]);
  }
  for (int j = 0; j < s.states; ++j) s.probability[j] = next[j] / mass;
  if (least < detail::smallest<T>) {
    for (int j = 0; j < s.states; ++j) next[j] = log(s.probability[j]);
    detail::store_logs(s, next, T(0));
  }
}

/// Exponential forgetting: b <- b^factor, normalised; 1 keeps all, 0 is uniform over the support.
/// @return invalid_argument outside [0, 1].
/// Source: Kulhavy & Zarrop, Int. J. Control 58(4) (1993).
template <class T>
[[nodiscard]] OPTCORE_HD Status forget(DiscreteState<T>& s, T factor) noexcept {
  if (!(factor >= T(0) && factor <= T(1))) return Status::invalid_argument;
  T* next = s.scratch;
  for (int j = 0; j < s.states; ++j) {
    const T value = s.in_logs ? s.log_belief[j] : log(s.probability[j]);
    next[j] = value == -infinity<T>() ? value : factor * value;
  }
  detail::store_logs(s, next, detail::log_sum_exp(next, s.states));
  return Status::ok;
}

/// Natural logarithms of the belief, exact also where its probabilities underflow.
template <class T>
OPTCORE_HD void log_belief(const DiscreteState<T>& s, VectorView<T> out) noexcept {
  for (int j = 0; j < s.states; ++j) {
    out[j] = s.in_logs ? s.log_belief[j] : log(s.probability[j]);
  }
}

}  // namespace optcore::inline OPTCORE_ISA::belief
