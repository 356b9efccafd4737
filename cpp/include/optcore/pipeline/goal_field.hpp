#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/pipeline/small_cholesky.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// How people who walk to one goal change their velocity: a Gaussian process over position and
/// velocity, z = (px, py, vx, vy), whose prior mean is constant velocity.
///
/// The field's outputs are the change of velocity per belief period (m/s) in x and y; they share
/// one RBF kernel and one factor. The same kernel row also gives the density of training samples at
/// z, which tells how typical this state is of people with this goal.
///
/// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1; the
/// field over velocities follows Ellis, Sommerlade & Reid, "Modelling pedestrian trajectory
/// patterns with Gaussian processes", ICCV Workshops 2009.
template <class T>
class GoalField {
 public:
  static constexpr int inputs = 4;
  static constexpr int outputs = 2;
  using P = Pack<T>;

  /// @param points  number of training points of this field, at least 1
  void attach(Arena& arena, int points) noexcept {
    size_ = points;
    padded_ = (points + P::lanes - 1) / P::lanes * P::lanes;
    x_ = arena.matrix<T>(inputs, padded_);
    weights_ = arena.matrix<T>(outputs + 1, padded_);
    inverse_ = arena.matrix<T>(points, padded_);
  }

  /// @param points   (n, 4) raw units          @param targets  (n, 2) change of velocity, m/s
  /// @param noise    (n,) variance of targets  @param count    (n,) samples each point stands for
  /// @param length_scale  (4,)                 @param signal_variance  (m/s)^2
  /// @return not_positive_definite when the kernel matrix cannot be factored (duplicate points
  ///         without noise); the field is then unusable.
  [[nodiscard]] Status fit(MatrixView<const T> points, MatrixView<const T> targets,
                           VectorView<const T> noise, VectorView<const T> count,
                           const T* length_scale, T signal_variance) noexcept {
    variance_ = signal_variance;
    T total = 0;
    for (int j = 0; j < size_; ++j) total += count[j];
    for (int d = 0; d < inputs; ++d) {
      inverse_scale_[d] = T(1) / length_scale[d];
      for (int j = 0; j < size_; ++j) x_(d, j) = points(j, d) * inverse_scale_[d];
    }
    // The factor is built in the room of its inverse; rows are `padded_` apart.
    for (int i = 0; i < size_; ++i) {
      for (int j = 0; j <= i; ++j) {
        T square = 0;
        for (int d = 0; d < inputs; ++d) {
          const T difference = x_(d, i) - x_(d, j);
          square += difference * difference;
        }
        inverse_(i, j) = signal_variance * exp(T(-0.5) * square);
      }
      inverse_(i, i) += noise[i];
      for (int j = i + 1; j < padded_; ++j) inverse_(i, j) = 0;
    }
    if (const Status status = linalg::cholesky(inverse_.block(0, 0, size_, size_));
        failed(status)) {
      return status;
    }
    for (int o = 0; o < outputs; ++o) {
      auto alpha = weights_.row(o).segment(0, size_);
      for (int j = 0; j < size_; ++j) alpha[j] = targets(j, o);
      linalg::solve_lower<T>(inverse_.block(0, 0, size_, size_), alpha);
      linalg::solve_lower_transposed<T>(inverse_.block(0, 0, size_, size_), alpha);
      for (int j = 0; j < size_; ++j) alpha[j] *= signal_variance;
    }
    for (int j = 0; j < size_; ++j) weights_(outputs, j) = count[j] / total;
    linalg::invert_lower<T>(inverse_.block(0, 0, size_, size_));
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
    change[0] = sum(sums[0]);
    change[1] = sum(sums[1]);
    return sum(sums[outputs]);
  }

  /// Kernel row k(z, X) without the signal variance, for variance().
  /// @param row  (padded,) output
  void kernel_row(const T* z, T* row) const noexcept {
    P query[inputs];
    scale(z, query);
    for (int j = 0; j < padded_; j += P::lanes) kernel(query, j).store(row + j);
  }

  /// Posterior variance of one output for up to four kernel rows at once, (m/s)^2.
  /// @param rows  (count, padded) as kernel_row() gives them
  void variance(const T* rows, int count, T* out) const noexcept {
    constexpr int batch = 4;
    T explained[batch] = {};
    for (int i = 0; i < size_; ++i) {
      const T* l = inverse_.row_data(i);
      P sums[batch] = {P::zero(), P::zero(), P::zero(), P::zero()};
      for (int j = 0; j <= i; j += P::lanes) {
        const P lower = P::load(l + j);
        for (int q = 0; q < batch; ++q) {
          // rows past `count` are read again as row 0: cheaper than a branch per row
          const T* k = rows + static_cast<std::ptrdiff_t>(q < count ? q : 0) * padded_;
          sums[q] = fma(lower, P::load(k + j), sums[q]);
        }
      }
      for (int q = 0; q < batch; ++q) {
        const T v = sum(sums[q]);
        explained[q] += v * v;
      }
    }
    for (int q = 0; q < count; ++q) {
      out[q] = max(T(0), variance_ - variance_ * variance_ * explained[q]);
    }
  }

 private:
  void scale(const T* z, P* query) const noexcept {
    for (int d = 0; d < inputs; ++d) query[d] = P::broadcast(z[d] * inverse_scale_[d]);
  }

  [[nodiscard]] P kernel(const P* query, int j) const noexcept {
    P square = P::zero();
    for (int d = 0; d < inputs; ++d) {
      const P difference = query[d] - P::load(&x_(d, j));
      square = fma(difference, difference, square);
    }
    return exp_negative(P::broadcast(T(-0.5)) * square);
  }

  int size_ = 0;
  int padded_ = 0;
  T variance_ = 0;
  T inverse_scale_[inputs] = {};
  MatrixView<T> x_;        // (4, padded), each row divided by its length scale
  MatrixView<T> weights_;  // rows: signal variance times alpha of x and y, then share of samples
  MatrixView<T> inverse_;  // L^-1, lower, (n, padded)
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
