#pragma once

#include "optcore/belief/particle_state.hpp"
#include "optcore/belief/resampling.hpp"
#include "optcore/core/random.hpp"
#include "optcore/core/status.hpp"

/// Sequential Monte Carlo on a ParticleState.
///
/// Source: Gordon, Salmond & Smith, IEE Proc. F 140(2) (1993), with roughening.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

template <class T>
struct WeightSums {
  T total, squares;
};

/// Logarithms of weights above this may be taken to powers as they are; below, after a shift.
template <class T>
inline constexpr T safe_peak = sizeof(T) == 4 ? T(-20) : T(-300);

/// weight <- exp(log - peak).
template <class T>
OPTCORE_HD WeightSums<T> exponentiate(const T* log, int stride, T peak, T* weight) noexcept {
  using P = Pack<T>;
  P total = P::zero(), squares = P::zero();
  for (int i = 0; i < stride; i += P::lanes) {
    const P w = exp_negative(P::load(log + i) - P::broadcast(peak));
    w.store(weight + i);
    total += w;
    squares = fma(w, w, squares);
  }
  return {sum(total), sum(squares)};
}

/// The largest; NaN when one is NaN or +inf.
template <class T>
OPTCORE_HD T peak_of(const T* log, int stride) noexcept {
  using P = Pack<T>;
  P peaks = P::broadcast(-infinity<T>()), check = P::zero();
  for (int i = 0; i < stride; i += P::lanes) {
    const P value = P::load(log + i);
    peaks = max(peaks, value);
    const P bad = {value.v < P::broadcast(infinity<T>()).v ? P::zero().v : P::broadcast(T(1)).v};
    check += bad;
  }
  return sum(check) > T(0) ? T(__builtin_nan("")) : largest(peaks);
}

template <class T>
OPTCORE_INLINE void swap_states(ParticleState<T>& s) noexcept {
  T* const old = s.x;
  s.x = s.next;
  s.next = old;
}

template <class T>
OPTCORE_HD void equalise(ParticleState<T>& s) noexcept {
  for (int i = 0; i < s.particles; ++i) s.log_weight[i] = T(0);
  s.log_mass = log(static_cast<T>(s.particles));
}

/// Keeps new logarithms of weights: `sums` are those of exp(next_log - shift).
template <class T>
OPTCORE_HD void keep_weights(ParticleState<T>& s, T shift, const WeightSums<T>& sums) noexcept {
  for (int i = 0; i < s.particles; ++i) s.log_weight[i] = s.next_log[i] - shift;
  s.log_mass = log(sums.total);
}

/// Evidence and effective sample size; whether it is too low.
template <class T>
OPTCORE_HD Status judge(ParticleState<T>& s, const ParticleSettings& settings, T shift,
                        const WeightSums<T>& sums) noexcept {
  s.log_evidence = shift + log(sums.total) - s.log_mass;
  s.ess = sums.total * sums.total / sums.squares;
  return s.ess < static_cast<T>(settings.ess_threshold) * static_cast<T>(s.particles)
             ? Status::low_ess
             : Status::ok;
}

/// Gordon's roughening of a resampled cloud.
template <class T>
OPTCORE_HD void roughen(ParticleState<T>& s, double factor) noexcept {
  const T share = exp(-log(static_cast<T>(s.particles)) / static_cast<T>(s.size));
  for (int a = 0; a < s.size; ++a) {
    T* x = s.x + static_cast<std::ptrdiff_t>(a) * s.stride;
    T low = x[0], high = x[0];
    for (int i = 1; i < s.particles; ++i) {
      low = min(low, x[i]);
      high = max(high, x[i]);
    }
    const T deviation = static_cast<T>(factor) * (high - low) * share;
    for (int i = 0; i < s.particles; ++i) {
      Draws<T> draws(s.key, static_cast<std::uint32_t>(i), 0x40000000u + static_cast<unsigned>(a));
      x[i] += deviation * draws.normal();
    }
  }
}

}  // namespace detail

/// Calls `visit(particle, column of x)` for every particle, resampled or not.
template <class T, class Visit>
OPTCORE_HD void for_each_particle(const ParticleState<T>& s, Visit visit) noexcept {
  int column = 0;
  for (int i = 0; i < s.particles; ++i) {
    column = s.pending ? max(column, s.ancestor[i]) : i;
    visit(i, column);
  }
}

/// Copies the particles that a resampling chose; afterwards `x` and `log_weight` are what they say.
template <class T>
OPTCORE_HD void settle_families(ParticleState<T>& s) noexcept {
  if (!s.pending) return;
  const std::ptrdiff_t n = s.stride;
  for_each_particle(s, [&](int i, int column) {
    for (int a = 0; a < s.size; ++a) s.next[a * n + i] = s.x[a * n + column];
  });
  detail::swap_states(s);
  detail::equalise(s);
  s.pending = false;
}

namespace detail {

/// The next generation, from s.weight with sum `total`.
template <class T>
OPTCORE_HD void regenerate(ParticleState<T>& s, const ParticleSettings& settings,
                           T total) noexcept {
  mark<T>({s.weight, s.particles}, total, settings.resampling, s.key, s.ancestor);
  s.pending = true;
  s.log_mass = log(static_cast<T>(s.particles));
  if (settings.roughening > 0) {
    settle_families(s);
    roughen(s, settings.roughening);
  }
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
  settle_families(s);
  for (int i = 0; i < s.particles; ++i) s.next_log[i] = s.log_weight[i] + log_likelihood[i];
  for (int i = s.particles; i < s.stride; ++i) s.next_log[i] = -infinity<T>();
  const T peak = detail::peak_of(s.next_log, s.stride);
  if (!(peak < infinity<T>())) return Status::not_finite;
  if (peak == -infinity<T>()) return Status::zero_evidence;
  const auto sums = detail::exponentiate(s.next_log, s.stride, peak, s.weight);
  const Status status = detail::judge(s, settings, peak, sums);
  if (status == Status::low_ess) {
    ++s.key.step;
    detail::regenerate(s, settings, sums.total);
  } else {
    detail::keep_weights(s, peak, sums);
  }
  return status;
}

namespace detail {

/// Moves and weighs every particle in one pass over memory, out of place.
/// @return sums of s.weight = exp(s.next_log), and the largest logarithm in `peak`.
template <class T>
OPTCORE_HD WeightSums<T> move_and_weigh(ParticleState<T>& s, const ConstantVelocity<T>& model,
                                        const RandomKey& key, const T* z, T& peak) noexcept {
  constexpr int W = random_lanes, lanes = native_lanes<T> < W ? native_lanes<T> : W, block = 64;
  using P = Pack<T, lanes>;
  const P period = P::broadcast(model.period), rough = P::broadcast(model.position_noise);
  const P gust = P::broadcast(model.velocity_noise);
  const P zx = P::broadcast(z[0]), zy = P::broadcast(z[1]);
  const P half = P::broadcast(T(-0.5) / (model.measurement_noise * model.measurement_noise));
  P total = P::zero(), squares = P::zero(), peaks = P::broadcast(-infinity<T>());
  const std::ptrdiff_t n = s.stride;
  alignas(64) T family[5][block] = {};  // px, py, vx, vy, log weight
  alignas(64) float noise[4][block];
  int column = 0;
  for (int begin = 0; begin < s.stride; begin += block) {
    const int count = min(block, s.stride - begin);
    const T* from[5] = {s.x + begin, s.x + n + begin, s.x + 2 * n + begin, s.x + 3 * n + begin,
                        s.log_weight + begin};
    if (s.pending) {
      for (int k = 0; k < count; ++k) {
        column = begin + k < s.particles ? max(column, s.ancestor[begin + k]) : column;
        for (int a = 0; a < 4; ++a) family[a][k] = s.x[a * n + column];
      }
      for (int k = max(0, s.particles - begin); k < count; ++k) family[4][k] = -infinity<T>();
      for (int a = 0; a < 5; ++a) from[a] = family[a];
    }
    for (int k = 0; k < count; k += W) {
      Pack<float, W> fours[4];
      normal_fours<W>(key, static_cast<std::uint32_t>(begin + k), 0, fours);
      for (int a = 0; a < 4; ++a) fours[a].store(noise[a] + k);
    }
    for (int k = 0; k < count; k += lanes) {
      const auto draw = [&](int a) { return convert<T>(Pack<float, lanes>::load(noise[a] + k)); };
      const P vx = P::load(from[2] + k), vy = P::load(from[3] + k);
      const P px = fma(rough, draw(0), fma(period, vx, P::load(from[0] + k)));
      const P py = fma(rough, draw(1), fma(period, vy, P::load(from[1] + k)));
      T* const to = s.next + begin + k;
      px.store(to);
      py.store(to + n);
      fma(gust, draw(2), vx).store(to + 2 * n);
      fma(gust, draw(3), vy).store(to + 3 * n);
      const P ex = px - zx, ey = py - zy;
      const P log = fma(half, fma(ex, ex, ey * ey), P::load(from[4] + k));
      const P w = exp_negative(log);
      log.store(s.next_log + begin + k);
      w.store(s.weight + begin + k);
      peaks = max(peaks, log);
      total += w;
      squares = fma(w, w, squares);
    }
  }
  peak = largest(peaks);
  return {sum(total), sum(squares)};
}

}  // namespace detail

/// A whole period in the plane, d = 4: every particle is moved and weighed in one pass, then the
/// cloud is resampled when the effective sample size is below the threshold.
/// @param z (2,) m
/// @return low_ess: resampled; zero_evidence, not_finite and invalid_argument (d is not 4) leave
///         the cloud as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status step(ParticleState<T>& s, const ConstantVelocity<T>& model,
                                     const ParticleSettings& settings, const T* z) noexcept {
  if (s.size != 4 || !(model.measurement_noise > T(0))) return Status::invalid_argument;
  if (!is_finite(z[0]) || !is_finite(z[1])) return Status::not_finite;
  for (int i = s.particles; i < s.stride && !s.pending; ++i) {
    for (int a = 0; a < 4; ++a) s.x[a * static_cast<std::ptrdiff_t>(s.stride) + i] = T(0);
  }
  RandomKey key = s.key;
  ++key.step;
  T peak, shift = T(0);
  auto sums = detail::move_and_weigh(s, model, key, z, peak);
  if (!(sums.total >= T(0))) return Status::not_finite;  // a particle ran away
  if (peak == -infinity<T>()) return Status::zero_evidence;
  if (peak < detail::safe_peak<T>) {
    shift = peak;
    sums = detail::exponentiate(s.next_log, s.stride, shift, s.weight);
  }
  const Status status = detail::judge(s, settings, shift, sums);
  s.log_evidence -= log(T(2) * pi<T> * model.measurement_noise * model.measurement_noise);
  s.key = key;
  s.pending = false;
  detail::swap_states(s);
  if (status == Status::low_ess) {
    detail::regenerate(s, settings, sums.total);
  } else {
    detail::keep_weights(s, shift, sums);
  }
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
  s.pending = false;
  s.log_mass = log(static_cast<T>(s.particles));
  s.ess = static_cast<T>(s.particles);
  s.log_evidence = T(0);
}

/// Weighted mean (d,).
template <class T>
OPTCORE_HD void mean(const ParticleState<T>& s, T* out) noexcept {
  T total = T(0);
  for (int a = 0; a < s.size; ++a) out[a] = T(0);
  for_each_particle(s, [&](int i, int column) {
    const T w = s.pending ? T(1) : exp(s.log_weight[i]);
    total += w;
    for (int a = 0; a < s.size; ++a) {
      out[a] += w * s.x[a * static_cast<std::ptrdiff_t>(s.stride) + column];
    }
  });
  for (int a = 0; a < s.size; ++a) out[a] /= total;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
