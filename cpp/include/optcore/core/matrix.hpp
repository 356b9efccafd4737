#pragma once

#include "optcore/core/config.hpp"
#include "optcore/core/view.hpp"

namespace optcore {

/// Fixed-size row-major storage. Holds its numbers inside, so it may live in .bss or on a stack.
template <class T, int R, int C>
struct Matrix {
  static_assert(R > 0 && C > 0);
  alignas(R* C * sizeof(T) >= 64 ? 64 : alignof(T)) T data[static_cast<std::size_t>(R) * C] = {};

  OPTCORE_HD constexpr T& operator()(int i, int j) noexcept { return data[i * C + j]; }
  OPTCORE_HD constexpr const T& operator()(int i, int j) const noexcept { return data[i * C + j]; }
  OPTCORE_HD constexpr T& operator[](int i) noexcept { return data[i]; }
  OPTCORE_HD constexpr const T& operator[](int i) const noexcept { return data[i]; }
  OPTCORE_HD constexpr MatrixView<T> view() noexcept { return {data, R, C, C}; }
  OPTCORE_HD constexpr MatrixView<const T> view() const noexcept { return {data, R, C, C}; }
  OPTCORE_HD constexpr VectorView<T> flat() noexcept { return {data, R * C}; }
  OPTCORE_HD constexpr VectorView<const T> flat() const noexcept { return {data, R * C}; }
};

template <class T, int N>
using Vector = Matrix<T, N, 1>;

}  // namespace optcore
