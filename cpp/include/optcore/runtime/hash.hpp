#pragma once

#include <cstddef>
#include <cstdint>

namespace optcore::runtime {

/// 128-bit fingerprint of bytes. Not a security hash: who can choose the input can make collisions.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  friend constexpr bool operator==(const Digest&, const Digest&) noexcept = default;
};

/// XXH3-128 of `bytes` bytes, seed 0 unless given; the same on every instruction set.
///
/// Source: Y. Collet, xxHash 0.8 (stable format), https://xxhash.com.
[[nodiscard]] Digest hash(const void* data, std::size_t bytes, std::uint64_t seed = 0) noexcept;

/// XXH3-128 of an array's elements in C order, without a copy of the array.
///
/// @param shape     (ndim,) elements along each axis; ndim at most 64.
/// @param strides   (ndim,) bytes from one element to the next, of any sign.
/// @param itemsize  bytes of an element.
/// Equals hash() of the same elements laid out in C order.
[[nodiscard]] Digest hash_strided(const void* data, int ndim, const std::ptrdiff_t* shape,
                                  const std::ptrdiff_t* strides, std::size_t itemsize,
                                  std::uint64_t seed = 0) noexcept;

}  // namespace optcore::runtime
