#include "optcore/host/loop.hpp"

#include <chrono>

#include "backend.hpp"

namespace optcore::host {
namespace {

constexpr int max_forecast_steps = 128;

double steady_seconds(void*) noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

ControlLoop::ControlLoop(const loop::LoopConfig& config, const loop::MotionModel& model)
    : config_(config), hypotheses_(model.hypotheses()) {
  for (const Checked& checked : {check(config), check(model)}) {
    if (failed(checked.status)) {
      status_ = checked.status;
      return;
    }
  }
  const auto& kernels = *cpu::kernels().loop;
  memory_ = Buffer(kernels.bytes(config, model));
  status_ = kernels.create(memory_.data(), memory_.bytes(), config, model, &loop_);
}

ControlLoop::~ControlLoop() = default;  // the loop itself owns nothing: it lies in memory_

loop::LoopResult ControlLoop::step(const loop::Observation& seen, const double* state,
                                   const double* goal, MatrixView<const double> oracle) noexcept {
  loop::LoopResult result;
  if (failed(status_)) {
    result.status = status_;
    result.fallback = loop::Fallback::brake;
    return result;
  }
  result = cpu::kernels().loop->step(loop_, seen, state, goal, {steady_seconds, nullptr}, oracle);
  if (!failed(result.status)) {
    for (int i = 0; i < 4; ++i) {
      latency_[i].record(static_cast<std::int64_t>(result.seconds[i] * 1e9));
    }
  }
  return result;
}

void ControlLoop::reset() noexcept {
  if (loop_ != nullptr) cpu::kernels().loop->reset(loop_);
}

MatrixView<const double> ControlLoop::plan() const noexcept {
  return cpu::kernels().loop->plan(loop_);
}

int ControlLoop::people() const noexcept { return cpu::kernels().loop->people(loop_); }

ControlLoop::Person ControlLoop::person(int index, VectorView<double> weight,
                                        MatrixView<double> mean,
                                        MatrixView<double> covariance) const noexcept {
  return cpu::kernels().loop->person(loop_, index, weight, mean, covariance);
}

Forecaster::Forecaster(const loop::MotionModel& model)
    : goals_(model.goal_count()),
      max_steps_(max_forecast_steps),
      cv_weight_(model.goal_count() > 0 ? model.cv_weight : 1.0),
      belief_period_(model.belief_period) {
  const Checked checked = check(model);
  status_ = checked.status;
  if (failed(status_)) return;
  const auto& kernels = *cpu::kernels().loop;
  memory_ = Buffer(kernels.forecaster_bytes(model, max_steps_));
  status_ =
      kernels.forecaster_create(memory_.data(), memory_.bytes(), model, max_steps_, &forecaster_);
}

void Forecaster::posteriors(MatrixView<const double> positions,
                            MatrixView<double> posterior) noexcept {
  cpu::kernels().loop->posteriors(forecaster_, positions, belief_period_, posterior);
}

Status Forecaster::forecast(const double* position, const double* velocity,
                            VectorView<const double> posterior, int steps, double step,
                            VectorView<double> weight, MatrixView<double> mean,
                            MatrixView<double> covariance) noexcept {
  if (steps < 1 || steps > max_steps_ || !(step > 0)) return Status::invalid_argument;
  for (int g = 0; g < goals_; ++g) weight[g] = (1 - cv_weight_) * posterior[g];
  weight[goals_] = cv_weight_;
  cpu::kernels().loop->forecast(forecaster_, position, velocity, steps, step, mean, covariance);
  return Status::ok;
}

}  // namespace optcore::host
