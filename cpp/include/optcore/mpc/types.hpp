#pragma once

#include "optcore/core/status.hpp"

namespace optcore {

/// Sizes of an optimal-control quadratic programme.
struct OcpSize {
  int nx = 0;       ///< states
  int nu = 0;       ///< inputs
  int horizon = 0;  ///< stages N; states 0 .. N, inputs 0 .. N - 1
  int rows = 0;     ///< most general constraints per stage
};

/// Absolute value from which a bound counts as absent.
inline constexpr double ocp_no_bound = 1e29;

struct OcpSettings {
  double tolerance = 1e-6;  ///< on gap, inequality residual and stationarity
  int max_iterations = 60;
  double barrier = 1.0;  ///< barrier parameter of a cold start
};

/// Outcome of one solve.
struct OcpInfo {
  Status status = Status::not_ready;
  int iterations = 0;
  double objective = 0;  ///< without the constant x0 terms of stage 0
  double gap = 0;        ///< mean complementarity product
  double primal = 0;     ///< largest inequality residual
  double dual = 0;       ///< bound on the stationarity residual that is left
  double max_slack = 0;  ///< largest violation of a soft row
};

}  // namespace optcore
