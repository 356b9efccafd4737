#pragma once

#include "optcore/mpc/dense_types.hpp"

namespace optcore::host {

/// minimise 1/2 x'P x + q'x subject to G x <= h, A x = b, lb <= x <= ub. Row-major, double; null
/// where there is none.
struct QpProblem {
  int variables = 0, inequalities = 0, equalities = 0;
  const double *P = nullptr, *q = nullptr;    ///< (n, n), (n,)
  const double *G = nullptr, *h = nullptr;    ///< (m, n), (m,)
  const double *A = nullptr, *b = nullptr;    ///< (p, n), (p,)
  const double *lb = nullptr, *ub = nullptr;  ///< (n,)
};

/// Where the answer goes; null where it is not wanted.
struct QpAnswer {
  double* x = nullptr;      ///< (n,)
  double* z = nullptr;      ///< (m,) multipliers of G x <= h, >= 0
  double* y = nullptr;      ///< (p,) of A x = b
  double* z_box = nullptr;  ///< (n,) positive at ub, negative at lb
};

/// Outcome, with residuals computed from the problem's own matrices.
struct QpOutcome {
  DenseQpInfo info;
  double objective = 0;
  double primal = 0;   ///< largest violation
  double dual = 0;     ///< largest entry of P x + q + G'z + A'y + z_box
  double gap = 0;      ///< |x'P x + q'x + h'z + b'y + bounds' z_box|
  double seconds = 0;  ///< of set-up and solve, memory included, residuals not
};

/// Solves one dense programme with nothing known before; see mpc::DenseQp for the method. After
/// primal_infeasible the multipliers hold a certificate: G'z + A'y + z_box = 0 while
/// h'z + b'y + bounds' z_box < 0.
/// @throws std::bad_alloc
///
/// ```cpp
/// // min (x - 1)^2 / 2 + (y - 2)^2 / 2 with x + y <= 1: (0, 1), multiplier 1
/// const double P[4] = {1, 0, 0, 1}, q[2] = {-1, -2}, G[2] = {1, 1}, h[1] = {1};
/// double x[2], z[1];
/// const optcore::host::QpOutcome done = optcore::host::solve_qp(
///     {.variables = 2, .inequalities = 1, .P = P, .q = q, .G = G, .h = h}, {}, {.x = x, .z = z});
/// assert(!failed(done.info.status));
/// assert(std::abs(x[0]) < 1e-8 && std::abs(x[1] - 1) < 1e-8 && std::abs(z[0] - 1) < 1e-8);
/// ```
[[nodiscard]] QpOutcome solve_qp(const QpProblem& problem, const DenseQpSettings& settings,
                                 const QpAnswer& answer);

}  // namespace optcore::host
