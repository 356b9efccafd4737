/// A cart is driven to the origin by model-predictive control: sizes known at compile time, memory
/// given by the caller, a warm start each period.

#include <cmath>
#include <cstdio>

#include "optcore/mpc/ocp_solver.hpp"

int main() {
  constexpr int stages = 20;
  constexpr float h = 0.1f;
  alignas(64) static unsigned char memory[65536];
  optcore::Arena arena(memory, sizeof memory);
  optcore::mpc::OcpSolver<float, 2, 1> solver;  // position and speed; force
  solver.attach(arena, {.nx = 2, .nu = 1, .horizon = stages, .rows = 0});
  if (arena.overflowed()) {
    std::printf("needs %zu bytes\n", arena.used());
    return 1;
  }

  const float A[] = {1, h, 0, 1}, B[] = {h * h / 2, h};
  const float Q[] = {1, 0, 0, 0.1f}, R[] = {0.01f};
  const float strongest[] = {2}, weakest[] = {-2};
  for (int k = 0; k <= stages; ++k) {
    solver.data().set_hessian(k, Q, R, nullptr);
    if (k == stages) break;
    solver.data().set_dynamics(k, A, B, nullptr);
    solver.data().set_input_bounds(k, weakest, strongest);
  }

  float x[] = {2, 0};
  for (int t = 0; t < 80; ++t) {
    solver.set_x0(x);
    const optcore::OcpInfo info = solver.solve(/*warm=*/t > 0);
    if (failed(info.status)) {
      std::printf("period %d: %s\n", t, to_string(info.status));
      return 1;
    }
    const float u = solver.u(0)[0];
    x[0] += h * x[1] + h * h / 2 * u;
    x[1] += h * u;
  }
  std::printf("at %.4f m, %.4f m/s\n", static_cast<double>(x[0]), static_cast<double>(x[1]));
  return std::abs(x[0]) < 0.01f && std::abs(x[1]) < 0.01f ? 0 : 2;
}
