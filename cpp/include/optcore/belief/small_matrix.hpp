#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/view.hpp"

/// Algebra of the small square matrices that filters carry: by rows, lower triangle, plain loops.
/// Large ones belong to linalg, whose storage is padded for registers.
namespace optcore::inline OPTCORE_ISA::belief {

/// L with L L' = A, in place on the lower triangle. @return false when a pivot is not positive
/// (also for NaN); the rows before it are then overwritten.
template <class T>
[[nodiscard]] OPTCORE_HD bool cholesky(MatrixView<T> a) noexcept {
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j <= i; ++j) {
      T sum = a(i, j);
      for (int k = 0; k < j; ++k) sum -= a(i, k) * a(j, k);
      if (i == j) {
        if (!(sum > T(0)) || !is_finite(sum)) return false;
        a(i, i) = sqrt(sum);
      } else {
        a(i, j) = sum / a(j, j);
      }
    }
  }
  return true;
}

/// b <- L^-1 b
template <class T>
OPTCORE_HD void solve_lower(MatrixView<const T> l, T* b) noexcept {
  for (int i = 0; i < l.rows; ++i) {
    T sum = b[i];
    for (int k = 0; k < i; ++k) sum -= l(i, k) * b[k];
    b[i] = sum / l(i, i);
  }
}

/// b <- L^-T b
template <class T>
OPTCORE_HD void solve_lower_transposed(MatrixView<const T> l, T* b) noexcept {
  for (int i = l.rows - 1; i >= 0; --i) {
    T sum = b[i];
    for (int k = i + 1; k < l.rows; ++k) sum -= l(k, i) * b[k];
    b[i] = sum / l(i, i);
  }
}

}  // namespace optcore::inline OPTCORE_ISA::belief
