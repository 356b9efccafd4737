#pragma once

#include <cstddef>
#include <type_traits>

#include "optcore/core/config.hpp"

namespace optcore {

/// A contiguous run of numbers owned by somebody else. Passed by value.
template <class T>
struct VectorView {
  T* data = nullptr;
  int size = 0;

  OPTCORE_HD constexpr T& operator[](int i) const noexcept { return data[i]; }
  OPTCORE_HD constexpr VectorView segment(int first, int count) const noexcept {
    return {data + first, count};
  }
  OPTCORE_HD constexpr operator VectorView<const T>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {data, size};
  }
};

/// A row-major matrix owned by somebody else: element (i, j) is data[i * stride + j].
/// Of symmetric matrices only the lower triangle is read or written.
template <class T>
struct MatrixView {
  T* data = nullptr;
  int rows = 0;
  int cols = 0;
  int stride = 0;  ///< elements from one row to the next, at least cols

  OPTCORE_HD constexpr T& operator()(int i, int j) const noexcept {
    return data[static_cast<std::ptrdiff_t>(i) * stride + j];
  }
  OPTCORE_HD constexpr T* row_data(int i) const noexcept {
    return data + static_cast<std::ptrdiff_t>(i) * stride;
  }
  OPTCORE_HD constexpr VectorView<T> row(int i) const noexcept { return {row_data(i), cols}; }
  OPTCORE_HD constexpr MatrixView block(int i, int j, int r, int c) const noexcept {
    return {row_data(i) + j, r, c, stride};
  }
  OPTCORE_HD constexpr operator MatrixView<const T>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {data, rows, cols, stride};
  }
};

}  // namespace optcore
