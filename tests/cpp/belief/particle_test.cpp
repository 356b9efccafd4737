#include "optcore/belief/particle.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/belief/kalman.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

template <class T>
struct Cloud {
  support::Memory memory;
  ParticleState<T> state;
  Cloud(int n, int d) {
    memory.give([&](Arena& arena) { state = ParticleState<T>::make(arena, n, d); });
  }
};

template <class T>
class ParticleTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ParticleTest, Scalars);

/// Offspring differ from n w by less than one (systematic) or two (stratified), and not on average.
TYPED_TEST(ParticleTest, OffspringFollowTheWeights) {
  using T = TypeParam;
  constexpr int n = 37;
  support::Random random(41);
  std::vector<T> weights(n);
  std::vector<double> weight(n);
  double total = 0;
  for (int i = 0; i < n; ++i) {
    weight[i] = i % 5 == 0 ? 0 : random.uniform(0, 1);
    total += weight[i];
    weights[i] = static_cast<T>(weight[i]);
  }
  for (auto scheme : {Resampling::systematic, Resampling::stratified}) {
    std::vector<double> mean(n, 0.0);
    constexpr int rounds = 4000;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      std::vector<int> ancestor(n), count(n, 0);
      {
        const AllocationGuard no_allocation;
        belief::resample<T>({weights.data(), n}, static_cast<T>(total), scheme,
                            {.seed = 1, .step = round}, ancestor.data());
      }
      for (int k = 0; k < n; ++k) {
        ASSERT_TRUE(k == 0 || ancestor[k] >= ancestor[k - 1]);
        ++count[ancestor[k]];
      }
      const double slack = scheme == Resampling::systematic ? 1.001 : 2.001;
      for (int i = 0; i < n; ++i) {
        const double expected = n * weight[i] / total;
        ASSERT_LT(std::fabs(count[i] - expected), slack);
        if (weight[i] == 0) {
          ASSERT_EQ(count[i], 0);
        }
        mean[i] += static_cast<double>(count[i]) / rounds;
      }
    }
    for (int i = 0; i < n; ++i) EXPECT_NEAR(mean[i], n * weight[i] / total, 0.06);
  }
}

/// The exact posterior of this model is a Kalman filter's.
TYPED_TEST(ParticleTest, FollowsTheKalmanFilter) {
  using T = TypeParam;
  const ConstantVelocity<T> model{T(0.1), T(0.05), T(0.1), T(0.3)};
  Cloud<T> cloud(100000, 4);
  const T start[4] = {0, 0, 1, 0}, deviation[4] = {1, 1, T(0.5), T(0.5)};
  belief::scatter<T>(cloud.state, start, deviation, {.seed = 3});
  std::vector<unsigned char> memory(1 << 16);
  Arena arena(memory.data(), memory.size());
  auto exact = KalmanState<double>::make(arena, 4, 2, 1);
  for (int i = 0; i < 16; ++i) exact.model.F[i] = exact.model.Q[i] = exact.covariance[i] = 0;
  for (int i = 0; i < 8; ++i) exact.model.H[i] = 0;
  for (int i = 0; i < 4; ++i) {
    exact.model.F[5 * i] = 1;
    exact.model.Q[5 * i] = i < 2 ? 0.05 * 0.05 : 0.01;
    exact.covariance[5 * i] = i < 2 ? 1 : 0.25;
    exact.mean[i] = static_cast<double>(start[i]);
  }
  exact.model.F[2] = exact.model.F[7] = 0.1;
  exact.model.H[0] = exact.model.H[5] = 1;
  exact.model.R[0] = exact.model.R[3] = 0.09;
  exact.model.R[1] = exact.model.R[2] = 0;
  support::Random random(42);
  int resampled = 0;
  for (int step = 0; step < 40; ++step) {
    const T z[2] = {static_cast<T>(0.1 * step + 0.3 * random.normal()),
                    static_cast<T>(0.3 * random.normal())};
    const double zd[2] = {static_cast<double>(z[0]), static_cast<double>(z[1])};
    ASSERT_EQ(belief::update<double>(exact, zd, true), Status::ok);
    Status status;
    {
      const AllocationGuard no_allocation;
      status = belief::step<T>(cloud.state, model, {}, z);
    }
    ASSERT_FALSE(failed(status));
    resampled += status == Status::low_ess;
    T found[4];
    belief::mean<T>(cloud.state, found);
    for (int a = 0; a < 4; ++a) {
      const double sigma = std::sqrt(exact.covariance[5 * a]);
      ASSERT_NEAR(found[a], exact.mean[a], 0.15 * sigma) << step << " " << a;
    }
    ASSERT_NEAR(cloud.state.log_evidence, exact.log_likelihood[0], 0.15);
  }
  EXPECT_GT(resampled, 3);
}

TYPED_TEST(ParticleTest, WhatCannotBeUsedLeavesTheCloud) {
  using T = TypeParam;
  Cloud<T> cloud(100, 4);
  const T zero[4] = {}, one[4] = {1, 1, 1, 1};
  belief::scatter<T>(cloud.state, zero, one, {.seed = 5});
  const T before = cloud.state.x[17];
  const ConstantVelocity<T> model{T(0.1), T(0.1), T(0.1), T(0.1)};
  const T nan[2] = {T(NAN), 0};
  EXPECT_EQ(belief::step<T>(cloud.state, model, {}, nan), Status::not_finite);
  std::vector<T> logs(100, -infinity<T>());
  EXPECT_EQ(belief::weigh<T>(cloud.state, {}, {logs.data(), 100}), Status::zero_evidence);
  logs[3] = T(NAN);
  EXPECT_EQ(belief::weigh<T>(cloud.state, {}, {logs.data(), 100}), Status::not_finite);
  EXPECT_EQ(belief::weigh<T>(cloud.state, {}, {logs.data(), 99}), Status::shape_mismatch);
  EXPECT_EQ(cloud.state.x[17], before);
  EXPECT_EQ(cloud.state.log_weight[3], T(0));
  // one particle explains it, by -1e5: it alone has offspring, and roughening tells them apart
  const T only = cloud.state.x[3];
  for (T& value : logs) value = T(-2e5);
  logs[3] = T(-1e5);
  EXPECT_EQ(belief::weigh<T>(cloud.state, {.roughening = 0.2}, {logs.data(), 100}),
            Status::low_ess);
  EXPECT_NEAR(cloud.state.ess, 1, 1e-5);
  EXPECT_NEAR(cloud.state.log_evidence, -1e5 - std::log(100.0), 0.02);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(cloud.state.x[i], only);
}

}  // namespace
}  // namespace optcore
