#include "optcore/runtime/hash.hpp"

#include "hash_kernels.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace optcore::runtime {
namespace {

const cpu::HashKernels& kernels() noexcept {
#if defined(OPTCORE_X86_KERNELS)
  switch (cpu::kernels().isa) {
    case Isa::avx512: return cpu::hash_kernels<Isa::avx512>();
    case Isa::avx2: return cpu::hash_kernels<Isa::avx2>();
    default: return cpu::hash_kernels<Isa::generic>();
  }
#else
  return cpu::hash_kernels<this_isa>();
#endif
}

}  // namespace

Digest hash(const void* data, std::size_t bytes, std::uint64_t seed) noexcept {
  constexpr std::size_t no_vector_loop = 240;  // up to here xxHash is scalar on every machine
  if (bytes <= no_vector_loop) {
    const XXH128_hash_t h = XXH3_128bits_withSeed(data, bytes, seed);
    return {h.low64, h.high64};
  }
  return kernels().contiguous(data, bytes, seed);
}

Digest hash_strided(const void* data, int ndim, const std::ptrdiff_t* shape,
                    const std::ptrdiff_t* strides, std::size_t itemsize,
                    std::uint64_t seed) noexcept {
  for (int i = 0; i < ndim; ++i) {
    if (shape[i] == 0) return hash(nullptr, 0, seed);
  }
  return kernels().strided(data, ndim, shape, strides, itemsize, seed);
}

}  // namespace optcore::runtime
