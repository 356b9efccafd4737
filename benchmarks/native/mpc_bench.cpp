/// The MPC solver on one thread, called from C++: factorisations, cold and warm solves, a loop.

#include <benchmark/benchmark.h>

#include <vector>

#include "mpc_problem.hpp"

namespace {

using optcore::failed;
using optcore::OcpMethod;
using optcore::bench::Chain;

Chain chain(const benchmark::State& state, bool bounded) {
  return {static_cast<int>(state.range(0)), static_cast<int>(state.range(1)),
          static_cast<int>(state.range(2)), bounded};
}

void solve(benchmark::State& state, bool bounded, bool warm, OcpMethod method) {
  const Chain problem = chain(state, bounded);
  auto solver = problem.solver();
  static_cast<void>(solver.solve(problem.x0.data(), false, {.method = method}));
  for (auto _ : state) {
    const auto info = solver.solve(problem.x0.data(), warm, {.method = method});
    if (failed(info.status)) return state.SkipWithError(to_string(info.status));
    benchmark::DoNotOptimize(info.objective);
  }
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({8, 3, 15})->Args({12, 4, 30})->Unit(benchmark::kMicrosecond);
}
void horizons(benchmark::internal::Benchmark* bench) {
  for (int horizon : {100, 300, 1000}) bench->Args({12, 4, horizon});
  bench->Unit(benchmark::kMicrosecond);
}

/// Without bounds: one factorisation, one pass back and forth, the residuals.
void factorisation(benchmark::State& state) { solve(state, false, false, OcpMethod::riccati); }
BENCHMARK(factorisation)->Apply(sizes)->Apply(horizons);

/// Nothing kept from one solve to the next.
void cold(benchmark::State& state) { solve(state, true, false, OcpMethod::riccati); }
BENCHMARK(cold)->Apply(sizes)->Apply(horizons);

/// No memory of the last solution; the model's factor is kept.
void cold_kept_model(benchmark::State& state) { solve(state, true, false, OcpMethod::automatic); }
BENCHMARK(cold_kept_model)->Apply(sizes)->Apply(horizons);

void warm(benchmark::State& state) { solve(state, true, true, OcpMethod::automatic); }
BENCHMARK(warm)->Apply(sizes);

/// A disturbed chain under control; the time of one step.
void closed_loop(benchmark::State& state) {
  const Chain problem = chain(state, true);
  auto solver = problem.solver();
  const auto& size = problem.size();
  std::vector<double> x = problem.x0, states((size.horizon + 1) * size.nx);
  std::vector<double> inputs(size.horizon * size.nu);
  optcore::support::Random random(2);
  for (auto _ : state) {
    const auto info = solver.solve(x.data(), true, {});
    if (failed(info.status)) return state.SkipWithError(to_string(info.status));
    solver.solution(states.data(), inputs.data());
    problem.advance(x, inputs.data(), 0.05, random);
  }
}
BENCHMARK(closed_loop)->Apply(sizes);

}  // namespace
