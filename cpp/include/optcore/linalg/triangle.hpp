#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::linalg {

/// Rows are padded to whole registers; every loop below runs over whole registers.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr int padded(int n) noexcept {
  return (n + native_lanes<T> - 1) / native_lanes<T> * native_lanes<T>;
}

/// Distance between columns for n rows: padded, and off the powers of two that would put all
/// columns into the same few cache sets.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr int padded_stride(int n) noexcept {
  const int rows = padded<T>(n);
  const int line = 64 / static_cast<int>(sizeof(T));
  return rows >= 8 * line && rows % (8 * line) == 0 ? rows + line : rows;
}

/// Lower triangle of an n x n matrix held by columns: (i, j) is data[j * stride + i], i >= j.
/// (Read by rows it is the upper triangle of the transpose, so a symmetric row-major matrix may be
/// passed as it is.) The stride is at least padded(n), and the triangle is padded to padded(n) as
/// diag(A, I): then whole registers can be used to the end, solutions of the padding stay zero,
/// and a point appended later takes the place of a row of the identity.
template <class T>
struct Triangle {
  T* data = nullptr;
  int size = 0;
  int stride = 0;

  OPTCORE_HD constexpr T& operator()(int i, int j) const noexcept { return column(j)[i]; }
  OPTCORE_HD constexpr T* column(int j) const noexcept {
    return data + static_cast<std::ptrdiff_t>(j) * stride;
  }
  OPTCORE_HD constexpr operator Triangle<const T>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {data, size, stride};
  }
};

/// Writes the identity of the padding: rows [size, padded(size)) of all columns.
template <class T>
OPTCORE_HD void pad_with_identity(Triangle<T> a) noexcept {
  const int rows = padded<T>(a.size);
  if (rows == a.size) return;
  for (int j = 0; j < rows; ++j) {
    for (int i = max(j, a.size); i < rows; ++i) a(i, j) = i == j ? T(1) : T(0);
  }
}

/// The register tile all cubic algorithms share: `registers` of rows by one register's width of
/// columns, so that a diagonal block is exactly one register square. 24 x 8 doubles on AVX-512,
/// 12 x 4 on AVX2.
template <class T>
inline constexpr int tile_columns = native_lanes<T>;
template <class T>
inline constexpr int tile_registers =
    min(4, max(1, (OPTCORE_VECTOR_BYTES == 64 ? 24 : 12) / tile_columns<T>));
template <class T>
inline constexpr int tile_rows = tile_registers<T> * native_lanes<T>;

template <class T, int R>
struct Tile {
  static constexpr int lanes = native_lanes<T>;
  static constexpr int columns = tile_columns<T>;

  Pack<T> v[columns][R];

  /// Some of the registers of each column.
  template <int First, int Count>
  OPTCORE_INLINE Tile<T, Count> registers() const noexcept {
    Tile<T, Count> part;
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
      for (int r = 0; r < Count; ++r) part.v[q][r] = v[q][First + r];
    }
    return part;
  }
  OPTCORE_INLINE void clear() noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r] = Pack<T>::zero();
    }
  }
  OPTCORE_INLINE void load(const T* p, std::ptrdiff_t stride) noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r] = Pack<T>::load(p + q * stride + r * lanes);
    }
  }
  OPTCORE_INLINE void add(const T* p, std::ptrdiff_t stride) noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r] += Pack<T>::load(p + q * stride + r * lanes);
    }
  }
  /// Asks for the lines that add() will read, while subtract() works.
  OPTCORE_INLINE static void prefetch(const T* p, std::ptrdiff_t stride) noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
      __builtin_prefetch(p + q * stride, 1);
      __builtin_prefetch(p + q * stride + R * lanes - 1, 1);
    }
  }
  OPTCORE_INLINE void store(T* p, std::ptrdiff_t stride) const noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r].store(p + q * stride + r * lanes);
    }
  }

  /// v(:, q) -= sum over k < count of a[k * a_step + :] * b[k * b_step + q * b_column]
  OPTCORE_INLINE void subtract(const T* a, std::ptrdiff_t a_step, const T* b, std::ptrdiff_t b_step,
                               std::ptrdiff_t b_column, int count) noexcept {
    int k = 0;
    if constexpr (R * columns < 8) {  // too few sums to hide the latency of one: twice as many
      Tile odd;
      odd.clear();
      for (; k + 2 <= count; k += 2, a += 2 * a_step, b += 2 * b_step) {
        subtract_one(a, b, b_column);
        odd.subtract_one(a + a_step, b + b_step, b_column);
      }
#pragma GCC unroll 16
      for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) v[q][r] += odd.v[q][r];
      }
    }
    for (; k < count; ++k, a += a_step, b += b_step) subtract_one(a, b, b_column);
  }
  OPTCORE_INLINE void subtract_one(const T* a, const T* b, std::ptrdiff_t b_column) noexcept {
    Pack<T> rows[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) rows[r] = Pack<T>::load(a + r * lanes);
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
      const Pack<T> factor = Pack<T>::broadcast(b[q * b_column]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r] = fnma(rows[r], factor, v[q][r]);
    }
  }

  /// v <- v L^-T for the diagonal block at `l` (held by columns) with the reciprocals of its
  /// diagonal.
  OPTCORE_INLINE void solve_right(const T* l, std::ptrdiff_t stride,
                                  const T* inverse_diagonal) noexcept {
#pragma GCC unroll 16
    for (int q = 0; q < columns; ++q) {
#pragma GCC unroll 16
      for (int k = 0; k < q; ++k) {
        const Pack<T> factor = Pack<T>::broadcast(l[k * stride + q]);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) v[q][r] = fnma(v[k][r], factor, v[q][r]);
      }
      const Pack<T> scale = Pack<T>::broadcast(inverse_diagonal[q]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) v[q][r] *= scale;
    }
  }
};

/// Calls body.template operator()<R>(first) over rows [first, last) in tiles of R registers, the
/// widest first; both ends are multiples of a register.
template <class T, class Body>
OPTCORE_INLINE void for_row_tiles(int first, int last, Body body) noexcept {
  constexpr int lanes = native_lanes<T>;
  constexpr int widest = tile_registers<T>;
  for (; first + widest * lanes <= last; first += widest * lanes) {
    if (widest == 3 && last - first == 4 * lanes) break;  // as two of two
    body.template operator()<widest>(first);
  }
  if constexpr (widest > 2) {
    while (first + 2 * lanes <= last) {
      body.template operator()<2>(first);
      first += 2 * lanes;
    }
  }
  for (; first < last; first += lanes) body.template operator()<1>(first);
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
