#include "optcore/host/mpc.hpp"

#include "backend.hpp"

namespace optcore::host {

OcpSolver::OcpSolver(OcpSize size) : size_(size) {
  const auto& kernels = cpu::kernels().ocp(size_);
  memory_ = Buffer(kernels.bytes(size_));
  solver_ = kernels.create(memory_.data(), memory_.bytes(), size_);
}

void OcpSolver::set(const Problem& problem) noexcept {
  cpu::kernels().ocp(size_).set(solver_, size_, problem);
}

OcpInfo OcpSolver::solve(const double* x0, bool warm, const OcpSettings& settings) noexcept {
  return cpu::kernels().ocp(size_).solve(solver_, size_, x0, warm, settings);
}

void OcpSolver::solution(double* x, double* u) const noexcept {
  cpu::kernels().ocp(size_).solution(solver_, size_, x, u);
}

void OcpSolver::multipliers(double* x, double* u, double* rows) const noexcept {
  cpu::kernels().ocp(size_).multipliers(solver_, size_, x, u, rows);
}

}  // namespace optcore::host
