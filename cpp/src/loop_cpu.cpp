/// CPU back-end of the control loop; compiled once per instruction set.

#include <new>

#include "backend.hpp"
#include "optcore/pipeline/control_loop.hpp"

namespace optcore::cpu {
namespace {

using Loop = pipeline::ControlLoop<double>;
using loop::LoopConfig;
using loop::MotionModel;

/// Cuts an object and its arrays from one arena; on a measuring arena the object lives on the
/// stack.
template <class Object, class Attach>
std::size_t measure(Attach attach) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Object>(1));
  Object object{};
  attach(object, arena);
  return arena.used();
}

std::size_t bytes(const LoopConfig& config, const MotionModel& model) noexcept {
  return measure<Loop>([&](Loop& loop, Arena& arena) { loop.attach(arena, config, model); });
}

Status create(void* memory, std::size_t size, const LoopConfig& config, const MotionModel& model,
              void** out) noexcept {
  Arena arena(memory, size);
  Loop* room = arena.array<Loop>(1);
  if (room == nullptr) return Status::out_of_memory;
  Loop* loop = ::new (static_cast<void*>(room)) Loop();
  loop->attach(arena, config, model);
  if (arena.overflowed()) return Status::out_of_memory;
  *out = loop;
  return loop->set_up(model);
}

loop::LoopResult step(void* loop, const loop::Observation& seen, const double* state,
                      const double* goal, loop::Clock clock,
                      MatrixView<const double> oracle) noexcept {
  return static_cast<Loop*>(loop)->step(seen, state, goal, clock, oracle);
}

void reset(void* loop) noexcept { static_cast<Loop*>(loop)->reset(); }

MatrixView<const double> plan(const void* loop) noexcept {
  return static_cast<const Loop*>(loop)->plan();
}

int people(const void* loop) noexcept { return static_cast<const Loop*>(loop)->tracker().size(); }

void copy_forecast(const pipeline::CrowdForecast<double>& crowd, int row, int first, int stages,
                   MatrixView<double> mean, MatrixView<double> covariance) noexcept {
  for (int h = 0; h < crowd.hypotheses(); ++h) {
    for (int k = 0; k < stages; ++k) {
      const int out = h * stages + k;
      for (int i = 0; i < 2; ++i) mean(out, i) = crowd.mean(row, h, first + k)[i];
      for (int i = 0; i < 3; ++i) covariance(out, i) = crowd.covariance(row, h, first + k)[i];
    }
  }
}

host::ControlLoop::Person person(const void* object, int index, VectorView<double> weight,
                                 MatrixView<double> mean, MatrixView<double> covariance) noexcept {
  const Loop& loop = *static_cast<const Loop*>(object);
  const auto& tracked = loop.tracker()[index];
  host::ControlLoop::Person out;
  out.id = tracked.id;
  out.rows = tracked.rows;
  for (int i = 0; i < 2; ++i) {
    out.position[i] = tracked.position[i];
    out.velocity[i] = tracked.velocity[i];
  }
  loop.forecaster().hypothesis_weights(tracked.belief, weight);
  const double nan = __builtin_nan("");
  for (int r = 0; r < mean.rows; ++r) {
    for (int i = 0; i < 2; ++i) mean(r, i) = nan;
    for (int i = 0; i < 3; ++i) covariance(r, i) = nan;
  }
  const auto& crowd = loop.crowd();
  for (int row = 0; row < crowd.people; ++row) {
    if (loop.tracked(row) != index) continue;
    out.considered = true;
    copy_forecast(crowd, row, 0, crowd.stages(), mean, covariance);
  }
  return out;
}

/// A forecaster for one person with room for its own forecast.
struct Single {
  pipeline::Forecaster<double> forecaster;
  pipeline::CrowdForecast<double> crowd;

  void attach(Arena& arena, const MotionModel& model, int max_steps) noexcept {
    forecaster.attach(arena, model, 1, max_steps + 1);
    crowd.attach(arena, 1, model.hypotheses(), max_steps + 1);
    crowd.people = 1;
  }
};

std::size_t forecaster_bytes(const MotionModel& model, int max_steps) noexcept {
  return measure<Single>(
      [&](Single& single, Arena& arena) { single.attach(arena, model, max_steps); });
}

Status forecaster_create(void* memory, std::size_t size, const MotionModel& model, int max_steps,
                         void** out) noexcept {
  Arena arena(memory, size);
  Single* room = arena.array<Single>(1);
  if (room == nullptr) return Status::out_of_memory;
  Single* single = ::new (static_cast<void*>(room)) Single();
  single->attach(arena, model, max_steps);
  if (arena.overflowed()) return Status::out_of_memory;
  *out = single;
  return single->forecaster.set_up(model);
}

void posteriors(void* object, MatrixView<const double> positions, double belief_period,
                MatrixView<double> posterior) noexcept {
  auto& forecaster = static_cast<Single*>(object)->forecaster;
  auto belief = forecaster.fresh_belief();
  for (int r = 0; r < positions.rows; ++r) {
    if (r > 0) {
      const double z[4] = {positions(r, 0), positions(r, 1),
                           (positions(r, 0) - positions(r - 1, 0)) / belief_period,
                           (positions(r, 1) - positions(r - 1, 1)) / belief_period};
      static_cast<void>(failed(forecaster.update(belief, z)));  // a failure keeps the belief
    }
    const auto goals = belief.hypotheses();
    for (int g = 0; g < posterior.cols; ++g) posterior(r, g) = goals[g];
  }
}

void forecast(void* object, const double* position, const double* velocity, int steps,
              double step_seconds, MatrixView<double> mean,
              MatrixView<double> covariance) noexcept {
  auto& single = *static_cast<Single*>(object);
  for (int h = 0; h < single.crowd.hypotheses(); ++h) {
    for (int i = 0; i < 2; ++i) single.crowd.mean(0, h, 0)[i] = position[i];
  }
  const double age = 0;
  single.forecaster.forecast(single.crowd, {velocity, 1, 2, 2}, {&age, 1}, step_seconds);
  copy_forecast(single.crowd, 0, 1, steps, mean, covariance);
}

constexpr LoopKernels table = {.bytes = bytes,
                               .create = create,
                               .step = step,
                               .reset = reset,
                               .plan = plan,
                               .people = people,
                               .person = person,
                               .forecaster_bytes = forecaster_bytes,
                               .forecaster_create = forecaster_create,
                               .posteriors = posteriors,
                               .forecast = forecast};

}  // namespace

template <>
const LoopKernels& loop_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
