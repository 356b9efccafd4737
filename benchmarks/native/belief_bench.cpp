/// Beliefs on one thread, called from C++: the cases of benchmarks/areas/belief.py without Python.

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "optcore/host/belief.hpp"
#include "optcore/host/belief_models.hpp"
#include "optcore/host/kalman.hpp"
#include "optcore/host/particles.hpp"
#include "support/random.hpp"

namespace {

using optcore::failed;
using optcore::MatrixView;
using optcore::VectorView;
namespace host = optcore::host;

std::vector<double> numbers(std::size_t count, double low, double high) {
  optcore::support::Random random(3);
  std::vector<double> out(count);
  for (double& value : out) value = random.uniform(low, high);
  return out;
}

std::vector<double> stochastic(int states) {
  auto matrix = numbers(static_cast<std::size_t>(states) * states, 0.01, 1);
  for (int i = 0; i < states; ++i) {
    double total = 0;
    for (int j = 0; j < states; ++j) total += matrix[static_cast<std::size_t>(i) * states + j];
    for (int j = 0; j < states; ++j) matrix[static_cast<std::size_t>(i) * states + j] /= total;
  }
  return matrix;
}

/// Chained steps of a hidden Markov model, log-likelihoods in; the time of one.
void step(benchmark::State& state) {
  const int states = static_cast<int>(state.range(0)), steps = 1000;
  const auto matrix = stochastic(states);
  const auto logs = numbers(static_cast<std::size_t>(states) * steps, -3, 0);
  host::DiscreteFilter filter(states, true);
  if (failed(filter.set_transition({matrix.data(), states, states, states}))) {
    return state.SkipWithError("transition");
  }
  for (auto _ : state) {
    if (failed(filter.sequence({logs.data(), steps, states, states}, true, {}))) {
      return state.SkipWithError("step");
    }
    benchmark::DoNotOptimize(filter.probabilities().data);
  }
  state.counters["ns_per_step"] = benchmark::Counter(
      steps * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(step)->Arg(8)->Arg(16);

/// The same through one call for each step, as a robot makes it.
void step_call(benchmark::State& state) {
  const int states = static_cast<int>(state.range(0));
  const auto matrix = stochastic(states);
  const auto logs = numbers(static_cast<std::size_t>(states), -3, 0);
  host::DiscreteFilter filter(states, true);
  if (failed(filter.set_transition({matrix.data(), states, states, states}))) {
    return state.SkipWithError("transition");
  }
  for (auto _ : state) benchmark::DoNotOptimize(filter.step({logs.data(), states}));
}
BENCHMARK(step_call)->Arg(8)->Arg(16)->Arg(1000);

/// A step of 10^4 beliefs.
void batch(benchmark::State& state) {
  const int states = static_cast<int>(state.range(0)), beliefs = 10000;
  const auto matrix = stochastic(states);
  const auto logs = numbers(static_cast<std::size_t>(states) * beliefs, -3, 0);
  host::DiscreteBatch all(beliefs, states);
  if (failed(all.set({matrix.data(), states, states, states}, {}))) {
    return state.SkipWithError("transition");
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(all.step({logs.data(), beliefs, states, states}));
  }
}
BENCHMARK(batch)->Arg(8)->Arg(16)->Arg(64)->Unit(benchmark::kMicrosecond);

/// One period of an IMM of five models, two of d states measured.
void imm(benchmark::State& state) {
  const int d = static_cast<int>(state.range(0)), m = 2, models = 5;
  std::vector<double> F(d * d), Q(d * d), H(m * d), R(m * m), P(d * d), x(d);
  for (int i = 0; i < d; ++i) {
    F[i * d + i] = P[i * d + i] = 1;
    if (i + m < d) F[i * d + i + m] = 0.1;
  }
  for (int i = 0; i < m; ++i) {
    H[i * d + i] = 1;
    R[i * m + i] = 0.05;
  }
  host::KalmanFilters filters(d, m, models);
  for (int w = 0; w < models; ++w) {
    for (int i = 0; i < d; ++i) Q[i * d + i] = 0.01 * (w + 1);
    if (failed(filters.set(w, {F.data(), d, d, d}, {Q.data(), d, d, d}, {H.data(), m, d, d},
                           {R.data(), m, m, m}, {x.data(), d}, {P.data(), d, d, d}))) {
      return state.SkipWithError("model");
    }
  }
  std::vector<double> switching(models * models, 0.02), even(models, 0.2);
  for (int i = 0; i < models; ++i) switching[i * models + i] = 0.92;
  if (failed(filters.set_switching({switching.data(), models, models, models},
                                   {even.data(), models}))) {
    return state.SkipWithError("switching");
  }
  const auto z = numbers(64 * m, -1, 1);
  int turn = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filters.step({&z[static_cast<std::size_t>(turn) * m], m}));
    turn = (turn + 1) & 63;
  }
}
BENCHMARK(imm)->Arg(4)->Arg(6);

/// A full step with d = 4, resampled each time.
void particles(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const auto start = numbers(static_cast<std::size_t>(n) * 4, -1, 1);
  host::ParticleFilter filter(n, 4, {.ess_threshold = 1.1}, {.seed = 1});
  if (failed(filter.set({start.data(), n, 4, 4}))) return state.SkipWithError("states");
  const double z[2] = {0.3, -0.2};
  for (auto _ : state) {
    if (failed(filter.step({0.1, 0.05, 0.1, 0.5}, {z, 2}))) return state.SkipWithError("step");
  }
  state.SetItemsProcessed(state.iterations() * n);
}
BENCHMARK(particles)->Arg(1000)->Arg(10000)->Arg(100000)->Arg(1000000)->Unit(
    benchmark::kMicrosecond);

void resample(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const auto weights = numbers(static_cast<std::size_t>(n), 0.01, 1);
  std::vector<int> ancestor(static_cast<std::size_t>(n));
  for (auto _ : state) {
    benchmark::DoNotOptimize(host::resample({weights.data(), n}, optcore::Resampling::systematic,
                                            {.seed = 1}, {ancestor.data(), n}));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n);
}
BENCHMARK(resample)->Arg(1000)->Arg(10000)->Arg(100000)->Arg(1000000);

/// Rank-1 update of a posterior with one output.
void regression(benchmark::State& state) {
  const int d = static_cast<int>(state.range(0));
  const auto x = numbers(static_cast<std::size_t>(d) * 64, -0.5, 0.5);
  host::LinearRegression model(d, 1);
  if (failed(model.set_prior(10, 1, 3))) return state.SkipWithError("prior");
  const double y = 0.3;
  int turn = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.update({&x[static_cast<std::size_t>(turn) * d], d}, {&y, 1}));
    turn = (turn + 1) & 63;
  }
}
BENCHMARK(regression)->Arg(20)->Arg(64)->Arg(200);

}  // namespace
