#pragma once

#include <type_traits>

#include "optcore/core/simd.hpp"

/// Products of a few rows with a few registers of columns, the inner loops of the recursion.
/// Matrices are row-major with padded rows, so a row is a whole number of packs.
namespace optcore::inline OPTCORE_ISA::mpc::detail {

/// Written after a lambda's parameters: its body must become part of the loop that calls it.
#define OPTCORE_INLINE_LAMBDA __attribute__((always_inline))

template <int N>
using Int = std::integral_constant<int, N>;

/// Columns in panels of 2 or 3 packs (1 only when one is left): panel(first pack, Int<packs>).
/// Static > 0 unrolls `packs == Static` at compile time.
template <int Static, int From = 0, class F>
OPTCORE_INLINE void each_panel(int packs, F panel) noexcept {
  if constexpr (Static > 0) {
    constexpr int left = Static - From;
    constexpr int take = left == 4 ? 2 : (left >= 3 ? 3 : left);
    if constexpr (take > 0) {
      panel(From, Int<take>());
      each_panel<Static, From + take>(packs, panel);
    }
  } else {
    int at = 0;
    for (; packs - at >= 5 || packs - at == 3; at += 3) panel(at, Int<3>());
    for (; packs - at >= 2; at += 2) panel(at, Int<2>());
    if (at < packs) panel(at, Int<1>());
  }
}

/// Rows in blocks of 4 and a rest: block(first row, Int<rows>).
template <int Static, int From = 0, class F>
OPTCORE_INLINE void each_block(int rows, F block) noexcept {
  if constexpr (Static > 0) {
    constexpr int left = Static - From, take = left < 4 ? left : 4;
    if constexpr (take > 0) {
      block(Int<From>(), Int<take>());
      each_block<Static, From + take>(rows, block);
    }
  } else {
    int at = 0;
    for (; rows - at >= 4; at += 4) block(at, Int<4>());
    switch (rows - at) {
      case 3: block(at, Int<3>()); break;
      case 2: block(at, Int<2>()); break;
      case 1: block(at, Int<1>()); break;
      default: break;
    }
  }
}

/// Numbers b[0 .. V) of packs for R rows.
template <class T, int R, int V>
struct Tile {
  using P = Pack<T>;
  P v[R][V];

  OPTCORE_INLINE void clear() noexcept {
    for (int q = 0; q < R; ++q) {
      for (int j = 0; j < V; ++j) v[q][j] = P::zero();
    }
  }
  OPTCORE_INLINE void load(const T* p, int stride) noexcept {
    for (int q = 0; q < R; ++q) {
      for (int j = 0; j < V; ++j) v[q][j] = P::load(p + q * stride + j * P::lanes);
    }
  }
  OPTCORE_INLINE void store(T* p, int stride) const noexcept {
    for (int q = 0; q < R; ++q) {
      for (int j = 0; j < V; ++j) v[q][j].store(p + q * stride + j * P::lanes);
    }
  }
  OPTCORE_INLINE void scale_row(int q, T s) noexcept {
    for (int j = 0; j < V; ++j) v[q][j] *= P::broadcast(s);
  }
  /// row q -= s * (row other)
  OPTCORE_INLINE void subtract_row(int q, T s, int other) noexcept {
    for (int j = 0; j < V; ++j) v[q][j] = fnma(P::broadcast(s), v[other][j], v[q][j]);
  }
  /// row q += sum_k a[q * a_row + k * a_step] * (row k of b)
  OPTCORE_INLINE void add(int count, const T* a, int a_row, int a_step, const T* b,
                          int b_stride) noexcept {
    for (int k = 0; k < count; ++k) {
      P row[V];
      for (int j = 0; j < V; ++j) row[j] = P::load(b + k * b_stride + j * P::lanes);
      for (int q = 0; q < R; ++q) {
        const P s = P::broadcast(a[q * a_row + k * a_step]);
        for (int j = 0; j < V; ++j) v[q][j] = fma(s, row[j], v[q][j]);
      }
    }
  }
  /// row q -= sum_k a[q * a_row + k * a_step] * (row k of b)
  OPTCORE_INLINE void subtract(int count, const T* a, int a_row, int a_step, const T* b,
                               int b_stride) noexcept {
    for (int k = 0; k < count; ++k) {
      P row[V];
      for (int j = 0; j < V; ++j) row[j] = P::load(b + k * b_stride + j * P::lanes);
      for (int q = 0; q < R; ++q) {
        const P s = P::broadcast(a[q * a_row + k * a_step]);
        for (int j = 0; j < V; ++j) v[q][j] = fnma(s, row[j], v[q][j]);
      }
    }
  }
};

/// out = start + sum_k s[k] * (row k of b), over `packs` packs; two chains hide the latency.
/// A null start counts as zero; `out` may be `start`, neither may overlap s or b.
template <int Static, class T>
OPTCORE_INLINE void combine(int packs, const T* start, int count, const T* s, const T* b,
                            int stride, T* out) noexcept {
  using P = Pack<T>;
  each_panel<Static>(packs, [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
    constexpr int V = decltype(width)::value;
    P even[V], odd[V];
    for (int j = 0; j < V; ++j) {
      even[j] = start != nullptr ? P::load(start + (at + j) * P::lanes) : P::zero();
      odd[j] = P::zero();
    }
    int k = 0;
    for (; k + 1 < count; k += 2) {
      const P first = P::broadcast(s[k]), second = P::broadcast(s[k + 1]);
      const T* row = b + k * stride + at * P::lanes;
      for (int j = 0; j < V; ++j) {
        even[j] = fma(first, P::load(row + j * P::lanes), even[j]);
        odd[j] = fma(second, P::load(row + stride + j * P::lanes), odd[j]);
      }
    }
    if (k < count) {
      const P last = P::broadcast(s[k]);
      const T* row = b + k * stride + at * P::lanes;
      for (int j = 0; j < V; ++j) even[j] = fma(last, P::load(row + j * P::lanes), even[j]);
    }
    for (int j = 0; j < V; ++j) (even[j] + odd[j]).store(out + (at + j) * P::lanes);
  });
}

/// sum_i a[i] b[i] over whole packs.
template <class T>
OPTCORE_INLINE T dot(int packs, const T* a, const T* b) noexcept {
  using P = Pack<T>;
  P total = P::zero();
  for (int j = 0; j < packs; ++j) {
    total = fma(P::load(a + j * P::lanes), P::load(b + j * P::lanes), total);
  }
  return sum(total);
}

/// c > 0 ? a : b, lane by lane.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> where_positive(Pack<T, W> c, Pack<T, W> a, Pack<T, W> b) noexcept {
  return {c.v > Pack<T, W>::zero().v ? a.v : b.v};
}

template <class T, int W>
OPTCORE_INLINE Pack<T, W> absolute(Pack<T, W> a) noexcept {
  return max(a, -a);
}

}  // namespace optcore::inline OPTCORE_ISA::mpc::detail
