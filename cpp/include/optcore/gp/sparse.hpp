#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/gp/composite.hpp"
#include "optcore/gp/detail/checks.hpp"
#include "optcore/gp/hyperparameters.hpp"
#include "optcore/gp/stationary.hpp"
#include "optcore/linalg/cholesky.hpp"
#include "optcore/linalg/panels.hpp"
#include "optcore/linalg/triangular.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// What finish_gradient() writes: derivatives of the bound.
template <class T>
struct BoundGradient {
  T log_variance = 0;                    ///< d bound / d log(signal variance)
  T log_noise = 0;                       ///< d bound / d log(noise)
  VectorView<T> log_length_scales = {};  ///< (d,)
  VectorView<T> parameters = {};         ///< of a composite kernel: d bound / d each
};

/// What a model knows of its rows, m numbers by m: enough to answer and to learn more rows.
template <class T>
struct SparseStatistics {
  MatrixView<T> gram;     ///< (m, m) A A', its lower triangle
  MatrixView<T> moments;  ///< (outputs, m) A (y - mean)
  T squares = 0;          ///< sum of (y - mean)^2
  T prior = 0;            ///< sum of k(x, x)
  long long rows = 0;
};

/// Gaussian process regression through m inducing inputs: the posterior that maximises the
/// variational lower bound of the log marginal likelihood, that bound, and its gradients.
///
/// Rows come in streams of any length; memory is about 9 m^2 numbers and one block of rows. With
/// Kmm + jitter = L L', A = L^-1 Kmn and B = noise I + A A', the first pass gathers A A' and A y
/// row block by row block (whitened before they are summed, so an ill-conditioned Kmm costs no
/// digits); the second, for gradients, forms d bound / d Kmn of a block and contracts it at once.
///
/// Source: Titsias, "Variational Learning of Inducing Variables in Sparse Gaussian Processes",
/// AISTATS (2009), equation 9.
template <class T>
class Sparse {
 public:
  /// @param kernel_parameters  most parameters of a composite kernel; 0: none will be used.
  OPTCORE_HD void bind(Arena& arena, int inducing, int dims, int outputs,
                       int kernel_parameters = 0) noexcept;

  /// Sets inducing inputs and hyper-parameters and forgets all rows, O(m^3).
  /// @param Z       (m, d), m as in bind()
  /// @param hyper   no point_noise, a constant mean, noise > 0
  /// @param jitter  added to the diagonal of Kmm, as a fraction of k(z, z)
  /// @return not_positive_definite (inducing inputs that repeat; see failing_pivot()), not_finite,
  ///         invalid_argument, shape_mismatch.
  [[nodiscard]] OPTCORE_HD Status begin(MatrixView<const T> Z, const Hyperparameters<T>& hyper,
                                        T jitter) noexcept;

  /// More rows, O(m^2) each. @param X (r, d)   @param Y (r, outputs)
  /// On failure (shape_mismatch, not_finite) none of them counts.
  [[nodiscard]] OPTCORE_HD Status add(MatrixView<const T> X, MatrixView<const T> Y) noexcept;

  /// Makes bound() and predict() answer for all rows so far, O(m^3); more may be added after.
  [[nodiscard]] OPTCORE_HD Status finish() noexcept;

  /// What add() has gathered, and back after begin() with the same arguments.
  OPTCORE_HD void statistics(SparseStatistics<T>& out) const noexcept;
  [[nodiscard]] OPTCORE_HD Status restore(const SparseStatistics<const T>& saved) noexcept;

  /// Nats, summed over the outputs.
  [[nodiscard]] OPTCORE_HD T bound() const noexcept { return bound_; }

  /// Posterior of the latent function. @param mean (q, outputs)   @param variance (q,)
  OPTCORE_HD void predict(MatrixView<const T> queries, MatrixView<T> mean,
                          VectorView<T> variance) noexcept;

  /// The gradient takes a second pass over the rows: begin_gradient(), add_gradient() for the
  /// same rows in any order, finish_gradient().
  OPTCORE_HD void begin_gradient() noexcept;
  [[nodiscard]] OPTCORE_HD Status add_gradient(MatrixView<const T> X,
                                               MatrixView<const T> Y) noexcept;
  OPTCORE_HD void finish_gradient(BoundGradient<T>& out) noexcept;

  [[nodiscard]] OPTCORE_HD int inducing() const noexcept { return inducing_; }
  [[nodiscard]] OPTCORE_HD int dims() const noexcept { return inputs_.dims; }
  [[nodiscard]] OPTCORE_HD int outputs() const noexcept { return prior_mean_.size; }
  [[nodiscard]] OPTCORE_HD long long rows() const noexcept { return rows_; }
  [[nodiscard]] OPTCORE_HD int failing_pivot() const noexcept { return failing_pivot_; }

 private:
  using P = Pack<T>;
  using Panels = linalg::Panels<T>;
  static constexpr int block = linalg::panel_columns;  // rows of data at a time

  /// Scaled inputs of `count` rows, row by row.
  OPTCORE_HD void scale_block(MatrixView<const T> X, int first, int count) noexcept;
  /// cross_ <- covariances of the inducing inputs with the block; whole tiles, padding zero.
  template <KernelFamily F>
  OPTCORE_HD void fill_cross(int count) noexcept;
  OPTCORE_HD void fill_cross_composite(int count) noexcept;
  OPTCORE_HD void cross(int count) noexcept {
    if (family_ == KernelFamily::composite) return fill_cross_composite(count);
    with_stationary(family_, [&]<KernelFamily F>() { fill_cross<F>(count); });
  }
  /// Adds sum G dK of one block to sums_: by length scale, and sum G K in the last place; or by
  /// parameter of a composite kernel.
  /// @param first  place of the block's first column among the inducing inputs; -1: rows of data
  template <KernelFamily F>
  OPTCORE_HD void contract_stationary(Panels g, int count) noexcept;
  OPTCORE_HD void contract_composite(Panels g, int count, int first) noexcept;
  OPTCORE_HD void contract(Panels g, int count, int first) noexcept {
    if (family_ == KernelFamily::composite) return contract_composite(g, count, first);
    with_stationary(family_, [&]<KernelFamily F>() { contract_stationary<F>(g, count); });
  }
  /// Adds weight * d k(x, x) to sums_ for a composite kernel.
  OPTCORE_HD void contract_prior(const T* x, T weight) noexcept;
  /// k(x, x) of row k of the block
  [[nodiscard]] OPTCORE_HD T prior_variance_at(int k) const noexcept {
    return family_ == KernelFamily::composite ? composite_.diagonal(block_ + k * inputs_.dims)
                                              : variance_;
  }
  [[nodiscard]] OPTCORE_HD static int whole_columns(int count) noexcept {
    return (count + linalg::tile_columns<T> - 1) / linalg::tile_columns<T> *
           linalg::tile_columns<T>;
  }
  /// triangle <- -rows' rows, scaled, for the square held in panels.
  OPTCORE_HD void subtract_square(Panels rows, T scale) noexcept;
  [[nodiscard]] OPTCORE_HD T trace_of_gram() const noexcept;

  int inducing_ = 0, failing_pivot_ = -1;
  KernelFamily family_ = KernelFamily::rbf;
  T variance_ = 1, noise_ = 1, jitter_ = 0;
  long long rows_ = 0;
  T squares_ = 0, prior_ = 0;                 // sums of (y - mean)^2 and of k(x, x)
  T bound_ = 0, trace_ = 0, residuals_ = 0;   // trace of B^-1; sum of alpha^2
  ScaledInputs<T> inputs_;                    // inducing inputs, d x whole tiles
  linalg::Triangle<T> factor_;                // L; afterwards scratch of the gradient
  linalg::Triangle<T> inverse_;               // L^-1
  linalg::Triangle<T> gram_;                  // -A A'
  linalg::Triangle<T> inner_;                 // chol(B)
  linalg::Triangle<T> inner_inverse_;         // its inverse
  Panels whiten_, posterior_, left_, right_;  // -L^-1; chol(B)^-1 L^-1; scratch of the gradient
  Panels cross_, product_;                    // of one block
  VectorView<T> scale_, prior_mean_;
  MatrixView<T> moments_;  // outputs x whole tiles: A (y - mean)
  MatrixView<T> weights_;  // outputs x whole tiles: the mean is k' w
  MatrixView<T> alpha_;    // outputs x block
  T* block_ = nullptr;     // block x d
  T* slopes_ = nullptr;    // whole tiles
  T* sums_ = nullptr;      // d + 1, or one per parameter of a composite kernel
  ScaledInputs<T> self_;   // one point in the first lane
  CompositeKernel<T> composite_;
  T* workspace_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::gp

#include "optcore/gp/detail/sparse_fit.hpp"
#include "optcore/gp/detail/sparse_gradient.hpp"
