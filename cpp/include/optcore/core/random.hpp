#pragma once

#include "optcore/core/philox.hpp"
#include "optcore/core/simd_math.hpp"
#include "optcore/core/view.hpp"

/// Uniform, normal and gamma variates from Philox counters; the same on any vector width up to the
/// last bits of log and exp.
///
/// Source: Box & Muller, Ann. Math. Stat. 29 (1958); Marsaglia & Tsang, "A simple method for
/// generating gamma variables", ACM TOMS 26(3) (2000).
namespace optcore::inline OPTCORE_ISA {

namespace detail {

/// 24 bits of each word as the middle of one of 2^24 cells of (0, 1).
template <int W>
OPTCORE_INLINE Pack<float, W> open_uniform(
    typename PackStorage<std::uint32_t, W>::type word) noexcept {
  const auto high = __builtin_bit_cast(typename PackStorage<std::int32_t, W>::type, word >> 8);
  Pack<float, W> x;
  if constexpr (W == 1) {
    x = {static_cast<float>(high)};
  } else {
    x = {__builtin_convertvector(high, typename Pack<float, W>::Storage)};
  }
  return (x + Pack<float, W>::broadcast(0.5f)) * Pack<float, W>::broadcast(0x1p-24f);
}

/// 53 bits of two words.
OPTCORE_HD inline double open_uniform(std::uint32_t high, std::uint32_t low) noexcept {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 20) | (low >> 12);
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

/// sin and cos of 2 pi u for u in (0, 1): a quarter is taken off by rounding, the rest is a series.
template <class T, int W>
OPTCORE_INLINE void sine_cosine_of_turn(Pack<T, W> u, Pack<T, W>& sine,
                                        Pack<T, W>& cosine) noexcept {
  using P = Pack<T, W>;
  const auto c = [](double x) { return P::broadcast(static_cast<T>(x)); };
  const P magic = P::broadcast(FloatBits<T>::round_magic);
  const P shifted = fma(u, c(4), magic);
  const P quarters = shifted - magic;
  const P r = fnma(quarters, c(0.25), u) * c(6.283185307179586476925);
  const P r2 = r * r;
  P s, k;
  if constexpr (sizeof(T) == 4) {
    s = fma(fma(fma(c(2.7525562e-06), r2, c(-1.9840874e-04)), r2, c(8.3333310e-03)), r2,
            c(-0.16666667));
    k = fma(fma(fma(c(2.4433157e-05), r2, c(-1.3887316e-03)), r2, c(4.1666646e-02)), r2, c(-0.5));
  } else {
    s = c(-7.6471637318198164759e-13);
    for (double a :
         {1.6059043836821614599e-10, -2.5052108385441718775e-08, 2.7557319223985890653e-06,
          -1.9841269841269841270e-04, 8.3333333333333333333e-03, -1.6666666666666666667e-01}) {
      s = fma(s, r2, c(a));
    }
    k = c(4.7794773323873852974e-14);
    for (double a :
         {-1.1470745597729724714e-11, 2.0876756987868098979e-09, -2.7557319223985890653e-07,
          2.4801587301587301587e-05, -1.3888888888888888889e-03, 4.1666666666666666667e-02, -0.5}) {
      k = fma(k, r2, c(a));
    }
  }
  s = fma(r * r2, s, r);
  k = fma(r2, k, c(1));
  const auto turn = Words<T, W>::of(shifted);
  using Word = typename FloatBits<T>::Word;
  const auto odd = (turn & Word(1)) != Word(0);
  const auto negative_sine = (turn & Word(2)) != Word(0);
  const auto negative_cosine = ((turn + Word(1)) & Word(2)) != Word(0);
  const P a = {odd ? k.v : s.v}, b = {odd ? s.v : k.v};
  sine = {negative_sine ? (-a).v : a.v};
  cosine = {negative_cosine ? (-b).v : b.v};
}

/// Two independent standard normals a lane from two uniforms.
template <class T, int W>
OPTCORE_INLINE void box_muller(Pack<T, W> u, Pack<T, W> turn, Pack<T, W>& a,
                               Pack<T, W>& b) noexcept {
  const Pack<T, W> radius = sqrt(Pack<T, W>::broadcast(T(-2)) * log_of_normal(u));
  Pack<T, W> sine, cosine;
  sine_cosine_of_turn(turn, sine, cosine);
  a = radius * cosine;
  b = radius * sine;
}

}  // namespace detail

/// The variates of one item of a sequence, one after the other.
///
/// ```cpp
/// const optcore::RandomKey key{.seed = 7, .stream = 1, .step = 0};
/// optcore::Draws<double> first(key, 12), again(key, 12);  // item 12, whoever draws it and when
/// const double x = first.normal();
/// assert(x == again.normal() && x != first.normal());
/// ```
template <class T>
class Draws {
 public:
  OPTCORE_HD Draws(const RandomKey& key, std::uint32_t index, std::uint32_t first_draw = 0) noexcept
      : key_(key), index_(index), draw_(first_draw) {}

  /// In (0, 1).
  OPTCORE_HD T uniform() noexcept {
    if (left_ == 0) {
      words_ = random_words<1>(key_, index_, draw_++);
      left_ = 4;
    }
    if constexpr (sizeof(T) == 4) {
      return detail::open_uniform<1>(words_.word[4 - left_--]).v;
    } else {
      left_ -= 2;
      return detail::open_uniform(words_.word[2 - left_], words_.word[3 - left_]);
    }
  }

  /// Standard normal.
  OPTCORE_HD T normal() noexcept {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const T u = uniform();
    Pack<T, 1> a, b;
    detail::box_muller(Pack<T, 1>{u}, Pack<T, 1>{uniform()}, a, b);
    spare_ = b.v;
    has_spare_ = true;
    return a.v;
  }

  /// Logarithm of a gamma variate of this shape > 0 and scale 1: small shapes do not underflow.
  OPTCORE_HD T log_gamma(T shape) noexcept {
    const T boosted = shape < T(1) ? shape + T(1) : shape;
    const T d = boosted - T(1) / T(3), c = T(1) / sqrt(T(9) * d);
    for (;;) {
      const T x = normal(), root = T(1) + c * x;
      if (!(root > T(0))) continue;
      const T v = root * root * root;
      if (log(uniform()) < T(0.5) * x * x + d * (T(1) - v + log(v))) {
        const T value = log(d * v);
        return shape < T(1) ? value + log(uniform()) / shape : value;
      }
    }
  }
  OPTCORE_HD T gamma(T shape) noexcept { return exp(log_gamma(shape)); }

 private:
  RandomKey key_;
  std::uint32_t index_, draw_;
  int left_ = 0;
  bool has_spare_ = false;
  PhiloxBlock<1> words_{};
  T spare_ = T(0);
};

/// Four standard normals for each of `random_lanes` items from index on: enough for a state of four
/// dimensions; `draw` counts further fours.
template <int W>
OPTCORE_INLINE void normal_fours(const RandomKey& key, std::uint32_t index, std::uint32_t draw,
                                 Pack<float, W> (&out)[4]) noexcept {
  const PhiloxBlock<W> block = random_words<W>(key, index, draw);
  for (int pair = 0; pair < 2; ++pair) {
    detail::box_muller(detail::open_uniform<W>(block.word[2 * pair]),
                       detail::open_uniform<W>(block.word[2 * pair + 1]), out[2 * pair],
                       out[2 * pair + 1]);
  }
}

/// Gamma variates of shape >= 1 and scale 1, in single precision.
///
/// Two neighbours share a block of counters; the few that are rejected (at most 5 %) go on with
/// draws of their own, so a variate depends on key, index and shape alone.
/// @param shape, out  (n,); not the same memory  @param first  index of the first item, even
OPTCORE_HD inline void fill_gamma(const RandomKey& key, std::uint32_t first,
                                  VectorView<const float> shape, VectorView<float> out) noexcept {
  constexpr int W = random_lanes;
  using P = Pack<float, W>;
  constexpr int chunk = 2 * W;
  const P third = P::broadcast(1.0f / 3), one = P::broadcast(1.0f), half = P::broadcast(0.5f);
  alignas(64) float shapes[2][W], values[2][W];
  for (int i = 0; i < shape.size; i += chunk) {
    const int count = shape.size - i < chunk ? shape.size - i : chunk;
    for (int k = 0; k < chunk; ++k) shapes[k & 1][k / 2] = k < count ? shape[i + k] : 1.0f;
    const PhiloxBlock<W> block =
        random_words<W>(key, (first + static_cast<std::uint32_t>(i)) / 2, 0);
    P x[2];
    detail::box_muller(detail::open_uniform<W>(block.word[0]),
                       detail::open_uniform<W>(block.word[1]), x[0], x[1]);
    for (int side = 0; side < 2; ++side) {
      const P d = P::load(shapes[side]) - third;
      const P c = one / sqrt(P::broadcast(9.0f) * d);
      const P root = fma(c, x[side], one);
      const P v = root * root * root;
      const P safe = max(v, P::broadcast(1e-20f));
      const P u = detail::open_uniform<W>(block.word[2 + side]);
      const P bound = fma(half * x[side], x[side], d * ((one - v) + log_of_normal(safe)));
      const auto kept = (log_of_normal(u).v < bound.v) & (v.v > P::zero().v);
      const P value = {kept ? (d * v).v : P::broadcast(-1.0f).v};
      value.store(values[side]);
    }
    for (int k = 0; k < count; ++k) {
      const float value = values[k & 1][k / 2];
      out[i + k] = value;
      if (value < 0.0f) [[unlikely]] {
        out[i + k] =
            Draws<float>(key, first + static_cast<std::uint32_t>(i + k), 1).gamma(shape[i + k]);
      }
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA
