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
[[nodiscard]] QpOutcome solve_qp(const QpProblem& problem, const DenseQpSettings& settings,
                                 const QpAnswer& answer);

}  // namespace optcore::host
