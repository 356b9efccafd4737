/// The arithmetic of the batched interior point, thread by thread, against the CPU's solver.

#include "kernels/ocp_batch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "emulated_block.hpp"
#include "optcore/host/mpc.hpp"
#include "support/random.hpp"

namespace optcore::cuda {
namespace {

using emulation::Order;

struct Answer {
  std::vector<double> x, u, residual;
  std::vector<int> iterations;
  std::vector<Status> status;
};

/// Stable random systems with bounded inputs and states, every array of its own for each problem.
struct Batch {
  Batch(int batch_, int nx_, int nu_, int N_, std::uint64_t seed)
      : batch(batch_), nx(nx_), nu(nu_), N(N_) {
    support::Random random(seed);
    const auto fill = [&](std::vector<double>& v, int each, double low, double high) {
      for (int i = 0; i < batch * each; ++i) v.push_back(random.uniform(low, high));
    };
    fill(A, N * nx * nx, -0.2, 0.2);
    for (int i = 0; i < batch * N; ++i) {
      for (int j = 0; j < nx; ++j) A[(i * nx + j) * nx + j] += 0.9;
    }
    fill(B, N * nx * nu, -1, 1);
    fill(b, N * nx, -0.05, 0.05);
    fill(S, N * nu * nx, -0.1, 0.1);
    fill(q, (N + 1) * nx, -1, 1);
    fill(r, N * nu, -1, 1);
    fill(x0, nx, -1, 1);
    diagonal(Q, (N + 1), nx, 1, random);
    diagonal(R, N, nu, 0.5, random);
    lbx.assign(batch * (N + 1) * nx, -3);
    ubx.assign(batch * (N + 1) * nx, 3);
    for (std::size_t i = 0; i < ubx.size(); i += 3) ubx[i] = 1e30;
    fill(lbu, N * nu, -0.5, -0.2);
    fill(ubu, N * nu, 0.2, 0.5);
  }

  /// Symmetric positive definite by diagonal dominance.
  void diagonal(std::vector<double>& v, int stages, int n, double weight,
                support::Random& random) const {
    for (int k = 0; k < batch * stages; ++k) {
      std::vector<double> block(n * n);
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < i; ++j) {
          block[i * n + j] = block[j * n + i] = random.uniform(-0.3, 0.3) * weight / n;
        }
        block[i * n + i] = weight * random.uniform(1, 2);
      }
      v.insert(v.end(), block.begin(), block.end());
    }
  }

  Answer empty() const {
    return {std::vector<double>(batch * (N + 1) * nx, NAN),
            std::vector<double>(batch * N * nu, NAN), std::vector<double>(batch * 3, NAN),
            std::vector<int>(batch, -1), std::vector<Status>(batch, Status::not_ready)};
  }

  /// The interior point stops within about the root of its tolerance of a weakly active bound.
  Answer emulate(Order order, double tolerance = 1e-13) {
    Answer a = empty();
    int counter = 0;
    constexpr int grid = 2, threads = 32;
    const auto each = [&](const std::vector<double>& v) {
      return Batched<double>{v.data(), static_cast<std::ptrdiff_t>(v.size()) / batch};
    };
    OcpBatchProblem<double> p{};
    p.batch = batch, p.nx = nx, p.nu = nu, p.horizon = N;
    p.tolerance = tolerance, p.barrier = 10, p.max_iterations = 60;
    p.x0 = each(x0), p.A = each(A);
    if (shared_dynamics) p.A.step = 0;
    p.B = each(B), p.b = each(b), p.Q = each(Q), p.R = each(R);
    p.S = each(S), p.q = each(q), p.r = each(r), p.lbx = each(lbx), p.ubx = each(ubx);
    p.lbu = each(lbu), p.ubu = each(ubu);
    p.x = a.x.data(), p.u = a.u.data(), p.status = a.status.data();
    p.iterations = a.iterations.data(), p.residual = a.residual.data(), p.counter = &counter;
    using Kernel = OcpBatchKernel<double>;
    std::vector<double> workspace(grid * Kernel::work_size(p), NAN);
    p.workspace = workspace.data();
    emulation::run_blocks(grid, threads, Kernel::shared_bytes(p, threads), order, Kernel{}, p);
    return a;
  }

  /// The CPU's exact active-set solution.
  Answer cpu() {
    Answer a = empty();
    host::OcpSolver solver({nx, nu, N, 0});
    OcpSettings settings;
    settings.tolerance = 1e-11;
    for (int i = 0; i < batch; ++i) {
      const auto of = [&](const std::vector<double>& v) {
        return v.data() + i * (v.size() / static_cast<std::size_t>(batch));
      };
      host::OcpSolver::Problem problem{};
      problem.A = of(A), problem.B = of(B), problem.b = of(b), problem.Q = of(Q);
      problem.R = of(R), problem.S = of(S), problem.q = of(q), problem.r = of(r);
      problem.lbx = of(lbx), problem.ubx = of(ubx), problem.lbu = of(lbu), problem.ubu = of(ubu);
      solver.set(problem);
      a.status[i] = solver.solve(of(x0), false, settings).status;
      solver.solution(a.x.data() + i * (N + 1) * nx, a.u.data() + i * N * nu);
    }
    return a;
  }

  int batch, nx, nu, N;
  bool shared_dynamics = false;
  std::vector<double> x0, A, B, b, Q, R, S, q, r, lbx, ubx, lbu, ubu;
};

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::abs(b[i]))) << i;
  }
}

TEST(EmulatedOcpBatch, AgreesWithTheExactSolution) {
  for (const auto& [nx, nu, N] : {std::array{4, 2, 12}, {12, 4, 10}, {1, 1, 1}, {3, 5, 4}}) {
    Batch batch(5, nx, nu, N, 17 + nx);
    const Answer cpu = batch.cpu(), own = batch.emulate(Order::ascending);
    EXPECT_EQ(own.status, std::vector<Status>(5, Status::ok));
    EXPECT_EQ(cpu.status, own.status);
    expect_near(own.u, cpu.u, 1e-10);
    expect_near(own.x, cpu.x, 1e-10);
  }
}

TEST(EmulatedOcpBatch, AStepOfZeroSharesAnArray) {
  Batch own(3, 4, 2, 6, 3);
  const std::size_t each = own.A.size() / 3;
  for (std::size_t i = each; i < own.A.size(); ++i) own.A[i] = own.A[i - each];
  const Answer apart = own.emulate(Order::ascending);
  own.shared_dynamics = true;
  for (std::size_t i = each; i < own.A.size(); ++i) own.A[i] = NAN;
  EXPECT_EQ(own.emulate(Order::ascending).u, apart.u);
}

TEST(EmulatedOcpBatch, SameBitsInEveryOrderOfThreads) {
  Batch batch(3, 6, 2, 8, 5);
  const Answer first = batch.emulate(Order::ascending);
  for (const Order order : emulation::orders) {
    const Answer again = batch.emulate(order);
    EXPECT_EQ(again.u, first.u);
    EXPECT_EQ(again.x, first.x);
    EXPECT_EQ(again.iterations, first.iterations);
    EXPECT_EQ(again.residual, first.residual);
  }
}

TEST(EmulatedOcpBatch, AHardOneAndABadOneLeaveTheOthersAlone) {
  Batch batch(4, 4, 2, 6, 9);
  const Answer alone = batch.emulate(Order::ascending);
  batch.x0[4] = NAN;                                  // problem 1
  for (int i = 0; i < 4; ++i) batch.x0[8 + i] = 100;  // problem 2 cannot reach its bounds
  const Answer own = batch.emulate(Order::ascending);
  EXPECT_EQ(own.status[0], Status::ok);
  EXPECT_EQ(own.status[1], Status::not_finite);
  EXPECT_TRUE(failed(own.status[2]));
  EXPECT_EQ(own.status[3], Status::ok);
  const int each = 6 * 2;
  for (int i = 0; i < each; ++i) {
    EXPECT_EQ(own.u[i], alone.u[i]);
    EXPECT_EQ(own.u[3 * each + i], alone.u[3 * each + i]);
    for (const int bad : {1, 2}) {
      EXPECT_GE(own.u[bad * each + i], batch.lbu[bad * each + i]);
      EXPECT_LE(own.u[bad * each + i], batch.ubu[bad * each + i]);
    }
  }
  for (const double x : own.x) EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace optcore::cuda
