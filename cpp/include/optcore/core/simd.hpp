#pragma once

#include <type_traits>
#include <utility>

#include "optcore/core/config.hpp"

/// Vector registers by name: `Pack<T, W>` holds W numbers. Loads and stores need no alignment.
/// Everything is always inlined, so a Pack never crosses a call.
namespace optcore::inline OPTCORE_ISA {

#define OPTCORE_INLINE [[gnu::always_inline]] OPTCORE_HD inline

/// Lanes of one register for T; 1 where the target has no vectors.
template <class T>
inline constexpr int native_lanes =
    OPTCORE_VECTOR_BYTES == 0 ? 1 : OPTCORE_VECTOR_BYTES / static_cast<int>(sizeof(T));

namespace detail {

template <class T, int W>
struct PackStorage {
  typedef T type __attribute__((vector_size(W * sizeof(T))));
  typedef T unaligned __attribute__((vector_size(W * sizeof(T)), aligned(alignof(T)), may_alias));
};

template <class T>
struct PackStorage<T, 1> {
  using type = T;
  using unaligned = T;
};

}  // namespace detail

template <class T, int W = native_lanes<T>>
struct Pack {
  using Storage = typename detail::PackStorage<T, W>::type;
  using Unaligned = typename detail::PackStorage<T, W>::unaligned;
  static constexpr int lanes = W;

  Storage v;

  OPTCORE_INLINE static Pack zero() noexcept { return {Storage{}}; }
  OPTCORE_INLINE static Pack broadcast(T x) noexcept {
    if constexpr (W == 1) {
      return {x};
    } else {
      return {x - Storage{}};  // x - 0 is x, also for -0, so this compiles to a broadcast alone
    }
  }
  OPTCORE_INLINE static Pack load(const T* p) noexcept {
    return {*reinterpret_cast<const Unaligned*>(p)};
  }
  OPTCORE_INLINE void store(T* p) const noexcept { *reinterpret_cast<Unaligned*>(p) = v; }

  OPTCORE_INLINE T operator[](int i) const noexcept {
    if constexpr (W == 1) {
      return v;
    } else {
      return v[i];
    }
  }

  OPTCORE_INLINE friend Pack operator+(Pack a, Pack b) noexcept { return {a.v + b.v}; }
  OPTCORE_INLINE friend Pack operator-(Pack a, Pack b) noexcept { return {a.v - b.v}; }
  OPTCORE_INLINE friend Pack operator*(Pack a, Pack b) noexcept { return {a.v * b.v}; }
  OPTCORE_INLINE friend Pack operator/(Pack a, Pack b) noexcept { return {a.v / b.v}; }
  OPTCORE_INLINE friend Pack operator-(Pack a) noexcept { return {-a.v}; }
  OPTCORE_INLINE Pack& operator+=(Pack b) noexcept { return v += b.v, *this; }
  OPTCORE_INLINE Pack& operator-=(Pack b) noexcept { return v -= b.v, *this; }
  OPTCORE_INLINE Pack& operator*=(Pack b) noexcept { return v *= b.v, *this; }

  OPTCORE_INLINE friend Pack max(Pack a, Pack b) noexcept { return {a.v < b.v ? b.v : a.v}; }
  OPTCORE_INLINE friend Pack min(Pack a, Pack b) noexcept { return {b.v < a.v ? b.v : a.v}; }

  /// a * b + c; one instruction where the target has it.
  OPTCORE_INLINE friend Pack fma(Pack a, Pack b, Pack c) noexcept { return {a.v * b.v + c.v}; }
  /// c - a * b
  OPTCORE_INLINE friend Pack fnma(Pack a, Pack b, Pack c) noexcept { return {c.v - a.v * b.v}; }

  /// Sum of the lanes, added pairwise.
  OPTCORE_INLINE friend T sum(Pack a) noexcept {
    return reduce(a, [](auto x, auto y) { return x + y; });
  }
  OPTCORE_INLINE friend T largest(Pack a) noexcept {
    return reduce(a, [](auto x, auto y) { return max(x, y); });
  }

 private:
  template <class Op>
  OPTCORE_INLINE static T reduce(Pack a, Op op) noexcept {
    if constexpr (W == 1) {
      return a.v;
    } else {
      using Half = Pack<T, W / 2>;
      Half low, high;
      if constexpr (W == 2) {
        low = {a.v[0]};
        high = {a.v[1]};
      } else {
        split(a, low, high, std::make_integer_sequence<int, W / 2>());
      }
      return Half::reduce(op(low, high), op);
    }
  }
  template <int... I>
  OPTCORE_INLINE static void split(Pack a, Pack<T, W / 2>& low, Pack<T, W / 2>& high,
                                   std::integer_sequence<int, I...>) noexcept {
    low.v = OPTCORE_LANES(decltype(low.v), a.v, I);
    high.v = OPTCORE_LANES(decltype(low.v), a.v, I + W / 2);
  }
  template <class, int>
  friend struct Pack;
};

/// Every lane as another type of number.
template <class To, class From, int W>
OPTCORE_INLINE Pack<To, W> convert(Pack<From, W> a) noexcept {
  if constexpr (W == 1) {
    return {static_cast<To>(a.v)};
  } else {
    return {__builtin_convertvector(a.v, typename Pack<To, W>::Storage)};
  }
}

}  // namespace optcore::inline OPTCORE_ISA
