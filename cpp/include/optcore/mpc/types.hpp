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

/// Which of the methods solves a problem.
enum class OcpMethod : int {
  automatic = 0,       ///< condensed when the model stays the same, else as riccati
  active_set = 1,      ///< exact; one factorisation when the active set is known
  interior_point = 2,  ///< from scratch every time; converges on every feasible problem
  condensed = 3,       ///< dual active set with the model's factor kept between solves
  riccati = 4,         ///< active set, else interior point; nothing of the model is kept
};

struct OcpSettings {
  /// On gap, dynamics, inequalities and stationarity, each relative to the size of the numbers that
  /// it is the difference of, where that exceeds one.
  double tolerance = 1e-6;
  int max_iterations = 60;
  double barrier = 10.0;  ///< barrier parameter of a cold start
  OcpMethod method = OcpMethod::automatic;
  bool exact = true;  ///< after an interior point, solve for the active set it shows
};

/// Outcome of one solve.
struct OcpInfo {
  Status status = Status::not_ready;
  int iterations = 0;                       ///< factorisations, Newton steps or changes of the set
  OcpMethod method = OcpMethod::automatic;  ///< the one that gave the solution
  double objective = 0;                     ///< without the constant x0 terms of stage 0
  double gap = 0;                           ///< mean of multiplier times room
  double primal = 0;     ///< largest violation of a bound, a hard row or the dynamics
  double dual = 0;       ///< largest stationarity residual
  double max_slack = 0;  ///< largest violation of a soft row
};

}  // namespace optcore
