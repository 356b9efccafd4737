/// What a configuration and a motion model must satisfy before the loop takes them.

#include <utility>

#include "optcore/host/loop.hpp"

namespace optcore::host {
namespace {

constexpr Checked bad(const char* field) { return {Status::invalid_argument, field}; }

bool finite(double x) { return x - x == 0; }
bool within(double x, double low, double high) { return x >= low && x <= high; }  // false for NaN

bool all_finite(VectorView<const double> v) {
  for (int i = 0; i < v.size; ++i) {
    if (!finite(v[i])) return false;
  }
  return true;
}

bool all_finite(MatrixView<const double> m) {
  for (int i = 0; i < m.rows; ++i) {
    if (!all_finite(m.row(i))) return false;
  }
  return true;
}

bool is_distribution(VectorView<const double> p) {
  double total = 0;
  for (int i = 0; i < p.size; ++i) {
    if (!(p[i] >= 0)) return false;
    total += p[i];
  }
  return within(total, 1 - 1e-6, 1 + 1e-6);
}

}  // namespace

Checked check(const loop::LoopConfig& c) noexcept {
  struct Range {
    const char* field;
    double value, low, high;
  };
  const Range ranges[] = {
      {"period", c.period, 1e-4, 10},
      {"step", c.step, 1e-3, 10},
      {"horizon", static_cast<double>(c.horizon), 2, 200},
      {"belief_period", c.belief_period, 1e-3, 60},
      {"max_people", static_cast<double>(c.max_people), 1, 1024},
      {"considered", static_cast<double>(c.considered), 1, static_cast<double>(c.max_people)},
      {"rows_per_stage", static_cast<double>(c.rows_per_stage), 1, 32},
      {"sides", static_cast<double>(c.sides), 1, loop::side_count},
      {"contact_distance", c.contact_distance, 0.01, 10},
      {"clearance", c.clearance, 0, 10},
      {"max_speed", c.max_speed, 1e-3, 100},
      {"preferred_speed", c.preferred_speed, 1e-3, 100},
      {"max_acceleration", c.max_acceleration, 1e-3, 1000},
      {"risk", c.risk, 1e-9, 0.5},
      {"correlation_time", c.correlation_time, 1e-3, 1000},
      {"max_margin", c.max_margin, 0, 10},
      {"reach", c.reach, 0.1, 100},
      {"weight_position", c.weight_position, 1e-9, 1e9},
      {"weight_velocity", c.weight_velocity, 0, 1e9},
      {"weight_terminal", c.weight_terminal, 0, 1e6},
      {"weight_effort", c.weight_effort, 1e-9, 1e9},
      {"penalty_linear", c.penalty_linear, 1e-6, 1e9},
      {"penalty_square", c.penalty_square, 1e-6, 1e9},
      {"hysteresis", c.hysteresis, 0, 1},
      {"brake_margin", c.brake_margin, 0, 10},
      {"newcomer_age", c.newcomer_age, 0, 60},
      {"deadline", c.deadline, 1e-6, 10},
  };
  for (const Range& range : ranges) {
    if (!within(range.value, range.low, range.high)) return bad(range.field);
  }
  return {};
}

Checked check(const loop::MotionModel& m) noexcept {
  constexpr int max_goals = 16, max_betas = 4, max_points = 512;
  const int goals = m.goal_count();
  if (goals > max_goals || (goals > 0 && m.goals.cols != 2) || !all_finite(m.goals)) {
    return bad("goals");
  }
  if (m.betas.size < 1 || m.betas.size > max_betas || !all_finite(m.betas)) return bad("betas");
  for (int b = 0; b < m.betas.size; ++b) {
    if (m.betas[b] < 0) return bad("betas");
  }
  if (m.beta_prior.size != m.betas.size || !is_distribution(m.beta_prior)) {
    return bad("beta_prior");
  }
  if (goals > 0) {
    if (m.prior.size != goals || !is_distribution(m.prior)) return bad("prior");
    if (m.offsets.size != goals + 1 || m.offsets[0] != 0 || m.offsets[goals] != m.points.rows) {
      return bad("offsets");
    }
    for (int g = 0; g < goals; ++g) {
      if (!within(static_cast<double>(m.offsets[g + 1] - m.offsets[g]), 1, max_points)) {
        return bad("offsets");
      }
    }
    if (m.points.cols != 4 || !all_finite(m.points)) return bad("points");
    if (m.targets.rows != m.points.rows || m.targets.cols != 2 || !all_finite(m.targets)) {
      return bad("targets");
    }
    if (m.noise.size != m.points.rows) return bad("noise");
    if (m.count.size != m.points.rows) return bad("count");
    for (int i = 0; i < m.points.rows; ++i) {
      if (!(m.noise[i] >= 0) || !finite(m.noise[i])) return bad("noise");
      if (!(m.count[i] > 0) || !finite(m.count[i])) return bad("count");
    }
    if (m.length_scale == nullptr) return bad("length_scale");
    for (int d = 0; d < 4; ++d) {
      if (!within(m.length_scale[d], 1e-6, 1e6)) return bad("length_scale");
    }
    if (!within(m.signal_variance, 1e-12, 1e6)) return bad("signal_variance");
  }
  if (!within(m.temper, 0, 10)) return bad("temper");
  if (!within(m.epsilon, 0, 1)) return bad("epsilon");
  if (!within(m.switching, 0, 1) || m.switching == 1) return bad("switching");
  if (!within(m.cv_weight, 0, 1)) return bad("cv_weight");
  if (!within(m.belief_period, 1e-3, 60)) return bad("belief_period");
  if (m.spread_lag.size < 1) return bad("spread_lag");
  for (int i = 0; i < m.spread_lag.size; ++i) {
    if (!(m.spread_lag[i] > (i > 0 ? m.spread_lag[i - 1] : 0.0)) || !finite(m.spread_lag[i])) {
      return bad("spread_lag");
    }
  }
  for (const auto& [table, field] :
       {std::pair{m.spread_along, "spread_along"}, std::pair{m.spread_across, "spread_across"}}) {
    if (table.rows != 2 || table.cols != m.spread_lag.size || !all_finite(table)) return bad(field);
    for (int r = 0; r < 2; ++r) {
      for (int i = 0; i < table.cols; ++i) {
        if (table(r, i) < 0) return bad(field);
      }
    }
  }
  if (!within(m.cap, 1e-3, 100)) return bad("cap");
  if (m.variance_stride < 1) return bad("variance_stride");
  return {};
}

}  // namespace optcore::host
