#pragma once

#include <cstdint>

#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"

/// exp and log of vector registers on the whole range: worst seen 1.06 ulp for exp, 0.75 for log
/// (tests/cpp/core/simd_math_test.cpp prints it). Where the target has no vectors a Pack of one
/// lane calls the scalar functions of math.hpp.
///
/// Method: exp(x) = 2^n e^r with n = round(x / ln 2) and the two-step reduction of Cody & Waite,
/// Software Manual for the Elementary Functions (1980); 2^n is applied as two powers so that
/// overflow and subnormal results round once. log(x) = k ln 2 + log(m) by the series in
/// s = (m - 1) / (m + 1), Tang, ACM TOMS 16(4) (1990). Polynomials: Remez, relative to the result.
namespace optcore::inline OPTCORE_ISA {

namespace detail {

/// On a GPU the scalar functions are hardware's; bare metal's are slower than the code below.
#ifdef __CUDA_ARCH__
template <int W>
inline constexpr bool calls_library = W == 1;
#else
template <int W>
inline constexpr bool calls_library = false;
#endif

template <class T>
struct FloatBits;

template <>
struct FloatBits<double> {
  using Word = std::uint64_t;
  static constexpr int fraction = 52;
  static constexpr Word bias = 1023;
  static constexpr double round_magic = 0x1.8p52;  ///< adding it leaves the integer in the low bits
  static constexpr double per_ln2 = 1.4426950408889634;
  static constexpr double ln2_high = 0x1.62e42feep-1;  ///< 32 bits: its product with n is exact
  static constexpr double ln2_low = 1.9082149292705877e-10;
  static constexpr double exp_low = -746;  ///< rounds to 0
  static constexpr double exp_high = 710;  ///< rounds to inf
  static constexpr double normal_low = -708.3964185322641;
  static constexpr Word split = 1024;  ///< more than the largest |n|, even
  static constexpr double subnormal_scale = 0x1p54;
  static constexpr double subnormal_shift = 54;
  static constexpr double smallest_normal = 0x1p-1022;
  static constexpr Word sqrt_half = 0x3FE6A09E667F3BCD;
};

template <>
struct FloatBits<float> {
  using Word = std::uint32_t;
  static constexpr int fraction = 23;
  static constexpr Word bias = 127;
  static constexpr float round_magic = 0x1.8p23f;
  static constexpr float per_ln2 = 1.44269504f;
  static constexpr float ln2_high = 0.693359375f;
  static constexpr float ln2_low = -2.12194440e-4f;
  static constexpr float exp_low = -104;
  static constexpr float exp_high = 89;
  static constexpr float normal_low = -87.3365478f;
  static constexpr Word split = 128;
  static constexpr float subnormal_scale = 0x1p25f;
  static constexpr float subnormal_shift = 25;
  static constexpr float smallest_normal = 0x1p-126f;
  static constexpr Word sqrt_half = 0x3F3504F3;
};

template <class T, int W>
struct Words {
  using Bits = FloatBits<T>;
  using Storage = typename PackStorage<typename Bits::Word, W>::type;
  using Values = typename Pack<T, W>::Storage;

  OPTCORE_INLINE static Storage of(Pack<T, W> x) noexcept {
    return __builtin_bit_cast(Storage, x.v);
  }
  OPTCORE_INLINE static Pack<T, W> value(Storage bits) noexcept {
    return {__builtin_bit_cast(Values, bits)};
  }
};

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2
template <int W>
OPTCORE_INLINE Pack<double, W> exp_tail(Pack<double, W> r, Pack<double, W> r2) noexcept {
  const auto c = [](double x) { return Pack<double, W>::broadcast(x); };
  const auto r4 = r2 * r2;
  const auto low = fma(fma(c(0.008333333333307208), r, c(0.04166666666651542)), r2,
                       fma(c(0.166666666666667), r, c(0.5000000000000012)));
  const auto high = fma(fma(c(2.755721630105444e-06), r, c(2.4801489941653036e-05)), r2,
                        fma(c(0.00019841269917380904), r, c(0.0013888888947016552)));
  const auto top = fma(c(2.51178615504101e-08), r, c(2.7631280510760905e-07));
  return fma(fma(top, r4, high), r4, low);
}

template <int W>
OPTCORE_INLINE Pack<float, W> exp_tail(Pack<float, W> r, Pack<float, W> r2) noexcept {
  const auto c = [](float x) { return Pack<float, W>::broadcast(x); };
  const auto low = fma(c(0.16666518839668035f), r, c(0.5000000095182722f));
  const auto high = fma(c(0.008368889354913504f), r, c(0.04166620581124059f));
  return fma(fma(c(0.001395049057128224f), r2, high), r2, low);
}

/// (log((1 + s) / (1 - s)) / s - 2) / s^2 in z = s^2
template <int W>
OPTCORE_INLINE Pack<double, W> log_tail(Pack<double, W> z) noexcept {
  const auto c = [](double x) { return Pack<double, W>::broadcast(x); };
  const auto z2 = z * z;
  const auto low = fma(fma(c(0.2222219847598521), z, c(0.2857142874326269)), z2,
                       fma(c(0.3999999999941109), z, c(0.6666666666666735)));
  const auto high =
      fma(c(0.14797507719057545), z2, fma(c(0.15313903245641833), z, c(0.18183569739853522)));
  return fma(high, z2 * z2, low);
}

template <int W>
OPTCORE_INLINE Pack<float, W> log_tail(Pack<float, W> z) noexcept {
  const auto c = [](float x) { return Pack<float, W>::broadcast(x); };
  return fma(
      fma(fma(c(0.23583569392885007f), z, c(0.2853723829870323f)), z, c(0.4000033621960948f)), z,
      c(0.6666666564129182f));
}

/// e^r of the reduced argument; `shifted` is the rounded x / ln 2 with the integer in its low bits.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> exp_reduced(Pack<T, W> x, Pack<T, W>& shifted) noexcept {
  using Bits = FloatBits<T>;
  using P = Pack<T, W>;
  const P magic = P::broadcast(Bits::round_magic);
  shifted = fma(x, P::broadcast(Bits::per_ln2), magic);
  const P n = shifted - magic;
  const P r = fnma(n, P::broadcast(Bits::ln2_low), fnma(n, P::broadcast(Bits::ln2_high), x));
  const P r2 = r * r;
  return P::broadcast(T(1)) + fma(r2, exp_tail(r, r2), r);
}

}  // namespace detail

/// e^x: 0 for -inf, inf on overflow, correctly rounded subnormals, NaN for NaN.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> exp(Pack<T, W> x) noexcept {
  if constexpr (detail::calls_library<W>) {
    return {exp(x.v)};
  } else {
    using Bits = detail::FloatBits<T>;
    using Words = detail::Words<T, W>;
    using P = Pack<T, W>;
    using Word = typename Bits::Word;
    x = min(max(x, P::broadcast(Bits::exp_low)), P::broadcast(Bits::exp_high));
    P shifted;
    const P mantissa = detail::exp_reduced(x, shifted);
    // n + 2 split is positive, so a logical shift halves it
    constexpr Word magic_bits = __builtin_bit_cast(Word, Bits::round_magic);
    const auto n = Words::of(shifted) - (magic_bits - 2 * Bits::split);
    const auto first = n >> 1;
    const auto second = n - first;
    constexpr Word bias = Bits::split - Bits::bias;
    return mantissa * Words::value((first - bias) << Bits::fraction) *
           Words::value((second - bias) << Bits::fraction);
  }
}

/// e^x for x <= 0, a few instructions shorter: results below the smallest normal number are 0.
/// NaN for NaN; unspecified for x > 0 beyond the overflow threshold.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> exp_negative(Pack<T, W> x) noexcept {
  if constexpr (detail::calls_library<W>) {
    return {exp(x.v)};
  } else {
    using Bits = detail::FloatBits<T>;
    using Words = detail::Words<T, W>;
    using P = Pack<T, W>;
    using Word = typename Bits::Word;
    const P low = P::broadcast(Bits::normal_low);
    P shifted;
    const P mantissa = detail::exp_reduced(max(x, low), shifted);
    constexpr Word magic_bits = __builtin_bit_cast(Word, Bits::round_magic);
    const auto power = (Words::of(shifted) - (magic_bits - Bits::bias)) << Bits::fraction;
    const P result = mantissa * Words::value(power);
    return {x.v < low.v ? P::zero().v : result.v};
  }
}

/// 2^x for x <= 0 in single precision: at most 3.25 ulp from the true value down to 2^-125, 0
/// below. For sums of many kernel values, where the last bit does not matter.
template <int W>
OPTCORE_INLINE Pack<float, W> exp2_negative(Pack<float, W> x) noexcept {
  using Bits = detail::FloatBits<float>;
  using P = Pack<float, W>;
  const auto c = [](float v) { return P::broadcast(v); };
  const P shifted = max(x, c(-126.0F)) + c(Bits::round_magic);
  const P r = max(x, c(-126.0F)) - (shifted - c(Bits::round_magic));  // exact, |r| <= 1/2
  // minimax polynomial of 2^r on [-1/2, 1/2]: relative error 7.5e-8
  const P low = fma(c(0.24022120F), r, c(0.69314697F));
  const P high = fma(fma(c(0.0013276472F), r, c(0.0096755415F)), r, c(0.055507133F));
  const P p = fma(fma(high, r * r, low), r, c(1.0000001F));
  if constexpr (W == 1) {
    return {x.v < -125.0F ? 0.0F : __builtin_ldexpf(p.v, static_cast<int>(x.v - r.v))};
  } else {
    using Words = detail::Words<float, W>;
    // the integer stands in the low bits of `shifted`: into the exponent with it
    const P result = Words::value(Words::of(p) + (Words::of(shifted) << Bits::fraction));
    return {x.v < c(-125.0F).v ? P::zero().v : result.v};
  }
}

/// Square root, lane by lane, correctly rounded.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> sqrt(Pack<T, W> x) noexcept {
  if constexpr (W == 1) {
    return {sqrt(x.v)};
  } else {
    for (int i = 0; i < W; ++i) x.v[i] = sqrt(x.v[i]);
    return x;
  }
}

namespace detail {

/// log(x) for normal x > 0; `unshifted` is the exponent's bias.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> log_normal(Pack<T, W> x, Pack<T, W> unshifted) noexcept {
  using Bits = FloatBits<T>;
  using Words = detail::Words<T, W>;
  using P = Pack<T, W>;
  using Word = typename Bits::Word;
  const P one = P::broadcast(T(1));
  // m in [sqrt(1/2), sqrt(2)), x = 2^k m
  constexpr Word one_bits = Bits::bias << Bits::fraction;
  constexpr Word mask = (Word(1) << Bits::fraction) - 1;
  const auto bits = Words::of(x) + (one_bits - Bits::sqrt_half);
  const P m = Words::value((bits & mask) + Bits::sqrt_half);
  // exponent field to number without a conversion: put it behind 2^fraction
  constexpr Word integer_bits = (Bits::bias + Bits::fraction) << Bits::fraction;
  constexpr T integer_base = static_cast<T>(Word(1) << Bits::fraction);
  const P k = (Words::value((bits >> Bits::fraction) | integer_bits) - P::broadcast(integer_base)) -
              unshifted;
  const P f = m - one;
  const P s = f / (f + P::broadcast(T(2)));
  const P z = s * s;
  const P half_square = P::broadcast(T(0.5)) * f * f;
  const P tail = fma(z, log_tail(z), half_square);
  const P small_part = fma(s, tail, k * P::broadcast(Bits::ln2_low));
  return fma(k, P::broadcast(Bits::ln2_high), f - (half_square - small_part));
}

}  // namespace detail

/// Natural logarithm of normal numbers above 0, nothing else: shorter by the special cases.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> log_of_normal(Pack<T, W> x) noexcept {
  if constexpr (OPTCORE_VECTOR_BYTES == 0 && W == 1) {
    return {log(x.v)};
  } else {
    return detail::log_normal(x, Pack<T, W>::broadcast(static_cast<T>(detail::FloatBits<T>::bias)));
  }
}

/// Natural logarithm: -inf for 0, NaN for negative numbers and NaN, inf for inf; subnormals too.
template <class T, int W>
OPTCORE_INLINE Pack<T, W> log(Pack<T, W> x) noexcept {
  if constexpr (detail::calls_library<W>) {
    return {log(x.v)};
  } else {
    using Bits = detail::FloatBits<T>;
    using P = Pack<T, W>;
    const P small = P::broadcast(Bits::smallest_normal);
    const P scaled = x * P::broadcast(Bits::subnormal_scale);
    const P normal = {x.v < small.v ? scaled.v : x.v};
    constexpr T unshifted = static_cast<T>(Bits::bias);
    const P offset = {x.v < small.v ? P::broadcast(unshifted + Bits::subnormal_shift).v
                                    : P::broadcast(unshifted).v};
    P result = detail::log_normal(normal, offset);
    const P zero = P::zero();
    const P infinite = P::broadcast(infinity<T>());
    const P outside = {x.v == zero.v ? (-infinite).v : P::broadcast(T(__builtin_nan(""))).v};
    result = {x.v > zero.v ? result.v : outside.v};
    return {x.v < infinite.v ? result.v : (x + x).v};
  }
}

}  // namespace optcore::inline OPTCORE_ISA
