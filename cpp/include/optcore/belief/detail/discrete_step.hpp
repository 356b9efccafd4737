#pragma once

#include "optcore/belief/detail/discrete_logs.hpp"

/// The discrete Bayes filter on probabilities: one step in registers for small beliefs, in blocks
/// for large ones. Both hand over to discrete_logs.hpp when a weight cannot be kept.
namespace optcore::inline OPTCORE_ISA::belief::detail {

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

}  // namespace optcore::inline OPTCORE_ISA::belief::detail
