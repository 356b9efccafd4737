#pragma once

#include "optcore/core/config.hpp"

namespace optcore {

/// Outcome of a call. Zero is success, positive is success with a remark, negative is failure.
/// A call that fails leaves its outputs as they were.
enum class Status : int {
  ok = 0,
  reset_to_prior = 1,          ///< the belief had no support left and was set back to its prior
  low_ess = 2,                 ///< fewer effective particles than asked for
  repaired = 3,                ///< a covariance lost positive definiteness and was repaired
  refactored = 4,              ///< an updated factor had drifted and was computed afresh
  invalid_argument = -1,       ///< a parameter is outside its range
  shape_mismatch = -2,         ///< two sizes that must agree do not
  not_finite = -3,             ///< NaN or infinity in the input, or overflow on the way
  not_positive_definite = -4,  ///< a pivot was not positive
  zero_evidence = -5,          ///< no hypothesis explains the observation
  max_iterations = -6,         ///< the cap was reached; the best feasible iterate is kept
  primal_infeasible = -7,      ///< no point satisfies the constraints
  dual_infeasible = -8,        ///< the objective is unbounded below
  out_of_memory = -9,          ///< a workspace is too small or an allocation failed
  capacity_exceeded = -10,     ///< a fixed capacity given at construction is used up
  device_unavailable = -11,    ///< no such device, no driver, or built without CUDA
  not_ready = -12,             ///< called before set-up
};

[[nodiscard]] OPTCORE_HD constexpr bool failed(Status status) noexcept {
  return static_cast<int>(status) < 0;
}

[[nodiscard]] OPTCORE_HD constexpr const char* to_string(Status status) noexcept {
  switch (status) {
    case Status::ok: return "ok";
    case Status::reset_to_prior: return "reset_to_prior";
    case Status::low_ess: return "low_ess";
    case Status::repaired: return "repaired";
    case Status::refactored: return "refactored";
    case Status::invalid_argument: return "invalid_argument";
    case Status::shape_mismatch: return "shape_mismatch";
    case Status::not_finite: return "not_finite";
    case Status::not_positive_definite: return "not_positive_definite";
    case Status::zero_evidence: return "zero_evidence";
    case Status::max_iterations: return "max_iterations";
    case Status::primal_infeasible: return "primal_infeasible";
    case Status::dual_infeasible: return "dual_infeasible";
    case Status::out_of_memory: return "out_of_memory";
    case Status::capacity_exceeded: return "capacity_exceeded";
    case Status::device_unavailable: return "device_unavailable";
    case Status::not_ready: return "not_ready";
  }
  return "unknown";
}

}  // namespace optcore
