#pragma once

#include <cstdint>

#include "optcore/core/random_key.hpp"
#include "optcore/core/simd.hpp"

/// Philox4x32-10: random numbers from a counter. Any number of a sequence is had without those
/// before it, so results do not depend on threads, batches or vector width, and are the same
/// integers on CPU, GPU and firmware.
///
/// Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
namespace optcore::inline OPTCORE_ISA {

/// Counters that advance together in one register; one at a time works everywhere.
inline constexpr int random_lanes = native_lanes<std::uint32_t>;

/// Four words for each of W counters; W is 1 or random_lanes.
template <int W>
struct PhiloxBlock {
  using Words = typename detail::PackStorage<std::uint32_t, W>::type;
  Words word[4];
};

namespace detail {

inline constexpr std::uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
inline constexpr std::uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};
inline constexpr int philox_rounds = 10;

/// 0, 1, 2, ...
template <int W>
struct Count {
  std::uint32_t number[W];
  constexpr Count() noexcept : number{} {
    for (int i = 0; i < W; ++i) number[i] = static_cast<std::uint32_t>(i);
  }
};

/// High and low halves of the 64-bit products of 32-bit words. A register of words is kept as two
/// of 64-bit lanes, its even and its odd words: products read the low half of a lane alone, so what
/// stands in the high half need not be cleared, and halves meet again only at the end.
template <int W>
struct WideWords {
  using Words = typename PackStorage<std::uint32_t, W>::type;
  using Wide = typename PackStorage<std::uint64_t, W / 2>::type;
  Wide even, odd;

  OPTCORE_INLINE static WideWords of(Words words) noexcept {
    const Wide pairs = __builtin_bit_cast(Wide, words);
    return {pairs, pairs >> 32};
  }
  OPTCORE_INLINE Words words() const noexcept {
    constexpr std::uint64_t mask = 0xFFFFFFFFu;
    return __builtin_bit_cast(Words, (even & mask) | (odd << 32));
  }
  OPTCORE_INLINE WideWords times(std::uint32_t b) const noexcept {
    const Wide factor = Wide{} + static_cast<std::uint64_t>(b);
    return {OPTCORE_EVEN_PRODUCTS(Wide, even, factor), OPTCORE_EVEN_PRODUCTS(Wide, odd, factor)};
  }
  OPTCORE_INLINE WideWords high() const noexcept { return {even >> 32, odd >> 32}; }
  OPTCORE_INLINE WideWords low() const noexcept { return *this; }
  OPTCORE_INLINE friend WideWords operator^(WideWords a, WideWords b) noexcept {
    return {a.even ^ b.even, a.odd ^ b.odd};
  }
  OPTCORE_INLINE friend WideWords operator^(WideWords a, std::uint32_t key) noexcept {
    return {a.even ^ static_cast<std::uint64_t>(key), a.odd ^ static_cast<std::uint64_t>(key)};
  }
};

/// The same of one word.
template <>
struct WideWords<1> {
  std::uint64_t word;

  OPTCORE_INLINE static WideWords of(std::uint32_t w) noexcept { return {w}; }
  OPTCORE_INLINE std::uint32_t words() const noexcept { return static_cast<std::uint32_t>(word); }
  OPTCORE_INLINE WideWords times(std::uint32_t b) const noexcept {
    return {static_cast<std::uint64_t>(words()) * b};
  }
  OPTCORE_INLINE WideWords high() const noexcept { return {word >> 32}; }
  OPTCORE_INLINE WideWords low() const noexcept { return {words()}; }
  OPTCORE_INLINE friend WideWords operator^(WideWords a, WideWords b) noexcept {
    return {a.word ^ b.word};
  }
  OPTCORE_INLINE friend WideWords operator^(WideWords a, std::uint32_t key) noexcept {
    return {a.word ^ key};
  }
};

}  // namespace detail

/// The block of counters (c0, c1, c2, c3) under key (k0, k1).
template <int W>
OPTCORE_INLINE PhiloxBlock<W> philox4x32(PhiloxBlock<W> c, std::uint32_t k0,
                                         std::uint32_t k1) noexcept {
  using Wide = detail::WideWords<W>;
  Wide c0 = Wide::of(c.word[0]), c1 = Wide::of(c.word[1]);
  Wide c2 = Wide::of(c.word[2]), c3 = Wide::of(c.word[3]);
  for (int round = 0; round < detail::philox_rounds; ++round) {
    const Wide a = c0.times(detail::philox_multiplier[0]);
    const Wide b = c2.times(detail::philox_multiplier[1]);
    c0 = b.high() ^ c1 ^ k0;
    c1 = b.low();
    c2 = a.high() ^ c3 ^ k1;
    c3 = a.low();
    k0 += detail::philox_weyl[0];
    k1 += detail::philox_weyl[1];
  }
  return {{c0.words(), c1.words(), c2.words(), c3.words()}};
}

/// The words of items index, index + 1, ... (one a lane). `draw` counts the blocks of one item.
template <int W>
OPTCORE_INLINE PhiloxBlock<W> random_words(const RandomKey& key, std::uint32_t index,
                                           std::uint32_t draw) noexcept {
  using Words = typename PhiloxBlock<W>::Words;
  PhiloxBlock<W> counter{};
  alignas(64) static constexpr detail::Count<W> lanes{};
  __builtin_memcpy(&counter.word[0], lanes.number, sizeof(Words));
  counter.word[0] += index;
  counter.word[1] = Words{} + draw;
  counter.word[2] = Words{} + key.step;
  counter.word[3] = Words{} + key.stream;
  return philox4x32<W>(counter, static_cast<std::uint32_t>(key.seed),
                       static_cast<std::uint32_t>(key.seed >> 32));
}

}  // namespace optcore::inline OPTCORE_ISA
