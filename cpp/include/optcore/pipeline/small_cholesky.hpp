#pragma once
#include "optcore/core/math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
namespace optcore::inline OPTCORE_ISA::linalg {
template <class T>
[[nodiscard]] Status cholesky(MatrixView<T> a) noexcept {
  for (int j = 0; j < a.rows; ++j) {
    T d = a(j, j);
    for (int k = 0; k < j; ++k) d -= a(j, k) * a(j, k);
    if (!(d > 0)) return Status::not_positive_definite;
    d = sqrt(d);
    a(j, j) = d;
    for (int i = j + 1; i < a.rows; ++i) {
      T s = a(i, j);
      for (int k = 0; k < j; ++k) s -= a(i, k) * a(j, k);
      a(i, j) = s / d;
    }
  }
  return Status::ok;
}
template <class T>
void solve_lower(MatrixView<T> l, VectorView<T> b) noexcept {
  for (int i = 0; i < b.size; ++i) {
    T s = b[i];
    for (int k = 0; k < i; ++k) s -= l(i, k) * b[k];
    b[i] = s / l(i, i);
  }
}
template <class T>
void solve_lower_transposed(MatrixView<T> l, VectorView<T> b) noexcept {
  for (int i = b.size - 1; i >= 0; --i) {
    T s = b[i];
    for (int k = i + 1; k < b.size; ++k) s -= l(k, i) * b[k];
    b[i] = s / l(i, i);
  }
}
template <class T>
void invert_lower(MatrixView<T> l) noexcept {
  for (int j = 0; j < l.rows; ++j) {
    l(j, j) = T(1) / l(j, j);
    for (int i = j + 1; i < l.rows; ++i) {
      T s = 0;
      for (int k = j; k < i; ++k) s -= l(i, k) * l(k, j);
      l(i, j) = s / l(i, i);
    }
  }
}
}  // namespace optcore::inline OPTCORE_ISA::linalg
