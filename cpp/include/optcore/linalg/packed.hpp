#pragma once

#include "optcore/linalg/triangle.hpp"

/// The update all blocked algorithms spend their time in: a triangle less the product of a packed
/// panel with itself.
///
/// Packing and the order of the loops follow Goto & van de Geijn, ACM TOMS 34(3) (2008), for a
/// panel that serves as both factors: rows in panels of tile height, a group of panels in the
/// second-level cache, one panel of each side in the first.
namespace optcore::inline OPTCORE_ISA::linalg {

/// Most columns of a packed panel: two panels of tile height stay in the first-level cache.
inline constexpr int panel_columns = 96;

/// Rows of whole tiles.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr int whole_tiles(int rows) noexcept {
  return (rows + tile_rows<T> - 1) / tile_rows<T> * tile_rows<T>;
}

/// Rows and columns [first, rows) of the triangle: a -= P P', with row i of P at
/// packed[(i - first) / H * H * count + k * H + (i - first) % H], H = tile_rows. `rows` is a
/// multiple of a register. Nothing above the diagonal is touched.
/// @param begin, end  only these rows: begin is `first` and whole tiles more, end too or `rows`.
template <class T>
OPTCORE_HD void subtract_packed(Triangle<T> a, int first, int count, int rows, const T* packed,
                                int begin, int end) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>, W = native_lanes<T>;
  constexpr int block = 20 * H;  // columns whose panels stay in the second-level cache
  const std::ptrdiff_t stride = a.stride;
  const auto panel = [&](int row) {
    return packed + static_cast<std::ptrdiff_t>(row - first) * count;
  };
  // where the diagonal or the end crosses the tile: register by register
  const auto partial = [&](int i, int j, const T* factors) {
    for (int r = 0; r < R; ++r) {
      const int row = i + r * W;
      if (row < j || row >= end) continue;
      Tile<T, 1> tile;
      tile.clear();
      tile.subtract(panel(i) + r * W, H, factors, H, 1, count);
      if (row > j) {
        tile.add(a.column(j) + row, stride);
        tile.store(a.column(j) + row, stride);
      } else {
        for (int q = 0; q < C; ++q) {
          for (int p = q; p < C; ++p) a(row + p, j + q) += tile.v[q][0][p];
        }
      }
    }
  };
  for (int left = first; left < end; left += block) {
    for (int i = max(left, begin); i < end; i += H) {
      for (int j = left; j < min(left + block, min(i + H, rows)); j += C) {
        const T* const factors = panel(j - (j - first) % H) + (j - first) % H;
        if (j >= i || i + H > end) {
          partial(i, j, factors);
          continue;
        }
        T* const target = a.column(j) + i;
        Tile<T, R> tile;
        tile.clear();
        tile.prefetch(target, stride);
        tile.subtract(panel(i), H, factors, H, 1, count);
        tile.add(target, stride);
        tile.store(target, stride);
      }
    }
  }
}

template <class T>
OPTCORE_HD void subtract_packed(Triangle<T> a, int first, int count, int rows,
                                const T* packed) noexcept {
  subtract_packed(a, first, count, rows, packed, first, rows);
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
