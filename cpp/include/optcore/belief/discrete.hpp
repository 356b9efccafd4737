#pragma once

#include "optcore/belief/discrete_state.hpp"
#include "optcore/core/simd_math.hpp"

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

namespace detail {

/// Weights below this are carried as logarithms; their product with a transition probability above
/// it is still a normal number.
template <class T>
inline constexpr T smallest = sizeof(T) == 4 ? T(1e-18) : T(1e-150);
/// The belief returns to probabilities when all its logarithms are above this.
template <class T>
inline constexpr T contracted = sizeof(T) == 4 ? T(-35) : T(-320);

/// Registers that hold P numbers of T.
template <class T, int P>
inline constexpr int register_lanes = native_lanes<T> < P ? native_lanes<T> : P;

/// 0, 1, 2, ...
template <class T, int P>
struct Lanes {
  alignas(64) T number[P];
  constexpr Lanes() noexcept : number{} {
    for (int j = 0; j < P; ++j) number[j] = static_cast<T>(j);
  }
};

/// NaN in the lanes where a state that is possible got a weight too small to keep.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> poison(Pack<T, W> weight, Pack<T, W> predicted,
                                 Pack<T, W> log_likelihood) noexcept {
  const auto lost = (weight.v < Pack<T, W>::broadcast(smallest<T>).v) &
                    (predicted.v > Pack<T, W>::zero().v) &
                    (log_likelihood.v > Pack<T, W>::broadcast(-infinity<T>()).v);
  return {lost ? Pack<T, W>::broadcast(T(__builtin_nan(""))).v : weight.v};
}

/// out = b^T A for a padded matrix of run-time size; 8 rows at a time so that `out` stays in L1.
/// What lies beyond the states is zero.
template <class T, class U>
OPTCORE_HD void propagate(const U* matrix, int states, int padded, const T* b, T* out) noexcept {
  using V = Pack<T>;
  using Entries = Pack<U, V::lanes>;
  constexpr int block = 1024, height = 8;
  const std::ptrdiff_t ld = padded;
  for (int first = 0; first < padded; first += block) {
    const int count = padded - first < block ? padded - first : block;
    T* const o = out + first;
    for (int j = 0; j < count; ++j) o[j] = T(0);
    for (int i = 0; i < states; i += height) {
      const U* const r = matrix + i * ld + first;
      for (int k = 0; k < height; ++k) __builtin_prefetch(r + (height + k) * ld);
      V share[height];
      for (int k = 0; k < height; ++k) share[k] = V::broadcast(b[i + k]);
      for (int j = 0; j < count; j += V::lanes) {
        const auto row = [&](int k) { return convert<T>(Entries::load(r + k * ld + j)); };
        V low = fma(share[0], row(0), V::load(o + j)), high = share[1] * row(1);
        for (int k = 2; k < height; k += 2) {
          low = fma(share[k], row(k), low);
          high = fma(share[k + 1], row(k + 1), high);
        }
        (low + high).store(o + j);
      }
    }
  }
}

/// The predicted probabilities, not yet normalised.
template <class T>
OPTCORE_HD void predict_into(const DiscreteState<T>& s, T* out) noexcept {
  if (s.transition != nullptr)
    return propagate(s.transition, s.states, s.padded, s.probability, out);
  if (s.rounded != nullptr) return propagate(s.rounded, s.states, s.padded, s.probability, out);
  for (int j = 0; j < s.padded; ++j)
    out[j] = s.keep * s.probability[j] + (T(1) - s.keep) * s.prior[j];
}

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

/// Weighs predicted probabilities of P states; `weights` may be the same array.
/// @return the sum of the weights, NaN when they cannot be kept.
template <class T, int P>
OPTCORE_INLINE T weigh(const Pack<T, register_lanes<T, P>>* predicted,
                       const Pack<T, register_lanes<T, P>>* logs, T scale,
                       Pack<T, register_lanes<T, P>>* weights, T& peak) noexcept {
  constexpr int lanes = register_lanes<T, P>, registers = P / lanes;
  using V = Pack<T, lanes>;
  V peaks = logs[0];
  for (int r = 1; r < registers; ++r) peaks = max(peaks, logs[r]);
  peak = largest(peaks);
  V total = V::zero();
  for (int r = 0; r < registers; ++r) {
    const V prior = predicted[r];
    weights[r] = prior * (exp_negative(logs[r] - V::broadcast(peak)) * V::broadcast(scale));
    total += poison(weights[r], prior, logs[r]);
  }
  return sum(total);
}

/// P numbers from an array of `states`, the rest -inf. `readable` says that the array goes on for P
/// numbers, whatever they are; one load is faster than the copy that is needed otherwise.
template <class T, int P>
OPTCORE_INLINE void load_logs(const T* row, int states, bool readable,
                              Pack<T, register_lanes<T, P>>* logs) noexcept {
  constexpr int lanes = register_lanes<T, P>, registers = P / lanes;
  using V = Pack<T, lanes>;
  if (readable) {
    alignas(64) static constexpr Lanes<T, P> index{};
    const V count = V::broadcast(static_cast<T>(states));
    const V none = V::broadcast(-infinity<T>());
    for (int r = 0; r < registers; ++r) {
      const V lane = V::load(index.number + r * lanes);
      logs[r] = {lane.v < count.v ? V::load(row + r * lanes).v : none.v};
    }
  } else {
    alignas(64) T buffer[P];
    for (int j = 0; j < P; ++j) buffer[j] = -infinity<T>();
    for (int j = 0; j < states; ++j) buffer[j] = row[j];
    for (int r = 0; r < registers; ++r) logs[r] = V::load(buffer + r * lanes);
  }
}

/// b^T A for P states, in registers.
template <class T, int P>
OPTCORE_INLINE void propagate_small(const T* matrix, const T* b,
                                    Pack<T, register_lanes<T, P>>* out) noexcept {
  constexpr int lanes = register_lanes<T, P>, registers = P / lanes;
  using V = Pack<T, lanes>;
  V odd[registers];
  for (int r = 0; r < registers; ++r) {
    out[r] = V::broadcast(b[0]) * V::load(matrix + r * lanes);
    odd[r] = V::broadcast(b[1]) * V::load(matrix + P + r * lanes);
  }
  for (int i = 2; i < P; i += 2) {
    for (int r = 0; r < registers; ++r) {
      out[r] = fma(V::broadcast(b[i]), V::load(matrix + i * P + r * lanes), out[r]);
      odd[r] = fma(V::broadcast(b[i + 1]), V::load(matrix + (i + 1) * P + r * lanes), odd[r]);
    }
  }
  for (int r = 0; r < registers; ++r) out[r] += odd[r];
}

template <class T, int P>
OPTCORE_HD Status step_small(DiscreteState<T>& s, const T* row, bool predict) noexcept {
  constexpr int lanes = register_lanes<T, P>, registers = P / lanes;
  using V = Pack<T, lanes>;
  V logs[registers], belief[registers];
  load_logs<T, P>(row, s.states, s.states == P, logs);
  if (predict && s.transition != nullptr) {
    propagate_small<T, P>(s.transition, s.probability, belief);
  } else {
    for (int r = 0; r < registers; ++r) belief[r] = V::load(s.probability + r * lanes);
    if (predict) {
      const V keep = V::broadcast(s.keep), redraw = V::broadcast(T(1) - s.keep);
      for (int r = 0; r < registers; ++r) {
        belief[r] = fma(keep, belief[r], redraw * V::load(s.prior + r * lanes));
      }
    }
  }
  T peak;
  const T mass = weigh<T, P>(belief, logs, T(1), belief, peak);
  if (!(mass > T(0)) || s.in_logs) [[unlikely]]
    return step_in_logs(s, row, predict);
  const V scale = V::broadcast(T(1) / mass);
  for (int r = 0; r < registers; ++r) (belief[r] * scale).store(s.probability + r * lanes);
  s.log_evidence = peak + log(mass);
  return Status::ok;
}

template <class T>
OPTCORE_HD Status step_large(DiscreteState<T>& s, const T* row, bool predict) noexcept {
  using V = Pack<T>;
  constexpr int lanes = native_lanes<T>;
  T* logs = s.scratch;
  T* weights = s.scratch + s.padded;
  if (s.in_logs) return step_in_logs(s, row, predict);
  for (int j = 0; j < s.states; ++j) logs[j] = row[j];
  for (int j = s.states; j < s.padded; ++j) logs[j] = -infinity<T>();
  if (predict) {
    predict_into(s, weights);
  } else {
    for (int j = 0; j < s.padded; ++j) weights[j] = s.probability[j];
  }
  V peaks = V::load(logs);
  for (int j = lanes; j < s.padded; j += lanes) peaks = max(peaks, V::load(logs + j));
  const T peak = largest(peaks);
  V total = V::zero();
  for (int j = 0; j < s.padded; j += lanes) {
    const V predicted = V::load(weights + j), log_likelihood = V::load(logs + j);
    const V weight = predicted * exp_negative(log_likelihood - V::broadcast(peak));
    weight.store(weights + j);
    total += poison(weight, predicted, log_likelihood);
  }
  const T mass = sum(total);
  if (!(mass > T(0))) return step_in_logs(s, row, predict);
  const V scale = V::broadcast(T(1) / mass);
  for (int j = 0; j < s.padded; j += lanes) (V::load(weights + j) * scale).store(s.probability + j);
  s.log_evidence = peak + log(mass);
  return Status::ok;
}

/// @tparam Most  states at most; 0: any number. What cannot happen is not compiled.
template <int Most = 0, class T>
OPTCORE_HD Status step_any(DiscreteState<T>& s, const T* row, bool predict) noexcept {
  constexpr int one = DiscreteState<T>::lanes, two = 2 * one;
  if constexpr (Most > 0 && Most <= one) {
    return step_small<T, one>(s, row, predict);
  } else {
    if (s.padded == one) return step_small<T, one>(s, row, predict);
    if (s.padded == two) return step_small<T, two>(s, row, predict);
    return step_large(s, row, predict);
  }
}

}  // namespace detail

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
