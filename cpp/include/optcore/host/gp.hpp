#pragma once

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/gp/kernel_node.hpp"
#include "optcore/host/buffer.hpp"

namespace optcore::host {

/// Covariance functions, numbered as KernelFamily in gp/stationary.hpp.
enum class GpFamily : int { rbf = 0, matern12 = 1, matern32 = 2, matern52 = 3, composite = 4 };

/// Hyper-parameters of a Gaussian process; see gp::Hyperparameters.
struct GpHyperparameters {
  GpFamily family = GpFamily::rbf;
  double variance = 1;                          ///< of the signal, > 0
  VectorView<const double> length_scales = {};  ///< (d,) > 0
  double noise = 1e-2;                          ///< variance, >= 0
  VectorView<const double> mean = {};           ///< empty; (outputs,); or with slopes (outputs, d)
  VectorView<const double> point_noise = {};    ///< (n,) added to noise, or empty
  VectorView<const KernelNode> nodes = {};      ///< of a composite kernel, in postfix
  VectorView<const double> parameters = {};     ///< of its nodes
};

/// What a likelihood evaluation writes; gradients only when asked for.
struct GpLikelihood {
  double value = 0;  ///< nats, summed over the outputs
  double log_variance = 0;
  double log_noise = 0;
  VectorView<double> log_length_scales = {};  ///< (d,)
  VectorView<double> mean = {};               ///< (outputs,)
  VectorView<double> parameters = {};         ///< of a composite kernel, d value / d each
  int failing_pivot = -1;
};

/// Exact Gaussian process at run-time sizes: gp::Model for the instruction set of this machine,
/// owning its memory. One thread at a time; no call but the constructor allocates.
///
/// ```cpp
/// optcore::host::GaussianProcess gp(/*capacity=*/100, /*dims=*/1, /*outputs=*/1,
/// /*with_inverse=*/true); const double X[] = {0, 1}, Y[] = {1, 3}, scale[] = {0.1};
/// assert(!failed(gp.fit({X, 2, 1, 1}, {Y, 2, 1, 1}, {.length_scales = {scale, 1}, .noise = 1})));
/// double mean, variance;
/// assert(!failed(gp.predict({X, 1, 1, 1}, {&mean, 1, 1, 1}, {&variance, 1})));
/// assert(std::abs(mean - 0.5) < 1e-9 && std::abs(variance - 0.5) < 1e-9);
/// ```
class GaussianProcess {
 public:
  /// @param with_inverse  hold L^-1 too: twice the memory, faster variances of single points.
  /// @param kernel_parameters  most parameters of a composite kernel.
  /// @throws std::bad_alloc
  GaussianProcess(int capacity, int dims, int outputs, bool with_inverse,
                  int kernel_parameters = 0);

  /// @param threads  2: the caller and a thread made for this call factor a large covariance; the
  ///                 only call of the class that ever waits for another thread.
  [[nodiscard]] Status fit(MatrixView<const double> X, MatrixView<const double> Y,
                           const GpHyperparameters& hyper, int threads = 1) noexcept;
  [[nodiscard]] Status append(VectorView<const double> x, VectorView<const double> y) noexcept;
  /// A block of points, one after the other; on failure none of them stays.
  /// @param X (k, d)   @param Y (k, outputs)
  [[nodiscard]] Status append(MatrixView<const double> X, MatrixView<const double> Y) noexcept;
  [[nodiscard]] Status drop(int index) noexcept;
  [[nodiscard]] Status refactor() noexcept;

  /// Each checks shapes: queries (m, d), mean (m, outputs), variance (m,), gradient
  /// (m, outputs * d) of the mean or (m, d) of the variance, covariance (m, m).
  [[nodiscard]] Status mean(MatrixView<const double> queries,
                            MatrixView<double> mean) const noexcept;
  [[nodiscard]] Status predict(MatrixView<const double> queries, MatrixView<double> mean,
                               VectorView<double> variance) noexcept;
  [[nodiscard]] Status mean_gradient(MatrixView<const double> queries, MatrixView<double> mean,
                                     MatrixView<double> gradient) const noexcept;
  [[nodiscard]] Status variance_gradient(MatrixView<const double> queries,
                                         MatrixView<double> gradient) noexcept;
  /// @param scratch  at least joint_scratch(m) numbers, 64-byte aligned
  [[nodiscard]] Status predict_joint(MatrixView<const double> queries, MatrixView<double> mean,
                                     MatrixView<double> covariance,
                                     VectorView<double> scratch) noexcept;
  /// Observations less their mean from all others (n, outputs), and the variance of each
  /// observation given the others (n,).
  [[nodiscard]] Status leave_one_out(MatrixView<double> residual,
                                     VectorView<double> variance) noexcept;
  [[nodiscard]] std::size_t joint_scratch(int queries) const noexcept;

  /// K^-1 (y - mean) by output, (outputs, size()): valid until the model changes.
  [[nodiscard]] MatrixView<const double> weights() const noexcept;
  [[nodiscard]] int size() const noexcept;
  [[nodiscard]] int capacity() const noexcept { return capacity_; }
  [[nodiscard]] int dims() const noexcept { return dims_; }
  [[nodiscard]] int outputs() const noexcept { return outputs_; }
  [[nodiscard]] int failing_pivot() const noexcept;
  [[nodiscard]] double log_marginal_likelihood() const noexcept;

 private:
  int capacity_, dims_, outputs_;
  Buffer memory_;
  void* model_;
};

/// Log marginal likelihood and its gradients for one data set and any hyper-parameters; holds one
/// n x n buffer.
class GpLikelihoodEvaluator {
 public:
  /// @throws std::bad_alloc
  GpLikelihoodEvaluator(int points, int dims, int outputs, bool gradient,
                        int kernel_parameters = 0);
  [[nodiscard]] Status evaluate(MatrixView<const double> X, MatrixView<const double> Y,
                                const GpHyperparameters& hyper, GpLikelihood& out) noexcept;

 private:
  bool gradient_;
  Buffer memory_;
  void* likelihood_;
};

/// Covariances k(x_i, z_j) of a covariance function written in nodes, white noise only where
/// `same` says that Z is X.
/// @param out (n, m)
/// @return invalid_argument: no tree, a parameter out of range
[[nodiscard]] Status covariance(VectorView<const KernelNode> nodes,
                                VectorView<const double> parameters, MatrixView<const double> X,
                                MatrixView<const double> Z, bool same, MatrixView<double> out);

/// Cholesky factor in place: `a` holds a symmetric matrix of `size` rows with its rows `stride`
/// apart; its upper triangle by rows (the lower one by columns) becomes the factor. Room for
/// cholesky_rows(size) rows is needed, and a stride of at least as many.
/// @param workspace  cholesky_workspace(size) numbers
/// @param threads    2: the caller and a thread made for this call share what is large
[[nodiscard]] Status cholesky(double* a, int size, int stride, double* workspace,
                              int* failing_pivot, int threads = 1) noexcept;
[[nodiscard]] int cholesky_rows(int size) noexcept;
[[nodiscard]] int cholesky_stride(int size) noexcept;
[[nodiscard]] std::size_t cholesky_workspace(int size) noexcept;

}  // namespace optcore::host
