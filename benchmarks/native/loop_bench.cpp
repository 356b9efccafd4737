/// The whole control cycle in closed loop: a robot commutes among people who cross its way.
///
/// Counters: p50_us and p99_us of single cycles, their stages (medians), and solves per cycle.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "optcore/host/loop.hpp"
#include "support/random.hpp"

namespace {

using optcore::loop::LoopConfig;
using optcore::loop::LoopResult;
using optcore::loop::MotionModel;

/// Goals on a circle, each with a field of noisy samples of people who bend towards it: the scene
/// of benchmarks/areas/loop_baseline/scene.py, with another source of random numbers.
struct Scene {
  Scene(int people, int goals, int points) : people_count(people) {
    optcore::support::Random random(7);
    for (int g = 0; g < goals; ++g) {
      const double angle = 2 * std::numbers::pi * g / goals + 0.3;
      const double goal[2] = {9 * std::cos(angle), 9 * std::sin(angle)};
      goal_xy.insert(goal_xy.end(), goal, goal + 2);
      for (int i = 0; i < points; ++i) {
        const double at[2] = {random.uniform(-7, 7), random.uniform(-7, 7)};
        double toward[2] = {goal[0] - at[0], goal[1] - at[1]};
        const double length = std::hypot(toward[0], toward[1]);
        const double pace = random.uniform(0.8, 1.5);
        point.insert(point.end(), at, at + 2);
        for (double& t : toward) {
          t /= length;
          const double velocity = pace * t + 0.25 * random.normal();
          point.push_back(velocity);
          target.push_back(0.3 * (1.2 * t - velocity) + 0.05 * random.normal());
        }
        count.push_back(1 + random.below(8));
        noise.push_back(0.25 * 0.25 / count.back());
      }
    }
    for (int g = 0; g <= goals; ++g) offset.push_back(static_cast<std::int64_t>(g) * points);
    prior.assign(static_cast<std::size_t>(goals), 1.0 / goals);
    for (int i = 1; i <= 12; ++i) lag.push_back(0.4 * i);
    for (const double slope : {0.18, 0.22}) {
      for (const double t : lag) along.push_back(0.05 + slope * t);
    }
    for (const double slope : {0.12, 0.16}) {
      for (const double t : lag) across.push_back(0.05 + slope * t);
    }
    const int n = goals * points;
    model.goals = {goal_xy.data(), goals, 2, 2};
    model.prior = {prior.data(), goals};
    model.betas = {beta.data(), 3};
    model.beta_prior = {beta_prior.data(), 3};
    model.offsets = {offset.data(), goals + 1};
    model.points = {point.data(), n, 4, 4};
    model.targets = {target.data(), n, 2, 2};
    model.noise = {noise.data(), n};
    model.count = {count.data(), n};
    model.length_scale = scale.data();
    model.signal_variance = 0.15 * 0.15;
    model.spread_lag = {lag.data(), 12};
    model.spread_along = {along.data(), 2, 12, 12};
    model.spread_across = {across.data(), 2, 12, 12};
    model.cap = 1.0;

    for (int p = 0; p < people; ++p) {
      id.push_back(100 + p);
      half.push_back(5 + 1.5 * random.uniform());
      speed.push_back(random.uniform(0.9, 1.4));
      phase.push_back(random.uniform(0, 4));
      turn.push_back(random.uniform(-0.5, 0.5));
    }
    position.resize(2 * static_cast<std::size_t>(people));
    seen_at.resize(static_cast<std::size_t>(people));
  }

  /// Everybody walks to and fro on a gently curved path.
  void move(double time) {
    for (int p = 0; p < people_count; ++p) {
      const auto i = static_cast<std::size_t>(p);
      const double swing = std::abs(std::fmod(time * speed[i] / (2 * half[i]) + phase[i], 2.0) - 1);
      const double walked = half[i] * (2 * swing - 1);
      const double aside =
          -4 + 8.0 * p / std::max(people_count - 1, 1) + 0.6 * std::sin(0.35 * time + 2 * phase[i]);
      position[2 * i] = aside * std::cos(turn[i]) - walked * std::sin(turn[i]);
      position[2 * i + 1] = aside * std::sin(turn[i]) + walked * std::cos(turn[i]);
      seen_at[i] = time;
    }
  }

  int people_count;
  std::vector<double> goal_xy, point, target, noise, count, prior, lag, along, across;
  std::vector<std::int64_t> offset, id;
  std::vector<double> half, speed, phase, turn, position, seen_at;
  std::array<double, 3> beta{0.5, 1, 2}, beta_prior{1.0 / 3, 1.0 / 3, 1.0 / 3};
  std::array<double, 4> scale{2, 2, 0.5, 0.5};
  MotionModel model;
};

double quantile(std::vector<double>& values, double q) {
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// Arguments: people, hypotheses (goals and constant velocity).
void cycle(benchmark::State& state) {
  const int people = static_cast<int>(state.range(0));
  Scene scene(people, static_cast<int>(state.range(1)) - 1, 200);
  const LoopConfig config;
  optcore::host::ControlLoop loop(config, scene.model);
  if (optcore::failed(loop.status())) return state.SkipWithError("the loop could not be set up");
  std::array<double, 4> robot{-6, 0, 0, 0};
  std::array<double, 2> goal{6, 0};
  double time = 0;
  std::vector<double> seconds[4];
  int solves = 0;
  for (auto _ : state) {
    scene.move(time);
    const LoopResult r = loop.step({time,
                                    {scene.id.data(), people},
                                    {scene.position.data(), people, 2, 2},
                                    {scene.seen_at.data(), people}},
                                   robot.data(), goal.data());
    if (optcore::failed(r.status)) return state.SkipWithError("a cycle failed");
    state.SetIterationTime(r.seconds[3]);
    for (int i = 0; i < 4; ++i) seconds[i].push_back(1e6 * r.seconds[i]);
    solves += r.solves;
    for (std::size_t i = 0; i < 2; ++i) {
      robot[i] += config.period * (robot[2 + i] + 0.5 * config.period * r.command[i]);
      robot[2 + i] += config.period * r.command[i];
    }
    if (std::hypot(robot[0] - goal[0], robot[1] - goal[1]) < 0.3) goal[0] = -goal[0];
    time += config.period;
  }
  state.counters["p50_us"] = quantile(seconds[3], 0.5);
  state.counters["p99_us"] = quantile(seconds[3], 0.99);
  state.counters["max_us"] = quantile(seconds[3], 1);
  state.counters["gp_us"] = quantile(seconds[0], 0.5);
  state.counters["belief_us"] = quantile(seconds[1], 0.5);
  state.counters["mpc_us"] = quantile(seconds[2], 0.5);
  state.counters["solves"] = benchmark::Counter(solves, benchmark::Counter::kAvgIterations);
}

BENCHMARK(cycle)
    ->ArgNames({"people", "hypotheses"})
    ->Args({3, 3})
    ->Args({20, 6})
    ->Iterations(3000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
