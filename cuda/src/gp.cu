/// Many small Gaussian processes: one block each, results alone are brought back.

#include <new>
#include <vector>

#include "backend.hpp"
#include "device_buffer.cuh"
#include "kernels/gp_batch.hpp"
#include "launch.cuh"

namespace optcore::cuda {
namespace {

constexpr int most_carried = 16;  ///< queries in one sweep

int threads_for(int points) noexcept { return points <= 32 ? 32 : points <= 64 ? 64 : 128; }

}  // namespace

/// Launches only. `blocks` and the workspace as choose_blocks() said.
Status launch_fit_predict(const GpBatchProblem& problem, int blocks, cudaStream_t stream) noexcept {
  const int threads = threads_for(problem.most_points);
  return launch_blocks<GpBatchKernel>(problem, blocks, threads,
                                      GpBatchKernel::shared_bytes(problem, threads), stream);
}

/// How many blocks, and whether the factors fit shared memory (then no workspace is needed).
Status choose_blocks(GpBatchProblem problem, int& blocks, bool& in_shared) noexcept {
  const int threads = threads_for(problem.most_points);
  double somewhere = 0;
  for (double* workspace : {static_cast<double*>(nullptr), &somewhere}) {
    problem.workspace = workspace;
    in_shared = workspace == nullptr;
    const Status status = resident_blocks<GpBatchKernel, GpBatchProblem>(
        threads, GpBatchKernel::shared_bytes(problem, threads), blocks);
    if (status != Status::out_of_memory || !in_shared) {
      blocks = blocks < problem.batch ? blocks : problem.batch;
      return status;
    }
  }
  return Status::out_of_memory;
}

Status fit_predict(const host::GpBatchData& data, const host::GpBatchAnswer& answer) noexcept try {
  const int batch = data.sizes.size, dims = data.X.cols, outputs = data.Y.cols;
  const auto& hyper = data.hyper;
  const bool shared_queries = data.queries.rows != answer.mean.rows;
  GpBatchProblem p{};
  p.batch = batch;
  p.dims = dims;
  p.outputs = outputs;
  p.queries = answer.mean.rows / batch;
  p.chunk = p.queries < 1 ? 1 : p.queries < most_carried ? p.queries : most_carried;
  p.family = static_cast<KernelFamily>(hyper.family);
  p.query_step = shared_queries ? 0 : p.queries * dims;
  p.variance_step = hyper.variance.size > 1 ? 1 : 0;
  p.scale_step = hyper.length_scales.rows > 1 ? dims : 0;
  p.noise_step = hyper.noise.size > 1 ? 1 : 0;
  std::vector<int> first(1, 0);
  first.reserve(static_cast<std::size_t>(batch) + 1);
  for (int i = 0; i < batch; ++i) {
    first.push_back(first.back() + data.sizes[i]);
    p.most_points = data.sizes[i] > p.most_points ? data.sizes[i] : p.most_points;
  }

  const Stream stream;
  OPTCORE_TRY_CUDA(stream.status());
  Status status = Status::ok;
  const auto keep = [&](Status next) { status = failed(status) ? status : next; };
  const auto uploaded = [&](auto& buffer, auto host) {
    keep(buffer.status());
    if (!failed(status)) keep(buffer.upload(host));
    return buffer.data();
  };
  const auto room = [&](auto& buffer) {
    keep(buffer.status());
    return buffer.data();
  };
  const auto count = [](int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  };
  DeviceBuffer<int> starts(first.size(), stream), counter(1, stream);
  DeviceBuffer<double> X(count(data.X.rows, dims), stream), Y(count(data.Y.rows, outputs), stream);
  DeviceBuffer<double> query(count(data.queries.rows, dims), stream);
  DeviceBuffer<double> variance(count(hyper.variance.size, 1), stream);
  DeviceBuffer<double> scales(count(hyper.length_scales.rows, dims), stream);
  DeviceBuffer<double> noise(count(hyper.noise.size, 1), stream);
  DeviceBuffer<double> prior(count(hyper.mean.size, 1), stream);
  DeviceBuffer<double> mean(count(answer.mean.rows, outputs), stream);
  DeviceBuffer<double> deviation2(count(answer.variance.size, 1), stream);
  DeviceBuffer<double> likelihood(count(answer.likelihood.size, 1), stream);
  DeviceBuffer<Status> statuses(count(batch, 1), stream);
  p.first = uploaded(starts, first.data());
  p.X = uploaded(X, data.X);
  p.Y = uploaded(Y, data.Y);
  p.query = uploaded(query, data.queries);
  p.variance = uploaded(variance, hyper.variance.data);
  p.length_scales = uploaded(scales, hyper.length_scales);
  p.noise = uploaded(noise, hyper.noise.data);
  if (hyper.mean.size > 0) p.prior_mean = uploaded(prior, hyper.mean.data);
  p.mean = room(mean);
  p.deviation2 = room(deviation2);
  if (answer.likelihood.size > 0) p.likelihood = room(likelihood);
  p.status = room(statuses);
  p.counter = room(counter);
  OPTCORE_TRY_CUDA(status);
  OPTCORE_TRY_CUDA(counter.fill_zero());

  int blocks = 0;
  bool in_shared = false;
  OPTCORE_TRY_CUDA(choose_blocks(p, blocks, in_shared));
  const int each = in_shared ? 0 : GpBatchKernel::factor_size(p);
  DeviceBuffer<double> workspace(count(blocks, each), stream);
  OPTCORE_TRY_CUDA(workspace.status());
  if (!in_shared) p.workspace = workspace.data();
  OPTCORE_TRY_CUDA(launch_fit_predict(p, blocks, stream.get()));
  OPTCORE_TRY_CUDA(mean.download(answer.mean));
  OPTCORE_TRY_CUDA(deviation2.download(answer.variance.data));
  if (p.likelihood != nullptr) OPTCORE_TRY_CUDA(likelihood.download(answer.likelihood.data));
  OPTCORE_TRY_CUDA(statuses.download(answer.status.data));
  return stream.synchronize();
} catch (const std::bad_alloc&) {
  return Status::out_of_memory;
}

}  // namespace optcore::cuda
