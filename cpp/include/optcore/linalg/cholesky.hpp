#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/team.hpp"
#include "optcore/linalg/packed.hpp"
#include "optcore/linalg/triangle.hpp"

/// Cholesky factor A = L L' of a symmetric positive definite matrix, in place on its lower
/// triangle held by columns (triangle.hpp). No BLAS, no allocation; one thread unless the
/// caller brings a team.
///
/// Up to `direct_limit` rows: left-looking by register tiles. Above: right-looking by panels of
/// columns whose rows are packed, with the trailing update of packed.hpp by the same tile. A team
/// shares the rows of each panel in a fixed split, so its result is that of one thread to the bit.
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
    // the diagonal block and the rows next to it in one tile, whose sums hide each other's latency
    const auto top = [&]<int R>() {
      Tile<T, R> tile;
      tile.load(block, stride);
      tile.subtract(a.data + j, stride, a.data + j, stride, 1, j);
      Tile<T, 1> diagonal = tile.template registers<0, 1>();
      const int good = factor_block(diagonal, minimum_pivot, inverse_diagonal);
      if (good < C) return good;
      for (int q = 0; q < C; ++q) {  // the other triangle belongs to the caller
        for (int p = q; p < C; ++p) block[q * stride + p] = diagonal.v[q][0][p];
      }
      if constexpr (R > 1) {
        auto below = tile.template registers<1, R - 1>();
        below.solve_right(block, stride, inverse_diagonal);
        below.store(block + C, stride);
      }
      return C;
    };
    const int height = min(tile_registers<T>, (rows - j) / C);
    const int good = height >= 4   ? top.template operator()<min(4, tile_registers<T>)>()
                     : height == 3 ? top.template operator()<min(3, tile_registers<T>)>()
                     : height == 2 ? top.template operator()<min(2, tile_registers<T>)>()
                                   : top.template operator()<1>();
    if (good < C) return j + good;
    for_row_tiles<T>(j + height * C, rows, [&]<int R>(int i) {
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

/// Rows [begin, end) below a factored diagonal block: solved in place, and packed for
/// subtract_packed(). `begin` lies whole tiles below the block.
template <class T>
OPTCORE_HD void solve_and_pack(Triangle<T> a, int column, int count, int begin, int end,
                               const T* diagonal, const T* inverse_diagonal, T* packed) noexcept {
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
  packed += static_cast<std::ptrdiff_t>(begin - column - count) * count;
  for (int i = begin; i < end; i += H, packed += H * count) {
    if (i + H <= end) {
      solve.template operator()<tile_registers<T>>(i, packed);
    } else {
      for (int r = 0; i + r < end; r += native_lanes<T>) {
        solve.template operator()<1>(i + r, packed + r);
      }
    }
  }
}

/// Row where the second of two parts begins, whole tiles below `first`: of equal rows, or of equal
/// areas of the triangle under `first`.
template <class T>
[[nodiscard]] OPTCORE_HD int second_half(int first, int rows, bool of_triangle) noexcept {
  constexpr int H = tile_rows<T>;
  const T share = of_triangle ? T(0.70710678) : T(0.5);
  const int below = static_cast<int>(share * static_cast<T>(rows - first));
  return first + min((below + H / 2) / H * H, rows - first);
}

}  // namespace detail

/// A <- L. The triangle must be padded (pad_with_identity).
///
/// @param workspace      factor_workspace<T>(n) numbers, 64-byte aligned; null when that is 0.
/// @param failing_pivot  optional: the first row whose pivot is too small, -1 on success.
/// @param minimum_pivot  what a pivot (a square of the factor's diagonal) must exceed, < 1.
/// @param team           of one or two; two share the work above `direct_limit` rows.
/// @return not_positive_definite (also for NaN); the triangle is then undefined.
///
/// ```cpp
/// // A = (4 2; 2 5) = L L' with L = (2 0; 1 2)
/// namespace linalg = optcore::linalg;
/// constexpr int n = 2, stride = linalg::padded_stride<double>(n);
/// alignas(64) double numbers[stride * linalg::padded<double>(n)] = {};
/// const linalg::Triangle<double> a{numbers, n, stride};
/// a(0, 0) = 4, a(1, 0) = 2, a(1, 1) = 5;
/// linalg::pad_with_identity(a);
/// assert(!failed(linalg::factor(a)) && a(0, 0) == 2 && a(1, 0) == 1 && a(1, 1) == 2);
/// ```
template <class T>
[[nodiscard]] OPTCORE_HD Status factor(Triangle<T> a, T* workspace = nullptr,
                                       int* failing_pivot = nullptr, T minimum_pivot = T(0),
                                       Team team = {}) noexcept {
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
      const int below = good + count;
      const auto shared = [&](bool of_triangle, auto work) {
        if (team.size < 2) return work(below, rows);
        const int middle = detail::second_half<T>(below, rows, of_triangle);
        team([&](int part) { part == 0 ? work(below, middle) : work(middle, rows); });
      };
      shared(false, [&](int begin, int end) {
        detail::solve_and_pack(a, good, count, begin, end, workspace, inverse_diagonal, panel);
      });
      shared(true, [&](int begin, int end) {
        subtract_packed(a, below, count, rows, panel, begin, end);
      });
      good = below;
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
