#pragma once

#include "optcore/linalg/packed.hpp"

/// Matrices in panels of tile height, the layout of subtract_packed(), and their product.
namespace optcore::inline OPTCORE_ISA::linalg {

/// (i, k) is at data[(i / H) * step + k * H + i % H], H = tile_rows. Rows are whole tiles.
template <class T>
struct Panels {
  T* data = nullptr;
  int rows = 0;             ///< whole_tiles
  std::ptrdiff_t step = 0;  ///< from one panel to the next: H times the columns there is room for

  OPTCORE_HD T& operator()(int i, int k) const noexcept {
    constexpr int H = tile_rows<T>;
    return panel(i)[static_cast<std::ptrdiff_t>(k) * H + i % H];
  }
  /// The panel that row i lies in.
  OPTCORE_HD T* panel(int i) const noexcept { return data + i / tile_rows<T> * step; }
};

/// Numbers that panels of `columns` columns take.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr std::size_t panels_size(int rows, int columns) noexcept {
  return static_cast<std::size_t>(whole_tiles<T>(rows)) * static_cast<std::size_t>(columns);
}

/// Where the rows of the left factor of multiply_panels() end or begin to be zero.
enum class Shape : int { full, lower, upper };

/// c <- -a b for `columns` columns, a multiple of tile_columns. a is square, of b.rows rows.
template <class T>
OPTCORE_HD void multiply_panels(Panels<T> a, Shape shape, Panels<T> b, int columns,
                                Panels<T> c) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>;
  constexpr int slice = max(1, 192 / H) * H;  // of the contraction: a tile's part stays in L1
  for (int first = 0; first < b.rows; first += slice) {
    for (int i = 0; i < c.rows; i += H) {
      const int start = shape == Shape::upper ? max(first, i) : first;
      const int end = min(first + slice, shape == Shape::lower ? i + H : b.rows);
      if (start >= end) continue;
      const bool begins = shape == Shape::upper ? first <= i : first == 0;
      const T* const left = a.panel(i);
      for (int j = 0; j < columns; j += C) {
        T* const target = c.panel(i) + static_cast<std::ptrdiff_t>(j) * H;
        Tile<T, R> tile;
        tile.clear();
        for (int k = start; k < end; k += H) {
          tile.subtract(left + static_cast<std::ptrdiff_t>(k) * H, H,
                        b.panel(k) + static_cast<std::ptrdiff_t>(j) * H, 1, H, H);
        }
        if (!begins) tile.add(target, H);
        tile.store(target, H);
      }
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
