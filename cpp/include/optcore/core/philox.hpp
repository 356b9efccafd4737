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

/// High and low halves of the 64-bit products of 32-bit words.
template <int W>
OPTCORE_INLINE void multiply_wide(typename PackStorage<std::uint32_t, W>::type a, std::uint32_t b,
                                  typename PackStorage<std::uint32_t, W>::type& high,
                                  typename PackStorage<std::uint32_t, W>::type& low) noexcept {
  if constexpr (W == 1) {
    const std::uint64_t product = static_cast<std::uint64_t>(a) * b;
    high = static_cast<std::uint32_t>(product >> 32);
    low = static_cast<std::uint32_t>(product);
  } else {
    static_assert(W == random_lanes);
    using Wide = typename PackStorage<std::uint64_t, W / 2>::type;
    using Words = typename PackStorage<std::uint32_t, W>::type;
    constexpr std::uint64_t mask = 0xFFFFFFFFu;
    const Wide factor = Wide{} + static_cast<std::uint64_t>(b);
    const Wide pairs = __builtin_bit_cast(Wide, a);
    const Wide even = OPTCORE_EVEN_PRODUCTS(Wide, pairs, factor);
    const Wide odd = OPTCORE_EVEN_PRODUCTS(Wide, pairs >> 32, factor);
    high = __builtin_bit_cast(Words, (even >> 32) | (odd & ~mask));
    low = __builtin_bit_cast(Words, (even & mask) | (odd << 32));
  }
}

}  // namespace detail

/// The block of counters (c0, c1, c2, c3) under key (k0, k1).
template <int W>
OPTCORE_INLINE PhiloxBlock<W> philox4x32(PhiloxBlock<W> c, std::uint32_t k0,
                                         std::uint32_t k1) noexcept {
  using Words = typename PhiloxBlock<W>::Words;
  for (int round = 0; round < detail::philox_rounds; ++round) {
    Words high0, low0, high1, low1;
    detail::multiply_wide<W>(c.word[0], detail::philox_multiplier[0], high0, low0);
    detail::multiply_wide<W>(c.word[2], detail::philox_multiplier[1], high1, low1);
    c = {high1 ^ c.word[1] ^ k0, low1, high0 ^ c.word[3] ^ k1, low0};
    k0 += detail::philox_weyl[0];
    k1 += detail::philox_weyl[1];
  }
  return c;
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
