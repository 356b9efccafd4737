#pragma once

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/host/gp.hpp"

namespace optcore::host {

/// Derivatives of the bound by the logarithms of the hyper-parameters; see gp::BoundGradient.
struct GpBoundGradient {
  double log_variance = 0;
  double log_noise = 0;
  VectorView<double> log_length_scales = {};  ///< (d,)
  VectorView<double> parameters = {};         ///< of a composite kernel, d bound / d each
};

/// What a model has gathered from its rows; see gp::SparseStatistics.
template <class T>
struct GpSparseStatistics {
  MatrixView<T> gram;     ///< (m, m), lower triangle
  MatrixView<T> moments;  ///< (outputs, m)
  double squares = 0;
  double prior = 0;
  long long rows = 0;
};

/// Gaussian process through inducing inputs (gp::Sparse) for the instruction set of this machine,
/// owning its memory: about 9 m^2 numbers, whatever the number of rows. One thread at a time; no
/// call but the constructor allocates.
class SparseGaussianProcess {
 public:
  /// @throws std::bad_alloc
  SparseGaussianProcess(int inducing, int dims, int outputs, int kernel_parameters = 0);

  /// See gp::Sparse for what each does and returns. finish() is not_ready before begin(), predict()
  /// and begin_gradient() before finish().
  [[nodiscard]] Status begin(MatrixView<const double> Z, const GpHyperparameters& hyper,
                             double jitter) noexcept;
  [[nodiscard]] Status add(MatrixView<const double> X, MatrixView<const double> Y) noexcept;
  [[nodiscard]] Status finish() noexcept;
  [[nodiscard]] Status predict(MatrixView<const double> queries, MatrixView<double> mean,
                               VectorView<double> variance) noexcept;
  [[nodiscard]] Status begin_gradient() noexcept;
  [[nodiscard]] Status add_gradient(MatrixView<const double> X,
                                    MatrixView<const double> Y) noexcept;
  [[nodiscard]] Status finish_gradient(GpBoundGradient& out) noexcept;
  /// After begin(): what was gathered, or back in its place.
  [[nodiscard]] Status statistics(GpSparseStatistics<double>& out) const noexcept;
  [[nodiscard]] Status restore(const GpSparseStatistics<const double>& saved) noexcept;

  [[nodiscard]] double bound() const noexcept;
  [[nodiscard]] int failing_pivot() const noexcept;
  [[nodiscard]] int inducing() const noexcept { return inducing_; }
  [[nodiscard]] int dims() const noexcept { return dims_; }
  [[nodiscard]] int outputs() const noexcept { return outputs_; }
  [[nodiscard]] int kernel_parameters() const noexcept { return kernel_parameters_; }

 private:
  enum class Stage { empty, adding, ready, gradient };

  int inducing_, dims_, outputs_, kernel_parameters_;
  int parameters_ = 0;  ///< of the composite kernel that begin() was given
  bool composite_ = false;
  Stage stage_ = Stage::empty;
  Buffer memory_;
  void* model_;
};

/// Indices of `chosen.size` candidates (or fewer, `count`) by pivoted Cholesky; see
/// gp::InducingChoice. Allocates its workspace.
/// @throws std::bad_alloc
[[nodiscard]] Status choose_inducing(MatrixView<const double> candidates,
                                     const GpHyperparameters& hyper, double tolerance,
                                     VectorView<int> chosen, int& count);

}  // namespace optcore::host
