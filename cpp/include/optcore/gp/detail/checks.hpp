#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/gp/hyperparameters.hpp"
#include "optcore/linalg/triangle.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

namespace detail {

template <class T>
[[nodiscard]] OPTCORE_HD bool all_finite(MatrixView<const T> a) noexcept {
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.cols; ++j) {
      if (!is_finite(a(i, j))) return false;
    }
  }
  return true;
}

template <class T>
[[nodiscard]] OPTCORE_HD bool all_positive(VectorView<const T> a) noexcept {
  for (int i = 0; i < a.size; ++i) {
    if (!(a[i] > T(0)) || !is_finite(a[i])) return false;
  }
  return true;
}

template <class T>
OPTCORE_HD void set_zero(T* first, std::ptrdiff_t count) noexcept {
  for (std::ptrdiff_t i = 0; i < count; ++i) first[i] = T(0);
}

/// None, a constant per output, or a constant and d slopes per output.
[[nodiscard]] OPTCORE_HD constexpr bool fits_mean(int size, int outputs, int dims) noexcept {
  return size == 0 || size == outputs || size == outputs * (1 + dims);
}

/// Prior mean of output o at x (d,), laid out as hyperparameters.hpp says.
template <class T>
[[nodiscard]] OPTCORE_HD T prior_mean_at(VectorView<const T> mean, int outputs, int o, const T* x,
                                         int dims) noexcept {
  if (mean.size == 0) return T(0);
  T value = mean[o];
  if (mean.size > outputs) {
    const T* const slopes = mean.data + outputs + o * dims;
    for (int f = 0; f < dims; ++f) value += slopes[f] * x[f];
  }
  return value;
}

/// What fit() and the likelihood demand of their arguments beyond shapes.
template <class T>
[[nodiscard]] OPTCORE_HD Status check(MatrixView<const T> X, MatrixView<const T> Y,
                                      const Hyperparameters<T>& hyper) noexcept {
  const bool composite = hyper.family == KernelFamily::composite;
  if (Y.rows != X.rows || hyper.length_scales.size != (composite ? 0 : X.cols) ||
      !fits_mean(hyper.mean.size, Y.cols, X.cols) ||
      (hyper.point_noise.size != 0 && hyper.point_noise.size != X.rows)) {
    return Status::shape_mismatch;
  }
  if (X.cols < 1 || Y.cols < 1 || !is_known(hyper.family) || !all_positive(hyper.length_scales) ||
      !(hyper.variance > T(0)) || !(hyper.noise >= T(0)) ||
      !is_finite(hyper.variance + hyper.noise)) {
    return Status::invalid_argument;
  }
  for (int i = 0; i < hyper.point_noise.size; ++i) {
    if (!(hyper.point_noise[i] >= T(0)) || !is_finite(hyper.point_noise[i])) {
      return Status::invalid_argument;
    }
  }
  for (int i = 0; i < hyper.mean.size; ++i) {
    if (!is_finite(hyper.mean[i])) return Status::not_finite;
  }
  return all_finite(X) && all_finite(Y) ? Status::ok : Status::not_finite;
}

/// A pivot below this is rounding: the point repeats others and there is no noise to tell.
template <class T>
[[nodiscard]] OPTCORE_HD T minimum_pivot(T diagonal) noexcept {
  return min(T(0.5), 8 * epsilon<T>() * diagonal);
}

template <class T>
[[nodiscard]] OPTCORE_HD T minimum_pivot(const Hyperparameters<T>& hyper) noexcept {
  return minimum_pivot(hyper.variance + hyper.noise);
}

template <class T>
OPTCORE_HD void add_point_noise(linalg::Triangle<T> k, VectorView<const T> noise) noexcept {
  for (int i = 0; i < noise.size; ++i) k(i, i) += noise[i];
}

}  // namespace detail

}  // namespace optcore::inline OPTCORE_ISA::gp
