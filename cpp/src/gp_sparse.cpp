#include "optcore/host/gp_sparse.hpp"

#include <new>

#include "backend.hpp"

namespace optcore::host {

namespace {

const cpu::GpSparseKernels& sparse() noexcept { return *cpu::kernels().gp_sparse; }

}  // namespace

SparseGaussianProcess::SparseGaussianProcess(int inducing, int dims, int outputs,
                                             int kernel_parameters)
    : inducing_(inducing),
      dims_(dims),
      outputs_(outputs),
      kernel_parameters_(kernel_parameters),
      memory_(sparse().bytes({inducing, dims, outputs, false, kernel_parameters})),
      model_(sparse().create(memory_.data(), memory_.bytes(),
                             {inducing, dims, outputs, false, kernel_parameters})) {
  if (model_ == nullptr) throw std::bad_alloc();
}

Status SparseGaussianProcess::begin(MatrixView<const double> Z, const GpHyperparameters& hyper,
                                    double jitter) noexcept {
  stage_ = Stage::empty;
  const Status status = sparse().begin(model_, Z, hyper, jitter);
  if (!failed(status)) {
    stage_ = Stage::adding;
    composite_ = hyper.nodes.size > 0;
    parameters_ = hyper.parameters.size;
  }
  return status;
}

Status SparseGaussianProcess::add(MatrixView<const double> X, MatrixView<const double> Y) noexcept {
  if (stage_ == Stage::empty) return Status::not_ready;
  const Status status = sparse().add(model_, X, Y);
  if (!failed(status)) stage_ = Stage::adding;
  return status;
}

Status SparseGaussianProcess::finish() noexcept {
  if (stage_ == Stage::empty) return Status::not_ready;
  const Status status = sparse().finish(model_);
  stage_ = failed(status) ? Stage::adding : Stage::ready;
  return status;
}

Status SparseGaussianProcess::predict(MatrixView<const double> queries, MatrixView<double> mean,
                                      VectorView<double> variance) noexcept {
  if (stage_ != Stage::ready && stage_ != Stage::gradient) return Status::not_ready;
  if (queries.cols != dims_ || mean.rows != queries.rows || mean.cols != outputs_ ||
      variance.size != queries.rows) {
    return Status::shape_mismatch;
  }
  return sparse().predict(model_, queries, mean, variance);
}

Status SparseGaussianProcess::begin_gradient() noexcept {
  if (stage_ != Stage::ready) return Status::not_ready;
  sparse().begin_gradient(model_);
  stage_ = Stage::gradient;
  return Status::ok;
}

Status SparseGaussianProcess::add_gradient(MatrixView<const double> X,
                                           MatrixView<const double> Y) noexcept {
  return stage_ == Stage::gradient ? sparse().add_gradient(model_, X, Y) : Status::not_ready;
}

Status SparseGaussianProcess::finish_gradient(GpBoundGradient& out) noexcept {
  if (stage_ != Stage::gradient) return Status::not_ready;
  if (composite_ ? out.parameters.size != parameters_ : out.log_length_scales.size != dims_) {
    return Status::shape_mismatch;
  }
  sparse().finish_gradient(model_, out);
  stage_ = Stage::ready;
  return Status::ok;
}

Status SparseGaussianProcess::statistics(GpSparseStatistics<double>& out) const noexcept {
  if (stage_ == Stage::empty) return Status::not_ready;
  if (out.gram.rows != inducing_ || out.gram.cols != inducing_ || out.moments.rows != outputs_ ||
      out.moments.cols != inducing_) {
    return Status::shape_mismatch;
  }
  sparse().statistics(model_, out);
  return Status::ok;
}

Status SparseGaussianProcess::restore(const GpSparseStatistics<const double>& saved) noexcept {
  if (stage_ == Stage::empty) return Status::not_ready;
  const Status status = sparse().restore(model_, saved);
  if (!failed(status)) stage_ = Stage::adding;
  return status;
}

double SparseGaussianProcess::bound() const noexcept { return sparse().bound(model_); }

int SparseGaussianProcess::failing_pivot() const noexcept { return sparse().failing_pivot(model_); }

Status choose_inducing(MatrixView<const double> candidates, const GpHyperparameters& hyper,
                       double tolerance, VectorView<int> chosen, int& count) {
  const Buffer room(
      sparse().choose_bytes(candidates.rows, candidates.cols, chosen.size, hyper.parameters.size));
  return sparse().choose(room.data(), room.bytes(), candidates, hyper, tolerance, chosen, count);
}

}  // namespace optcore::host
