/// Gaussian process on one thread: factor (beside OpenBLAS), fit, likelihood, queries, streaming.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <vector>

#include "openblas.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/host/gp.hpp"
#include "optcore/host/gp_batch.hpp"
#include "support/random.hpp"

namespace {

using optcore::MatrixView;
using optcore::Status;
using optcore::VectorView;
namespace host = optcore::host;
using Clock = std::chrono::steady_clock;

/// n points of d inputs, one output, and a model with length scales near the points' spread.
struct Problem {
  Problem(int n_, int d_) : n(n_), d(d_), X(n * d), y(n), scales(d, 1.5) {
    optcore::support::Random random(3);
    for (double& x : X) x = random.normal();
    for (double& value : y) value = random.normal();
  }
  MatrixView<const double> points(int count) const { return {X.data(), count, d, d}; }
  MatrixView<const double> outputs(int count) const { return {y.data(), count, 1, 1}; }
  VectorView<const double> point(int i) const { return {&X[static_cast<std::size_t>(i) * d], d}; }
  host::GpHyperparameters hyper() const {
    return {.length_scales = {scales.data(), d}, .noise = 0.01};
  }
  host::GaussianProcess fitted(int capacity, bool with_inverse) const {
    host::GaussianProcess gp(capacity, d, 1, with_inverse);
    if (optcore::failed(gp.fit(points(n), outputs(n), hyper()))) std::abort();
    return gp;
  }
  int n, d;
  std::vector<double> X, y, scales;
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The time of each iteration; the shortest is what a shared machine disturbs least. What takes
/// longer than a time slice is counted in time on the processor.
class Stopwatch {
 public:
  explicit Stopwatch(benchmark::State& state) : state_(state) {}
  template <class Work>
  auto time(Work work) {
    const double processor = processor_seconds();
    const auto start = Clock::now();
    const auto result = work();
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (seconds > 1e-3) seconds = processor_seconds() - processor;
    state_.SetIterationTime(seconds);
    best_ = std::min(best_, seconds);
    return result;
  }
  /// Adds the counters; call after the loop.
  void report(double flops = 0) {
    state_.counters["best_us"] = best_ * 1e6;
    if (flops > 0) state_.counters["best_GFLOP/s"] = flops / best_ * 1e-9;
  }

 private:
  benchmark::State& state_;
  double best_ = std::numeric_limits<double>::infinity();
};

void check(benchmark::State& state, Status status) {
  if (optcore::failed(status)) state.SkipWithError(optcore::to_string(status));
}

double cubic(int n) { return static_cast<double>(n) * n * n; }

// --- Cholesky: only the factorisation is timed, each time of a fresh copy
// -------------------------

template <class Factor>
void cholesky(benchmark::State& state, int stride, Factor factor) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n, 8);
  const std::size_t numbers =
      static_cast<std::size_t>(stride) * static_cast<std::size_t>(host::cholesky_rows(n));
  const host::Buffer original(numbers * sizeof(double)), copy(numbers * sizeof(double));
  double* const a = static_cast<double*>(original.data());
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      double q = 0;
      for (int f = 0; f < 8; ++f) q += std::pow(problem.X[i * 8 + f] - problem.X[j * 8 + f], 2);
      a[static_cast<std::size_t>(i) * stride + j] = std::exp(-q / 4.5) + (i == j ? 0.01 : 0);
    }
  }
  Stopwatch watch(state);
  for (auto _ : state) {
    std::memcpy(copy.data(), a, numbers * sizeof(double));
    if (!watch.time([&] { return factor(n, static_cast<double*>(copy.data())); })) {
      return state.SkipWithError("not positive definite");
    }
  }
  watch.report(cubic(n) / 3);
}

void cholesky_optcore(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), stride = host::cholesky_stride(n);
  const host::Buffer workspace(host::cholesky_workspace(n) * sizeof(double));
  cholesky(state, stride, [&](int size, double* a) {
    return !optcore::failed(
        host::cholesky(a, size, stride, static_cast<double*>(workspace.data()), nullptr));
  });
}

/// On two processors; the clock on the wall, since the caller also waits.
void cholesky_two_threads(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), stride = host::cholesky_stride(n);
  const host::Buffer workspace(host::cholesky_workspace(n) * sizeof(double));
  double best = std::numeric_limits<double>::infinity();
  cholesky(state, stride, [&](int size, double* a) {
    const auto start = Clock::now();
    const Status status =
        host::cholesky(a, size, stride, static_cast<double*>(workspace.data()), nullptr, 2);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    return !optcore::failed(status);
  });
  state.counters["best_wall_us"] = best * 1e6;
  state.counters["best_GFLOP/s"] = cubic(n) / 3 / best * 1e-9;
}
BENCHMARK(cholesky_two_threads)->Arg(1024)->Arg(4096)->UseManualTime();

void cholesky_openblas(benchmark::State& state) {
  const openblas::Dpotrf dpotrf = openblas::dpotrf();
  if (dpotrf == nullptr) return state.SkipWithError("no OpenBLAS found (set OPTCORE_OPENBLAS)");
  const int stride = host::cholesky_stride(static_cast<int>(state.range(0)));
  cholesky(state, stride, [&](int n, double* a) {
    int info = 0;
    dpotrf("L", &n, a, &stride, &info);
    return info == 0;
  });
}

constexpr auto factor_sizes = [](auto* b) {
  b->Arg(64)->Arg(200)->Arg(512)->Arg(1024)->Arg(4096)->UseManualTime();
};
BENCHMARK(cholesky_optcore)->Apply(factor_sizes);
BENCHMARK(cholesky_openblas)->Apply(factor_sizes);

// --- fit and likelihood
// ---------------------------------------------------------------------------

void fit(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n, 8);
  host::GaussianProcess gp(n, 8, 1, false);
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time([&] {
      return gp.fit(problem.points(n), problem.outputs(n), problem.hyper());
    }));
  }
  watch.report(cubic(n) / 3);
}
BENCHMARK(fit)->Arg(64)->Arg(200)->Arg(1024)->Arg(4096)->UseManualTime();

void likelihood_grad(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n, 8);
  host::GpLikelihoodEvaluator evaluator(n, 8, 1, true);
  std::vector<double> slopes(8);
  host::GpLikelihood out;
  out.log_length_scales = {slopes.data(), 8};
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time([&] {
      return evaluator.evaluate(problem.points(n), problem.outputs(n), problem.hyper(), out);
    }));
  }
  watch.report(cubic(n));
}
BENCHMARK(likelihood_grad)->Arg(200)->Arg(1024)->Arg(2048)->UseManualTime();

// --- queries
// --------------------------------------------------------------------------------------

void predict(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), m = static_cast<int>(state.range(1));
  const Problem problem(n, 8), queries(m, 8);
  host::GaussianProcess gp = problem.fitted(n, true);
  std::vector<double> mean(m), variance(m);
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time([&] {
      return gp.predict(queries.points(m), {mean.data(), m, 1, 1}, {variance.data(), m});
    }));
    benchmark::DoNotOptimize(variance.data());
  }
  watch.report();
}
BENCHMARK(predict)
    ->Args({200, 1})
    ->Args({200, 32})
    ->Args({1000, 1})
    ->Args({1000, 32})
    ->UseManualTime();

void mean_grad(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n, 8), queries(1, 8);
  const host::GaussianProcess gp = problem.fitted(n, false);
  double mean = 0, slopes[8];
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time([&] {
      return gp.mean_gradient(queries.points(1), {&mean, 1, 1, 1}, {slopes, 1, 8, 8});
    }));
    benchmark::DoNotOptimize(slopes);
  }
  watch.report();
}
BENCHMARK(mean_grad)->Arg(200)->UseManualTime();

// --- streaming: the other half of each pair is not timed
// ------------------------------------------

template <class Timed, class Other>
void alternate(benchmark::State& state, Timed timed, Other other) {
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time(timed));
    check(state, other());
  }
  watch.report();
}

void append(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n + 1, 8);
  host::GaussianProcess gp(n + 1, 8, 1, state.range(1) != 0);
  check(state, gp.fit(problem.points(n), problem.outputs(n), problem.hyper()));
  alternate(
      state, [&] { return gp.append(problem.point(n), {&problem.y[n], 1}); },
      [&] { return gp.drop(n); });
}
BENCHMARK(append)->Args({1000, 0})->Args({200, 0})->UseManualTime();

void drop_oldest(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const Problem problem(n, 8);
  host::GaussianProcess gp = problem.fitted(n, false);
  int next = 0;
  alternate(
      state, [&] { return gp.drop(0); },
      [&] {
        const int i = next++ % n;
        return gp.append(problem.point(i), {&problem.y[i], 1});
      });
}
BENCHMARK(drop_oldest)->Arg(1000)->Arg(200)->UseManualTime();

// --- many small processes at once: fit and one prediction each ---------------------------------

void batch(benchmark::State& state) {
  const int count = static_cast<int>(state.range(0)), n = static_cast<int>(state.range(1)), d = 4;
  const Problem problem(count * n, d), queries(count, d);
  const std::vector<int> sizes(count, n);
  host::GaussianProcessBatch gps({sizes.data(), count}, d, 1);
  const double variance = 1, noise = 0.01;
  const host::GpBatchHyperparameters hyper = {.variance = {&variance, 1},
                                              .length_scales = {problem.scales.data(), 1, d, d},
                                              .noise = {&noise, 1},
                                              .mean = {}};
  std::vector<Status> status(count);
  std::vector<double> mean(count), spread(count);
  Stopwatch watch(state);
  for (auto _ : state) {
    check(state, watch.time([&] {
      const Status fitted = gps.fit(problem.points(count * n), problem.outputs(count * n), hyper,
                                    {status.data(), count});
      if (optcore::failed(fitted)) return fitted;
      return gps.predict(queries.points(count), {mean.data(), count, 1, 1}, {spread.data(), count});
    }));
  }
  watch.report(count * cubic(n) / 3);
}
BENCHMARK(batch)->Args({1000, 64})->UseManualTime();

}  // namespace
