#pragma once

#include "optcore/pipeline/crowd_forecast.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Acceleration that brakes along the present velocity, at most `limit`, without reversing within
/// dt.
template <class T>
OPTCORE_HD void braking_command(const T* velocity, T limit, T dt, T* command) noexcept {
  const T speed = sqrt(velocity[0] * velocity[0] + velocity[1] * velocity[1]);
  const T rate = speed > 0 ? min(limit, speed / dt) / speed : T(0);
  command[0] = -rate * velocity[0];
  command[1] = -rate * velocity[1];
}

/// Moves a double integrator by dt under a constant acceleration, exactly.
template <class T>
OPTCORE_HD void advance(T* state, const T* command, T dt) noexcept {
  for (int i = 0; i < 2; ++i) {
    state[i] += dt * state[2 + i] + T(0.5) * dt * dt * command[i];
    state[2 + i] += dt * command[i];
  }
}

/// May this command be given? True when, after one period of it, braking keeps clear of people.
///
/// Follows the command for one period and full braking after it until the robot stands (or the
/// horizon ends), and compares with the forecasts of every hypothesis above `least_weight` in steps
/// of half a stage. Coming nearer than contact_distance + brake_margin + one standard deviation
/// (at most brake_margin more) while moving refuses the command, unless the distance grows.
template <class T>
[[nodiscard]] bool can_brake_after(const LoopConfig& config, const CrowdForecast<T>& forecast,
                                   const T* state, const T* command, T least_weight) noexcept {
  T s[4] = {state[0], state[1], state[2], state[3]};
  const T limit = static_cast<T>(config.max_acceleration);
  const T dt = static_cast<T>(config.period), stage = static_cast<T>(config.step);
  const T near = static_cast<T>(config.contact_distance + config.brake_margin);
  const T spread_cap = static_cast<T>(config.brake_margin);
  const T moving = T(0.05);
  const T touch = static_cast<T>(config.contact_distance + 0.5 * config.brake_margin);
  T t = 0;
  for (int i = 0; t < stage * static_cast<T>(forecast.stages() - 1); ++i) {
    T u[2] = {command[0], command[1]};
    if (i > 0) braking_command(s + 2, limit, dt, u);
    const T speed_before = sqrt(s[2] * s[2] + s[3] * s[3]);
    advance(s, u, dt);
    t += dt;
    const T speed = sqrt(s[2] * s[2] + s[3] * s[3]);
    if (max(speed, speed_before) < moving) return true;

    const T position = t / stage;
    const int k = min(static_cast<int>(position), forecast.stages() - 2);
    const T f = position - static_cast<T>(k);
    for (int p = 0; p < forecast.people; ++p) {
      const auto weight = forecast.weight(p);
      for (int h = 0; h < forecast.hypotheses(); ++h) {
        if (weight[h] < least_weight) continue;
        const T *a = forecast.mean(p, h, k), *b = forecast.mean(p, h, k + 1);
        const T dx = s[0] - (a[0] + f * (b[0] - a[0])), dy = s[1] - (a[1] + f * (b[1] - a[1]));
        const T distance = sqrt(dx * dx + dy * dy);
        if (distance > near + spread_cap) continue;
        const T inverse = distance > T(1e-6) ? T(1) / distance : T(0);
        const T sigma = deviation_along(forecast.covariance(p, h, k), dx * inverse, dy * inverse);
        if (distance > near + min(sigma, spread_cap)) continue;
        const T* start = forecast.mean(p, h, 0);
        const T ox = state[0] - start[0], oy = state[1] - start[1];
        const T before = sqrt(ox * ox + oy * oy);
        if (distance < before + T(0.01) || distance < touch) return false;
      }
    }
  }
  return true;
}

}  // namespace optcore::inline OPTCORE_ISA::pipeline
