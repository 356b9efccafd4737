#include "optcore/host/dense_qp.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "backend.hpp"

namespace optcore::host {
namespace {

/// rows' multipliers of G and A together; residuals in the problem's own terms.
void residuals(const QpProblem& p, const double* x, const double* rows, const double* box,
               QpOutcome& out) {
  const int n = p.variables;
  std::vector<double> gradient(p.q, p.q + n);
  double quadratic = 0, linear = 0, support = 0;
  const auto dot = [n](const double* a, const double* b) {
    double s = 0;
    for (int j = 0; j < n; ++j) s += a[j] * b[j];
    return s;
  };
  const auto at = [n](const double* m, int i) { return m + static_cast<std::ptrdiff_t>(i) * n; };
  for (int i = 0; i < n; ++i) {
    const double value = dot(at(p.P, i), x);
    gradient[i] += value;
    quadratic += x[i] * value;
    linear += p.q[i] * x[i];
  }
  out.primal = 0;
  const auto row = [&](const double* a, double bound, double multiplier, bool equality) {
    const double excess = dot(a, x) - bound;
    out.primal = std::max(out.primal, equality ? std::abs(excess) : excess);
    for (int j = 0; multiplier != 0 && j < n; ++j) gradient[j] += multiplier * a[j];
    support += multiplier != 0 ? multiplier * bound : 0;
  };
  for (int i = 0; i < p.inequalities; ++i) row(at(p.G, i), p.h[i], rows[i], false);
  for (int i = 0; i < p.equalities; ++i) {
    row(at(p.A, i), p.b[i], rows[p.inequalities + i], true);
  }
  for (int j = 0; p.lb != nullptr && j < n; ++j) {
    out.primal = std::max({out.primal, p.lb[j] - x[j], x[j] - p.ub[j]});
    gradient[j] += box[j];
    if (box[j] != 0) support += box[j] * (box[j] > 0 ? p.ub[j] : p.lb[j]);
  }
  out.dual = 0;
  for (int j = 0; j < n; ++j) out.dual = std::max(out.dual, std::abs(gradient[j]));
  out.objective = 0.5 * quadratic + linear;
  out.gap = std::abs(quadratic + linear + support);
}

}  // namespace

QpOutcome solve_qp(const QpProblem& p, const DenseQpSettings& settings, const QpAnswer& answer) {
  const auto start = std::chrono::steady_clock::now();
  const int n = p.variables, rows = p.inequalities + p.equalities;
  const bool box = p.lb != nullptr;
  const DenseQpSize size{.variables = n, .rows = rows, .box = box};
  const auto& kernels = *cpu::kernels().dense_qp;
  // Not a Buffer: zeroing the room for rows that are never asked for would cost more than a solve.
  const std::size_t bytes = kernels.bytes(size);
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(Arena::alignment, bytes), &std::free);
  if (memory == nullptr) throw std::bad_alloc();
  void* solver = kernels.create(memory.get(), bytes, size);

  std::vector<double> stacked;
  const double* G = p.inequalities > 0 ? p.G : p.A;
  if (p.inequalities > 0 && p.equalities > 0) {
    stacked.reserve(static_cast<std::size_t>(rows) * n);
    stacked.insert(stacked.end(), p.G, p.G + static_cast<std::ptrdiff_t>(p.inequalities) * n);
    stacked.insert(stacked.end(), p.A, p.A + static_cast<std::ptrdiff_t>(p.equalities) * n);
    G = stacked.data();
  }
  QpOutcome out;
  kernels.bounds(solver, p.q, p.lb, p.ub, p.h, p.inequalities, p.b, p.equalities);
  out.info.status = kernels.factor(solver, p.P, G);
  if (!failed(out.info.status)) {
    out.info = kernels.solve(solver, false, settings);
  }
  kernels.solution(solver, answer.x);
  const auto end = std::chrono::steady_clock::now();
  out.seconds = std::chrono::duration<double>(end - start).count();

  std::vector<double> multipliers(rows), box_multipliers(n);
  kernels.multipliers(solver, box_multipliers.data(), multipliers.data());
  const double* m = multipliers.data();
  if (answer.z != nullptr) std::copy_n(m, p.inequalities, answer.z);
  if (answer.y != nullptr) std::copy_n(m + p.inequalities, p.equalities, answer.y);
  if (answer.z_box != nullptr) std::copy_n(box_multipliers.data(), n, answer.z_box);
  residuals(p, answer.x, m, box_multipliers.data(), out);
  return out;
}

}  // namespace optcore::host
