#include "optcore/host/mpc.hpp"

#include <new>
#include <vector>

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

namespace {

Status check(const OcpBatchData& data, const OcpSettings& settings,
             const OcpBatchAnswer& answer) noexcept {
  const auto [nx, nu, horizon, rows] = data.size;
  if (data.batch < 0 || rows != 0 || nx < 1 || nx > 64 || nu < 1 || nu > 32 || horizon < 1 ||
      horizon > 1000 || !(settings.tolerance > 0) || settings.max_iterations < 0 ||
      !(settings.barrier > 0)) {
    return Status::invalid_argument;
  }
  if (answer.status.size != data.batch || answer.iterations.size != data.batch ||
      answer.residual.rows != data.batch || answer.residual.cols != 3 ||
      answer.residual.stride != 3) {
    return Status::shape_mismatch;
  }
  for (const OcpArray* array : {&data.x0, &data.A, &data.B, &data.Q, &data.R, &data.q, &data.r,
                                &data.lbx, &data.ubx, &data.lbu, &data.ubu}) {
    if (array->data == nullptr && data.batch > 0) return Status::invalid_argument;
  }
  return Status::ok;
}

void solve_on_cpu(const OcpBatchData& d, const OcpSettings& settings,
                  const OcpBatchAnswer& answer) {
  const auto [nx, nu, horizon, rows] = d.size;
  OcpSolver solver(d.size);
  const std::vector<double> zero(static_cast<std::size_t>(horizon * nx * (nx > nu ? nx : nu)), 0);
  for (int i = 0; i < d.batch; ++i) {
    const auto of = [&](const OcpArray& a) {
      return a.data == nullptr ? zero.data() : a.data + i * a.step;
    };
    OcpSolver::Problem problem{};
    problem.A = of(d.A);
    problem.B = of(d.B);
    problem.b = of(d.b);
    problem.Q = of(d.Q);
    problem.R = of(d.R);
    problem.S = of(d.S);
    problem.q = of(d.q);
    problem.r = of(d.r);
    problem.lbx = of(d.lbx);
    problem.ubx = of(d.ubx);
    problem.lbu = of(d.lbu);
    problem.ubu = of(d.ubu);
    solver.set(problem);
    const OcpInfo info = solver.solve(of(d.x0), /*warm=*/false, settings);
    solver.solution(answer.x + static_cast<std::ptrdiff_t>(i) * (horizon + 1) * nx,
                    answer.u + static_cast<std::ptrdiff_t>(i) * horizon * nu);
    answer.status[i] = info.status;
    answer.iterations[i] = info.iterations;
    answer.residual(i, 0) = info.gap;
    answer.residual(i, 1) = info.primal;
    answer.residual(i, 2) = info.dual;
  }
}

}  // namespace

Status solve_batch(Device device, const OcpBatchData& data, const OcpSettings& settings,
                   const OcpBatchAnswer& answer) noexcept {
  const Status checked = check(data, settings, answer);
  if (failed(checked) || data.batch == 0) return checked;
  if (device.kind == Device::Kind::cuda) {
    const Status chosen = cuda::select_device(device.index);
    return failed(chosen) ? chosen : cuda::solve_batch(data, settings, answer);
  }
  try {
    solve_on_cpu(data, settings, answer);
    return Status::ok;
  } catch (const std::bad_alloc&) {
    return Status::out_of_memory;
  }
}

}  // namespace optcore::host
