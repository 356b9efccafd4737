#include "optcore/host/belief.hpp"

#include "backend.hpp"

namespace optcore::host {

Status update_beliefs(Device device, MatrixView<double> log_beliefs,
                      MatrixView<const double> log_likelihoods, VectorView<double> log_evidence,
                      VectorView<Status> row_status) noexcept {
  if (log_likelihoods.rows != log_beliefs.rows || log_likelihoods.cols != log_beliefs.cols ||
      row_status.size != log_beliefs.rows ||
      (log_evidence.size != 0 && log_evidence.size != log_beliefs.rows)) {
    return Status::shape_mismatch;
  }
  if (device.kind == Device::Kind::cuda) {
    return cuda::update_beliefs(log_beliefs, log_likelihoods, log_evidence, row_status);
  }
  return cpu::kernels().belief->update(log_beliefs, log_likelihoods, log_evidence, row_status);
}

}  // namespace optcore::host
