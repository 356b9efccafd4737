#pragma once

#include <cstddef>

#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/host/device.hpp"
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
  /// Memory that it holds.
  [[nodiscard]] std::size_t bytes() const noexcept { return memory_.bytes(); }

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

/// One array of a batch: that of problem i starts at data + i * step; a step of 0 shares it.
struct OcpArray {
  const double* data = nullptr;
  std::ptrdiff_t step = 0;
};

/// Many problems of one shape with bounds and without rows; shapes as in OcpSolver::Problem. `b`
/// and `S` may be null for zero.
struct OcpBatchData {
  int batch = 0;
  OcpSize size;  ///< rows must be 0
  OcpArray x0, A, B, b, Q, R, S, q, r, lbx, ubx, lbu, ubu;
};

/// What solve_batch() writes; a problem that fails keeps its inputs within their bounds.
struct OcpBatchAnswer {
  double *x, *u;              ///< (batch, N+1, nx), (batch, N, nu)
  VectorView<Status> status;  ///< (batch,)
  VectorView<int> iterations;
  MatrixView<double> residual;  ///< (batch, 3) gap, primal, dual; dense
};

/// Solves all from scratch: on a CPU one after the other with OcpSolver, on a device by the
/// interior point alone (settings.method and exact are not looked at), a warp each.
/// @return shape_mismatch, invalid_argument, out_of_memory or device_unavailable of the whole call,
///         otherwise ok
[[nodiscard]] Status solve_batch(Device device, const OcpBatchData& data,
                                 const OcpSettings& settings,
                                 const OcpBatchAnswer& answer) noexcept;

}  // namespace optcore::host
