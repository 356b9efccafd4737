#pragma once

#include <cstddef>

#include "optcore/host/buffer.hpp"
#include "optcore/pipeline/motion_model.hpp"
#include "optcore/pipeline/types.hpp"
#include "optcore/runtime/histogram.hpp"

namespace optcore::host {

/// Stages whose latency the loop records.
enum class Stage : int { gp = 0, belief = 1, mpc = 2, total = 3 };

/// The control loop at run-time sizes: owns its memory, times its stages, allocates only here.
class ControlLoop {
 public:
  /// @throws std::bad_alloc; check status() for a model or configuration that cannot be used.
  ControlLoop(const loop::LoopConfig& config, const loop::MotionModel& model);
  ~ControlLoop();
  ControlLoop(ControlLoop&&) = delete;

  [[nodiscard]] Status status() const noexcept { return status_; }

  /// One control period; see pipeline::ControlLoop::step(). Does not allocate or throw.
  loop::LoopResult step(const loop::Observation& seen, const double* state, const double* goal,
                        MatrixView<const double> oracle = {}) noexcept;

  void reset() noexcept;

  /// (N + 1, 2) m: positions of the plan of the last step.
  [[nodiscard]] MatrixView<const double> plan() const noexcept;

  /// What is believed of one tracked person after the last step.
  struct Person {
    std::int64_t id = 0;
    bool considered = false;
    double position[2] = {0, 0};  ///< m, newest observation
    double velocity[2] = {0, 0};  ///< m/s
    int rows = 0;                 ///< belief updates so far
  };
  [[nodiscard]] int people() const noexcept;
  [[nodiscard]] int hypotheses() const noexcept { return hypotheses_; }
  [[nodiscard]] int stages() const noexcept { return config_.horizon + 1; }
  /// @param weight      (H,) of the hypotheses
  /// @param mean        (H * (N + 1), 2) m and covariance (H * (N + 1), 3) m^2; filled for
  /// considered
  ///                    people, NaN for others
  Person person(int index, VectorView<double> weight, MatrixView<double> mean,
                MatrixView<double> covariance) const noexcept;

  [[nodiscard]] runtime::Histogram& latency(Stage stage) noexcept {
    return latency_[static_cast<int>(stage)];
  }
  [[nodiscard]] const loop::LoopConfig& config() const noexcept { return config_; }

 private:
  loop::LoopConfig config_;
  int hypotheses_ = 1;
  Status status_ = Status::ok;
  Buffer memory_;
  void* loop_ = nullptr;  // pipeline::ControlLoop<double> of the chosen instruction set
  runtime::Histogram latency_[4];
};

/// Belief and forecast of single people, outside any loop: for evaluation and for the report.
class Forecaster {
 public:
  /// @throws std::bad_alloc; check status().
  explicit Forecaster(const loop::MotionModel& model);
  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] int goals() const noexcept { return goals_; }

  /// Goal posterior after each row of a track whose rows are one belief period apart.
  /// @param positions  (n, 2) m    @param posterior  (n, G); the first row is the prior
  void posteriors(MatrixView<const double> positions, MatrixView<double> posterior) noexcept;

  /// @param weight  (H,) output; mean (H * K, 2) and covariance (H * K, 3) output, stages 1..K
  /// @param posterior  (G,) over goals
  /// @return invalid_argument unless 1 <= steps <= 128 and step > 0
  [[nodiscard]] Status forecast(const double* position, const double* velocity,
                                VectorView<const double> posterior, int steps, double step,
                                VectorView<double> weight, MatrixView<double> mean,
                                MatrixView<double> covariance) noexcept;

 private:
  int goals_ = 0;
  int max_steps_ = 0;
  double cv_weight_ = 1;
  double belief_period_ = 0.4;
  Status status_ = Status::ok;
  Buffer memory_;
  void* forecaster_ = nullptr;
};

/// ok, or what is wrong with a configuration or a model: the name of the first bad field.
struct Checked {
  Status status = Status::ok;
  const char* field = "";
};
[[nodiscard]] Checked check(const loop::LoopConfig& config) noexcept;
[[nodiscard]] Checked check(const loop::MotionModel& model) noexcept;

}  // namespace optcore::host
