#pragma once

#include <cmath>

#include "optcore/core/config.hpp"
#include "optcore/core/math.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// A number with its derivatives by N variables: forward-mode differentiation, exact to rounding.
/// Code templated on its scalar gives its Jacobian when it is run on these.
template <class T, int N>
struct Dual {
  T value = 0;
  T slope[N] = {};

  constexpr Dual() noexcept = default;
  constexpr Dual(T v) noexcept : value(v) {}  // NOLINT: a constant is a number without slope
  /// Variable i.
  static constexpr Dual variable(T v, int i) noexcept {
    Dual d(v);
    d.slope[i] = 1;
    return d;
  }

  /// f(value) with derivative `by` there.
  constexpr Dual chain(T f, T by) const noexcept {
    Dual d(f);
    for (int i = 0; i < N; ++i) d.slope[i] = by * slope[i];
    return d;
  }

  friend constexpr Dual operator+(Dual a, const Dual& b) noexcept {
    a.value += b.value;
    for (int i = 0; i < N; ++i) a.slope[i] += b.slope[i];
    return a;
  }
  friend constexpr Dual operator-(Dual a, const Dual& b) noexcept {
    a.value -= b.value;
    for (int i = 0; i < N; ++i) a.slope[i] -= b.slope[i];
    return a;
  }
  friend constexpr Dual operator-(const Dual& a) noexcept { return Dual() - a; }
  friend constexpr Dual operator*(const Dual& a, const Dual& b) noexcept {
    Dual d(a.value * b.value);
    for (int i = 0; i < N; ++i) d.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
    return d;
  }
  friend constexpr Dual operator/(const Dual& a, const Dual& b) noexcept {
    const T inverse = T(1) / b.value;
    Dual d(a.value * inverse);
    for (int i = 0; i < N; ++i) d.slope[i] = (a.slope[i] - d.value * b.slope[i]) * inverse;
    return d;
  }
};

inline float sin(float x) noexcept { return ::sinf(x); }
inline double sin(double x) noexcept { return ::sin(x); }
inline float cos(float x) noexcept { return ::cosf(x); }
inline double cos(double x) noexcept { return ::cos(x); }

template <class T, int N>
Dual<T, N> sin(const Dual<T, N>& a) noexcept {
  return a.chain(sin(a.value), cos(a.value));
}
template <class T, int N>
Dual<T, N> cos(const Dual<T, N>& a) noexcept {
  return a.chain(cos(a.value), -sin(a.value));
}
template <class S>
S tan(const S& a) noexcept {
  return sin(a) / cos(a);
}

}  // namespace optcore::inline OPTCORE_ISA::mpc
