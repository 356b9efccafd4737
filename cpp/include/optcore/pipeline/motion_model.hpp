#pragma once

#include <cstdint>

#include "optcore/core/view.hpp"

namespace optcore::loop {

/// How people of a scene move, as learned before: views only, row-major, SI units.
/// Field g owns rows offsets[g] .. offsets[g + 1] - 1 of points, targets, noise and count.
struct MotionModel {
  MatrixView<const double> goals;          ///< (G, 2) m; G may be 0
  VectorView<const double> prior;          ///< (G,) sums to 1
  VectorView<const double> betas;          ///< (B,) rationality, B >= 1
  VectorView<const double> beta_prior;     ///< (B,) sums to 1
  VectorView<const std::int64_t> offsets;  ///< (G + 1,)
  MatrixView<const double> points;         ///< (n, 4) m, m, m/s, m/s
  MatrixView<const double> targets;        ///< (n, 2) change of velocity per belief period, m/s
  VectorView<const double> noise;          ///< (n,) (m/s)^2
  VectorView<const double> count;          ///< (n,) samples a point stands for
  const double* length_scale = nullptr;    ///< (4,)
  double signal_variance = 0;              ///< (m/s)^2
  double temper = 0.15;     ///< exponent on one observation's likelihood: rows are not independent
  double epsilon = 0.01;    ///< share of all people's density mixed into each goal's
  double switching = 0.02;  ///< probability of a new goal per belief period
  double cv_weight = 0.3;   ///< weight of the constant-velocity hypothesis
  double belief_period = 0.4;              ///< s between the rows the model was learned from
  VectorView<const double> spread_lag;     ///< (L,) s, increasing
  MatrixView<const double> spread_along;   ///< (2, L) m: standard deviation; row 0 goals, 1 CV
  MatrixView<const double> spread_across;  ///< (2, L) m
  double cap = 1.5;         ///< m, cap of each standard deviation: growth of variance is bounded
  int variance_stride = 5;  ///< stages between two queries of the GP variance

  [[nodiscard]] int goal_count() const noexcept { return goals.rows; }
  [[nodiscard]] int hypotheses() const noexcept { return goals.rows + 1; }
};

}  // namespace optcore::loop
