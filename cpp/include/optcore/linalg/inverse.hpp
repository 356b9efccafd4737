#pragma once

#include "optcore/linalg/cholesky.hpp"
#include "optcore/linalg/triangular.hpp"

/// Inverse of a symmetric positive definite matrix from its factor, in place, by the register tile
/// of triangle.hpp: what the gradient of a likelihood needs.
///
/// Blocked as LAPACK's dpotri (invert the triangle by block rows, then its product with itself),
/// with the rows of a block packed once.
namespace optcore::inline OPTCORE_ISA::linalg {

namespace detail {

inline constexpr int inverse_block = 192;
inline constexpr int inverse_depth = 256;

/// Tiles whose last registers may lie beyond the block: the part within `rows` rows.
template <class T>
OPTCORE_INLINE void store_partial(const Tile<T, tile_registers<T>>& tile, T* target,
                                  std::ptrdiff_t stride, int rows) noexcept {
  constexpr int W = native_lanes<T>;
#pragma GCC unroll 4
  for (int r = 0; r < tile_registers<T>; ++r) {
    if (r * W >= rows) return;
#pragma GCC unroll 16
    for (int q = 0; q < tile_columns<T>; ++q) tile.v[q][r].store(target + q * stride + r * W);
  }
}

template <class T>
OPTCORE_INLINE void load_partial(Tile<T, tile_registers<T>>& tile, const T* source,
                                 std::ptrdiff_t stride, int rows) noexcept {
  constexpr int W = native_lanes<T>;
#pragma GCC unroll 4
  for (int r = 0; r < tile_registers<T>; ++r) {
#pragma GCC unroll 16
    for (int q = 0; q < tile_columns<T>; ++q) {
      tile.v[q][r] = r * W < rows ? Pack<T>::load(source + q * stride + r * W) : Pack<T>::zero();
    }
  }
}

/// Row block [first, first + count) of L becomes the same rows of L^-1; the rows above are done.
template <class T>
OPTCORE_HD void invert_row_block(Triangle<T> a, int first, int count, T* packed, T* small,
                                 int small_stride) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>;
  const std::ptrdiff_t stride = a.stride;
  const Triangle<T> inverse{small, count, small_stride};
  invert<T>({a.column(first) + first, count, a.stride}, inverse);
  const int panels = whole_tiles<T>(count) / H;
  // packed = L_kk^-1 L(block, 0..first)
  for (int c = 0; c < first; c += C) {
    for (int p = 0; p < panels; ++p) {
      Tile<T, R> tile;
      tile.clear();
      tile.subtract(small + p * H, small_stride, a.column(c) + first, 1, stride,
                    min(count, (p + 1) * H));
      for (int q = 0; q < C; ++q) {
        for (int r = 0; r < R; ++r) tile.v[q][r] = -tile.v[q][r];
      }
      tile.store(packed + static_cast<std::ptrdiff_t>(p) * H * first + c * H, H);
    }
  }
  // rows of the inverse: -packed * M(0..first, 0..first), a slice of the contraction at a time
  for (int slice = 0; slice < first; slice += inverse_depth) {
    const int end = min(first, slice + inverse_depth);
    for (int c = 0; c < end; c += C) {
      const int start = max(slice, c);
      for (int p = 0; p < panels; ++p) {
        T* const target = a.column(c) + first + p * H;
        Tile<T, R> tile;
        if (start == c) {
          tile.clear();
        } else {
          load_partial(tile, target, stride, count - p * H);
        }
        tile.subtract(packed + static_cast<std::ptrdiff_t>(p) * H * first + start * H, H,
                      a.column(c) + start, 1, stride, end - start);
        store_partial(tile, target, stride, count - p * H);
      }
    }
  }
  for (int j = 0; j < count; ++j) {
    for (int i = 0; i < count; ++i) a(first + i, first + j) = inverse(i, j);
  }
}

/// Adds -(row block)' (row block) to the triangle above and replaces the block's own rows.
template <class T>
OPTCORE_HD void square_row_block(Triangle<T> a, int first, int count, T* packed,
                                 T* small) noexcept {
  constexpr int C = tile_columns<T>, H = tile_rows<T>, R = tile_registers<T>;
  const std::ptrdiff_t stride = a.stride;
  const auto pack = [&](int column, int columns, T* target, bool triangular) {
    for (int c = 0; c < columns; c += H, target += static_cast<std::ptrdiff_t>(H) * count) {
      for (int r = 0; r < H; ++r) {
        const T* const source = a.column(min(column + c + r, column + columns - 1)) + first;
        const bool inside = c + r < columns;
        for (int k = 0; k < count; ++k) {
          target[k * H + r] = inside && (!triangular || k >= c + r) ? source[k] : T(0);
        }
      }
    }
  };
  pack(0, first, packed, false);
  pack(first, count, small, true);
  subtract_packed(a, 0, count, first, packed);
  const int panels = whole_tiles<T>(count) / H;
  const auto rows_of_block = [&](const T* factors, int columns, int target_column) {
    for (int c = 0; c < columns; c += C) {
      const T* const b = factors + static_cast<std::ptrdiff_t>(c / H) * H * count + c % H;
      for (int p = 0; p < panels; ++p) {
        Tile<T, R> tile;
        tile.clear();
        const int skip = p * H;  // M_kk' is upper triangular
        tile.subtract(small + static_cast<std::ptrdiff_t>(p) * H * count + skip * H, H,
                      b + skip * H, H, 1, max(0, count - skip));
        store_partial(tile, a.column(target_column + c) + first + p * H, stride, count - p * H);
      }
    }
  };
  rows_of_block(packed, first, 0);
  rows_of_block(small, count, first);
}

}  // namespace detail

/// Numbers of workspace negative_inverse() needs.
template <class T>
[[nodiscard]] OPTCORE_HD constexpr std::size_t inverse_workspace(int n) noexcept {
  const int block = whole_tiles<T>(detail::inverse_block);
  const std::size_t rows = static_cast<std::size_t>(whole_tiles<T>(padded<T>(n)));
  return rows * static_cast<std::size_t>(block) + static_cast<std::size_t>(block * (block + 64));
}

/// A <- -(L L')^-1 on the lower triangle, from the factor L. Of the diagonal blocks the upper part
/// is overwritten too; the padding becomes minus the identity.
/// @param workspace  inverse_workspace<T>(n) numbers, 64-byte aligned.
template <class T>
OPTCORE_HD void negative_inverse(Triangle<T> a, T* workspace) noexcept {
  const int rows = padded<T>(a.size);
  const int block = detail::inverse_block;
  const int small_stride = whole_tiles<T>(block) + tile_rows<T>;
  T* const small = workspace;
  T* const packed = workspace + static_cast<std::ptrdiff_t>(whole_tiles<T>(block)) * small_stride;
  for (int first = 0; first < rows; first += block) {
    detail::invert_row_block(a, first, min(block, rows - first), packed, small, small_stride);
  }
  for (int first = 0; first < rows; first += block) {
    detail::square_row_block(a, first, min(block, rows - first), packed, small);
  }
}

}  // namespace optcore::inline OPTCORE_ISA::linalg
