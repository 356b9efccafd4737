/// Fingerprints of bytes; compiled once per instruction set, which xxHash's vector loops follow.

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "hash_kernels.hpp"

namespace optcore::cpu {
namespace {

using runtime::Digest;

Digest to_digest(XXH128_hash_t h) noexcept { return {h.low64, h.high64}; }

Digest contiguous(const void* data, std::size_t bytes, std::uint64_t seed) noexcept {
  return to_digest(XXH3_128bits_withSeed(data, bytes, seed));
}

/// Gathers short runs into one block, so that the hash is fed by the block and not by the element.
struct Gather {
  XXH3_state_t state;
  std::size_t used;
  unsigned char block[4096];

  void flush() noexcept {
    if (used > 0) XXH3_128bits_update(&state, block, used);
    used = 0;
  }

  void feed(const unsigned char* from, std::size_t bytes) noexcept {
    if (bytes > sizeof block - used) flush();
    if (bytes >= sizeof block) {
      XXH3_128bits_update(&state, from, bytes);
      return;
    }
    std::memcpy(block + used, from, bytes);
    used += bytes;
  }
};

void walk(Gather& gather, const unsigned char* at, int ndim, const std::ptrdiff_t* shape,
          const std::ptrdiff_t* strides, std::size_t itemsize) noexcept {
  if (ndim == 0) {
    gather.feed(at, itemsize);
    return;
  }
  if (ndim == 1 && strides[0] == static_cast<std::ptrdiff_t>(itemsize)) {
    gather.feed(at, itemsize * static_cast<std::size_t>(shape[0]));
    return;
  }
  for (std::ptrdiff_t i = 0; i < shape[0]; ++i) {
    walk(gather, at + i * strides[0], ndim - 1, shape + 1, strides + 1, itemsize);
  }
}

Digest strided(const void* data, int ndim, const std::ptrdiff_t* shape,
               const std::ptrdiff_t* strides, std::size_t itemsize, std::uint64_t seed) noexcept {
  Gather gather;
  gather.used = 0;
  XXH3_INITSTATE(&gather.state);
  XXH3_128bits_reset_withSeed(&gather.state, seed);
  walk(gather, static_cast<const unsigned char*>(data), ndim, shape, strides, itemsize);
  gather.flush();
  return to_digest(XXH3_128bits_digest(&gather.state));
}

constexpr HashKernels table = {.contiguous = contiguous, .strided = strided};

}  // namespace

template <>
const HashKernels& hash_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
