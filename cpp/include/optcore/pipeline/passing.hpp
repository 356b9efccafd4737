#pragma once

#include "optcore/pipeline/braking.hpp"
#include "optcore/pipeline/crowd_forecast.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Straight path from the robot toward its goal at the preferred speed, stopping there.
/// @param path  (N + 1, 2) m; row 0 is the robot's position
template <class T>
void straight_path(const LoopConfig& config, const T* state, const T* goal,
                   MatrixView<T> path) noexcept {
  const T dx = goal[0] - state[0], dy = goal[1] - state[1];
  const T distance = sqrt(dx * dx + dy * dy);
  const T per_stage = static_cast<T>(config.preferred_speed * config.step);
  for (int k = 0; k < path.rows; ++k) {
    const T done = distance > 0 ? min(static_cast<T>(k) * per_stage / distance, T(1)) : T(0);
    path(k, 0) = state[0] + done * dx;
    path(k, 1) = state[1] + done * dy;
  }
}

/// Guess of a path that passes everybody on one side, or gives way: the point around which the
/// half-planes of a candidate are drawn. It need not be feasible; the quadratic programme is.
///
/// @param side  left, right: the straight path pushed to that side of every person's likeliest
///              forecast; yield: braking to a stand.
/// @param path  (N + 1, 2) m
template <class T>
void seed_path(const LoopConfig& config, Side side, const CrowdForecast<T>& forecast,
               const T* state, const T* goal, MatrixView<T> path) noexcept {
  if (side == Side::yield) {
    T s[4] = {state[0], state[1], state[2], state[3]};
    path(0, 0) = s[0];
    path(0, 1) = s[1];
    for (int k = 1; k < path.rows; ++k) {
      T u[2];
      braking_command(s + 2, static_cast<T>(0.5 * config.max_acceleration),
                      static_cast<T>(config.step), u);
      advance(s, u, static_cast<T>(config.step));
      path(k, 0) = s[0];
      path(k, 1) = s[1];
    }
    return;
  }
  straight_path(config, state, goal, path);
  if (side == Side::keep) return;
  T ex = goal[0] - state[0], ey = goal[1] - state[1];
  const T length = sqrt(ex * ex + ey * ey);
  if (!(length > 0)) return;
  ex /= length;
  ey /= length;
  const T sign = side == Side::left ? T(1) : T(-1);
  const T nx = -sign * ey, ny = sign * ex;
  const T wide = static_cast<T>(config.contact_distance + 2 * config.clearance);
  for (int k = 1; k < path.rows; ++k) {
    for (int round = 0; round < 3; ++round) {
      bool moved = false;
      for (int p = 0; p < forecast.people; ++p) {
        const T* m = forecast.mean(p, forecast.likeliest(p), k);
        const T dx = path(k, 0) - m[0], dy = path(k, 1) - m[1];
        const T along = ex * dx + ey * dy, across = nx * dx + ny * dy;
        if (along * along + across * across >= wide * wide) continue;
        const T push = sqrt(max(wide * wide - along * along, T(0))) - across;
        path(k, 0) += push * nx;
        path(k, 1) += push * ny;
        moved = true;
      }
      if (!moved) break;
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::pipeline
