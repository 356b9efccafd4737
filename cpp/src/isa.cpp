/// Chooses the instruction set of the CPU kernels, once per process.

#include <cstdlib>
#include <cstring>

#include "backend.hpp"
#include "optcore/host/device.hpp"

namespace optcore {
namespace cpu {

// Each specialisation lives in a <kernel>_cpu.cpp compiled for that instruction set.
#if defined(OPTCORE_X86_KERNELS)
template <>
const BeliefKernels& belief_kernels<Isa::avx2>() noexcept;
template <>
const BeliefKernels& belief_kernels<Isa::avx512>() noexcept;
template <>
const GpKernels& gp_kernels<Isa::avx2>() noexcept;
template <>
const GpKernels& gp_kernels<Isa::avx512>() noexcept;
template <>
const GpSparseKernels& gp_sparse_kernels<Isa::avx2>() noexcept;
template <>
const GpSparseKernels& gp_sparse_kernels<Isa::avx512>() noexcept;
template <>
const LoopKernels& loop_kernels<Isa::avx2>() noexcept;
template <>
const LoopKernels& loop_kernels<Isa::avx512>() noexcept;
template <>
const PlanningKernels& planning_kernels<Isa::avx2>() noexcept;
template <>
const PlanningKernels& planning_kernels<Isa::avx512>() noexcept;
template <>
const OcpKernels& ocp_kernels<Isa::avx2>(OcpSize size) noexcept;
template <>
const OcpKernels& ocp_kernels<Isa::avx512>(OcpSize size) noexcept;
template <>
const DenseQpKernels& dense_qp_kernels<Isa::avx2>() noexcept;
template <>
const DenseQpKernels& dense_qp_kernels<Isa::avx512>() noexcept;
#endif

namespace {

#if defined(OPTCORE_X86_KERNELS)
Isa best_isa() noexcept {
  __builtin_cpu_init();
  Isa best = Isa::generic;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    best = Isa::avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd")) {
      best = Isa::avx512;
    }
  }
  const char* wanted = std::getenv("OPTCORE_FORCE_ISA");
  if (wanted != nullptr && std::strcmp(wanted, "generic") == 0) return Isa::generic;
  if (wanted != nullptr && std::strcmp(wanted, "avx2") == 0 && best == Isa::avx512) {
    return Isa::avx2;
  }
  return best;
}
#endif

template <Isa I>
Kernels tables() noexcept {
  return {.isa = I,
          .belief = &belief_kernels<I>(),
          .gp = &gp_kernels<I>(),
          .gp_sparse = &gp_sparse_kernels<I>(),
          .loop = &loop_kernels<I>(),
          .planning = &planning_kernels<I>(),
          .ocp = &ocp_kernels<I>,
          .dense_qp = &dense_qp_kernels<I>()};
}

Kernels choose() noexcept {
#if defined(OPTCORE_X86_KERNELS)
  switch (best_isa()) {
    case Isa::avx512: return tables<Isa::avx512>();
    case Isa::avx2: return tables<Isa::avx2>();
    default: return tables<Isa::generic>();
  }
#else
  return tables<this_isa>();
#endif
}

}  // namespace

const Kernels& kernels() noexcept {
  static const Kernels chosen = choose();
  return chosen;
}

}  // namespace cpu

namespace host {

const char* cpu_isa() noexcept {
  switch (cpu::kernels().isa) {
    case Isa::generic: return "generic";
    case Isa::neon: return "neon";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "generic";
}

}  // namespace host
}  // namespace optcore
