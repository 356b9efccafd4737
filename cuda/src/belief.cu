/// Batched categorical belief update: one thread per belief, the same code as on the CPU.

#include "backend.hpp"
#include "device_buffer.cuh"
#include "launch.cuh"
#include "optcore/belief/categorical.hpp"

namespace optcore::cuda {
namespace {

constexpr int threads_per_block = 128;

__global__ void update_kernel(MatrixView<double> log_beliefs,
                              MatrixView<const double> log_likelihoods, double* log_evidence,
                              Status* row_status) {
  const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (row >= log_beliefs.rows) return;
  double* evidence = log_evidence == nullptr ? nullptr : log_evidence + row;
  row_status[row] =
      belief::update<double>(log_beliefs.row(row), log_likelihoods.row(row), evidence);
}

}  // namespace

/// Launches only: device views, no copy, no synchronisation.
Status launch_update(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                     double* log_evidence, Status* row_status, cudaStream_t stream) noexcept {
  update_kernel<<<blocks_for(log_beliefs.rows, threads_per_block), threads_per_block, 0, stream>>>(
      log_beliefs, log_likelihoods, log_evidence, row_status);
  return to_status(cudaGetLastError());
}

Status update_beliefs(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                      VectorView<double> log_evidence, VectorView<Status> row_status) noexcept {
  const int rows = log_beliefs.rows, cols = log_beliefs.cols;
  if (rows == 0) return Status::ok;
  const std::size_t items = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  const Stream stream;
  OPTCORE_TRY_CUDA(stream.status());
  DeviceBuffer<double> beliefs(items, stream), likelihoods(items, stream);
  DeviceBuffer<double> evidence(static_cast<std::size_t>(log_evidence.size), stream);
  DeviceBuffer<Status> statuses(static_cast<std::size_t>(rows), stream);
  OPTCORE_TRY_CUDA(beliefs.status());
  OPTCORE_TRY_CUDA(likelihoods.status());
  OPTCORE_TRY_CUDA(evidence.status());
  OPTCORE_TRY_CUDA(statuses.status());
  OPTCORE_TRY_CUDA(beliefs.upload(MatrixView<const double>(log_beliefs)));
  OPTCORE_TRY_CUDA(likelihoods.upload(log_likelihoods));
  OPTCORE_TRY_CUDA(launch_update(
      {beliefs.data(), rows, cols, cols}, {likelihoods.data(), rows, cols, cols},
      log_evidence.size > 0 ? evidence.data() : nullptr, statuses.data(), stream.get()));
  OPTCORE_TRY_CUDA(beliefs.download(log_beliefs));
  OPTCORE_TRY_CUDA(statuses.download(row_status.data));
  if (log_evidence.size > 0) OPTCORE_TRY_CUDA(evidence.download(log_evidence.data));
  return stream.synchronize();
}

}  // namespace optcore::cuda
