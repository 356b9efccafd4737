#include "optcore/host/gp_batch.hpp"

#include <new>

#include "backend.hpp"

namespace optcore::host {

namespace {

const cpu::GpKernels& gp() noexcept { return *cpu::kernels().gp; }

bool one_or(int size, int batch) noexcept { return size == 1 || size == batch; }

}  // namespace

GaussianProcessBatch::GaussianProcessBatch(VectorView<const int> sizes, int dims, int outputs)
    : dims_(dims), outputs_(outputs), sizes_(sizes.data, sizes.data + sizes.size) {
  std::size_t bytes = 0;
  for (const int n : sizes_) bytes += gp().model_bytes({n, dims, outputs});
  memory_ = Buffer(bytes);
  models_.reserve(sizes_.size());
  auto* room = static_cast<unsigned char*>(memory_.data());
  for (const int n : sizes_) {
    const std::size_t needed = gp().model_bytes({n, dims, outputs});
    models_.push_back(gp().model_create(room, needed, {n, dims, outputs}));
    if (models_.back() == nullptr) throw std::bad_alloc();
    room += needed;
    total_ += n;
  }
}

Status GaussianProcessBatch::fit(MatrixView<const double> X, MatrixView<const double> Y,
                                 const GpBatchHyperparameters& hyper,
                                 VectorView<Status> status) noexcept {
  if (X.rows != total_ || Y.rows != total_ || X.cols != dims_ || Y.cols != outputs_ ||
      status.size != size() || !one_or(hyper.variance.size, size()) ||
      !one_or(hyper.length_scales.rows, size()) || hyper.length_scales.cols != dims_ ||
      !one_or(hyper.noise.size, size())) {
    return Status::shape_mismatch;
  }
  int first = 0;
  for (int i = 0; i < size(); ++i) {
    const int n = points(i);
    const GpHyperparameters own = {
        .family = hyper.family,
        .variance = hyper.variance[hyper.variance.size == 1 ? 0 : i],
        .length_scales = hyper.length_scales.row(hyper.length_scales.rows == 1 ? 0 : i),
        .noise = hyper.noise[hyper.noise.size == 1 ? 0 : i],
        .mean = hyper.mean};
    void* const model = models_[static_cast<std::size_t>(i)];
    status[i] = gp().fit(model, X.block(first, 0, n, dims_), Y.block(first, 0, n, outputs_), own);
    if (failed(status[i])) {  // answer with the prior where there is one
      static_cast<void>(
          gp().fit(model, {nullptr, 0, dims_, dims_}, {nullptr, 0, outputs_, outputs_}, own));
    }
    first += n;
  }
  return Status::ok;
}

Status GaussianProcessBatch::predict(MatrixView<const double> queries, MatrixView<double> mean,
                                     VectorView<double> variance) noexcept {
  const int batch = size(), each = batch == 0 ? 0 : mean.rows / batch;
  const bool shared = queries.rows == each;
  if (queries.cols != dims_ || mean.cols != outputs_ || mean.rows != each * batch ||
      variance.size != mean.rows || (!shared && queries.rows != mean.rows)) {
    return Status::shape_mismatch;
  }
  for (int i = 0; i < queries.rows; ++i) {
    for (int f = 0; f < dims_; ++f) {
      if (queries(i, f) * 0 != 0) return Status::not_finite;
    }
  }
  for (int i = 0; i < batch; ++i) {
    gp().predict(models_[static_cast<std::size_t>(i)],
                 queries.block(shared ? 0 : i * each, 0, each, dims_),
                 mean.block(i * each, 0, each, outputs_), variance.segment(i * each, each));
  }
  return Status::ok;
}

Status GaussianProcessBatch::log_marginal_likelihood(VectorView<double> values) const noexcept {
  if (values.size != size()) return Status::shape_mismatch;
  for (int i = 0; i < size(); ++i) {
    const void* const model = models_[static_cast<std::size_t>(i)];
    values[i] = gp().log_marginal_likelihood(model);
  }
  return Status::ok;
}

}  // namespace optcore::host
