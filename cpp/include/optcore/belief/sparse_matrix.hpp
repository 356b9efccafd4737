#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

/// Sparse transition matrices: compressed rows, and slices of eight rows for vector registers.
namespace optcore {

/// Compressed sparse rows owned by somebody else: row i holds value[k] at column[k] for
/// begin[i] <= k < begin[i + 1], columns ascending.
template <class Table>
struct CsrView {
  int rows = 0;
  int cols = 0;
  const int* begin = nullptr;  ///< (rows + 1,)
  const int* column = nullptr;
  const Table* value = nullptr;

  [[nodiscard]] OPTCORE_HD constexpr int entries() const noexcept {
    return rows == 0 ? 0 : begin[rows];
  }
};

/// SELL-8: rows in slices of eight, each slice padded to its longest row and stored column by
/// column, so that eight rows advance together. A slice whose entries lie on few diagonals (grids,
/// chains, shifts) is stored by diagonal: eight neighbours of the vector in one load, no gather.
///
/// Source: Kreutzer et al., "A unified sparse matrix data format for efficient general sparse
/// matrix-vector multiplication on modern processors with wide SIMD units", SISC 36(5) (2014).
template <class Table>
struct SlicedMatrix {
  static constexpr int height = 8;

  int rows = 0;
  int slices = 0;
  int* begin = nullptr;        ///< (slices + 1,) first column of each slice
  int* index_begin = nullptr;  ///< (slices + 1,) first index of each slice
  int* index = nullptr;        ///< one per column of a diagonal slice, else eight
  Table* value = nullptr;      ///< eight per column

  struct Size {
    int slices = 0;
    int columns = 0;
    int indices = 0;
    /// Stored numbers, padding included.
    [[nodiscard]] OPTCORE_HD constexpr long long values() const noexcept {
      return static_cast<long long>(columns) * height;
    }
  };

  /// Cuts the arrays from an arena; fill() writes them.
  [[nodiscard]] OPTCORE_HD static SlicedMatrix make(Arena& arena, int rows,
                                                    const Size& size) noexcept {
    SlicedMatrix m;
    m.rows = rows;
    m.slices = size.slices;
    m.begin = arena.array<int>(static_cast<std::size_t>(size.slices) + 1);
    m.index_begin = arena.array<int>(static_cast<std::size_t>(size.slices) + 1);
    m.index = arena.array<int>(static_cast<std::size_t>(size.indices));
    m.value = arena.array<Table>(static_cast<std::size_t>(size.values()));
    return m;
  }
};

}  // namespace optcore

namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// Walks the entries of the rows of one slice, diagonal by diagonal from the lowest.
template <class Table>
struct DiagonalWalk {
  static constexpr int height = SlicedMatrix<Table>::height;
  const CsrView<Table>& csr;
  int first;  ///< row
  int rows;   ///< of the slice
  int next[height];

  OPTCORE_HD DiagonalWalk(const CsrView<Table>& matrix, int slice) noexcept
      : csr(matrix), first(slice * height) {
    rows = csr.rows - first < height ? csr.rows - first : height;
    for (int r = 0; r < rows; ++r) next[r] = csr.begin[first + r];
  }
  /// Whether there is another diagonal; `start` is its column in the slice's first row.
  OPTCORE_HD bool peek(int& start) const noexcept {
    bool found = false;
    for (int r = 0; r < rows; ++r) {
      if (next[r] == csr.begin[first + r + 1]) continue;
      const int here = csr.column[next[r]] - r;
      if (!found || here < start) start = here;
      found = true;
    }
    return found;
  }
  /// Takes the entries of the diagonal; `values` (height,) may be null.
  OPTCORE_HD void take(int start, Table* values) noexcept {
    for (int r = 0; r < rows; ++r) {
      const bool here = next[r] < csr.begin[first + r + 1] && csr.column[next[r]] - r == start;
      if (values != nullptr) values[r] = here ? csr.value[next[r]] : Table(0);
      next[r] += here ? 1 : 0;
    }
    for (int r = rows; values != nullptr && r < height; ++r) values[r] = Table(0);
  }
};

/// Columns of a slice, and whether they are diagonals.
template <class Table>
OPTCORE_HD int slice_width(const CsrView<Table>& csr, int slice, bool& diagonal) noexcept {
  constexpr int height = SlicedMatrix<Table>::height;
  DiagonalWalk<Table> walk(csr, slice);
  int longest = 0;
  for (int r = 0; r < walk.rows; ++r) {
    const int length = csr.begin[walk.first + r + 1] - csr.begin[walk.first + r];
    longest = length > longest ? length : longest;
  }
  const int padded = (csr.cols + height - 1) / height * height;
  int diagonals = 0, start = 0;
  diagonal = true;
  while (diagonal && walk.peek(start)) {
    // one load beats a gather of eight by more than 2
    diagonal = ++diagonals <= 2 * longest && start >= 0 && start + height <= padded;
    walk.take(start, nullptr);
  }
  return diagonal ? diagonals : longest;
}

}  // namespace detail

/// Room that the slices of a matrix take.
template <class Table>
[[nodiscard]] OPTCORE_HD typename SlicedMatrix<Table>::Size sliced_size(
    const CsrView<Table>& csr) noexcept {
  constexpr int height = SlicedMatrix<Table>::height;
  typename SlicedMatrix<Table>::Size size;
  size.slices = (csr.rows + height - 1) / height;
  for (int s = 0; s < size.slices; ++s) {
    bool diagonal;
    const int width = detail::slice_width(csr, s, diagonal);
    size.columns += width;
    size.indices += diagonal ? width : width * height;
  }
  return size;
}

/// Writes the slices of `csr` into a matrix made for its size.
template <class Table>
OPTCORE_HD void fill_sliced(const CsrView<Table>& csr, SlicedMatrix<Table>& m) noexcept {
  constexpr int height = SlicedMatrix<Table>::height;
  m.begin[0] = m.index_begin[0] = 0;
  for (int s = 0; s < m.slices; ++s) {
    bool diagonal;
    const int width = detail::slice_width(csr, s, diagonal);
    Table* values = m.value + static_cast<std::ptrdiff_t>(m.begin[s]) * height;
    int* index = m.index + m.index_begin[s];
    if (diagonal) {
      detail::DiagonalWalk<Table> walk(csr, s);
      for (int start = 0; walk.peek(start); values += height) {
        *index++ = start;
        walk.take(start, values);
      }
    } else {
      for (int r = 0; r < height; ++r) {
        const int row = s * height + r;
        const int first = row < csr.rows ? csr.begin[row] : 0;
        const int length = row < csr.rows ? csr.begin[row + 1] - first : 0;
        for (int k = 0; k < width; ++k) {
          values[k * height + r] = k < length ? csr.value[first + k] : Table(0);
          index[k * height + r] = k < length ? csr.column[first + k] : 0;
        }
      }
    }
    m.begin[s + 1] = m.begin[s] + width;
    m.index_begin[s + 1] = m.index_begin[s] + (diagonal ? width : width * height);
  }
}

/// Rows and columns exchanged; columns stay ascending.
/// @param begin (cols + 1,)  @param column, value (entries,)
template <class Table, class From>
OPTCORE_HD void transpose(const CsrView<From>& csr, int* begin, int* column,
                          Table* value) noexcept {
  for (int j = 0; j <= csr.cols; ++j) begin[j] = 0;
  for (int k = 0; k < csr.entries(); ++k) ++begin[csr.column[k] + 1];
  for (int j = 0; j < csr.cols; ++j) begin[j + 1] += begin[j];
  // begin[j] is used as the cursor of column j, then moved back by one place
  for (int i = 0; i < csr.rows; ++i) {
    for (int k = csr.begin[i]; k < csr.begin[i + 1]; ++k) {
      const int at = begin[csr.column[k]]++;
      column[at] = i;
      value[at] = static_cast<Table>(csr.value[k]);
    }
  }
  for (int j = csr.cols; j > 0; --j) begin[j] = begin[j - 1];
  begin[0] = 0;
}

/// Whether `csr` is well formed and its rows are probabilities.
/// @return invalid_argument when a column is out of range or not ascending, an entry is negative or
///         NaN, or a row's sum is further than `tolerance` from 1.
template <class Table>
[[nodiscard]] OPTCORE_HD Status check_stochastic(const CsrView<Table>& csr,
                                                 double tolerance) noexcept {
  if (csr.rows > 0 && csr.begin[0] != 0) return Status::invalid_argument;
  for (int i = 0; i < csr.rows; ++i) {
    if (csr.begin[i + 1] < csr.begin[i]) return Status::invalid_argument;
    double total = 0;
    for (int k = csr.begin[i]; k < csr.begin[i + 1]; ++k) {
      const int j = csr.column[k];
      const bool ascending = k == csr.begin[i] ? j >= 0 : j > csr.column[k - 1];
      if (!ascending || j >= csr.cols || !(csr.value[k] >= Table(0))) {
        return Status::invalid_argument;
      }
      total += static_cast<double>(csr.value[k]);
    }
    const double off = total > 1 ? total - 1 : 1 - total;
    if (!(off <= tolerance)) return Status::invalid_argument;
  }
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
