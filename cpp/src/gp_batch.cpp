#include "optcore/host/gp_batch.hpp"

#include <algorithm>
#include <new>

#include "backend.hpp"

namespace optcore::host {

namespace {

const cpu::GpKernels& gp() noexcept { return *cpu::kernels().gp; }

bool one_or(int size, int batch) noexcept { return size == 1 || size == batch; }

}  // namespace

GaussianProcessBatch::GaussianProcessBatch(VectorView<const int> sizes, int dims, int outputs)
    : dims_(dims),
      outputs_(outputs),
      sizes_(sizes.data, sizes.data + sizes.size),
      fitted_(sizes_.size(), 0) {
  int largest = 0;
  std::size_t numbers = 0;
  first_.reserve(sizes_.size());
  for (const int n : sizes_) {
    largest = std::max(largest, n);
    total_ += n;
    first_.push_back(numbers);
    numbers += gp().compact_size({n, dims, outputs});
  }
  learned_ = Buffer(numbers * sizeof(double));
  const std::size_t bytes = gp().model_bytes({largest, dims, outputs});
  memory_ = Buffer(bytes);
  model_ = gp().model_create(memory_.data(), bytes, {largest, dims, outputs});
  if (model_ == nullptr) throw std::bad_alloc();
}

/// The model becomes process i as it was fitted.
void GaussianProcessBatch::turn_to(int i) noexcept {
  const auto at = static_cast<std::size_t>(i);
  gp().restore(model_, fitted_[at], static_cast<const double*>(learned_.data()) + first_[at]);
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
    status[i] =
        gp().fit(model_, X.block(first, 0, n, dims_), Y.block(first, 0, n, outputs_), own, {});
    first += n;
    const auto at = static_cast<std::size_t>(i);
    fitted_[at] = 0;
    if (failed(status[i])) {  // answer with the prior where there is one
      const Status prior =
          gp().fit(model_, {nullptr, 0, dims_, dims_}, {nullptr, 0, outputs_, outputs_}, own, {});
      if (failed(prior)) continue;
    }
    fitted_[at] = gp().size(model_);
    gp().store(model_, static_cast<double*>(learned_.data()) + first_[at]);
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
    turn_to(i);
    gp().predict(model_, queries.block(shared ? 0 : i * each, 0, each, dims_),
                 mean.block(i * each, 0, each, outputs_), variance.segment(i * each, each));
  }
  return Status::ok;
}

Status GaussianProcessBatch::log_marginal_likelihood(VectorView<double> values) noexcept {
  if (values.size != size()) return Status::shape_mismatch;
  for (int i = 0; i < size(); ++i) {
    turn_to(i);
    values[i] = gp().log_marginal_likelihood(model_);
  }
  return Status::ok;
}

namespace {

Status check(const GpBatchData& data, const GpBatchAnswer& answer) noexcept {
  const int batch = data.sizes.size, dims = data.X.cols, outputs = data.Y.cols;
  long long total = 0;
  for (int i = 0; i < batch; ++i) {
    if (data.sizes[i] < 0) return Status::invalid_argument;
    total += data.sizes[i];
  }
  const auto& hyper = data.hyper;
  const int each = batch == 0 ? 0 : answer.mean.rows / batch;
  if (data.X.rows != total || data.Y.rows != total || answer.mean.cols != outputs ||
      answer.mean.rows != each * batch || answer.variance.size != answer.mean.rows ||
      answer.status.size != batch || data.queries.cols != dims ||
      (answer.likelihood.size != 0 && answer.likelihood.size != batch) ||
      (data.queries.rows != each && data.queries.rows != answer.mean.rows) ||
      !one_or(hyper.variance.size, batch) || !one_or(hyper.length_scales.rows, batch) ||
      hyper.length_scales.cols != dims || !one_or(hyper.noise.size, batch) ||
      (hyper.mean.size != 0 && hyper.mean.size != outputs)) {
    return Status::shape_mismatch;
  }
  for (int i = 0; i < data.queries.rows; ++i) {
    for (int f = 0; f < dims; ++f) {
      if (data.queries(i, f) * 0 != 0) return Status::not_finite;
    }
  }
  return dims < 1 || outputs < 1 ? Status::invalid_argument : Status::ok;
}

}  // namespace

Status fit_predict(Device device, const GpBatchData& data, const GpBatchAnswer& answer) noexcept {
  const Status checked = check(data, answer);
  if (failed(checked) || data.sizes.size == 0) return checked;
  if (device.kind == Device::Kind::cuda) {
    if (data.hyper.family == GpFamily::composite) return Status::invalid_argument;
    for (int i = 0; i < data.sizes.size; ++i) {
      if (data.sizes[i] > cuda::gp_batch_points) return Status::capacity_exceeded;
    }
    const Status chosen = cuda::select_device(device.index);
    return failed(chosen) ? chosen : cuda::fit_predict(data, answer);
  }
  try {
    GaussianProcessBatch gp(data.sizes, data.X.cols, data.Y.cols);
    const Status fitted = gp.fit(data.X, data.Y, data.hyper, answer.status);
    if (failed(fitted)) return fitted;
    const Status predicted = gp.predict(data.queries, answer.mean, answer.variance);
    if (failed(predicted) || answer.likelihood.size == 0) return predicted;
    return gp.log_marginal_likelihood(answer.likelihood);
  } catch (const std::bad_alloc&) {
    return Status::out_of_memory;
  }
}

}  // namespace optcore::host
