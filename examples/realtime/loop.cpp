/// A control loop in a thread of its own under SCHED_FIFO, memory locked, and a histogram of what
/// each period took: the lateness of the wake-up and the time of the solve.
///
///     loop [periods] [period in microseconds] [CPU]
///
/// Needs CAP_SYS_NICE and room in RLIMIT_MEMLOCK (root, or limits.conf: rtprio, memlock); says so
/// and goes on in the ordinary class where it has neither. For figures that hold, set a CPU apart:
/// isolcpus, nohz_full, and the performance governor.

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "optcore/mpc/ocp_solver.hpp"
#include "optcore/runtime/histogram.hpp"

namespace {

using optcore::runtime::Histogram;
constexpr int stages = 20, priority = 80;
constexpr std::int64_t second = 1'000'000'000;

struct Run {
  int periods = 2000;
  std::int64_t period = 1'000'000;  // ns
  int failures = 0, overruns = 0;
  Histogram lateness, solve;
};

alignas(64) unsigned char memory[65536];

std::int64_t now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * second + t.tv_nsec;
}

/// Pages of the stack are touched once, before time matters.
void touch_stack() {
  volatile unsigned char room[64 * 1024];
  for (std::size_t i = 0; i < sizeof room; i += 512) room[i] = 0;
}

void* control(void* argument) {
  Run& run = *static_cast<Run*>(argument);
  touch_stack();
  optcore::Arena arena(memory, sizeof memory);
  optcore::mpc::OcpSolver<float, 2, 1> solver;
  solver.attach(arena, {.nx = 2, .nu = 1, .horizon = stages, .rows = 0});
  constexpr float h = 0.1f;
  const float A[] = {1, h, 0, 1}, B[] = {h * h / 2, h}, Q[] = {1, 0, 0, 0.1f}, R[] = {0.01f};
  const float low[] = {-2}, high[] = {2};
  for (int k = 0; k <= stages; ++k) {
    solver.data().set_hessian(k, Q, R, nullptr);
    if (k == stages) break;
    solver.data().set_dynamics(k, A, B, nullptr);
    solver.data().set_input_bounds(k, low, high);
  }
  float x[2] = {2, 0};
  std::int64_t due = now() + run.period;
  for (int t = 0; t < run.periods; ++t, due += run.period) {
    const timespec until{static_cast<time_t>(due / second), static_cast<long>(due % second)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    const std::int64_t begin = now();
    solver.set_x0(x);
    // both are hard limits: the cap on iterations bounds the solve, the memory is all there is
    if (failed(solver.solve(/*warm=*/true, {.max_iterations = 20}).status)) ++run.failures;
    const float u = solver.u(0)[0];
    const std::int64_t end = now();
    run.lateness.record(begin - due);
    run.solve.record(end - begin);
    if (end > due + run.period) ++run.overruns;
    x[0] += h * x[1] + h * h / 2 * u;
    x[1] += h * u;
    if (t % 50 == 49) x[0] += t % 100 < 50 ? 2.0f : -2.0f;  // pushed: bounds become active
  }
  return nullptr;
}

void print(const char* what, const Histogram& h) {
  std::printf("%-22s", what);
  for (const double q : {0.5, 0.99, 0.999}) {
    std::printf("%9.1f", static_cast<double>(h.quantile(q)) / 1e3);
  }
  std::printf("%9.1f\n", static_cast<double>(h.max()) / 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  static Run run;  // histograms are large for a stack
  if (argc > 1) run.periods = std::atoi(argv[1]);
  if (argc > 2) run.period = std::atoll(argv[2]) * 1000;
  if (run.periods <= 0 || run.period <= 0) {
    std::fprintf(stderr, "usage: loop [periods] [period in microseconds] [CPU]\n");
    return 2;
  }
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    std::printf("memory is not locked: %s\n", std::strerror(errno));
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setstacksize(&attributes, 256 * 1024);  // all of it is locked
  sched_param parameters{};
  parameters.sched_priority = priority;
  pthread_attr_setschedparam(&attributes, &parameters);
  if (argc > 3) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(std::atoi(argv[3]), &cpus);
    pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
  }
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, control, &run);
  const char* scheduler = "SCHED_FIFO";
  if (error == EPERM) {
    std::printf("SCHED_FIFO was refused: %s\n", std::strerror(error));
    scheduler = "SCHED_OTHER";
    pthread_attr_setinheritsched(&attributes, PTHREAD_INHERIT_SCHED);
    error = pthread_create(&thread, &attributes, control, &run);
  }
  if (error != 0) {
    std::fprintf(stderr, "no thread: %s\n", std::strerror(error));
    return 1;
  }
  pthread_join(thread, nullptr);
  std::printf("%s, %d periods of %lld us\n%-22s%9s%9s%9s%9s\n", scheduler, run.periods,
              static_cast<long long>(run.period / 1000), "us", "median", "p99", "p99.9", "max");
  print("lateness of wake-up", run.lateness);
  print("solve", run.solve);
  std::printf("%d overruns, %d failed solves\n", run.overruns, run.failures);
  return run.failures == 0 ? 0 : 3;
}
