#pragma once

#include "optcore/core/status.hpp"

namespace optcore {

struct ValueIterationSettings {
  double discount = 0.95;   ///< in [0, 1)
  double tolerance = 1e-6;  ///< largest error of the value of any state
  int max_sweeps = 100000;
};

struct ValueIterationInfo {
  Status status = Status::ok;
  int sweeps = 0;
  double error = 0;  ///< bound on the error of every value
};

}  // namespace optcore
