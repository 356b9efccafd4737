#pragma once

#include "optcore/belief/kalman.hpp"

/// Interacting multiple models: a Kalman filter for each way of moving, mixed before each step by
/// how probable a switch between them is.
///
/// Mixed covariances are sums of covariances and of squares about the mixed mean, never differences
/// of large numbers, so they stay positive semi-definite. Likelihoods are shifted by the largest.
///
/// Source: Blom & Bar-Shalom, IEEE TAC 33(8) (1988); Bar-Shalom, Li & Kirubarajan (2001), section
/// 11.6.6.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

template <class T, int D, int M>
OPTCORE_HD void imm_filters(const ImmState<T>& s, const T* z, const T* predicted,
                            const T (*share)[filter_lanes]) noexcept {
  constexpr int lanes = bank_register<T>;
  using Filter = LaneFilter<T, lanes, D, M>;
  using V = typename Filter::V;
  const KalmanState<T>& f = s.filters;
  const int d = Filter::size(f), W = filter_lanes;
  for (int lane = 0; lane < W; lane += lanes) {
    Filter mixed;
    if (lane >= s.models) {  // nobody is in these lanes
      for (int a = 0; a < d; ++a) {
        mixed.x[a] = V::zero();
        for (int b = 0; b < d; ++b) mixed.P[a][b] = V::zero();
      }
      mixed.store(f, lane);
      V::zero().store(f.next_likelihood + lane);
      continue;
    }
    for (int a = 0; a < d; ++a) {
      V total = V::zero();
      for (int i = 0; i < s.models; ++i) {
        total = fma(V::load(share[i] + lane), V::broadcast(f.mean[a * W + i]), total);
      }
      mixed.x[a] = total;
      for (int b = 0; b <= a; ++b) mixed.P[a][b] = V::zero();
    }
    for (int i = 0; i < s.models; ++i) {
      const V weight = V::load(share[i] + lane);
      V off[Filter::max_d];
      for (int a = 0; a < d; ++a) off[a] = V::broadcast(f.mean[a * W + i]) - mixed.x[a];
      for (int a = 0; a < d; ++a) {
        for (int b = 0; b <= a; ++b) {
          const V spread = fma(off[a], off[b], V::broadcast(f.covariance[(a * d + b) * W + i]));
          mixed.P[a][b] = fma(weight, spread, mixed.P[a][b]);
        }
      }
    }
    for (int a = 0; a < d; ++a) {
      for (int b = 0; b < a; ++b) mixed.P[b][a] = mixed.P[a][b];
    }
    mixed.predict(f, lane);
    const V likelihood = mixed.update(f, lane, [&](int q, const Filter& filter) {
      return plain_innovation(f, z, q, lane, filter);
    });
    mixed.store(f, lane);
    likelihood.store(f.next_likelihood + lane);
  }
  (void)predicted;
}

}  // namespace detail

/// One period: mix, predict, update with a measurement (m,), weigh the models.
/// @return not_finite (a measurement that is not, or overflow) and zero_evidence (no model has any
///         probability) leave everything as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status step(ImmState<T>& s, const T* z) noexcept {
  constexpr int W = filter_lanes, lanes = detail::bank_register<T>;
  using V = Pack<T, lanes>;
  alignas(64) T predicted[W], inverse[W], share[W][W];
  for (int lane = 0; lane < W; lane += lanes) {
    V total = V::zero();
    for (int i = 0; i < s.models; ++i) {
      const V joint = V::broadcast(s.probability[i]) * V::load(s.switching + i * W + lane);
      joint.store(share[i] + lane);
      total += joint;
    }
    total.store(predicted + lane);
    // a model that nobody can switch to keeps an even share of everything, at no probability
    const V one = V::broadcast(T(1));
    const V reached = {total.v > V::zero().v ? total.v : one.v};
    (one / reached).store(inverse + lane);
    for (int i = 0; i < s.models; ++i) {
      (V::load(share[i] + lane) * V::load(inverse + lane)).store(share[i] + lane);
    }
  }
  detail::with_sizes(s.filters,
                     [&]<int D, int M>() { detail::imm_filters<T, D, M>(s, z, predicted, share); });
  if (!detail::next_is_sound(s.filters, s.models)) return Status::not_finite;

  T peak = -infinity<T>();
  const T* likelihood = s.filters.next_likelihood;
  for (int j = 0; j < s.models; ++j) {
    if (predicted[j] > T(0)) peak = max(peak, likelihood[j]);
  }
  if (!(peak > -infinity<T>())) return Status::zero_evidence;
  alignas(64) T weight[W];
  V total = V::zero();
  for (int lane = 0; lane < W; lane += lanes) {
    const V shifted = min(V::load(likelihood + lane) - V::broadcast(peak), V::zero());
    const V w = V::load(predicted + lane) * exp_negative(shifted);
    w.store(weight + lane);
    total += w;
  }
  const T mass = sum(total);
  if (!(mass > T(0))) return Status::zero_evidence;
  const T scale = T(1) / mass;
  for (int j = 0; j < W; ++j) s.probability[j] = weight[j] * scale;
  s.log_evidence = peak + log(mass);
  detail::keep_next(s.filters);
  return Status::ok;
}

/// Mean (d,) and covariance (d, d) of the mixture of the models.
template <class T>
OPTCORE_HD void combine(const ImmState<T>& s, T* mean, MatrixView<T> covariance) noexcept {
  constexpr int W = filter_lanes;
  const KalmanState<T>& f = s.filters;
  const int d = f.size;
  for (int a = 0; a < d; ++a) {
    mean[a] = T(0);
    for (int i = 0; i < s.models; ++i) mean[a] += s.probability[i] * f.mean[a * W + i];
  }
  for (int a = 0; a < d; ++a) {
    for (int b = 0; b < d; ++b) {
      T total = T(0);
      for (int i = 0; i < s.models; ++i) {
        const T off = (f.mean[a * W + i] - mean[a]) * (f.mean[b * W + i] - mean[b]);
        total += s.probability[i] * (f.covariance[(a * d + b) * W + i] + off);
      }
      covariance(a, b) = total;
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::belief
