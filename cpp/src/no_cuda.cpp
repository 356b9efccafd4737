/// The cuda namespace of a build without CUDA: every entry point says so.

#include "backend.hpp"

namespace optcore::cuda {

Status update_beliefs(MatrixView<double>, MatrixView<const double>, VectorView<double>,
                      VectorView<Status>) noexcept {
  return Status::device_unavailable;
}

Status fit_predict(const host::GpBatchData&, const host::GpBatchAnswer&) noexcept {
  return Status::device_unavailable;
}

Status solve_batch(const host::OcpBatchData&, const OcpSettings&,
                   const host::OcpBatchAnswer&) noexcept {
  return Status::device_unavailable;
}

Status select_device(int) noexcept { return Status::device_unavailable; }

int device_count(const char** reason) noexcept {
  *reason = "this optcore was built without CUDA";
  return 0;
}

Status device_info(int, char*, int, double*) noexcept { return Status::device_unavailable; }

}  // namespace optcore::cuda
