#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "optcore/core/arena.hpp"
#include "optcore/pipeline/control_loop.hpp"
#include "support/memory.hpp"

namespace optcore::pipeline {

/// A forecast of people who walk straight on, with one hypothesis and a small spread.
template <class T = double>
struct StraightCrowd {
  struct Walker {
    T x, y, vx, vy;
  };

  StraightCrowd(std::vector<Walker> walkers, int stages, double step, T sigma = T(0.05)) {
    const int people = static_cast<int>(walkers.size());
    memory.give([&](Arena& arena) { forecast.attach(arena, people > 0 ? people : 1, 1, stages); });
    forecast.people = people;
    for (int p = 0; p < people; ++p) {
      forecast.weight(p)[0] = 1;
      for (int k = 0; k < stages; ++k) {
        const T t = static_cast<T>(k * step);
        forecast.mean(p, 0, k)[0] = walkers[p].x + t * walkers[p].vx;
        forecast.mean(p, 0, k)[1] = walkers[p].y + t * walkers[p].vy;
        T* covariance = forecast.covariance(p, 0, k);
        covariance[0] = covariance[2] = sigma * sigma;
        covariance[1] = 0;
      }
    }
  }

  support::Memory memory;
  CrowdForecast<T> forecast;
};

/// A motion model without goals: constant velocity with a spread that grows.
struct ConstantVelocity {
  ConstantVelocity() {
    for (int i = 1; i <= 12; ++i) {
      lag.push_back(0.4 * i);
      spread.push_back(0.05 + 0.08 * i);
    }
    spread.insert(spread.end(), spread.begin(), spread.end());
    model.betas = {&one, 1};
    model.beta_prior = {&one, 1};
    model.offsets = {&zero, 1};
    model.length_scale = scale;
    model.spread_lag = {lag.data(), 12};
    model.spread_along = {spread.data(), 2, 12, 12};
    model.spread_across = {spread.data(), 2, 12, 12};
  }
  double one = 1;
  std::int64_t zero = 0;
  double scale[4] = {1, 1, 1, 1};
  std::vector<double> lag, spread;
  MotionModel model;
};

}  // namespace optcore::pipeline
