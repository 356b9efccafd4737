#pragma once

#include "optcore/mpc/ocp_solver.hpp"
#include "optcore/pipeline/half_planes.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// The planner's quadratic programme: a double integrator in the plane, x = (px, py, vx, vy),
/// u = (ax, ay), that tracks a reference path under speed and acceleration bounds and soft
/// half-planes on its position.
template <class T>
class PlanQp {
 public:
  void attach(Arena& arena, const LoopConfig& config) noexcept {
    config_ = config;
    settings_.tolerance = 1e-4;  // cost units; a plan is replaced within one period
    settings_.max_iterations = 40;
    settings_.exact = false;
    solver_.attach(arena, {4, 2, config.horizon, config.rows_per_stage});
    reference_ = arena.matrix<T>(config.horizon + 1, 4);
    if (reference_.data != nullptr) write_model();
  }

  void reset() noexcept { solver_.reset(); }

  /// The half-planes normal . position >= offset of stage k.
  void set_half_planes(int k, const HalfPlane<T>* planes, int count) noexcept {
    const T l1 = static_cast<T>(config_.penalty_linear);
    const T l2 = static_cast<T>(config_.penalty_square);
    solver_.data().set_row_count(k, count);
    for (int i = 0; i < count; ++i) {
      const T normal[4] = {planes[i].nx, planes[i].ny, 0, 0};
      solver_.data().set_row(k, i, normal, nullptr, planes[i].offset, infinity<T>(), l1, l2);
    }
  }

  /// @param path  (N + 1, 2) m; the velocities to track follow from it, standing at its end
  void set_reference(MatrixView<const T> path) noexcept {
    const int n = config_.horizon;
    const T h = static_cast<T>(config_.step);
    for (int k = 0; k <= n; ++k) {
      T q[4];
      for (int i = 0; i < 2; ++i) {
        reference_(k, i) = path(k, i);
        reference_(k, 2 + i) = k < n ? (path(k + 1, i) - path(k, i)) / h : T(0);
      }
      for (int i = 0; i < 4; ++i) q[i] = -weight(k, i) * reference_(k, i);
      solver_.data().set_gradient(k, q, no_input_);
    }
  }

  /// @param state  (4,)      @param path  (N + 1, 2) m, positions of the plan
  /// @return false when no plan was found; the path is then unchanged
  bool solve(const T* state, MatrixView<T> path) noexcept {
    solver_.set_x0(state);
    relax_bounds(state);
    const OcpInfo info = solver_.solve(/*warm=*/true, settings_);
    iterations_ = info.iterations;
    if (failed(info.status)) return false;
    for (int k = 0; k <= config_.horizon; ++k) {
      path(k, 0) = solver_.x(k)[0];
      path(k, 1) = solver_.x(k)[1];
    }
    return true;
  }

  [[nodiscard]] int iterations() const noexcept { return iterations_; }

  /// Acceleration of the first stage, kept within its limit.
  [[nodiscard]] T input(int i) const noexcept {
    const T limit = static_cast<T>(config_.max_acceleration);
    return clamp(solver_.u(0)[i], -limit, limit);
  }

  /// Do people shape the plan? If not, no other side can be cheaper.
  [[nodiscard]] bool people_matter() const noexcept {
    for (int k = 1; k <= config_.horizon; ++k) {
      for (int i = 0; i < solver_.data().counts[k]; ++i) {
        if (solver_.row_multiplier(k, i) > T(1e-2)) return true;
      }
    }
    return false;
  }

  /// Tracking and effort of the plan, without half-planes.
  [[nodiscard]] T tracking_cost() const noexcept {
    T total = 0;
    for (int k = 0; k <= config_.horizon; ++k) {
      for (int i = 0; k < config_.horizon && i < 2; ++i) {
        total += T(0.5) * static_cast<T>(config_.weight_effort) * solver_.u(k)[i] * solver_.u(k)[i];
      }
      for (int i = 0; k > 0 && i < 4; ++i) {
        const T error = solver_.x(k)[i] - reference_(k, i);
        total += T(0.5) * weight(k, i) * error * error;
      }
    }
    return total;
  }

 private:
  [[nodiscard]] T weight(int k, int i) const noexcept {
    const double w = i < 2 ? config_.weight_position : config_.weight_velocity;
    return static_cast<T>(k == config_.horizon ? w * config_.weight_terminal : w);
  }

  void write_model() noexcept {
    const T h = static_cast<T>(config_.step), half = T(0.5) * h * h;
    const T effort = static_cast<T>(config_.weight_effort);
    const T limit = static_cast<T>(config_.max_acceleration);
    const T a[16] = {1, 0, h, 0, 0, 1, 0, h, 0, 0, 1, 0, 0, 0, 0, 1};
    const T b[8] = {half, 0, 0, half, h, 0, 0, h};
    const T r[4] = {effort, 0, 0, effort}, lower[2] = {-limit, -limit}, upper[2] = {limit, limit};
    for (int k = 0; k <= config_.horizon; ++k) {
      T q[16] = {};
      for (int i = 0; i < 4; ++i) q[5 * i] = weight(k, i);
      solver_.data().set_hessian(k, q, r, nullptr);
      if (k == config_.horizon) break;
      solver_.data().set_dynamics(k, a, b, nullptr);
      solver_.data().set_input_bounds(k, lower, upper);
    }
  }

  /// Speed bounds that the present speed does not make infeasible: a robot that is too fast is
  /// given the braking distance to come back.
  void relax_bounds(const T* state) noexcept {
    const T h = static_cast<T>(config_.step), a = static_cast<T>(config_.max_acceleration);
    T lower[4], upper[4];
    for (int i = 0; i < 2; ++i) {
      upper[i] = infinity<T>();
      lower[i] = -infinity<T>();
    }
    for (int k = 1; k <= config_.horizon; ++k) {
      for (int i = 2; i < 4; ++i) {
        const T unavoidable = abs(state[i]) - T(0.9) * a * h * static_cast<T>(k);
        upper[i] = max(static_cast<T>(config_.max_speed), unavoidable);
        lower[i] = -upper[i];
      }
      solver_.data().set_state_bounds(k, lower, upper);
    }
  }

  static constexpr T no_input_[2] = {0, 0};
  LoopConfig config_{};
  OcpSettings settings_{};
  mpc::OcpSolver<T, 4, 2> solver_;
  MatrixView<T> reference_;
  int iterations_ = 0;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
