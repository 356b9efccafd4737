#pragma once

#include "optcore/linalg/triangle.hpp"

/// What is done with a factor: solves, its inverse, and products with that inverse. All matrices
/// are padded triangles by columns (triangle.hpp); vectors have padded(n) numbers, zero in the
/// padding.
namespace optcore::inline OPTCORE_ISA::linalg {

namespace detail {

/// b <- L^-1 b where registers hold one number: columns four at a time, so that b is loaded and
/// stored once for four products.
template <class T>
OPTCORE_HD void solve_lower_by_scalars(Triangle<const T> l, T* b) noexcept {
  constexpr int C = 4;
  int j = 0;
  for (; j + C <= l.size; j += C) {
    const T* column[C];
    T x[C];
    for (int q = 0; q < C; ++q) column[q] = l.column(j + q) + j;
    for (int q = 0; q < C; ++q) {
      x[q] = b[j + q];
      for (int p = 0; p < q; ++p) x[q] -= column[p][q] * x[p];
      b[j + q] = x[q] /= column[q][q];
    }
#pragma GCC unroll 4
    for (int i = C; i < l.size - j; ++i) {
      T y = b[j + i];
#pragma GCC unroll 4
      for (int q = 0; q < C; ++q) y -= column[q][i] * x[q];
      b[j + i] = y;
    }
  }
  for (; j < l.size; ++j) {
    const T x = b[j] /= l(j, j);
    for (int i = j + 1; i < l.size; ++i) b[i] -= l(i, j) * x;
  }
}

}  // namespace detail

/// b <- L^-1 b
template <class T>
OPTCORE_HD void solve_lower(Triangle<const T> l, T* b) noexcept {
  if constexpr (native_lanes<T> == 1) return detail::solve_lower_by_scalars(l, b);
  constexpr int C = tile_columns<T>;
  using P = Pack<T>;
  const int rows = padded<T>(l.size);
  for (int j = 0; j < rows; j += C) {
    const T* const columns = l.column(j);
    T inverse[C];
    for (int q = 0; q < C; ++q) inverse[q] = T(1) / columns[q * l.stride + j + q];
    T x[C];
    for (int q = 0; q < C; ++q) x[q] = b[j + q];
#pragma GCC unroll 16
    for (int q = 0; q < C; ++q) {
      x[q] *= inverse[q];
      for (int p = q + 1; p < C; ++p) x[p] -= columns[q * l.stride + j + p] * x[q];
    }
    for (int q = 0; q < C; ++q) b[j + q] = x[q];
    for (int i = j + C; i < rows; i += native_lanes<T>) {
      P even = P::load(b + i), odd = P::zero();
#pragma GCC unroll 16
      for (int q = 0; q < C; ++q) {
        P& target = q % 2 == 0 ? even : odd;
        target = fnma(P::load(columns + q * l.stride + i), P::broadcast(x[q]), target);
      }
      (even + odd).store(b + i);
    }
  }
}

/// b <- L^-T b
template <class T>
OPTCORE_HD void solve_lower_transposed(Triangle<const T> l, T* b) noexcept {
  constexpr int C = tile_columns<T>;
  using P = Pack<T>;
  const int rows = padded<T>(l.size);
  for (int j = rows - C; j >= 0; j -= C) {
    const T* const columns = l.column(j);
    P sums[C];
    for (int q = 0; q < C; ++q) sums[q] = P::zero();
    for (int i = j + C; i < rows; i += native_lanes<T>) {
      const P x = P::load(b + i);
#pragma GCC unroll 16
      for (int q = 0; q < C; ++q) sums[q] = fma(P::load(columns + q * l.stride + i), x, sums[q]);
    }
#pragma GCC unroll 16
    for (int q = C - 1; q >= 0; --q) {
      T x = b[j + q] - sum(sums[q]);
      for (int p = q + 1; p < C; ++p) x -= columns[q * l.stride + j + p] * b[j + p];
      b[j + q] = x / columns[q * l.stride + j + q];
    }
  }
}

namespace detail {

/// inverse(:, 0..C) of one diagonal block, by columns, zero above the diagonal.
template <class T>
OPTCORE_HD void invert_block(const T* l, std::ptrdiff_t stride, T* inverse) noexcept {
  constexpr int C = tile_columns<T>;
  for (int q = 0; q < C; ++q) {
    for (int p = 0; p < q; ++p) inverse[q * C + p] = T(0);
    inverse[q * C + q] = T(1) / l[q * stride + q];
    for (int p = q + 1; p < C; ++p) {
      T s = 0;
      for (int k = q; k < p; ++k) s -= l[k * stride + p] * inverse[q * C + k];
      inverse[q * C + p] = s / l[p * stride + p];
    }
  }
}

}  // namespace detail

/// M <- L^-1, zero above the diagonal (all of the square to the padded size is written). M and L
/// must not overlap.
template <class T>
OPTCORE_HD void invert(Triangle<const T> l, Triangle<T> m) noexcept {
  constexpr int C = tile_columns<T>, W = native_lanes<T>;
  const int rows = padded<T>(l.size);
  for (int j = 0; j < rows; j += C) {
    T* const columns = m.column(j);
    const std::ptrdiff_t stride = m.stride;
    for (int q = 0; q < C; ++q) {
      for (int i = 0; i < j; ++i) columns[q * stride + i] = T(0);
    }
    T block[C * C];
    detail::invert_block(l.column(j) + j, l.stride, block);
    for (int q = 0; q < C; ++q) {
      for (int p = 0; p < C; ++p) columns[q * stride + j + p] = block[q * C + p];
    }
    // Rows below, a tile at a time: subtract the rows known so far, then solve by diagonal blocks.
    for_row_tiles<T>(j + C, rows, [&]<int R>(int i) {
      Tile<T, R> tile;
      tile.clear();
      tile.subtract(l.column(j) + i, l.stride, columns + j, 1, stride, i - j);
      tile.store(columns + i, stride);
      for (int s = 0; s < R; ++s) {
        const int row = i + s * W;
        Tile<T, 1> part, solved;
        part.load(columns + row, stride);
        part.subtract(l.column(i) + row, l.stride, columns + i, 1, stride, s * W);
        part.store(columns + row, stride);
        detail::invert_block(l.column(row) + row, l.stride, block);
        solved.clear();
        solved.subtract(block, C, columns + row, 1, stride, C);
        for (int q = 0; q < C; ++q) solved.v[q][0] = -solved.v[q][0];
        solved.store(columns + row, stride);
      }
    });
  }
}

namespace detail {

/// Calls take(i, register) for each register of rows of M x, M a lower triangle whose upper part is
/// zero to the height of a tile.
template <class T, class Take>
OPTCORE_INLINE void for_products(Triangle<const T> m, const T* x, Take take) noexcept {
  constexpr int W = native_lanes<T>;
  using P = Pack<T>;
  const int rows = padded<T>(m.size);
  for_row_tiles<T>(0, rows, [&]<int R>(int i) {
    P even[R], odd[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) even[r] = odd[r] = P::zero();
    const int last = i + R * W;  // even
    const T* column = m.data + i;
    int j = 0;
    for (; j + 2 <= last; j += 2, column += 2 * static_cast<std::ptrdiff_t>(m.stride)) {
      const P first = P::broadcast(x[j]), second = P::broadcast(x[j + 1]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        even[r] = fma(P::load(column + r * W), first, even[r]);
        odd[r] = fma(P::load(column + m.stride + r * W), second, odd[r]);
      }
    }
    for (; j < last; ++j, column += m.stride) {
      for (int r = 0; r < R; ++r) {
        even[r] = fma(P::load(column + r * W), P::broadcast(x[j]), even[r]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) take(i + r * W, even[r] + odd[r]);
  });
}

}  // namespace detail

/// y <- M x for a lower triangle whose upper part is zero to the height of a tile.
template <class T>
OPTCORE_HD void multiply_lower(Triangle<const T> m, const T* x, T* y) noexcept {
  detail::for_products(m, x, [y](int i, Pack<T> product) { product.store(y + i); });
}

/// |M x|^2 for a triangle as multiply_lower() takes it.
template <class T>
[[nodiscard]] OPTCORE_HD T squared_product(Triangle<const T> m, const T* x) noexcept {
  Pack<T> squares = Pack<T>::zero();
  detail::for_products(m, x,
                       [&](int, Pack<T> product) { squares = fma(product, product, squares); });
  return sum(squares);
}

/// y <- M' x for a lower triangle; the upper part is not read.
template <class T>
OPTCORE_HD void multiply_lower_transposed(Triangle<const T> m, const T* x, T* y) noexcept {
  constexpr int C = tile_columns<T>;
  using P = Pack<T>;
  const int rows = padded<T>(m.size);
  for (int j = 0; j < rows; j += C) {
    const T* const columns = m.column(j);
    P sums[C];
    for (int q = 0; q < C; ++q) sums[q] = P::zero();
    for (int i = j + C; i < rows; i += native_lanes<T>) {
      const P value = P::load(x + i);
#pragma GCC unroll 16
      for (int q = 0; q < C; ++q) {
        sums[q] = fma(P::load(columns + q * m.stride + i), value, sums[q]);
      }
    }
    for (int q = 0; q < C; ++q) {
      T total = sum(sums[q]);
      for (int p = q; p < C; ++p) total += columns[q * m.stride + j + p] * x[j + p];
      y[j + q] = total;
    }
  }
}

/// sum of a[i] * b[i] over count numbers, a multiple of a register.
template <class T>
[[nodiscard]] OPTCORE_HD T dot(const T* a, const T* b, int count) noexcept {
  using P = Pack<T>;
  constexpr int chains = 4;
  P sums[chains] = {P::zero(), P::zero(), P::zero(), P::zero()};
  int i = 0;
  for (; i + chains * P::lanes <= count; i += chains * P::lanes) {
#pragma GCC unroll 4
    for (int c = 0; c < chains; ++c) {
      sums[c] = fma(P::load(a + i + c * P::lanes), P::load(b + i + c * P::lanes), sums[c]);
    }
  }
  for (; i < count; i += P::lanes) sums[0] = fma(P::load(a + i), P::load(b + i), sums[0]);
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
