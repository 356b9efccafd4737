#pragma once

#include <cstdint>

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore::loop {

/// How a cycle's command came about, from best to last resort: the written order of degradation.
enum class Fallback : std::int8_t {
  nominal = 0,        ///< every chance constraint of the plan is met
  margin = 1,         ///< uncertainty margins were shaved; contact distance to every mean is kept
  likely_only = 2,    ///< only each person's likeliest hypothesis constrains the plan
  previous_plan = 3,  ///< the solver failed: last cycle's plan, shifted, still clear of people
  brake = 4,          ///< full braking along the present velocity; always feasible
  hold = 5,           ///< standing, and starting to move would come too near somebody
};
inline constexpr int fallback_count = 6;

[[nodiscard]] constexpr const char* to_string(Fallback step) noexcept {
  switch (step) {
    case Fallback::nominal: return "nominal";
    case Fallback::margin: return "margin";
    case Fallback::likely_only: return "likely_only";
    case Fallback::previous_plan: return "previous_plan";
    case Fallback::brake: return "brake";
    case Fallback::hold: return "hold";
  }
  return "unknown";
}

/// Which side of the people in the way a candidate plan passes on.
enum class Side : std::int8_t { keep = 0, left = 1, right = 2, yield = 3 };
inline constexpr int side_count = 4;

[[nodiscard]] constexpr const char* to_string(Side side) noexcept {
  switch (side) {
    case Side::keep: return "keep";
    case Side::left: return "left";
    case Side::right: return "right";
    case Side::yield: return "yield";
  }
  return "unknown";
}

/// Limits, weights and sizes of the control loop. SI units; checked by validate().
struct LoopConfig {
  double period = 0.1;            ///< s between two calls of step()
  double step = 0.2;              ///< s of one stage of the plan
  int horizon = 20;               ///< stages of the plan
  double belief_period = 0.4;     ///< s between two belief updates of one person
  int max_people = 64;            ///< people tracked at once
  int considered = 20;            ///< nearest people that may constrain the plan
  int rows_per_stage = 8;         ///< half-planes per stage, the most binding ones
  int sides = 3;                  ///< candidate plans solved beside each other, 1 to 4
  double contact_distance = 0.5;  ///< m between centres: robot radius plus person radius
  double clearance = 0.2;         ///< m kept beside the contact distance
  double max_speed = 1.5;         ///< m/s, per axis
  double preferred_speed = 1.2;   ///< m/s
  double max_acceleration = 2.5;  ///< m/s^2, per axis
  double risk = 0.05;             ///< joint probability of contact allowed over the horizon
  double correlation_time = 2.0;  ///< s after which a person's position error counts as new
  double max_margin = 0.45;       ///< m, cap of the uncertainty margin: bounds its growth
  double reach = 2.5;             ///< m beyond which a person does not constrain a stage
  double weight_position = 0.4;   ///< 1/m^2, tracking of the reference path
  double weight_velocity = 0.4;   ///< s^2/m^2
  double weight_terminal = 2.0;   ///< times the stage weights
  double weight_effort = 0.15;    ///< s^4/m^2
  double penalty_linear = 60;     ///< L1 weight of half-plane slack, 1/m
  double penalty_square = 60;     ///< L2 weight of half-plane slack, 1/m^2
  double hysteresis = 0.08;       ///< a side must be this much cheaper (relative) to be taken
  double brake_margin = 0.15;     ///< m beside contact that braking must still leave
  double newcomer_age = 1.5;      ///< s by which the spread of somebody just seen runs ahead
  double deadline = 0.008;        ///< s after which optional work is left out
};

/// Reads a monotonic clock in seconds; handed in, so that the core itself never asks for the time.
struct Clock {
  double (*now)(void* context) noexcept = nullptr;
  void* context = nullptr;
};

/// What one cycle decided. Positions in m, times in s.
struct LoopResult {
  Status status = Status::ok;
  Fallback fallback = Fallback::nominal;
  Side side = Side::keep;
  double command[2] = {0, 0};        ///< acceleration to apply during this period, m/s^2
  double risk_allocated = 0;         ///< budget given to all people and hypotheses together
  double risk_dropped = 0;           ///< of it, probability mass of hypotheses left out
  double risk_planned = 0;           ///< bound on the probability that the plan touches somebody
  int considered = 0;                ///< people that constrained the plan
  int dropped_people = 0;            ///< observed people for whom no place was left
  int solves = 0;                    ///< quadratic programmes solved
  int iterations = 0;                ///< interior-point iterations over all of them
  double max_slack = 0;              ///< m by which the chosen plan leaves its half-planes
  double cost = 0;                   ///< of the chosen plan
  double seconds[4] = {0, 0, 0, 0};  ///< GP, belief, MPC, total; zero without a clock
};

/// What a tracker gives in one cycle, in any order. A position may be older than the cycle.
struct Observation {
  double time = 0;                    ///< s, now
  VectorView<const std::int64_t> id;  ///< (P,) numbers that stay with a person
  MatrixView<const double> position;  ///< (P, 2) m
  VectorView<const double> seen_at;   ///< (P,) s, the instant each position belongs to
};

}  // namespace optcore::loop

namespace optcore::inline OPTCORE_ISA::pipeline {
using namespace optcore::loop;  // plain data has one name for all instruction sets
}
