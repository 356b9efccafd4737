#include "optcore/belief/joint.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

template <class T>
class JointBeliefTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(JointBeliefTest, Scalars);

TYPED_TEST(JointBeliefTest, AgreesWithLongDoubleOnRandomWalksOfLikelihoods) {
  using T = TypeParam;
  constexpr int H = 5, B = 3, n = H * B;
  belief::JointBelief<T, 7, 4> joint;
  const std::array<T, H> prior = {1, 2, 3, 0, 4};
  ASSERT_EQ(joint.setup({.hypotheses = H,
                         .betas = B,
                         .switching = T(0.05),
                         .hypothesis_prior = {prior.data(), H}}),
            Status::ok);
  std::vector<long double> expected(n), start(n);
  for (int i = 0; i < n; ++i) start[i] = expected[i] = prior[i / B] / 10.0L / B;
  support::Random random(3);
  for (int step = 0; step < 2000; ++step) {
    const double width = step % 3 == 0 ? 1 : (step % 3 == 1 ? 60 : 1e5);
    std::array<T, n> logs{};
    for (T& value : logs) value = static_cast<T>(-width * random.uniform());
    if (step % 7 == 0) logs[step % n] = -infinity<T>();
    long double peak = -INFINITY, mass = 0;
    const long double eps = static_cast<long double>(T(0.05));
    for (int i = 0; i < n; ++i) {
      expected[i] = (1 - eps) * expected[i] + eps * start[i];
      if (expected[i] > 0) peak = std::fmax(peak, std::log(expected[i]) + logs[i]);
    }
    for (int i = 0; i < n; ++i) {
      expected[i] = expected[i] > 0 ? std::exp(std::log(expected[i]) + logs[i] - peak) : 0;
      mass += expected[i];
    }
    for (auto& p : expected) p /= mass;
    {
      const AllocationGuard no_allocation;
      ASSERT_EQ(joint.update({logs.data(), n}), Status::ok);
    }
    const double tolerance = sizeof(T) == 8 ? 1e-13 : 2e-4;
    for (int i = 0; i < n; ++i) {
      ASSERT_NEAR(joint.joint()[i], static_cast<double>(expected[i]), tolerance) << step;
    }
    const double evidence = static_cast<double>(peak + std::log(mass));
    ASSERT_NEAR(joint.log_evidence(), evidence, tolerance * std::fmax(1, std::fabs(evidence)));
    // rounding of T apart, both go on from the same belief
    for (int i = 0; i < n; ++i) expected[i] = joint.joint()[i];
    T over_h = 0, over_b = 0;
    for (int h = 0; h < H; ++h) over_h += joint.hypotheses()[h];
    for (int b = 0; b < B; ++b) over_b += joint.betas()[b];
    ASSERT_NEAR(over_h, 1, 1e-6);
    ASSERT_NEAR(over_b, 1, 1e-6);
  }
}

TYPED_TEST(JointBeliefTest, KeepsTheBeliefWhenAnObservationCannotBeUsed) {
  using T = TypeParam;
  belief::JointBelief<T, 3> joint;
  ASSERT_EQ(joint.setup({.hypotheses = 3}), Status::ok);
  const T none = -infinity<T>();
  std::array<T, 3> logs = {0, T(-1), T(-2)};
  ASSERT_EQ(joint.update({logs.data(), 3}), Status::ok);
  const T before = joint.hypotheses()[1];
  logs = {none, none, none};
  EXPECT_EQ(joint.update({logs.data(), 3}), Status::zero_evidence);
  logs = {T(NAN), 0, 0};
  EXPECT_EQ(joint.update({logs.data(), 3}), Status::not_finite);
  logs = {0, infinity<T>(), 0};
  EXPECT_EQ(joint.update({logs.data(), 3}), Status::not_finite);
  EXPECT_EQ(joint.update({logs.data(), 2}), Status::shape_mismatch);
  EXPECT_EQ(joint.hypotheses()[1], before);
  joint.reset();
  EXPECT_NEAR(joint.hypotheses()[2], 1.0 / 3, 1e-6);
}

TYPED_TEST(JointBeliefTest, AnImprobableHypothesisThatAloneExplainsTheObservationWins) {
  using T = TypeParam;
  belief::JointBelief<T, 2> joint;
  const std::array<T, 2> prior = {T(1), T(1e-30)};
  ASSERT_EQ(joint.setup({.hypotheses = 2, .switching = 0, .hypothesis_prior = {prior.data(), 2}}),
            Status::ok);
  const std::array<T, 2> logs = {T(-1e4), T(0)};
  ASSERT_EQ(joint.update({logs.data(), 2}), Status::ok);
  EXPECT_NEAR(joint.hypotheses()[1], 1, 1e-6);
  EXPECT_NEAR(joint.log_evidence(), std::log(1e-30), 1e-3);
}

TYPED_TEST(JointBeliefTest, SharedLikelihoodsLeaveTheBetasAsTheyWere) {
  using T = TypeParam;
  belief::JointBelief<T, 4, 3> joint;
  const std::array<T, 3> betas = {T(0.2), T(0.3), T(0.5)};
  ASSERT_EQ(joint.setup({.hypotheses = 2, .betas = 3, .beta_prior = {betas.data(), 3}}),
            Status::ok);
  const std::array<T, 2> logs = {T(0), T(-3)};
  ASSERT_EQ(joint.update_shared({logs.data(), 2}), Status::ok);
  EXPECT_NEAR(joint.hypotheses()[0], 1 / (1 + std::exp(-3.0)), 1e-6);
  for (int b = 0; b < 3; ++b) EXPECT_NEAR(joint.betas()[b], betas[b], 1e-6);
}

TYPED_TEST(JointBeliefTest, RefusesSettingsOutsideTheirRange) {
  using T = TypeParam;
  belief::JointBelief<T, 2, 2> joint;
  const std::array<T, 2> zero = {0, 0}, negative = {1, -1}, nan = {1, T(NAN)};
  EXPECT_EQ(joint.setup({.hypotheses = 3}), Status::invalid_argument);
  EXPECT_EQ(joint.setup({.betas = 0}), Status::invalid_argument);
  EXPECT_EQ(joint.setup({.switching = 1}), Status::invalid_argument);
  EXPECT_EQ(joint.setup({.switching = T(NAN)}), Status::invalid_argument);
  for (const auto& prior : {zero, negative, nan}) {
    EXPECT_EQ(joint.setup({.hypotheses = 2, .hypothesis_prior = {prior.data(), 2}}),
              Status::invalid_argument);
  }
  EXPECT_EQ(joint.setup({.hypotheses = 1, .hypothesis_prior = {negative.data(), 2}}),
            Status::shape_mismatch);
}

TYPED_TEST(JointBeliefTest, AMillionStepsStayProbabilities) {
  using T = TypeParam;
  belief::JointBelief<T, 6, 2> joint;
  ASSERT_EQ(joint.setup({.hypotheses = 6, .betas = 2}), Status::ok);
  support::Random random(9);
  std::array<T, 12> logs{};
  for (int step = 0; step < 1'000'000; ++step) {
    if (step % 16 == 0) {
      for (T& value : logs) value = static_cast<T>(-1e5 * random.uniform());
    } else {
      logs[step % 12] = static_cast<T>(-1e5 * random.uniform());
    }
    ASSERT_EQ(joint.update({logs.data(), 12}), Status::ok);
  }
  T total = 0;
  for (int i = 0; i < 12; ++i) total += joint.joint()[i];
  EXPECT_NEAR(total, 1, 1e-6);
}

}  // namespace
}  // namespace optcore
