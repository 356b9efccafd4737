/// CPU back-end of the MPC solver; compiled once per instruction set and common problem size.

#include <new>

#include "backend.hpp"
#include "optcore/mpc/ocp_solver.hpp"

namespace optcore::cpu {
namespace {

template <int Nx, int Nu>
struct Sized {
  using Solver = mpc::OcpSolver<double, Nx, Nu, /*Condensed=*/true>;

  static std::size_t bytes(OcpSize size) noexcept {
    Arena arena = Arena::measure();
    static_cast<void>(arena.array<Solver>(1));
    Solver solver{};
    solver.attach(arena, size);
    return arena.used();
  }

  static void* create(void* memory, std::size_t room, OcpSize size) noexcept {
    Arena arena(memory, room);
    auto* solver = ::new (static_cast<void*>(arena.array<Solver>(1))) Solver();
    solver->attach(arena, size);
    return solver;
  }

  static void copy(double* to, const double* from, int count) noexcept {
    for (int i = 0; i < count; ++i) to[i] = from[i];
  }

  static void set(void* object, OcpSize size, const host::OcpSolver::Problem& p) noexcept {
    auto& s = *static_cast<Solver*>(object);
    const int n = size.nx, m = size.nu, rows = size.rows;
    auto& d = s.data();
    for (int k = 0; k <= size.horizon; ++k) {
      d.set_hessian(k, p.Q + k * n * n, p.R + k * m * m, p.S + k * m * n);
      d.set_gradient(k, p.q + k * n, p.r + k * m);
      d.set_state_bounds(k, p.lbx + k * n, p.ubx + k * n);
      d.set_input_bounds(k, p.lbu + k * m, p.ubu + k * m);
      if (k < size.horizon) {
        d.set_dynamics(k, p.A + k * n * n, p.B + k * n * m, p.b + k * n);
      }
      d.set_row_count(k, rows);
      for (int i = 0; i < rows; ++i) {
        const int at = k * rows + i;
        const double* input = k < size.horizon ? p.D + at * m : nullptr;
        d.set_row(k, i, p.C + at * n, input, p.lg[at], p.ug[at], p.l1[at], p.l2[at]);
      }
    }
    s.equilibrate();
  }

  static OcpInfo solve(void* object, OcpSize, const double* x0, bool warm,
                       const OcpSettings& settings) noexcept {
    auto& s = *static_cast<Solver*>(object);
    s.set_x0(x0);
    return s.solve(warm, settings);
  }

  static void solution(const void* object, OcpSize size, double* x, double* u) noexcept {
    const auto& s = *static_cast<const Solver*>(object);
    for (int k = 0; k <= size.horizon; ++k) copy(x + k * size.nx, s.x(k), size.nx);
    for (int k = 0; k < size.horizon; ++k) copy(u + k * size.nu, s.u(k), size.nu);
  }

  static void multipliers(const void* object, OcpSize size, double* x, double* u,
                          double* rows) noexcept {
    const auto& s = *static_cast<const Solver*>(object);
    for (int k = 0; k <= size.horizon; ++k) {
      const double* y = s.multipliers(k);
      copy(x + k * size.nx, y, size.nx);
      if (k < size.horizon) copy(u + k * size.nu, y + size.nx, size.nu);
      for (int i = 0; i < size.rows; ++i) rows[k * size.rows + i] = s.row_multiplier(k, i);
    }
  }

  static constexpr OcpKernels table = {bytes, create, set, solve, solution, multipliers};
};

const OcpKernels& of_size(OcpSize size) noexcept {
  const int code = 100 * size.nx + size.nu;
  switch (code) {
    case 401: return Sized<4, 1>::table;
    case 402: return Sized<4, 2>::table;
    case 602: return Sized<6, 2>::table;
    case 803: return Sized<8, 3>::table;
    case 1204: return Sized<12, 4>::table;
    case 1604: return Sized<16, 4>::table;
    case 2406: return Sized<24, 6>::table;
    default: return Sized<0, 0>::table;
  }
}

}  // namespace

template <>
const OcpKernels& ocp_kernels<this_isa>(OcpSize size) noexcept {
  return of_size(size);
}

}  // namespace optcore::cpu
