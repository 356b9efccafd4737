#include "optcore/host/gp.hpp"

#include <new>

#include "backend.hpp"
#include "pair_team.hpp"

namespace optcore::host {

namespace {

const cpu::GpKernels& gp() noexcept { return *cpu::kernels().gp; }

/// A query of NaN would come back as a number that looks like an answer.
bool all_finite(MatrixView<const double> a) noexcept {
  double total = 0;
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.cols; ++j) total += a(i, j) * 0;
  }
  return total == 0;
}

}  // namespace

GaussianProcess::GaussianProcess(int capacity, int dims, int outputs, bool with_inverse,
                                 int kernel_parameters)
    : capacity_(capacity),
      dims_(dims),
      outputs_(outputs),
      memory_(gp().model_bytes({capacity, dims, outputs, with_inverse, kernel_parameters})),
      model_(gp().model_create(memory_.data(), memory_.bytes(),
                               {capacity, dims, outputs, with_inverse, kernel_parameters})) {
  if (model_ == nullptr) throw std::bad_alloc();
}

Status GaussianProcess::fit(MatrixView<const double> X, MatrixView<const double> Y,
                            const GpHyperparameters& hyper, int threads) noexcept {
  PairTeam pair(threads);
  return gp().fit(model_, X, Y, hyper, pair.team());
}

Status GaussianProcess::append(VectorView<const double> x, VectorView<const double> y) noexcept {
  return gp().append(model_, x, y);
}

Status GaussianProcess::append(MatrixView<const double> X, MatrixView<const double> Y) noexcept {
  if (X.rows != Y.rows) return Status::shape_mismatch;
  if (X.rows > capacity_ - size()) return Status::capacity_exceeded;
  for (int i = 0; i < X.rows; ++i) {
    const Status status = append(X.row(i), Y.row(i));
    if (!failed(status)) continue;
    for (int k = i; k > 0; --k) static_cast<void>(drop(size() - 1));
    return status;
  }
  return Status::ok;
}

Status GaussianProcess::leave_one_out(MatrixView<double> residual,
                                      VectorView<double> variance) noexcept {
  if (residual.rows != size() || residual.cols != outputs_ || variance.size != size()) {
    return Status::shape_mismatch;
  }
  gp().leave_one_out(model_, residual, variance);
  return Status::ok;
}

Status GaussianProcess::drop(int index) noexcept { return gp().drop(model_, index); }

Status GaussianProcess::refactor() noexcept { return gp().refactor(model_); }

Status GaussianProcess::mean(MatrixView<const double> queries,
                             MatrixView<double> mean) const noexcept {
  if (queries.cols != dims_ || mean.rows != queries.rows || mean.cols != outputs_) {
    return Status::shape_mismatch;
  }
  if (!all_finite(queries)) return Status::not_finite;
  gp().mean(model_, queries, mean);
  return Status::ok;
}

Status GaussianProcess::predict(MatrixView<const double> queries, MatrixView<double> mean,
                                VectorView<double> variance) noexcept {
  if (queries.cols != dims_ || mean.rows != queries.rows || mean.cols != outputs_ ||
      variance.size != queries.rows) {
    return Status::shape_mismatch;
  }
  if (!all_finite(queries)) return Status::not_finite;
  gp().predict(model_, queries, mean, variance);
  return Status::ok;
}

Status GaussianProcess::mean_gradient(MatrixView<const double> queries, MatrixView<double> mean,
                                      MatrixView<double> gradient) const noexcept {
  if (queries.cols != dims_ || mean.rows != queries.rows || mean.cols != outputs_ ||
      gradient.rows != queries.rows || gradient.cols != outputs_ * dims_) {
    return Status::shape_mismatch;
  }
  if (!all_finite(queries)) return Status::not_finite;
  gp().mean_gradient(model_, queries, mean, gradient);
  return Status::ok;
}

Status GaussianProcess::variance_gradient(MatrixView<const double> queries,
                                          MatrixView<double> gradient) noexcept {
  if (queries.cols != dims_ || gradient.rows != queries.rows || gradient.cols != dims_) {
    return Status::shape_mismatch;
  }
  if (!all_finite(queries)) return Status::not_finite;
  gp().variance_gradient(model_, queries, gradient);
  return Status::ok;
}

Status GaussianProcess::predict_joint(MatrixView<const double> queries, MatrixView<double> mean,
                                      MatrixView<double> covariance,
                                      VectorView<double> scratch) noexcept {
  if (queries.cols != dims_ || mean.rows != queries.rows || mean.cols != outputs_ ||
      covariance.rows != queries.rows || covariance.cols != queries.rows ||
      static_cast<std::size_t>(scratch.size) < joint_scratch(queries.rows)) {
    return Status::shape_mismatch;
  }
  if (!all_finite(queries)) return Status::not_finite;
  gp().predict_joint(model_, queries, mean, covariance, scratch.data);
  return Status::ok;
}

std::size_t GaussianProcess::joint_scratch(int queries) const noexcept {
  return gp().joint_scratch(model_, queries);
}

MatrixView<const double> GaussianProcess::weights() const noexcept { return gp().weights(model_); }

int GaussianProcess::size() const noexcept { return gp().size(model_); }

int GaussianProcess::failing_pivot() const noexcept { return gp().failing_pivot(model_); }

double GaussianProcess::log_marginal_likelihood() const noexcept {
  return gp().log_marginal_likelihood(model_);
}

GpLikelihoodEvaluator::GpLikelihoodEvaluator(int points, int dims, int outputs, bool gradient,
                                             int kernel_parameters)
    : gradient_(gradient),
      memory_(gp().likelihood_bytes({points, dims, outputs, gradient, kernel_parameters})),
      likelihood_(gp().likelihood_create(memory_.data(), memory_.bytes(),
                                         {points, dims, outputs, gradient, kernel_parameters})) {
  if (likelihood_ == nullptr) throw std::bad_alloc();
}

Status GpLikelihoodEvaluator::evaluate(MatrixView<const double> X, MatrixView<const double> Y,
                                       const GpHyperparameters& hyper, GpLikelihood& out) noexcept {
  return gp().likelihood(likelihood_, X, Y, hyper, gradient_, out);
}

Status covariance(VectorView<const KernelNode> nodes, VectorView<const double> parameters,
                  MatrixView<const double> X, MatrixView<const double> Z, bool same,
                  MatrixView<double> out) {
  if (X.cols != Z.cols || out.rows != X.rows || out.cols != Z.rows || (same && X.rows != Z.rows)) {
    return Status::shape_mismatch;
  }
  const Buffer memory(gp().covariance_bytes(X.rows, X.cols, parameters.size));
  return gp().covariance(memory.arena(), nodes, parameters, X, Z, same, out);
}

Status cholesky(double* a, int size, int stride, double* workspace, int* failing_pivot,
                int threads) noexcept {
  if (size < 0 || stride < cholesky_rows(size)) return Status::shape_mismatch;
  PairTeam pair(threads);
  return gp().cholesky(a, size, stride, workspace, failing_pivot, pair.team());
}

int cholesky_rows(int size) noexcept { return gp().cholesky_rows(size); }

int cholesky_stride(int size) noexcept { return gp().cholesky_stride(size); }

std::size_t cholesky_workspace(int size) noexcept { return gp().cholesky_workspace(size); }

}  // namespace optcore::host
