#pragma once

#include "optcore/belief/particle_state.hpp"
#include "optcore/core/random.hpp"
#include "optcore/core/status.hpp"

/// Sequential Monte Carlo on a ParticleState.
///
/// Source: Gordon, Salmond & Smith, IEE Proc. F 140(2) (1993), with roughening; systematic and
/// stratified resampling: Kitagawa, J. Comp. Graph. Stat. 5(1) (1996), Douc, Cappe & Moulines
/// (2005).
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

template <class T>
struct WeightSums {
  T peak, total, squares;
};

/// cumulative <- running sum of exp(log - peak), with the sums that the evidence and the ESS need.
/// @return a peak of -inf when no particle has weight, NaN when one is NaN or +inf.
template <class T>
OPTCORE_HD WeightSums<T> accumulate(const T* log, int particles, int stride,
                                    T* cumulative) noexcept {
  using P = Pack<T>;
  P peaks = P::broadcast(-infinity<T>()), check = P::zero();
  for (int i = 0; i < stride; i += P::lanes) {
    const P value = P::load(log + i);
    peaks = max(peaks, value);
    const P bad = {value.v < P::broadcast(infinity<T>()).v ? P::zero().v : P::broadcast(T(1)).v};
    check += bad;
  }
  const T peak = largest(peaks);
  if (sum(check) > T(0)) return {T(__builtin_nan("")), T(0), T(0)};
  if (!(peak > -infinity<T>())) return {peak, T(0), T(0)};
  P squares = P::zero();
  for (int i = 0; i < stride; i += P::lanes) {
    const P w = exp_negative(P::load(log + i) - P::broadcast(peak));
    w.store(cumulative + i);
    squares = fma(w, w, squares);
  }
  T run = T(0);
  int i = 0;
  for (; i + 4 <= particles; i += 4) {  // pairs first: one addition in the chain for four
    const T a = cumulative[i], b = a + cumulative[i + 1], c = cumulative[i + 2];
    const T cd = c + cumulative[i + 3];
    cumulative[i] = run + a;
    cumulative[i + 1] = run + b;
    cumulative[i + 2] = run + (b + c);
    run += b + cd;
    cumulative[i + 3] = run;
  }
  for (; i < particles; ++i) cumulative[i] = run += cumulative[i];
  return {peak, run, sum(squares)};
}

}  // namespace detail

/// Ancestors of a new generation of the same size, from running sums of weights (n,).
///
/// Systematic: one uniform for all positions; stratified: one for each. Ancestors ascend, and the
/// expected number of offspring of a particle is n times its weight.
/// @param ancestor (n,)
template <class T>
OPTCORE_HD void resample(VectorView<const T> cumulative, Resampling scheme, const RandomKey& key,
                         int* ancestor) noexcept {
  const int n = cumulative.size;
  const T scale = static_cast<T>(n) / cumulative[n - 1];
  if (scheme == Resampling::systematic) {
    const T offset = Draws<T>(key, 0xFFFFFFFFu).uniform();
    int placed = 0;
    for (int i = 0; i < n; ++i) {
      // positions offset, offset + 1, ... up to the particle's share
      const T share = cumulative[i] * scale - offset;
      const int whole = share < T(0) ? 0 : static_cast<int>(share) + 1;
      const int end = i == n - 1 || whole > n ? n : whole;
      for (; placed < end; ++placed) ancestor[placed] = i;
    }
    return;
  }
  int i = 0;
  for (int k = 0; k < n; ++k) {
    const T position =
        static_cast<T>(k) + Draws<T>(key, static_cast<std::uint32_t>(k), 0x80000000u).uniform();
    while (i < n - 1 && cumulative[i] * scale < position) ++i;
    ancestor[k] = i;
  }
}

namespace detail {

/// The next generation: particles copied from their ancestors, equal weights, roughened if asked.
template <class T>
OPTCORE_HD void regenerate(ParticleState<T>& s, const ParticleSettings& settings) noexcept {
  resample<T>({s.cumulative, s.particles}, settings.resampling, s.key, s.ancestor);
  for (int a = 0; a < s.size; ++a) {
    const T* from = s.x + static_cast<std::ptrdiff_t>(a) * s.stride;
    T* to = s.next + static_cast<std::ptrdiff_t>(a) * s.stride;
    for (int i = 0; i < s.particles; ++i) to[i] = from[s.ancestor[i]];
    if (!(settings.roughening > 0)) continue;
    T low = to[0], high = to[0];
    for (int i = 1; i < s.particles; ++i) {
      low = min(low, to[i]);
      high = max(high, to[i]);
    }
    const T share = exp(-log(static_cast<T>(s.particles)) / static_cast<T>(s.size));
    const T deviation = static_cast<T>(settings.roughening) * (high - low) * share;
    for (int i = 0; i < s.particles; ++i) {
      Draws<T> draws(s.key, static_cast<std::uint32_t>(i), 0x40000000u + static_cast<unsigned>(a));
      to[i] += deviation * draws.normal();
    }
  }
  T* const old = s.x;
  s.x = s.next;
  s.next = old;
  for (int i = 0; i < s.particles; ++i) s.log_weight[i] = T(0);
}

/// Judges new logarithms of weights against the old ones and keeps them, or refuses.
/// `before` is the log of the old weights' sum.
template <class T>
OPTCORE_HD Status settle(ParticleState<T>& s, const ParticleSettings& settings, T before) noexcept {
  for (int i = s.particles; i < s.stride; ++i) s.next_log[i] = -infinity<T>();
  const WeightSums<T> sums = accumulate(s.next_log, s.particles, s.stride, s.cumulative);
  if (!(sums.peak < infinity<T>())) return Status::not_finite;
  if (!(sums.total > T(0))) return Status::zero_evidence;
  s.log_evidence = sums.peak + log(sums.total) - before;
  s.ess = sums.total * sums.total / sums.squares;
  for (int i = 0; i < s.stride; ++i) s.log_weight[i] = s.next_log[i] - sums.peak;
  return s.ess < static_cast<T>(settings.ess_threshold) * static_cast<T>(s.particles)
             ? Status::low_ess
             : Status::ok;
}

template <class T>
OPTCORE_HD T log_total(const ParticleState<T>& s) noexcept {
  using P = Pack<T>;
  P total = P::zero();
  for (int i = 0; i < s.stride; i += P::lanes) total += exp_negative(P::load(s.log_weight + i));
  return log(sum(total));
}

}  // namespace detail

/// Weighs the particles by a likelihood that the caller worked out for each, then resamples when
/// the effective sample size is below the threshold.
/// @param log_likelihood (particles,)
/// @return low_ess: resampled; zero_evidence and not_finite leave the cloud as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status weigh(ParticleState<T>& s, const ParticleSettings& settings,
                                      VectorView<const T> log_likelihood) noexcept {
  if (log_likelihood.size != s.particles) return Status::shape_mismatch;
  const T before = detail::log_total(s);
  for (int i = 0; i < s.particles; ++i) s.next_log[i] = s.log_weight[i] + log_likelihood[i];
  const Status status = detail::settle(s, settings, before);
  if (status == Status::low_ess) {
    ++s.key.step;
    detail::regenerate(s, settings);
  }
  return status;
}

/// A whole period in the plane, d = 4: every particle is moved and weighed in one pass, then the
/// cloud is resampled when the effective sample size is below the threshold.
/// @param z (2,) m
/// @return low_ess: resampled; zero_evidence, not_finite and invalid_argument (d is not 4) leave
/// the
///         cloud as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status step(ParticleState<T>& s, const ConstantVelocity<T>& model,
                                     const ParticleSettings& settings, const T* z) noexcept {
  if (s.size != 4 || !(model.measurement_noise > T(0))) return Status::invalid_argument;
  if (!is_finite(z[0]) || !is_finite(z[1])) return Status::not_finite;
  constexpr int W = random_lanes, lanes = native_lanes<T> < W ? native_lanes<T> : W;
  using P = Pack<T, lanes>;
  const T before = detail::log_total(s);
  RandomKey key = s.key;
  ++key.step;
  const P period = P::broadcast(model.period), rough = P::broadcast(model.position_noise);
  const P gust = P::broadcast(model.velocity_noise);
  const P zx = P::broadcast(z[0]), zy = P::broadcast(z[1]);
  const P half = P::broadcast(T(-0.5) / (model.measurement_noise * model.measurement_noise));
  const std::ptrdiff_t n = s.stride;
  for (int i = 0; i < s.stride; i += W) {
    Pack<float, W> noise[4];
    normal_fours<W>(key, static_cast<std::uint32_t>(i), 0, noise);
    alignas(64) float numbers[4][W];
    for (int a = 0; a < 4; ++a) noise[a].store(numbers[a]);
    for (int k = 0; k < W; k += lanes) {
      const int at = i + k;
      const auto draw = [&](int a) { return convert<T>(Pack<float, lanes>::load(numbers[a] + k)); };
      const P vx = P::load(s.x + 2 * n + at), vy = P::load(s.x + 3 * n + at);
      const P px = fma(rough, draw(0), fma(period, vx, P::load(s.x + at)));
      const P py = fma(rough, draw(1), fma(period, vy, P::load(s.x + n + at)));
      px.store(s.next + at);
      py.store(s.next + n + at);
      fma(gust, draw(2), vx).store(s.next + 2 * n + at);
      fma(gust, draw(3), vy).store(s.next + 3 * n + at);
      const P ex = px - zx, ey = py - zy;
      fma(half, fma(ex, ex, ey * ey), P::load(s.log_weight + at)).store(s.next_log + at);
    }
  }
  const Status status = detail::settle(s, settings, before);
  if (failed(status)) return status;
  s.log_evidence -= log(T(2) * pi<T> * model.measurement_noise * model.measurement_noise);
  s.key = key;
  T* const old = s.x;
  s.x = s.next;
  s.next = old;
  if (status == Status::low_ess) detail::regenerate(s, settings);
  return status;
}

/// Sets all particles to one state with independent normal deviations, weights equal.
/// @param mean, deviation (d,)
template <class T>
OPTCORE_HD void scatter(ParticleState<T>& s, const T* mean, const T* deviation,
                        const RandomKey& key) noexcept {
  s.key = key;
  for (int i = 0; i < s.stride; ++i) {
    Draws<T> draws(key, static_cast<std::uint32_t>(i), 0x20000000u);
    for (int a = 0; a < s.size; ++a) {
      s.x[a * static_cast<std::ptrdiff_t>(s.stride) + i] = mean[a] + deviation[a] * draws.normal();
    }
    s.log_weight[i] = i < s.particles ? T(0) : -infinity<T>();
  }
  s.ess = static_cast<T>(s.particles);
  s.log_evidence = T(0);
}

/// Weighted mean (d,).
template <class T>
OPTCORE_HD void mean(const ParticleState<T>& s, T* out) noexcept {
  T total = T(0);
  for (int a = 0; a < s.size; ++a) out[a] = T(0);
  for (int i = 0; i < s.particles; ++i) {
    const T w = exp(s.log_weight[i]);
    total += w;
    for (int a = 0; a < s.size; ++a) {
      out[a] += w * s.x[a * static_cast<std::ptrdiff_t>(s.stride) + i];
    }
  }
  for (int a = 0; a < s.size; ++a) out[a] /= total;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
