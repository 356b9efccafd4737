#pragma once

#include <cstddef>

#include "backend.hpp"
#include "optcore/runtime/hash.hpp"

namespace optcore::cpu {

/// XXH3-128 of long inputs; defined once per instruction set by hash_cpu.cpp.
struct HashKernels {
  runtime::Digest (*contiguous)(const void* data, std::size_t bytes, std::uint64_t seed) noexcept;
  runtime::Digest (*strided)(const void* data, int ndim, const std::ptrdiff_t* shape,
                             const std::ptrdiff_t* strides, std::size_t itemsize,
                             std::uint64_t seed) noexcept;
};

template <Isa>
const HashKernels& hash_kernels() noexcept;
#if defined(OPTCORE_X86_KERNELS)
template <>
const HashKernels& hash_kernels<Isa::avx2>() noexcept;
template <>
const HashKernels& hash_kernels<Isa::avx512>() noexcept;
#endif

}  // namespace optcore::cpu
