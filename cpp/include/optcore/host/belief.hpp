#pragma once

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/device.hpp"

namespace optcore::host {

/// Bayes' rule for a batch of categorical beliefs, in place; row by row as belief::update().
///
/// @param log_beliefs      (batch, K) log priors, posteriors on return; rows that fail are kept.
/// @param log_likelihoods  (batch, K)
/// @param log_evidence     (batch,) or empty
/// @param row_status       (batch,)
/// @return shape_mismatch or device_unavailable; ok otherwise, whatever single rows say.
[[nodiscard]] Status update_beliefs(Device device, MatrixView<double> log_beliefs,
                                    MatrixView<const double> log_likelihoods,
                                    VectorView<double> log_evidence,
                                    VectorView<Status> row_status) noexcept;

}  // namespace optcore::host
