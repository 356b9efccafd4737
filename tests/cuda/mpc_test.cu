/// A batch of control problems on the device against the same call on the CPU.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/host/mpc.hpp"
#include "support/random.hpp"

namespace optcore::host {
namespace {

/// Double integrators in the plane with bounded inputs and speeds; states and costs of their own.
struct Batch {
  static constexpr int nx = 4, nu = 2, N = 15;
  int batch;
  std::vector<double> x0, A, B, Q, R, q, r, lbx, ubx, lbu, ubu, x, u, residual;
  std::vector<Status> status;
  std::vector<int> iterations;

  explicit Batch(int batch_) : batch(batch_) {
    support::Random random(23);
    const double h = 0.2;
    for (int k = 0; k <= N; ++k) {
      for (int i = 0; i < nx; ++i) {
        for (int j = 0; j < nx; ++j) {
          Q.push_back(i == j ? 1 : 0);
          if (k < N) A.push_back(i == j ? 1 : j == i + 2 ? h : 0);
        }
        for (int j = 0; k < N && j < nu; ++j) {
          B.push_back(i == j ? h * h / 2 : i == j + 2 ? h : 0);
        }
        lbx.push_back(i < 2 ? -1e30 : -1.5);
        ubx.push_back(i < 2 ? 1e30 : 1.5);
      }
      for (int i = 0; k < N && i < nu; ++i) {
        for (int j = 0; j < nu; ++j) R.push_back(i == j ? 0.1 : 0);
        lbu.push_back(-1);
        ubu.push_back(1);
        r.push_back(0);
      }
    }
    for (int i = 0; i < batch * nx; ++i) x0.push_back(random.uniform(-1, 1));
    for (int i = 0; i < batch * (N + 1) * nx; ++i) q.push_back(random.uniform(-1, 1));
    x.assign(batch * (N + 1) * nx, NAN);
    u.assign(batch * N * nu, NAN);
    residual.assign(batch * 3, NAN);
    status.assign(batch, Status::not_ready);
    iterations.assign(batch, -1);
  }

  Status solve(Device device) {
    OcpBatchData d;
    d.batch = batch;
    d.size = {nx, nu, N, 0};
    d.x0 = {x0.data(), nx};
    d.q = {q.data(), (N + 1) * nx};
    d.A = {A.data(), 0};
    d.B = {B.data(), 0};
    d.Q = {Q.data(), 0};
    d.R = {R.data(), 0};
    d.r = {r.data(), 0};
    d.lbx = {lbx.data(), 0};
    d.ubx = {ubx.data(), 0};
    d.lbu = {lbu.data(), 0};
    d.ubu = {ubu.data(), 0};
    OcpSettings settings;
    settings.tolerance = 1e-13;
    return solve_batch(device, d, settings,
                       {x.data(),
                        u.data(),
                        {status.data(), batch},
                        {iterations.data(), batch},
                        {residual.data(), batch, 3, 3}});
  }
};

TEST(CudaOcpBatch, AgreesWithTheCpu) {
  for (const int batch : {1, 31, 5000}) {
    Batch device(batch), cpu(batch);
    ASSERT_EQ(device.solve(Device::cuda()), Status::ok);
    ASSERT_EQ(cpu.solve(Device::cpu()), Status::ok);
    EXPECT_EQ(device.status, cpu.status);
    for (std::size_t i = 0; i < cpu.u.size(); ++i) EXPECT_NEAR(device.u[i], cpu.u[i], 1e-10);
    for (std::size_t i = 0; i < cpu.x.size(); ++i) EXPECT_NEAR(device.x[i], cpu.x[i], 1e-10);
  }
}

TEST(CudaOcpBatch, ABadProblemLeavesTheOthersAlone) {
  Batch device(3), alone(3);
  device.x0[5] = NAN;
  ASSERT_EQ(device.solve(Device::cuda()), Status::ok);
  ASSERT_EQ(alone.solve(Device::cuda()), Status::ok);
  EXPECT_EQ(device.status[1], Status::not_finite);
  for (int i = 0; i < Batch::N * Batch::nu; ++i) EXPECT_EQ(device.u[i], alone.u[i]);
}

}  // namespace
}  // namespace optcore::host
