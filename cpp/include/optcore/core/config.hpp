#pragma once

// The only header with compiler and target conditions.

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "optcore needs C++20 (-std=c++20)"
#endif

#if defined(__CUDACC__)
#define OPTCORE_HD __host__ __device__
#else
#define OPTCORE_HD
#endif

// The lanes `vector[index]...` of a vector, `index` naming a parameter pack. One instruction from
// the builtin, which nvcc's front end does not pass on whole.
#if defined(__CUDACC__)
#define OPTCORE_LANES(type, vector, index) \
  type { vector[index]... }
#else
#define OPTCORE_LANES(type, vector, index) __builtin_shufflevector(vector, vector, (index)...)
#endif

// 64-bit products of the even 32-bit words of two vector registers, one instruction. GCC does not
// find it in (a & mask) * (b & mask), other compilers do.
#if defined(__CUDACC__) || defined(__clang__) || !defined(__SSE2__)
#define OPTCORE_EVEN_PRODUCTS(wide, a, b) (((wide)(a) & 0xFFFFFFFFu) * ((wide)(b) & 0xFFFFFFFFu))
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define OPTCORE_EVEN_PRODUCTS(wide, a, b)                                          \
  ((wide)__builtin_ia32_pmuludq512_mask((int __attribute__((vector_size(64))))(a), \
                                        (int __attribute__((vector_size(64))))(b), \
                                        (long long __attribute__((vector_size(64)))){}, 255))
#elif defined(__AVX2__)
#define OPTCORE_EVEN_PRODUCTS(wide, a, b)                                     \
  ((wide)__builtin_ia32_pmuludq256((int __attribute__((vector_size(32))))(a), \
                                   (int __attribute__((vector_size(32))))(b)))
#else
#define OPTCORE_EVEN_PRODUCTS(wide, a, b)                                     \
  ((wide)__builtin_ia32_pmuludq128((int __attribute__((vector_size(16))))(a), \
                                   (int __attribute__((vector_size(16))))(b)))
#endif

// Code with arithmetic lives in `namespace optcore::inline OPTCORE_ISA`. The name follows the
// instruction set the file is compiled for, so two compilations of one header never share a symbol
// and the linker cannot hand an AVX-512 copy of a function to a machine without it.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && !defined(__CUDACC__)
#define OPTCORE_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__) && !defined(__CUDACC__)
#define OPTCORE_ISA avx2
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(__CUDACC__)
#define OPTCORE_ISA neon
#else
#define OPTCORE_ISA generic
#endif

namespace optcore {

/// Instruction sets the kernels are compiled for.
enum class Isa : int { generic = 0, neon = 1, avx2 = 2, avx512 = 3 };

/// Bytes of one vector register in this compilation; 0 means scalar code (firmware, CUDA).
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && !defined(__CUDACC__)
inline constexpr Isa this_isa = Isa::avx512;
#define OPTCORE_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__) && !defined(__CUDACC__)
inline constexpr Isa this_isa = Isa::avx2;
#define OPTCORE_VECTOR_BYTES 32
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(__CUDACC__)
inline constexpr Isa this_isa = Isa::neon;
#define OPTCORE_VECTOR_BYTES 16
#elif defined(__SSE2__) && !defined(__CUDACC__)
inline constexpr Isa this_isa = Isa::generic;
#define OPTCORE_VECTOR_BYTES 16
#else
inline constexpr Isa this_isa = Isa::generic;
#define OPTCORE_VECTOR_BYTES 0
#endif

/// What short rows are padded to: a register of any instruction set on hosts, where data cross
/// between compilations; less on microcontrollers, which have no registers to fill.
#if defined(__x86_64__) || defined(__aarch64__)
template <class T>
inline constexpr int row_lanes = 64 / static_cast<int>(sizeof(T));
#else
template <class T>
inline constexpr int row_lanes = 8;
#endif

}  // namespace optcore
