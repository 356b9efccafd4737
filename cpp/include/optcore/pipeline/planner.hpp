#pragma once

#include "optcore/pipeline/half_planes.hpp"
#include "optcore/pipeline/passing.hpp"
#include "optcore/pipeline/plan_qp.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Model predictive control of a robot (double integrator in the plane) among forecast people.
///
/// Every cycle it draws half-planes around a few candidate paths (last plan, pass left, pass right,
/// give way), solves one quadratic programme each, keeps the cheapest with hysteresis, and checks
/// that the command leaves room to brake. It always returns a command the robot can follow; the
/// result says which step of the written order (Fallback) produced it.
template <class T>
class Planner {
 public:
  void attach(Arena& arena, const LoopConfig& config, int hypotheses) noexcept {
    config_ = config;
    stages_ = config.horizon + 1;
    constraints_.attach(arena, config, hypotheses);
    for (auto& candidate : candidates_) {
      candidate.qp.attach(arena, config);
      candidate.path = arena.matrix<T>(stages_, 2);
    }
    reference_ = arena.matrix<T>(stages_, 2);
    plan_ = arena.matrix<T>(stages_, 2);
    around_ = arena.matrix<T>(stages_, 2);
    rows_ = arena.array<HalfPlane<T>>(static_cast<std::size_t>(config.rows_per_stage));
  }

  /// Forgets the last plan and all warm starts.
  void reset() noexcept {
    has_plan_ = false;
    for (auto& candidate : candidates_) candidate.qp.reset();
  }

  /// Positions of the chosen plan, (N + 1, 2) m; row 0 is the robot now.
  [[nodiscard]] MatrixView<const T> plan() const noexcept { return plan_; }

  /// @param crowd  forecast of the considered people
  /// @param state  (4,) position m and velocity m/s
  /// @param goal   (2,) m
  /// @param may_continue  called between candidates: false stops optional work (deadline)
  template <class MayContinue>
  void step(const CrowdForecast<T>& crowd, const T* state, const T* goal, LoopResult& result,
            MayContinue may_continue) noexcept {
    straight_path(config_, state, goal, reference_);
    constraints_.allocate(crowd, result);
    predict_previous(state);

    int best = -1;
    people_matter_ = true;
    for (int c = 0; c < config_.sides; ++c) {
      Candidate& candidate = candidates_[order_[c]];
      const Side side = static_cast<Side>(c);
      if (c > 0 && (!people_matter_ || !may_continue())) break;
      if (side == Side::keep) {
        copy(has_plan_ ? plan_ : reference_, around_);
      } else {
        seed_path(config_, side, crowd, state, goal, around_);
      }
      const int drawn = draw(crowd, candidate.qp, /*likely_only=*/false);
      if (!solve(candidate, state, result)) continue;
      if (side == Side::keep) people_matter_ = drawn > 0 && candidate.qp.people_matter();
      candidate.cost = cost(crowd, candidate);
      const bool cheaper =
          best < 0 ||
          candidate.cost < candidates_[order_[best]].cost *
                               (best == 0 ? T(1) - static_cast<T>(config_.hysteresis) : T(1));
      if (cheaper) best = c;
    }

    if (best >= 0) {
      result.side = static_cast<Side>(best);
      accept(crowd, state, best, result);
    } else {
      result.fallback = previous_is_clear(crowd) ? Fallback::previous_plan : Fallback::brake;
      command_from_plan(state, result);
    }
    guard(crowd, state, result);
    result.risk_planned = static_cast<double>(constraints_.risk_of(crowd, plan_));
  }

 private:
  struct Candidate {
    PlanQp<T> qp;
    MatrixView<T> path;  // (N + 1, 2)
    T cost = 0;
  };

  static void copy(MatrixView<T> from, MatrixView<T> to) noexcept {
    for (int k = 0; k < from.rows; ++k) {
      to(k, 0) = from(k, 0);
      to(k, 1) = from(k, 1);
    }
  }

  /// Moves last cycle's plan on by one period, so that row k is again k stages from now.
  void predict_previous(const T* state) noexcept {
    if (!has_plan_) return;
    const T f = static_cast<T>(config_.period / config_.step);
    for (int k = 0; k + 1 < stages_; ++k) {
      for (int i = 0; i < 2; ++i) plan_(k, i) += f * (plan_(k + 1, i) - plan_(k, i));
    }
    plan_(0, 0) = state[0];
    plan_(0, 1) = state[1];
  }

  int draw(const CrowdForecast<T>& crowd, PlanQp<T>& qp, bool likely_only) noexcept {
    int drawn = 0;
    for (int k = 1; k < stages_; ++k) {
      const int count =
          constraints_.linearise(crowd, k, around_(k, 0), around_(k, 1), likely_only, rows_);
      qp.set_half_planes(k, rows_, count);
      drawn += count;
    }
    return drawn;
  }

  bool solve(Candidate& candidate, const T* state, LoopResult& result) noexcept {
    candidate.qp.set_reference(reference_);
    const bool solved = candidate.qp.solve(state, candidate.path);
    ++result.solves;
    result.iterations += candidate.qp.iterations();
    return solved;
  }

  /// What a plan costs with the true (not linearised) distances, so that sides can be compared.
  T cost(const CrowdForecast<T>& crowd, const Candidate& candidate) const noexcept {
    T total = candidate.qp.tracking_cost();
    const T far = constraints_.longest_distance();
    for (int k = 1; k < stages_; ++k) {
      const T x = candidate.path(k, 0), y = candidate.path(k, 1);
      for (int p = 0; p < crowd.people; ++p) {
        const auto weight = crowd.weight(p);
        for (int h = 0; h < crowd.hypotheses(); ++h) {
          const T* m = crowd.mean(p, h, k);
          const T dx = x - m[0], dy = y - m[1], square = dx * dx + dy * dy;
          if (square > far * far) continue;
          const T length = sqrt(square);
          const T inverse = length > T(1e-9) ? T(1) / length : T(0);
          const T keep = constraints_.distance(crowd, p, h, k, dx * inverse, dy * inverse);
          if (keep < length) continue;
          const T lack = keep - length;
          total += weight[h] * lack * static_cast<T>(config_.penalty_linear) *
                   (T(1) + lack * static_cast<T>(config_.penalty_square / config_.penalty_linear));
        }
      }
    }
    return total;
  }

  /// Largest lack of room of a path within the first `stages` stages, m: against the margins
  /// (`margin`) and against contact with the means of hypotheses that were not left out
  /// (`contact`). Negative infinity where nobody is as near as the longest distance to keep.
  void lack_of_room(const CrowdForecast<T>& crowd, MatrixView<const T> path, int stages,
                    bool likely_only, T& margin, T& contact) const noexcept {
    margin = contact = -infinity<T>();
    const T touch = static_cast<T>(config_.contact_distance);
    const T far = constraints_.longest_distance();
    for (int k = 1; k < stages; ++k) {
      for (int p = 0; p < crowd.people; ++p) {
        const int likeliest = likely_only ? crowd.likeliest(p) : -1;
        for (int h = 0; h < crowd.hypotheses(); ++h) {
          if (likely_only && h != likeliest) continue;
          const T* m = crowd.mean(p, h, k);
          const T dx = path(k, 0) - m[0], dy = path(k, 1) - m[1], square = dx * dx + dy * dy;
          if (square > far * far) continue;
          const T length = sqrt(square);
          const T inverse = length > T(1e-9) ? T(1) / length : T(0);
          const T keep = constraints_.distance(crowd, p, h, k, dx * inverse, dy * inverse);
          if (keep < 0) continue;
          margin = max(margin, keep - length);
          contact = max(contact, touch - length);
        }
      }
    }
  }

  /// Stages within which a plan must be free of contact: the time to stop from full speed and one
  /// belief period to notice.
  [[nodiscard]] int committed_stages() const noexcept {
    const double seconds = config_.max_speed / config_.max_acceleration + config_.belief_period;
    return min(stages_, 2 + static_cast<int>(seconds / config_.step));
  }

  void accept(const CrowdForecast<T>& crowd, const T* state, int best,
              LoopResult& result) noexcept {
    if (best != 0) {  // the winner becomes the plan to keep, with its warm start
      const int winner = order_[best];
      order_[best] = order_[0];
      order_[0] = winner;
    }
    Candidate& chosen = candidates_[order_[0]];
    T margin, contact;
    lack_of_room(crowd, chosen.path, stages_, false, margin, contact);
    result.max_slack = static_cast<double>(max(margin, T(0)));
    result.fallback = margin <= T(0.02) ? Fallback::nominal : Fallback::margin;
    lack_of_room(crowd, chosen.path, committed_stages(), false, margin, contact);
    if (contact > 0) {
      copy(chosen.path, around_);
      draw(crowd, chosen.qp, /*likely_only=*/true);
      result.fallback = Fallback::likely_only;
      if (solve(chosen, state, result)) {
        lack_of_room(crowd, chosen.path, committed_stages(), true, margin, contact);
        chosen.cost = cost(crowd, chosen);
      }
      if (contact > 0) result.fallback = Fallback::brake;
    }
    copy(chosen.path, plan_);
    has_plan_ = true;
    result.cost = static_cast<double>(chosen.cost);
    if (result.fallback == Fallback::brake) {
      command_from_plan(state, result);
    } else {
      result.command[0] = static_cast<double>(chosen.qp.input(0));
      result.command[1] = static_cast<double>(chosen.qp.input(1));
    }
  }

  bool previous_is_clear(const CrowdForecast<T>& crowd) const noexcept {
    if (!has_plan_) return false;
    T margin, contact;
    lack_of_room(crowd, plan_, stages_, true, margin, contact);
    return contact <= 0;
  }

  /// Command of a plan that no solver produced: follow the shifted plan, or brake.
  void command_from_plan(const T* state, LoopResult& result) noexcept {
    T u[2];
    const T limit = static_cast<T>(config_.max_acceleration);
    if (result.fallback == Fallback::previous_plan) {
      const T h = static_cast<T>(config_.step);
      for (int i = 0; i < 2; ++i) {
        u[i] = clamp(T(2) * (plan_(1, i) - state[i] - h * state[2 + i]) / (h * h), -limit, limit);
      }
    } else {
      brake(state, u);
    }
    result.command[0] = static_cast<double>(u[0]);
    result.command[1] = static_cast<double>(u[1]);
  }

  void brake(const T* state, T* command) noexcept {
    braking_command(state + 2, static_cast<T>(config_.max_acceleration),
                    static_cast<T>(config_.period), command);
    braking_path(state, plan_);
    has_plan_ = false;
  }

  void braking_path(const T* state, MatrixView<T> path) const noexcept {
    T s[4] = {state[0], state[1], state[2], state[3]};
    for (int k = 0; k < stages_; ++k) {
      path(k, 0) = s[0];
      path(k, 1) = s[1];
      T u[2];
      braking_command(s + 2, static_cast<T>(config_.max_acceleration), static_cast<T>(config_.step),
                      u);
      advance(s, u, static_cast<T>(config_.step));
    }
  }

  /// Braking in somebody's way is no way out: a plan within the risk allowed that carries less of
  /// it than standing here does is followed.
  [[nodiscard]] bool leads_out(const CrowdForecast<T>& crowd, const T* state,
                               const LoopResult& result) noexcept {
    if (result.fallback > Fallback::margin) return false;
    const T risk = constraints_.risk_of(crowd, plan_);
    if (risk > static_cast<T>(config_.risk)) return false;
    braking_path(state, around_);
    return risk < constraints_.risk_of(crowd, around_);
  }

  /// Last line: a command after which braking would come too late is replaced by braking now,
  /// unless the plan leads out of the way.
  void guard(const CrowdForecast<T>& crowd, const T* state, LoopResult& result) noexcept {
    T u[2] = {static_cast<T>(result.command[0]), static_cast<T>(result.command[1])};
    if (!is_finite(u[0]) || !is_finite(u[1]) ||
        (!can_brake_after(config_, crowd, state, u, static_cast<T>(config_.risk)) &&
         !leads_out(crowd, state, result))) {
      brake(state, u);
      result.command[0] = static_cast<double>(u[0]);
      result.command[1] = static_cast<double>(u[1]);
      const T speed = sqrt(state[2] * state[2] + state[3] * state[3]);
      result.fallback = speed > T(0.05) ? Fallback::brake : Fallback::hold;
    }
  }

  LoopConfig config_{};
  int stages_ = 0;
  ChanceConstraints<T> constraints_;
  Candidate candidates_[side_count];
  int order_[side_count] = {0, 1, 2, 3};
  MatrixView<T> reference_, plan_, around_;
  HalfPlane<T>* rows_ = nullptr;
  bool has_plan_ = false;
  bool people_matter_ = true;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
