#pragma once

#include "optcore/pipeline/planner.hpp"
#include "optcore/pipeline/tracker.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// One control period in one call: observation, belief, GP forecasts, plan, command.
///
///     observe      positions -> velocity and belief over (goal, rationality) of everybody
///     forecast     per considered person and hypothesis: means and covariances over the horizon
///     plan         chance constraints, candidate sides, quadratic programmes, braking guard
///
/// All memory is cut from an arena in attach(); step() never allocates, throws or waits. When the
/// clock says that the deadline is near, optional work (further sides) is left out.
template <class T>
class ControlLoop {
 public:
  void attach(Arena& arena, const LoopConfig& config, const MotionModel& model) noexcept {
    config_ = config;
    forecaster_.attach(arena, model, config.considered, config.horizon + 1);
    tracker_.attach(arena, config);
    crowd_.attach(arena, config.considered, model.hypotheses(), config.horizon + 1);
    planner_.attach(arena, config, model.hypotheses());
    velocity_ = arena.matrix<T>(config.considered, 2);
    age_ = arena.vector<T>(config.considered);
    nearest_ = arena.array<Near>(static_cast<std::size_t>(config.max_people));
  }

  [[nodiscard]] Status set_up(const MotionModel& model) noexcept {
    return forecaster_.set_up(model);
  }

  void reset() noexcept {
    tracker_.reset();
    planner_.reset();
  }

  /// @param state  (4,) position m, velocity m/s     @param goal  (2,) m
  /// @param oracle  optional true future of every observed person, (P, 2 (N + 1)) m: replaces the
  ///                forecast in experiments; rows with NaN keep the last position
  /// @return not_finite when state or goal is not finite; the robot is then told to brake.
  LoopResult step(const Observation& seen, const double* state, const double* goal, Clock clock,
                  MatrixView<const double> oracle = {}) noexcept {
    LoopResult result;
    T s[4], g[2];
    for (int i = 0; i < 4; ++i) s[i] = static_cast<T>(state[i]);
    for (int i = 0; i < 2; ++i) g[i] = static_cast<T>(goal[i]);
    const double start = now(clock);
    if (!is_finite(s[0] + s[1] + s[2] + s[3] + g[0] + g[1])) {
      result.status = Status::not_finite;
      result.fallback = Fallback::brake;
      if (is_finite(s[2] + s[3])) {
        T u[2];
        braking_command(s + 2, static_cast<T>(config_.max_acceleration),
                        static_cast<T>(config_.period), u);
        result.command[0] = static_cast<double>(u[0]);
        result.command[1] = static_cast<double>(u[1]);
      }
      return result;
    }

    result.dropped_people = tracker_.observe(seen, forecaster_);
    const double observed = now(clock);

    choose_considered(s);
    result.considered = crowd_.people;
    start_forecasts(seen.time);
    if (oracle.rows == 0) {
      forecaster_.forecast(crowd_, {velocity_.data, crowd_.people, 2, 2},
                           {age_.data, crowd_.people}, static_cast<T>(config_.step));
    } else {
      take_oracle(seen, oracle);
    }
    const double forecast = now(clock);

    planner_.step(crowd_, s, g, result,
                  [&] { return clock.now == nullptr || now(clock) - start < config_.deadline; });
    const double planned = now(clock);
    result.seconds[0] = forecast - observed;
    result.seconds[1] = observed - start;
    result.seconds[2] = planned - forecast;
    result.seconds[3] = planned - start;
    return result;
  }

  [[nodiscard]] const Tracker<T>& tracker() const noexcept { return tracker_; }
  [[nodiscard]] const Forecaster<T>& forecaster() const noexcept { return forecaster_; }
  [[nodiscard]] const CrowdForecast<T>& crowd() const noexcept { return crowd_; }
  [[nodiscard]] MatrixView<const T> plan() const noexcept { return planner_.plan(); }
  /// Row of the tracker that row i of the crowd forecast belongs to.
  [[nodiscard]] int tracked(int i) const noexcept { return nearest_[i].person; }

 private:
  struct Near {
    T distance;
    int person;
  };

  static double now(Clock clock) noexcept {
    return clock.now != nullptr ? clock.now(clock.context) : 0.0;
  }

  /// The nearest people, weighing those the robot approaches as nearer.
  void choose_considered(const T* state) noexcept {
    int count = 0;
    for (int i = 0; i < tracker_.size(); ++i) {
      const auto& person = tracker_[i];
      const T dx = person.position[0] - state[0], dy = person.position[1] - state[1];
      const Near near = {dx * dx + dy * dy, i};
      int at = count < config_.considered ? count : config_.considered - 1;
      if (count == config_.considered && near.distance >= nearest_[at].distance) continue;
      while (at > 0 && nearest_[at - 1].distance > near.distance) {
        nearest_[at] = nearest_[at - 1];
        --at;
      }
      nearest_[at] = near;
      if (count < config_.considered) ++count;
    }
    crowd_.people = count;
  }

  /// Stage 0: the last seen position carried to the present at the last velocity.
  void start_forecasts(double time) noexcept {
    for (int p = 0; p < crowd_.people; ++p) {
      const auto& person = tracker_[nearest_[p].person];
      const T age = static_cast<T>(max(0.0, time - person.seen_at));
      forecaster_.hypothesis_weights(person.belief, crowd_.weight(p));
      for (int h = 0; h < crowd_.hypotheses(); ++h) {
        T* mean = crowd_.mean(p, h, 0);
        for (int i = 0; i < 2; ++i) mean[i] = person.position[i] + age * person.velocity[i];
      }
      // of somebody just seen only a walking pace is known: the spread starts that much earlier
      age_[p] = person.moved ? age : age + static_cast<T>(config_.newcomer_age);
      velocity_(p, 0) = person.velocity[0];
      velocity_(p, 1) = person.velocity[1];
    }
  }

  void take_oracle(const Observation& seen, MatrixView<const double> oracle) noexcept {
    for (int p = 0; p < crowd_.people; ++p) {
      const auto& person = tracker_[nearest_[p].person];
      int row = 0;
      while (row < seen.id.size && seen.id[row] != person.id) ++row;
      if (row >= oracle.rows) continue;
      for (int h = 0; h < crowd_.hypotheses(); ++h) {
        for (int k = 0; k < crowd_.stages(); ++k) {
          for (int i = 0; i < 2; ++i) {
            const T value = static_cast<T>(oracle(row, 2 * k + i));
            crowd_.mean(p, h, k)[i] =
                is_finite(value) ? value : crowd_.mean(p, h, k > 0 ? k - 1 : 0)[i];
          }
          T* covariance = crowd_.covariance(p, h, k);
          covariance[0] = covariance[2] = T(1e-4);
          covariance[1] = 0;
        }
      }
    }
  }

  LoopConfig config_{};
  Forecaster<T> forecaster_;
  Tracker<T> tracker_;
  CrowdForecast<T> crowd_;
  Planner<T> planner_;
  MatrixView<T> velocity_;
  VectorView<T> age_;
  Near* nearest_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
