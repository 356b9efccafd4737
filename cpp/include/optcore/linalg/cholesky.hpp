#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/linalg/packed.hpp"
#include "optcore/linalg/triangle.hpp"

/// Cholesky factor A = L L' of a symmetric positive definite matrix, in place on its lower
/// triangle held by columns (triangle.hpp). No BLAS, no allocation, one thread.
///
/// Up to `direct_limit` rows: left-looking by register tiles. Above: right-looking by panels of
/// columns whose rows are packed, with the trailing update of packed.hpp by the same tile.
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

// Half a triangle of this size fits the second-level cache; above, panels are packed.
inline constexpr int direct_limit = 320;

}  // namespace detail

/// Numbers of workspace factor() needs for n rows; 0 for small n.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr std::size_t factor_workspace(int n) noexcept {
  if (n <= detail::direct_limit) return 0;
  constexpr std::size_t columns = panel_columns;
  const std::size_t rows = static_cast<std::size_t>(whole_tiles<T>(padded<T>(n)));
  return columns * (2 * columns + tile_rows<T> + rows);
}

namespace detail {

/// Factors the diagonal block at `column` in `block`, where its columns lie close together, and
/// packs the factor for the rows below: groups of tile_columns, packed[j * count + k * C + q].
template <class T>
OPTCORE_HD int factor_diagonal(Triangle<T> a, int column, int count, T* block, T* packed,
                               T* inverse_diagonal, T minimum_pivot) noexcept {
  constexpr int C = tile_columns<T>;
  const Triangle<T> local{block, count, padded_stride<T>(count)};
  for (int j = 0; j < count; ++j) {
    const T* const source = a.column(column + j) + column;
    for (int i = j; i < count; ++i) local(i, j) = source[i];
  }
  const int pivots = factor_left(local, count, count, minimum_pivot);
  if (pivots < count) return pivots;
  for (int j = 0; j < count; ++j) {
    T* const target = a.column(column + j) + column;
    for (int i = j; i < count; ++i) target[i] = local(i, j);
    inverse_diagonal[j] = T(1) / local(j, j);
  }
  for (int j = 0; j < count; j += C, packed += C * count) {
    for (int k = 0; k < j + C; ++k) {
      for (int q = 0; q < C; ++q) packed[k * C + q] = local(j + q, k);
    }
  }
  return count;
}

/// Rows below a factored diagonal block: solved in place, and packed for subtract_packed().
template <class T>
OPTCORE_HD void solve_and_pack(Triangle<T> a, int column, int count, int rows, const T* diagonal,
                               const T* inverse_diagonal, T* packed) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>;
  const std::ptrdiff_t stride = a.stride;
  const auto solve = [&]<int R>(int i, T* solved) {
    for (int j = 0; j < count; j += C) {
      const T* const l = diagonal + j * count;
      T* const target = a.column(column + j) + i;
      Tile<T, R> tile;
      tile.clear();
      tile.prefetch(target, stride);
      tile.subtract(solved, H, l, C, 1, j);
      tile.add(target, stride);
      tile.solve_right(l + j * C, C, inverse_diagonal + j);
      tile.store(solved + j * H, H);
      tile.store(target, stride);
    }
  };
  for (int i = column + count; i < rows; i += H, packed += H * count) {
    if (i + H <= rows) {
      solve.template operator()<tile_registers<T>>(i, packed);
    } else {
      for (int r = 0; i + r < rows; r += native_lanes<T>) {
        solve.template operator()<1>(i + r, packed + r);
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
    constexpr int columns = panel_columns;
    T* const diagonal = workspace + columns * columns;
    T* const panel = diagonal + columns * (columns + tile_rows<T>);
    T inverse_diagonal[columns];
    while (good < rows) {
      const int count = min(columns, rows - good);
      const int pivots = detail::factor_diagonal(a, good, count, diagonal, workspace,
                                                 inverse_diagonal, minimum_pivot);
      if (pivots < count) {
        good += pivots;
        break;
      }
      detail::solve_and_pack(a, good, count, rows, workspace, inverse_diagonal, panel);
      subtract_packed(a, good + count, count, rows, panel);
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
