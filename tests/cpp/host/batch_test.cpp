/// Calls that take a device: what they check, the CPU's answer, and a device that is not there.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/host/device.hpp"
#include "optcore/host/gp_batch.hpp"
#include "optcore/host/mpc.hpp"

namespace optcore::host {
namespace {

/// Two processes of one input; the second has a point that the other process lacks.
struct TwoProcesses {
  int sizes[2] = {1, 2};
  double X[3] = {0, 0, 1}, Y[3] = {1, 1, 0}, query[1] = {0};
  double variance = 1, scale = 1, noise = 0.5;
  double mean[2] = {}, spread[2] = {}, likelihood[2] = {};
  Status status[2] = {Status::not_ready, Status::not_ready};

  Status fit(Device device) {
    return fit_predict(device,
                       {{sizes, 2},
                        {X, 3, 1, 1},
                        {Y, 3, 1, 1},
                        {GpFamily::rbf, {&variance, 1}, {&scale, 1, 1, 1}, {&noise, 1}, {}},
                        {query, 1, 1, 1}},
                       {{mean, 2, 1, 1}, {spread, 2}, {likelihood, 2}, {status, 2}});
  }
};

TEST(FitPredict, OnTheCpu) {
  TwoProcesses two;
  ASSERT_EQ(two.fit(Device::cpu()), Status::ok);
  EXPECT_EQ(two.status[0], Status::ok);
  EXPECT_NEAR(two.mean[0], 1 / 1.5, 1e-14);  // k / (k + noise) y
  EXPECT_NEAR(two.spread[0], 1 - 1 / 1.5, 1e-14);
  EXPECT_NEAR(two.likelihood[0], -0.5 * (1 / 1.5 + std::log(2 * M_PI * 1.5)), 1e-14);
  const double c = std::exp(-0.5), det = 1.5 * 1.5 - c * c;
  EXPECT_NEAR(two.mean[1], (1.5 - c * c) / det, 1e-14);
}

TEST(FitPredict, ChecksItsArguments) {
  TwoProcesses two;
  two.query[0] = NAN;
  EXPECT_EQ(two.fit(Device::cpu()), Status::not_finite);
  two = {};
  two.sizes[1] = 3;
  EXPECT_EQ(two.fit(Device::cpu()), Status::shape_mismatch);
  two.sizes[1] = -1;
  EXPECT_EQ(two.fit(Device::cpu()), Status::invalid_argument);
}

/// x+ = x + u from 2, cost (x1^2 + u^2) / 2, |u| <= bound: u = -x0 / 2 or its bound.
struct OneStep {
  double x0[2] = {2, 0.5}, A = 1, B = 1, Q[2] = {0, 1}, R = 1, q[2] = {}, r = 0;
  double lbx[2] = {-1e30, -1e30}, ubx[2] = {1e30, 1e30}, lbu = -0.75, ubu = 0.75;
  double x[4] = {}, u[2] = {}, residual[6] = {};
  Status status[2] = {Status::not_ready, Status::not_ready};
  int iterations[2] = {-1, -1};
  OcpBatchData data;

  OneStep() {
    data.batch = 2;
    data.size = {1, 1, 1, 0};
    data.x0 = {x0, 1};
    data.A = {&A}, data.B = {&B}, data.Q = {Q}, data.R = {&R}, data.q = {q}, data.r = {&r};
    data.lbx = {lbx}, data.ubx = {ubx}, data.lbu = {&lbu}, data.ubu = {&ubu};
  }
  Status solve(Device device) {
    return solve_batch(device, data, {}, {x, u, {status, 2}, {iterations, 2}, {residual, 2, 3, 3}});
  }
};

TEST(SolveBatch, OnTheCpu) {
  OneStep step;
  ASSERT_EQ(step.solve(Device::cpu()), Status::ok);
  EXPECT_EQ(step.status[0], Status::ok);
  EXPECT_NEAR(step.u[0], -0.75, 1e-6);
  EXPECT_NEAR(step.u[1], -0.25, 1e-6);
  EXPECT_NEAR(step.x[1], 1.25, 1e-6);
  EXPECT_LT(step.residual[2], 1e-6);
}

TEST(SolveBatch, ChecksItsArguments) {
  OneStep step;
  step.data.size.rows = 1;
  EXPECT_EQ(step.solve(Device::cpu()), Status::invalid_argument);
  step.data.size.rows = 0;
  step.data.Q = {};
  EXPECT_EQ(step.solve(Device::cpu()), Status::invalid_argument);
  step.data.Q = {step.Q};
  step.data.batch = 3;
  EXPECT_EQ(step.solve(Device::cpu()), Status::shape_mismatch);
}

TEST(ADeviceThatIsNotThere, IsReportedByEveryCall) {
  constexpr int nobody_has_so_many = 1000;
  const Device device = Device::cuda(nobody_has_so_many);
  ASSERT_EQ(describe(device).status, Status::device_unavailable);
  TwoProcesses two;
  EXPECT_EQ(two.fit(device), Status::device_unavailable);
  EXPECT_EQ(two.status[0], Status::not_ready);
  OneStep step;
  EXPECT_EQ(step.solve(device), Status::device_unavailable);
  EXPECT_EQ(step.status[0], Status::not_ready);
}

}  // namespace
}  // namespace optcore::host
