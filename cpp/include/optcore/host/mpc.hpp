#pragma once

#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/mpc/types.hpp"

namespace optcore::host {

/// Optimal-control quadratic programme at run-time sizes; see mpc::OcpSolver for the form.
class OcpSolver {
 public:
  /// Row-major arrays of a whole problem, double. Stage k of a matrix follows stage k - 1.
  struct Problem {
    const double *A, *B, *b;  ///< (N, nx, nx), (N, nx, nu), (N, nx)
    const double *Q, *R, *S, *q,
        *r;  ///< (N+1, nx, nx), (N, nu, nu), (N, nu, nx), (N+1, nx), (N, nu)
    const double *lbx, *ubx, *lbu, *ubu;  ///< (N+1, nx), (N, nu); |value| >= 1e29 means none
    const double *C, *D, *lg, *ug;  ///< lg <= C x + D u <= ug: (N+1, m, nx), (N, m, nu), (N+1, m)
    const double *l1, *l2;          ///< price of a violation, (N+1, m); l1 >= 1e29: none allowed
  };

  /// @throws std::bad_alloc. Sizes must satisfy 1 <= nx <= 64, 1 <= nu <= 32, 1 <= N <= 1000.
  explicit OcpSolver(OcpSize size);
  [[nodiscard]] OcpSize size() const noexcept { return size_; }

  void set(const Problem& problem) noexcept;
  [[nodiscard]] OcpInfo solve(const double* x0, bool warm, const OcpSettings& settings) noexcept;
  /// x (N+1, nx), u (N, nu)
  void solution(double* x, double* u) const noexcept;
  /// Multipliers of the bounds of x (N+1, nx) and u (N, nu) and of the rows (N+1, m): positive at a
  /// lower limit, negative at an upper one. After primal_infeasible they are the certificate.
  void multipliers(double* x, double* u, double* rows) const noexcept;

 private:
  OcpSize size_;
  Buffer memory_;
  void* solver_ = nullptr;
};

}  // namespace optcore::host
