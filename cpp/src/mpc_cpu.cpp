/// CPU back-end of the MPC solver; compiled once per instruction set and common problem size.

#include <new>

#include "backend.hpp"
#include "optcore/mpc/ocp_solver.hpp"

namespace optcore::cpu {
namespace {

template <int Nx, int Nu>
struct Sized {
  using Solver = mpc::OcpSolver<double, Nx, Nu>;

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
    for (int k = 0; k <= size.horizon; ++k) {
      copy(s.Q(k), p.Q + k * n * n, n * n);
      copy(s.q(k), p.q + k * n, n);
      copy(s.lbx(k), p.lbx + k * n, n);
      copy(s.ubx(k), p.ubx + k * n, n);
      if (k < size.horizon) {
        copy(s.A(k), p.A + k * n * n, n * n);
        copy(s.B(k), p.B + k * n * m, n * m);
        copy(s.b(k), p.b + k * n, n);
        copy(s.R(k), p.R + k * m * m, m * m);
        copy(s.r(k), p.r + k * m, m);
        copy(s.lbu(k), p.lbu + k * m, m);
        copy(s.ubu(k), p.ubu + k * m, m);
      }
      s.set_row_count(k, k > 0 ? rows : 0);
      for (int i = 0; k > 0 && i < rows; ++i) {
        const int at = k * rows + i;
        copy(s.c(k, i), p.C + at * n, n);
        for (int j = 0; j < m; ++j) s.d(k, i)[j] = 0;
        s.row(k, i).lower = p.lower[at];
        s.row(k, i).l1 = p.l1[at];
        s.row(k, i).l2 = p.l2[at];
      }
    }
  }

  static OcpInfo solve(void* object, OcpSize size, const double* x0, bool warm,
                       const OcpSettings& settings) noexcept {
    auto& s = *static_cast<Solver*>(object);
    copy(s.x0(), x0, size.nx);
    return s.solve(warm, settings);
  }

  static void solution(const void* object, OcpSize size, double* x, double* u) noexcept {
    const auto& s = *static_cast<const Solver*>(object);
    for (int k = 0; k <= size.horizon; ++k) copy(x + k * size.nx, s.x(k), size.nx);
    for (int k = 0; k < size.horizon; ++k) copy(u + k * size.nu, s.u(k), size.nu);
  }

  static constexpr OcpKernels table = {bytes, create, set, solve, solution};
};

const OcpKernels& of_size(OcpSize size) noexcept {
  const int code = 100 * size.nx + size.nu;
  switch (code) {
    case 401: return Sized<4, 1>::table;
    case 402: return Sized<4, 2>::table;
    case 602: return Sized<6, 2>::table;
    case 803: return Sized<8, 3>::table;
    case 1204: return Sized<12, 4>::table;
    default: return Sized<0, 0>::table;
  }
}

}  // namespace

template <>
const OcpKernels& ocp_kernels<this_isa>(OcpSize size) noexcept {
  return of_size(size);
}

}  // namespace optcore::cpu
