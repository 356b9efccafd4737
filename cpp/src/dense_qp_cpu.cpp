/// CPU back-end of the dense quadratic programme.

#include <new>

#include "backend.hpp"
#include "optcore/mpc/dense_qp.hpp"

namespace optcore::cpu {
namespace {

using Solver = mpc::DenseQp<double>;

std::size_t bytes(DenseQpSize size) noexcept {
  Arena arena = Arena::measure();
  static_cast<void>(arena.array<Solver>(1));
  Solver solver{};
  solver.attach(arena, size);
  return arena.used();
}

void* create(void* memory, std::size_t room, DenseQpSize size) noexcept {
  Arena arena(memory, room);
  auto* solver = ::new (static_cast<void*>(arena.array<Solver>(1))) Solver();
  solver->attach(arena, size);
  return solver;
}

Status factor(void* object, const double* P, const double* G) noexcept {
  return static_cast<Solver*>(object)->factor(P, G);
}

void bounds(void* object, const double* q, const double* lb, const double* ub, const double* h,
            int inequalities, const double* b, int equalities) noexcept {
  auto& s = *static_cast<Solver*>(object);
  for (int i = 0; i < s.size().variables; ++i) {
    s.q()[i] = q[i];
    if (lb != nullptr) s.box_low()[i] = lb[i], s.box_high()[i] = ub[i];
  }
  for (int i = 0; i < inequalities; ++i) s.row_high()[i] = h[i];
  for (int i = 0; i < equalities; ++i) {
    s.row_low()[inequalities + i] = s.row_high()[inequalities + i] = b[i];
  }
}

DenseQpInfo solve(void* object, bool warm, const DenseQpSettings& settings) noexcept {
  return static_cast<Solver*>(object)->solve(warm, settings);
}

void solution(const void* object, double* x) noexcept {
  const auto& s = *static_cast<const Solver*>(object);
  for (int i = 0; i < s.size().variables; ++i) x[i] = s.x()[i];
}

void multipliers(const void* object, double* box, double* rows) noexcept {
  static_cast<const Solver*>(object)->multipliers(box, rows);
}

constexpr DenseQpKernels table = {bytes, create, factor, bounds, solve, solution, multipliers};

}  // namespace

template <>
const DenseQpKernels& dense_qp_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
