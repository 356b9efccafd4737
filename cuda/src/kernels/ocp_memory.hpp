#pragma once

#include "block.hpp"
#include "optcore/core/status.hpp"
#include "optcore/mpc/types.hpp"

/// What the batched interior point of ocp_batch.hpp reads, writes and keeps between phases.
namespace optcore::cuda {

/// One array of all problems; a step of 0 shares it.
template <class T>
struct Batched {
  const T* data = nullptr;
  std::ptrdiff_t step = 0;
  OPTCORE_HD const T* of(int item) const noexcept { return data + item * step; }
};

/// Everything on the device; shapes as in host::OcpSolver::Problem, without rows.
template <class T>
struct OcpBatchProblem {
  int batch, nx, nu, horizon;
  T tolerance, barrier;
  int max_iterations;
  Batched<T> x0, A, B, b, Q, R, S, q, r, lbx, ubx, lbu, ubu;
  T *x, *u;         ///< (batch, N+1, nx), (batch, N, nu)
  Status* status;   ///< (batch,)
  int* iterations;  ///< (batch,)
  T* residual;      ///< (batch, 3) gap, primal, dual
  T* workspace;     ///< OcpWork::size() numbers for each block
  int* counter;     ///< starts at 0
};

namespace detail {

/// Arrays of one block between phases, in global memory: (N+1, nz) each unless said otherwise.
template <class T>
struct OcpWork {
  T *z, *dz, *hz, *lin, *weight, *lift;
  T *low, *high;
  T *gap[2], *lambda[2], *residual[2], *d_gap[2], *d_lambda[2], *product[2];
  T* gain;     ///< (N, nu, nx)
  T* inverse;  ///< (N, nu, nu)
  T* feed;     ///< (N, nu)

  OPTCORE_HD static OcpWork make(T* memory, const OcpBatchProblem<T>& p) noexcept {
    OcpWork w;
    const std::ptrdiff_t all = std::ptrdiff_t(p.horizon + 1) * (p.nx + p.nu);
    const auto take = [&](std::ptrdiff_t count) {
      T* const here = memory;
      memory += count;
      return here;
    };
    for (T** field : {&w.z, &w.dz, &w.hz, &w.lin, &w.weight, &w.lift, &w.low, &w.high}) {
      *field = take(all);
    }
    for (int s = 0; s < 2; ++s) {
      for (T** field :
           {&w.gap[s], &w.lambda[s], &w.residual[s], &w.d_gap[s], &w.d_lambda[s], &w.product[s]}) {
        *field = take(all);
      }
    }
    w.gain = take(std::ptrdiff_t(p.horizon) * p.nu * p.nx);
    w.inverse = take(std::ptrdiff_t(p.horizon) * p.nu * p.nu);
    w.feed = take(std::ptrdiff_t(p.horizon) * p.nu);
    return w;
  }
  OPTCORE_HD static std::ptrdiff_t size(const OcpBatchProblem<T>& p) noexcept {
    const std::ptrdiff_t nx = p.nx, nu = p.nu, n = p.horizon;
    return 20 * (n + 1) * (nx + nu) + n * nu * (nx + nu + 1);
  }
};

template <class T>
struct OcpShared {
  T *reduce, *system, *product, *pivot, *diagonal, *costate, *pull;
  int* slot;

  OPTCORE_HD static OcpShared make(Arena& arena, const OcpBatchProblem<T>& p,
                                   int threads) noexcept {
    OcpShared s;
    const int nz = p.nx + p.nu;
    const auto take = [&](int count) { return arena.array<T>(static_cast<std::size_t>(count)); };
    s.reduce = take(threads);
    s.system = take(nz * nz);
    s.product = take(p.nx * nz);
    s.pivot = take(nz);
    s.diagonal = take(p.nu);
    s.costate = take(p.nx);
    s.pull = take(nz);
    s.slot = arena.array<int>(1);
    return s;
  }
};

}  // namespace detail

}  // namespace optcore::cuda
