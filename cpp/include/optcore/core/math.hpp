#pragma once

#include <cmath>

#include "optcore/core/config.hpp"

/// Scalar functions that read the same on host, device and firmware.
namespace optcore::inline OPTCORE_ISA {

template <class T>
OPTCORE_HD constexpr T infinity() noexcept {
  return static_cast<T>(__builtin_huge_val());
}

template <class T>
OPTCORE_HD constexpr T epsilon() noexcept {
  return sizeof(T) == 4 ? static_cast<T>(1.1920928955078125e-07)
                        : static_cast<T>(2.220446049250313e-16);
}

template <class T>
OPTCORE_HD constexpr T smallest_normal() noexcept {
  return sizeof(T) == 4 ? static_cast<T>(1.1754943508222875e-38)
                        : static_cast<T>(2.2250738585072014e-308);
}

template <class T>
inline constexpr T pi = static_cast<T>(3.141592653589793238462643383279502884L);

OPTCORE_HD inline float exp(float x) noexcept { return ::expf(x); }
OPTCORE_HD inline double exp(double x) noexcept { return ::exp(x); }
OPTCORE_HD inline float log(float x) noexcept { return ::logf(x); }
OPTCORE_HD inline double log(double x) noexcept { return ::log(x); }
OPTCORE_HD inline float erfc(float x) noexcept { return ::erfcf(x); }
OPTCORE_HD inline double erfc(double x) noexcept { return ::erfc(x); }
OPTCORE_HD inline float sqrt(float x) noexcept { return __builtin_sqrtf(x); }
OPTCORE_HD inline double sqrt(double x) noexcept { return __builtin_sqrt(x); }
OPTCORE_HD inline float abs(float x) noexcept { return __builtin_fabsf(x); }
OPTCORE_HD inline double abs(double x) noexcept { return __builtin_fabs(x); }

template <class T>
OPTCORE_HD constexpr T max(T a, T b) noexcept {
  return a < b ? b : a;
}

template <class T>
OPTCORE_HD constexpr T min(T a, T b) noexcept {
  return b < a ? b : a;
}

template <class T>
OPTCORE_HD constexpr T clamp(T x, T low, T high) noexcept {
  return x < low ? low : (high < x ? high : x);
}

/// False for NaN and both infinities.
template <class T>
OPTCORE_HD constexpr bool is_finite(T x) noexcept {
  return x - x == T(0);
}

}  // namespace optcore::inline OPTCORE_ISA
