#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/gp/composite.hpp"
#include "optcore/gp/detail/checks.hpp"
#include "optcore/gp/hyperparameters.hpp"
#include "optcore/gp/stationary.hpp"
#include "optcore/gp/tables.hpp"
#include "optcore/linalg/cholesky.hpp"
#include "optcore/linalg/triangular.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

/// Exact Gaussian process regression with several independent outputs on one factor.
///
/// All memory is cut from an arena by bind(). mean() and mean_gradient() are re-entrant; predict()
/// uses scratch of the model, so one thread at a time may call it.
///
/// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1.
///
/// ```cpp
/// alignas(64) unsigned char memory[4096];
/// optcore::Arena arena(memory, sizeof memory);
/// optcore::gp::Model<double> gp;
/// gp.bind(arena, /*capacity=*/8, /*dims=*/1, /*outputs=*/1);
/// assert(!arena.overflowed());
/// const double X[] = {0, 1}, Y[] = {1, 3}, scale[] = {0.1};
/// assert(!failed(gp.fit({X, 2, 1, 1}, {Y, 2, 1, 1}, {.length_scales = {scale, 1}, .noise = 1})));
/// double mean, variance;
/// gp.predict({X, 1, 1, 1}, {&mean, 1, 1, 1}, {&variance, 1});
/// assert(std::abs(mean - 0.5) < 1e-9 && std::abs(variance - 0.5) < 1e-9);
/// ```
template <class T>
class Model {
 public:
  /// Cuts all memory; call once on Arena::measure() for the size and once on the real arena.
  /// @param capacity       most points ever held.
  /// @param with_inverse  also hold L^-1: twice the memory, faster variances of few points.
  /// @param kernel_parameters  most parameters of a composite kernel; 0: none will be fitted.
  OPTCORE_HD void bind(Arena& arena, int capacity, int dims, int outputs, bool with_inverse = true,
                       int kernel_parameters = 0) noexcept {
    const int rows = linalg::padded<T>(capacity);
    capacity_ = capacity;
    outputs_ = outputs;
    with_inverse_ = with_inverse;
    const int stride = linalg::padded_stride<T>(capacity);
    const std::size_t square = static_cast<std::size_t>(stride) * static_cast<std::size_t>(rows);
    inputs_ = {arena.array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(dims)),
               dims, rows};
    factor_ = {arena.array<T>(square), 0, stride};
    inverse_ = {with_inverse ? arena.array<T>(square) : nullptr, 0, stride};
    whitened_ = arena.matrix<T>(outputs, rows);
    weights_ = arena.matrix<T>(outputs, rows);
    scale_ = arena.vector<T>(dims);
    prior_mean_ = arena.vector<T>(outputs * (1 + dims));
    point_noise_ = arena.array<T>(static_cast<std::size_t>(rows));
    workspace_ = arena.array<T>(linalg::factor_workspace<T>(capacity));
    bind_scratch(arena, rows, dims);
    composite_.bind(arena, kernel_parameters);
  }

  /// Answers from constant tables, which stay where they are (flash); only scratch is cut. Such a
  /// model cannot be fitted, grown or shrunk. Call on Arena::measure() first, as bind().
  /// @return invalid_argument: a composite kernel that is no tree, or compact tables whose rows are
  ///         shorter than this compilation's registers
  [[nodiscard]] OPTCORE_HD Status attach(Arena& arena, const Tables<T>& tables) noexcept;
  /// Bytes that attach() cuts, a constant expression.
  [[nodiscard]] static constexpr std::size_t attached_workspace(const Tables<T>& tables) noexcept {
    Arena arena = Arena::measure();
    Model model;
    model.bind_scratch(arena, tables.stride, tables.dims);
    model.composite_.bind(arena, tables.parameter_count);
    return arena.used();
  }

  /// Factor and weights, O(n^3).
  /// @param X (n, d), n <= capacity; 0 gives the prior.   @param Y (n, outputs)
  /// @return not_positive_definite (see failing_pivot()), not_finite, invalid_argument,
  ///         shape_mismatch, capacity_exceeded, not_ready. After a failed factorisation size() is
  ///         0; other failures leave the model as it was.
  /// @param team  shares the factorisation of many points (linalg/cholesky.hpp).
  [[nodiscard]] OPTCORE_HD Status fit(MatrixView<const T> X, MatrixView<const T> Y,
                                      const Hyperparameters<T>& hyper, Team team = {}) noexcept;

  /// One more point, O(n^2). On failure the model is unchanged.
  [[nodiscard]] OPTCORE_HD Status append(VectorView<const T> x, VectorView<const T> y) noexcept;

  /// Removes point `index`, O(n^2); the order of the others stays. L^-1 is given up until the next
  /// fit(). @return invalid_argument when there is no such point.
  ///
  /// Source: Gill, Golub, Murray & Saunders, Mathematics of Computation 28 (1974), method C1.
  [[nodiscard]] OPTCORE_HD Status drop(int index) noexcept;

  /// What each point says against all the others, O(n^3 / 3).
  /// @param residual (n, outputs) observation less its mean from the others
  /// @param variance (n,) of the observation given the others, noise included
  ///
  /// Source: Rasmussen & Williams (2006), section 5.4.2.
  OPTCORE_HD void leave_one_out(MatrixView<T> residual, VectorView<T> variance) noexcept;

  /// Factors again from the points held, to end the drift of many updates; O(n^3).
  [[nodiscard]] OPTCORE_HD Status refactor() noexcept;

  /// Posterior means. @param queries (m, d)   @param mean (m, outputs)
  OPTCORE_HD void mean(MatrixView<const T> queries, MatrixView<T> mean) const noexcept;

  /// Posterior means and the variance of the latent function, noise not added; one variance for
  /// all outputs. Fastest in groups of one register (8 doubles on AVX-512).
  /// @param queries (m, d)   @param mean (m, outputs)   @param variance (m,), >= 0
  OPTCORE_HD void predict(MatrixView<const T> queries, MatrixView<T> mean,
                          VectorView<T> variance) noexcept;

  /// predict() of one query by a model whose kernel is known to be of family F when the program is
  /// compiled, as firmware's is: nothing else is then linked.
  /// @param query (d,)   @param mean (outputs,)
  template <KernelFamily F>
  OPTCORE_HD void predict_as(VectorView<const T> query, VectorView<T> mean, T& variance) noexcept {
    predict_one<F>(query, mean, variance);
    add_linear_mean({query.data, 1, query.size, query.size}, {mean.data, 1, mean.size, mean.size});
  }

  /// Posterior means (m, outputs) and covariance (m, m) of the latent function.
  /// @param scratch  joint_scratch(m) numbers, 64-byte aligned.
  OPTCORE_HD void predict_joint(MatrixView<const T> queries, MatrixView<T> mean,
                                MatrixView<T> covariance, T* scratch) noexcept;
  [[nodiscard]] OPTCORE_HD std::size_t joint_scratch(int queries) const noexcept {
    const int height = linalg::tile_rows<T>;
    return static_cast<std::size_t>((queries + height - 1) / height * height) *
           static_cast<std::size_t>(rows() + inputs_.dims);
  }

  /// Input gradient of the variance. @param gradient (m, d)
  OPTCORE_HD void variance_gradient(MatrixView<const T> queries, MatrixView<T> gradient) noexcept;

  /// Posterior means and their input gradients.
  /// @param gradient (m, outputs * d): d mean[o] / d x[f] of query q at (q, o * d + f)
  OPTCORE_HD void mean_gradient(MatrixView<const T> queries, MatrixView<T> mean,
                                MatrixView<T> gradient) const noexcept;

  /// Numbers that store() writes for n points.
  [[nodiscard]] static constexpr std::size_t compact_size(int n, int dims, int outputs) noexcept;
  /// Writes the fitted state, L once and without its upper half: a model that serves many processes
  /// by turns keeps its own memory in the caches.
  OPTCORE_HD void store(T* compact) const noexcept;
  /// Becomes what a model of n points was at its store(); family and prior mean are those of this
  /// model's last fit(). L^-1 is given up.
  OPTCORE_HD void restore(int n, const T* compact) noexcept;

  [[nodiscard]] OPTCORE_HD int size() const noexcept { return size_; }
  [[nodiscard]] OPTCORE_HD int capacity() const noexcept { return capacity_; }
  [[nodiscard]] OPTCORE_HD int dims() const noexcept { return inputs_.dims; }
  [[nodiscard]] OPTCORE_HD int outputs() const noexcept { return outputs_; }
  [[nodiscard]] OPTCORE_HD T noise() const noexcept { return noise_; }
  /// Of a composite kernel the largest among the points fitted.
  [[nodiscard]] OPTCORE_HD T prior_variance() const noexcept { return variance_; }
  /// Row of the last factorisation whose pivot was not positive; -1 when it succeeded.
  [[nodiscard]] OPTCORE_HD int failing_pivot() const noexcept { return failing_pivot_; }
  /// K^-1 (y - mean) by output, (outputs, size()).
  [[nodiscard]] OPTCORE_HD MatrixView<const T> weights() const noexcept {
    return {weights_.data, outputs_, size_, weights_.stride};
  }
  /// Natural logarithm, summed over the outputs; 0 of an attached model, whose tables lack it.
  [[nodiscard]] OPTCORE_HD T log_marginal_likelihood() const noexcept;

 private:
  using P = Pack<T>;
  static constexpr int lanes = native_lanes<T>;

  [[nodiscard]] OPTCORE_HD int rows() const noexcept { return linalg::padded<T>(size_); }
  /// What queries need.
  OPTCORE_HD constexpr void bind_scratch(Arena& arena, int rows, int dims) noexcept {
    const int queries = linalg::tile_rows<T>;
    scratch_ = arena.array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(queries));
    row_ = arena.array<T>(static_cast<std::size_t>(2 * rows));
    query_ = arena.array<T>(static_cast<std::size_t>(dims * queries));
    point_ = arena.array<T>(static_cast<std::size_t>(dims));
  }
  [[nodiscard]] OPTCORE_HD T minimum_pivot() const noexcept {
    return detail::minimum_pivot(variance_ + noise_);
  }
  /// Variance of the latent function at a query before any data.
  [[nodiscard]] OPTCORE_HD T prior_variance_at(const T* query) const noexcept {
    return family_ == KernelFamily::composite ? composite_.diagonal(query) : variance_;
  }
  [[nodiscard]] OPTCORE_HD T prior_mean_at(int o, const T* x) const noexcept {
    return detail::prior_mean_at<T>(prior_mean_, outputs_, o, x, inputs_.dims);
  }
  [[nodiscard]] OPTCORE_HD bool has_linear_mean() const noexcept {
    return prior_mean_.size > outputs_;
  }
  [[nodiscard]] OPTCORE_HD const T* mean_slopes(int o) const noexcept {
    return prior_mean_.data + outputs_ + o * inputs_.dims;
  }
  /// mean(m, o) += slopes of the prior mean times query m.
  OPTCORE_HD void add_linear_mean(MatrixView<const T> queries, MatrixView<T> mean) const noexcept {
    if (!has_linear_mean()) return;
    for (int m = 0; m < queries.rows; ++m) {
      for (int o = 0; o < outputs_; ++o) {
        for (int f = 0; f < inputs_.dims; ++f) mean(m, o) += mean_slopes(o)[f] * queries(m, f);
      }
    }
  }
  /// Covariances of points [first, first + count) with a query under a composite kernel.
  OPTCORE_HD void composite_values(const T* query, int first, int count, T* k) const noexcept {
    composite_.values(inputs_, first, count, query, -1, k);
  }
  /// Of one query to G registers of points, as stationary.hpp scales them.
  template <int G>
  OPTCORE_HD void scaled_distances(const T* query, int first, P (&q)[G]) const noexcept;
  /// Training-side covariances of one query, lanes = points, into k (rows() numbers, zero padding).
  template <KernelFamily F>
  OPTCORE_HD void covariances(const T* query, T* k) const noexcept;
  /// Of `lanes` queries, lanes = queries: k[i * lanes + q].
  template <KernelFamily F>
  OPTCORE_HD void covariances_transposed(const T* queries, int step, T* k) const noexcept;
  /// Scaled queries by feature, `height` apart; the last one repeated to the end.
  OPTCORE_HD void scale_queries(MatrixView<const T> queries, int height, T* scaled) const noexcept;
  /// Means from k[i * step + q].
  OPTCORE_HD void means_of_lanes(const T* k, int step, MatrixView<T> mean) const noexcept;
  /// k <- L^-1 k for R registers of queries, k[i * R * lanes + q]; `squares` gets the sums of
  /// squares when it is not null. Rows of k before `first`, whole registers, are zero.
  template <int R>
  OPTCORE_HD void whiten_lanes(T* k, T* squares, int first = 0) const noexcept;
  /// gradient(v, f) = factor * sum_i weights(v, i) d k(x, x_i) / d x_f
  OPTCORE_HD void contract_slopes(const T* query, MatrixView<const T> weights, T factor,
                                  T* gradient) const noexcept;
  template <KernelFamily F, int Outputs>
  OPTCORE_HD void mean_of(MatrixView<const T> queries, MatrixView<T> mean,
                          int first) const noexcept;
  template <KernelFamily F>
  OPTCORE_HD void predict_one(VectorView<const T> query, VectorView<T> mean, T& variance) noexcept;
  template <KernelFamily F>
  OPTCORE_HD void predict_lanes(MatrixView<const T> queries, MatrixView<T> mean,
                                VectorView<T> variance) noexcept;
  template <KernelFamily F, int R>
  OPTCORE_HD void predict_solving(MatrixView<const T> queries, MatrixView<T> mean,
                                  VectorView<T> variance) noexcept;
  template <class Copy>
  OPTCORE_HD void for_compact_runs(Copy copy) const noexcept;
  OPTCORE_HD void open_padding() noexcept;
  [[nodiscard]] OPTCORE_HD Status factor_points(Team team = {}) noexcept;
  OPTCORE_HD void solve_weights() noexcept;

  int capacity_ = 0, size_ = 0, outputs_ = 0, failing_pivot_ = -1;
  bool with_inverse_ = true;    // memory for L^-1
  bool inverse_valid_ = false;  // and it belongs to the factor
  bool attached_ = false;       // to constant tables
  KernelFamily family_ = KernelFamily::rbf;
  T variance_ = 1, noise_ = 0;
  ScaledInputs<T> inputs_;       // d x rows
  linalg::Triangle<T> factor_;   // L
  linalg::Triangle<T> inverse_;  // L^-1, zero above the diagonal and in the padding
  MatrixView<T> whitened_;       // outputs x rows: L^-1 (y - mean)
  MatrixView<T> weights_;        // outputs x rows: K^-1 (y - mean)
  VectorView<T> scale_, prior_mean_;
  T* point_noise_ = nullptr;  // rows: what each point's noise has beyond noise_
  T* scratch_ = nullptr;      // rows x tile_rows
  T* row_ = nullptr;          // 2 rows
  T* query_ = nullptr;        // d x tile_rows
  T* point_ = nullptr;        // d
  T* workspace_ = nullptr;
  CompositeKernel<T> composite_;
};

}  // namespace optcore::inline OPTCORE_ISA::gp

#include "optcore/gp/detail/model_attach.hpp"
#include "optcore/gp/detail/model_compact.hpp"
#include "optcore/gp/detail/model_drop.hpp"
#include "optcore/gp/detail/model_fit.hpp"
#include "optcore/gp/detail/model_gradient.hpp"
#include "optcore/gp/detail/model_joint.hpp"
#include "optcore/gp/detail/model_leave_one_out.hpp"
#include "optcore/gp/detail/model_query.hpp"
