#pragma once

#include "optcore/belief/discrete_state.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

/// Private: what each back-end defines. The CPU has one table of functions per kernel and
/// instruction set; CUDA has the same functions in namespace cuda (no_cuda.cpp when it is off).
namespace optcore {

namespace cpu {

struct BeliefKernels {
  Status (*update)(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                   VectorView<double> log_evidence, VectorView<Status> row_status) noexcept;
  Status (*discrete_step)(DiscreteState<double>& state, VectorView<const double> log_likelihood,
                          bool predict) noexcept;
  Status (*discrete_sequence)(DiscreteState<double>& state,
                              MatrixView<const double> log_likelihoods, bool predict_first,
                              const SequenceOutput<double>& out) noexcept;
  Status (*boltzmann)(const double* from, const double* to, MatrixView<const double> goals,
                      VectorView<const double> betas, VectorView<double> log_likelihood) noexcept;
};

/// Defined once per instruction set by belief_cpu.cpp.
template <Isa>
const BeliefKernels& belief_kernels() noexcept;

/// The tables for this machine.
struct Kernels {
  Isa isa;
  const BeliefKernels* belief;
};

const Kernels& kernels() noexcept;

}  // namespace cpu

namespace cuda {

Status update_beliefs(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                      VectorView<double> log_evidence, VectorView<Status> row_status) noexcept;

/// Number of usable devices; 0 with a reason when there is none.
int device_count(const char** reason) noexcept;
Status device_info(int index, char* name, int name_size, double* memory_bytes) noexcept;

}  // namespace cuda

}  // namespace optcore
