#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/linalg/triangle.hpp"

/// Cholesky factor A = L L' of a symmetric positive definite matrix, in place on its lower
/// triangle held by columns (triangle.hpp). No BLAS, no allocation, one thread.
///
/// Up to `direct_limit` rows: left-looking by register tiles. Above: the same on column panels
/// whose rows are packed in tile height, then a trailing update by the same tile (Goto & van de
/// Geijn, ACM TOMS 34(3) (2008), for the packing).
namespace optcore::inline OPTCORE_ISA::linalg {

namespace detail {

/// Factors the block held in `tile` (rows in lanes) and returns how many pivots were large
/// enough.
/// Elimination runs without square roots (L D L'), so the chain from one pivot to the next is one
/// division; the roots are taken for all columns at once.
template <class T>
OPTCORE_INLINE int factor_block(Tile<T, 1>& tile, T minimum_pivot, T* inverse_diagonal) noexcept {
  constexpr int C = tile_columns<T>;
  T pivots[C];
  int good = C;
#pragma GCC unroll 16
  for (int q = 0; q < C; ++q) {
    const T pivot = tile.v[q][0][q];
    if (!(pivot > minimum_pivot) && good == C) good = q;
    pivots[q] = pivot;
    const Pack<T> inverse = Pack<T>::broadcast(T(1) / pivot);
#pragma GCC unroll 16
    for (int p = q + 1; p < C; ++p) {
      const Pack<T> product = tile.v[q][0] * Pack<T>::broadcast(tile.v[q][0][p]);
      tile.v[p][0] = fnma(product, inverse, tile.v[p][0]);
    }
  }
  if (good < C) return good;
  for (int q = 0; q < C; ++q) inverse_diagonal[q] = T(1) / sqrt(pivots[q]);
#pragma GCC unroll 16
  for (int q = 0; q < C; ++q) tile.v[q][0] *= Pack<T>::broadcast(inverse_diagonal[q]);
  return C;
}

/// Factors the first `columns` columns of a triangle, rows to `rows` (both padded). Returns the
/// number of good pivots.
template <class T>
OPTCORE_HD int factor_left(Triangle<T> a, int columns, int rows, T minimum_pivot) noexcept {
  constexpr int C = tile_columns<T>;
  const std::ptrdiff_t stride = a.stride;
  T inverse_diagonal[C];
  for (int j = 0; j < columns; j += C) {
    T* const block = a.column(j) + j;
    Tile<T, 1> diagonal;
    diagonal.load(block, stride);
    diagonal.subtract(a.data + j, stride, a.data + j, stride, 1, j);
    const int good = factor_block(diagonal, minimum_pivot, inverse_diagonal);
    if (good < C) return j + good;
    for (int q = 0; q < C; ++q) {  // the other triangle belongs to the caller
      for (int p = q; p < C; ++p) block[q * stride + p] = diagonal.v[q][0][p];
    }
    for_row_tiles<T>(j + C, rows, [&]<int R>(int i) {
      T* const target = a.column(j) + i;
      Tile<T, R> tile;
      tile.load(target, stride);
      tile.subtract(a.data + i, stride, a.data + j, stride, 1, j);
      tile.solve_right(block, stride, inverse_diagonal);
      tile.store(target, stride);
    });
  }
  return columns;
}

inline constexpr int direct_limit = 512;
inline constexpr int panel_columns = 192;

}  // namespace detail

/// Numbers of workspace factor() needs for n rows; 0 for small n.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr std::size_t factor_workspace(int n) noexcept {
  if (n <= detail::direct_limit) return 0;
  const int rows = (padded<T>(n) + 2 * tile_rows<T> - 1) / tile_rows<T> * tile_rows<T>;
  return static_cast<std::size_t>(rows) * detail::panel_columns;
}

namespace detail {

/// Rows [first, rows) of a panel right of its factored diagonal block at (first - count): solved
/// and packed in panels of tile height, packed[(i / height) * count + k][height].
template <class T>
OPTCORE_HD void solve_and_pack(Triangle<T> a, int column, int count, int rows, T* packed) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>;
  const std::ptrdiff_t stride = a.stride;
  T inverse_diagonal[panel_columns];
  for (int j = 0; j < count; ++j) inverse_diagonal[j] = T(1) / a(column + j, column + j);
  for (int i = column + count; i < rows; i += H, packed += H * count) {
    const int height = min(H, rows - i);
    for (int k = 0; k < count; ++k) {
      const T* source = a.column(column + k) + i;
      for (int r = 0; r < height; ++r) packed[k * H + r] = source[r];
      for (int r = height; r < H; ++r) packed[k * H + r] = T(0);
    }
    for (int j = 0; j < count; j += C) {
      const T* l = a.column(column) + column + j;  // row of the diagonal block
      Tile<T, R> tile;
      tile.load(packed + j * H, H);
      tile.subtract(packed, H, l, stride, 1, j);
      tile.solve_right(l + j * stride, stride, inverse_diagonal + j);
      tile.store(packed + j * H, H);
    }
    for (int k = 0; k < count; ++k) {
      T* target = a.column(column + k) + i;
      for (int r = 0; r < height; ++r) target[r] = packed[k * H + r];
    }
  }
}

/// Trailing triangle from `first`: a -= P P' with the rows of P packed as by solve_and_pack().
template <class T>
OPTCORE_HD void subtract_packed(Triangle<T> a, int first, int count, int rows,
                                const T* packed) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>;
  constexpr int rows_in_cache = 20 * H;  // times panel_columns: fits the second-level cache
  const std::ptrdiff_t stride = a.stride;
  for (int top = first; top < rows; top += rows_in_cache) {
    const int bottom = min(rows, top + rows_in_cache);
    for (int j = first; j < bottom; j += C) {
      const T* const factors = packed + ((j - first) / H) * (H * count) + (j - first) % H;
      const int start = max(top, first + (j - first) / H * H);
      for (int i = start; i < bottom; i += H) {
        const T* const rows_of_tile = packed + ((i - first) / H) * (H * count);
        if (i + H <= bottom && i > j) {
          Tile<T, R> tile;
          tile.load(a.column(j) + i, stride);
          tile.subtract(rows_of_tile, H, factors, H, 1, count);
          tile.store(a.column(j) + i, stride);
        } else {  // crosses the diagonal or the end: register by register
          for (int r = 0; r < R; ++r) {
            const int row = i + r * native_lanes<T>;
            if (row < j || row >= bottom) continue;
            Tile<T, 1> tile;
            tile.load(a.column(j) + row, stride);
            tile.subtract(rows_of_tile + r * native_lanes<T>, H, factors, H, 1, count);
            if (row > j) {
              tile.store(a.column(j) + row, stride);
            } else {
              for (int q = 0; q < C; ++q) {
                for (int p = q; p < C; ++p) a(row + p, j + q) = tile.v[q][0][p];
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace detail

/// A <- L. The triangle must be padded (pad_with_identity).
///
/// @param workspace      factor_workspace<T>(n) numbers, 64-byte aligned; null when that is 0.
/// @param failing_pivot  optional: the first row whose pivot is too small, -1 on success.
/// @param minimum_pivot  what a pivot (a square of the factor's diagonal) must exceed, < 1.
/// @return not_positive_definite (also for NaN); the triangle is then undefined.
template <class T>
[[nodiscard]] OPTCORE_HD Status factor(Triangle<T> a, T* workspace = nullptr,
                                       int* failing_pivot = nullptr,
                                       T minimum_pivot = T(0)) noexcept {
  const int rows = padded<T>(a.size);
  int good = 0;
  if (a.size <= detail::direct_limit || workspace == nullptr) {
    good = detail::factor_left(a, rows, rows, minimum_pivot);
  } else {
    while (good < rows) {
      const int count = min(detail::panel_columns, rows - good);
      const Triangle<T> block{a.column(good) + good, count, a.stride};
      const int pivots = detail::factor_left(block, count, count, minimum_pivot);
      if (pivots < count) {
        good += pivots;
        break;
      }
      detail::solve_and_pack(a, good, count, rows, workspace);
      detail::subtract_packed(a, good + count, count, rows, workspace);
      good += count;
    }
  }
  const bool complete = good >= rows;
  if (failing_pivot != nullptr) *failing_pivot = complete ? -1 : good;
  return complete ? Status::ok : Status::not_positive_definite;
}

/// log det(L L')
template <class T>
[[nodiscard]] OPTCORE_HD T log_determinant(Triangle<const T> l) noexcept {
  T total = 0;
  for (int i = 0; i < l.size; ++i) total += log(l(i, i));
  return 2 * total;
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
