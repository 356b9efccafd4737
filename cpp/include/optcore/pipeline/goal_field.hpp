#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/linalg/cholesky.hpp"
#include "optcore/linalg/triangular.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// How people who walk to one goal change their velocity: a Gaussian process over position and
/// velocity, z = (px, py, vx, vy), whose prior mean is constant velocity.
///
/// The field's outputs are the change of velocity per belief period (m/s) in x and y; they share
/// one RBF kernel and one factor. The same kernel row also gives the density of training samples at
/// z, which tells how typical this state is of people with this goal.
///
/// The factor is computed in double; the tables that every query reads are kept in float, which
/// doubles the lanes and halves the memory read: mean and variance then agree with double to about
/// 1e-6 m/s, far below what anybody's gait repeats.
///
/// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1; the
/// field over velocities follows Ellis, Sommerlade & Reid, "Modelling pedestrian trajectory
/// patterns with Gaussian processes", ICCV Workshops 2009.
template <class T>
class GoalField {
 public:
  static constexpr int inputs = 4;
  static constexpr int outputs = 2;
  using P = Pack<float>;
  static constexpr int batch = 4;  ///< most rows per call of variance()

  /// @param points  number of training points of this field, at least 1
  void attach(Arena& arena, int points) noexcept {
    size_ = points;
    padded_ = (points + P::lanes - 1) / P::lanes * P::lanes;
    x_ = arena.matrix<float>(inputs, padded_);
    weights_ = arena.matrix<float>(outputs + 1, padded_);
    wide_ = (points + 2 * P::lanes - 1) / (2 * P::lanes) * (2 * P::lanes);
    inverse_ = arena.matrix<float>(points, wide_);
  }

  /// Numbers of scratch that fit() needs for n points.
  [[nodiscard]] static std::size_t scratch_size(int n) noexcept {
    const auto rows = static_cast<std::size_t>(linalg::padded<double>(n));
    return 2 * rows * static_cast<std::size_t>(linalg::padded_stride<double>(n)) + rows;
  }

  /// @param points   (n, 4) raw units          @param targets  (n, 2) change of velocity, m/s
  /// @param noise    (n,) variance of targets  @param count    (n,) samples each point stands for
  /// @param length_scale  (4,)                 @param signal_variance  (m/s)^2
  /// @param scratch  scratch_size(n) numbers, 64-byte aligned
  /// @return not_positive_definite when the kernel matrix cannot be factored (duplicate points
  ///         without noise); the field is then unusable.
  [[nodiscard]] Status fit(MatrixView<const double> points, MatrixView<const double> targets,
                           VectorView<const double> noise, VectorView<const double> count,
                           const double* length_scale, double signal_variance,
                           double* scratch) noexcept {
    const int rows = linalg::padded<double>(size_), stride = linalg::padded_stride<double>(size_);
    const linalg::Triangle<double> l{scratch, size_, stride};
    const linalg::Triangle<double> inverse{l.column(rows), size_, stride};
    double* alpha = inverse.column(rows);

    variance_ = static_cast<T>(signal_variance);
    double total = 0;
    for (int j = 0; j < size_; ++j) total += count[j];
    double inverse_scale[inputs];
    for (int d = 0; d < inputs; ++d) {
      inverse_scale[d] = 1.0 / length_scale[d];
      inverse_scale_[d] = static_cast<T>(inverse_scale[d] * to_base_2);
    }
    for (int j = 0; j < size_; ++j) {
      for (int i = j; i < size_; ++i) {
        double square = 0;
        for (int d = 0; d < inputs; ++d) {
          const double difference = (points(i, d) - points(j, d)) * inverse_scale[d];
          square += difference * difference;
        }
        l(i, j) = signal_variance * exp(-0.5 * square);
      }
      l(j, j) += noise[j];
    }
    linalg::pad_with_identity(l);
    constexpr double least_pivot = 1e-12;  // of the signal variance: duplicates are told from noise
    const Status status =
        linalg::factor<double>(l, nullptr, nullptr, min(least_pivot * signal_variance, 0.5));
    if (failed(status)) return status;

    for (int o = 0; o < outputs; ++o) {
      for (int j = 0; j < rows; ++j) alpha[j] = j < size_ ? targets(j, o) : 0.0;
      linalg::solve_lower<double>(l, alpha);
      linalg::solve_lower_transposed<double>(l, alpha);
      fill(weights_.row_data(o), [&](int j) { return signal_variance * alpha[j]; });
    }
    fill(weights_.row_data(outputs), [&](int j) { return count[j] / total; });
    for (int d = 0; d < inputs; ++d) {
      fill(x_.row_data(d), [&](int j) { return points(j, d) * inverse_scale[d] * to_base_2; });
    }
    linalg::invert<double>(l, inverse);
    for (int j = 0; j < size_; ++j) {
      for (int i = 0; i < wide_; ++i) {
        inverse_(j, i) =
            i >= j && i < size_ ? static_cast<float>(signal_variance * inverse(i, j)) : 0.0F;
      }
    }
    return Status::ok;
  }

  [[nodiscard]] int padded() const noexcept { return padded_; }

  /// Change of velocity per belief period at z, m/s; returns the density of training samples.
  T mean(const T* z, T* change) const noexcept {
    P sums[outputs + 1] = {P::zero(), P::zero(), P::zero()};
    P query[inputs];
    scale(z, query);
    for (int j = 0; j < padded_; j += P::lanes) {
      const P k = kernel(query, j);
      for (int o = 0; o <= outputs; ++o) sums[o] = fma(k, P::load(&weights_(o, j)), sums[o]);
    }
    change[0] = static_cast<T>(sum(sums[0]));
    change[1] = static_cast<T>(sum(sums[1]));
    return static_cast<T>(sum(sums[outputs]));
  }

  /// Kernel row k(z, X) without the signal variance, for mean_of_row() and variance().
  /// @param row  (padded,) output
  void kernel_row(const T* z, float* row) const noexcept {
    P query[inputs];
    scale(z, query);
    for (int j = 0; j < padded_; j += P::lanes) kernel(query, j).store(row + j);
  }

  /// mean() of a kernel row that is there already.
  T mean_of_row(const float* row, T* change) const noexcept {
    P sums[outputs + 1] = {P::zero(), P::zero(), P::zero()};
    for (int j = 0; j < padded_; j += P::lanes) {
      const P k = P::load(row + j);
      for (int o = 0; o <= outputs; ++o) sums[o] = fma(k, P::load(&weights_(o, j)), sums[o]);
    }
    change[0] = static_cast<T>(sum(sums[0]));
    change[1] = static_cast<T>(sum(sums[1]));
    return static_cast<T>(sum(sums[outputs]));
  }

  /// Posterior variance of one output for up to `batch` kernel rows at once, (m/s)^2.
  /// @param rows  (count, padded) as kernel_row() gives them
  void variance(const float* rows, int count, T* out) const noexcept {
    switch (count) {
      case 1: return variances<1>(rows, out);
      case 2: return variances<2>(rows, out);
      case 3: return variances<3>(rows, out);
      default: return variances<batch>(rows, out);
    }
  }

 private:
  /// exp(-r^2 / 2) = 2^-(to_base_2 r)^2: the scaled inputs carry the factor.
  static constexpr double to_base_2 = 0.84932180028801904;  // sqrt(log2(e) / 2)

  template <int Q>
  void variances(const float* rows, T* out) const noexcept {
    constexpr int packs = 2;
    P explained[Q];
    for (P& e : explained) e = P::zero();
    for (int i = 0; i < wide_; i += packs * P::lanes) {
      P v[packs][Q];
      for (auto& row : v) {
        for (P& value : row) value = P::zero();
      }
      const int last = min(size_, i + packs * P::lanes);
      for (int j = 0; j < last; ++j) {
        const float* column = inverse_.row_data(j) + i;
        const P l[packs] = {P::load(column), P::load(column + P::lanes)};
        for (int q = 0; q < Q; ++q) {
          const P kj = P::broadcast(rows[q * padded_ + j]);
          for (int r = 0; r < packs; ++r) v[r][q] = fma(l[r], kj, v[r][q]);
        }
      }
      for (int q = 0; q < Q; ++q) {
        for (int r = 0; r < packs; ++r) explained[q] = fma(v[r][q], v[r][q], explained[q]);
      }
    }
    for (int q = 0; q < Q; ++q) {
      out[q] = max(T(0), variance_ - static_cast<T>(sum(explained[q])));
    }
  }

  template <class Value>
  void fill(float* row, Value value) const noexcept {
    for (int j = 0; j < padded_; ++j) row[j] = j < size_ ? static_cast<float>(value(j)) : 0.0F;
  }

  void scale(const T* z, P* query) const noexcept {
    for (int d = 0; d < inputs; ++d) {
      query[d] = P::broadcast(static_cast<float>(z[d] * inverse_scale_[d]));
    }
  }

  [[nodiscard]] P kernel(const P* query, int j) const noexcept {
    P square = P::zero();
    for (int d = 0; d < inputs; ++d) {
      const P difference = query[d] - P::load(&x_(d, j));
      square = fma(difference, difference, square);
    }
    return exp2_negative(-square);
  }

  int size_ = 0;
  int padded_ = 0;
  int wide_ = 0;
  T variance_ = 0;
  T inverse_scale_[inputs] = {};
  MatrixView<float> x_;        // (4, padded), each row divided by its length scale, to base 2
  MatrixView<float> weights_;  // rows: signal variance times alpha of x and y, share of samples
  MatrixView<float> inverse_;  // signal variance times the transpose of L^-1, (n, wide)
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
