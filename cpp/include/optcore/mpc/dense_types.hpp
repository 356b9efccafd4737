#pragma once

#include "optcore/core/status.hpp"

namespace optcore {

/// Sizes of a dense quadratic programme.
struct DenseQpSize {
  int variables = 0;
  int rows = 0;      ///< of G
  bool box = false;  ///< the variables have bounds of their own
  int kept = 0;      ///< rows of Gamma to have room for, beyond what one solve needs
};

struct DenseQpSettings {
  double tolerance = 1e-9;       ///< largest violation of a constraint, in its units
  double dual_tolerance = 1e-9;  ///< of the gradient, when P is only semidefinite
  int max_iterations = 2000;     ///< changes of the working set
};

/// Outcome of one solve.
struct DenseQpInfo {
  Status status = Status::not_ready;
  int iterations = 0;  ///< changes of the working set
  int outer = 0;       ///< proximal steps beyond the first
  int active = 0;      ///< constraints in the working set
};

}  // namespace optcore
