#include "optcore/belief/categorical.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "support/allocation_guard.hpp"

namespace optcore {
namespace {

template <class T>
class CategoricalBelief : public testing::Test {
 public:
  using Logs = std::array<T, 2>;
  static Status update(Logs& belief, const Logs& likelihood, T* evidence = nullptr) {
    const AllocationGuard no_allocation;
    return belief::update<T>({belief.data(), 2}, {likelihood.data(), 2}, evidence);
  }
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-15 : 1e-6;
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(CategoricalBelief, Scalars);

template <class T>
T ln(double x) {
  return static_cast<T>(std::log(x));
}

TYPED_TEST(CategoricalBelief, FollowsBayesRule) {
  using T = TypeParam;
  std::array<T, 2> belief = {ln<T>(0.8), ln<T>(0.2)};
  T evidence = 0;
  ASSERT_EQ(TestFixture::update(belief, {ln<T>(0.1), ln<T>(0.9)}, &evidence), Status::ok);
  EXPECT_NEAR(std::exp(belief[0]), 0.08 / 0.26, TestFixture::tolerance);
  EXPECT_NEAR(evidence, std::log(0.26), 4 * TestFixture::tolerance);
}

TYPED_TEST(CategoricalBelief, IgnoresACommonOffsetHoweverLarge) {
  using T = TypeParam;
  std::array<T, 2> belief = {ln<T>(0.5), ln<T>(0.5)};
  ASSERT_EQ(TestFixture::update(belief, {T(-1e4), T(-1e4) + ln<T>(3.0)}), Status::ok);
  EXPECT_NEAR(std::exp(belief[1]), 0.75, sizeof(T) == 8 ? 1e-12 : 1e-3);
}

TYPED_TEST(CategoricalBelief, LeavesThePriorAloneWhenNothingExplainsTheObservation) {
  using T = TypeParam;
  const std::array<T, 2> prior = {ln<T>(0.8), ln<T>(0.2)};
  std::array<T, 2> belief = prior;
  EXPECT_EQ(TestFixture::update(belief, {-INFINITY, -INFINITY}), Status::zero_evidence);
  EXPECT_EQ(belief, prior);
  EXPECT_EQ(TestFixture::update(belief, {T(NAN), T(0)}), Status::not_finite);
  EXPECT_EQ(TestFixture::update(belief, {T(INFINITY), T(0)}), Status::not_finite);
  EXPECT_EQ(belief, prior);
}

TYPED_TEST(CategoricalBelief, RefusesSizesThatDoNotAgree) {
  using T = TypeParam;
  std::array<T, 2> belief{};
  EXPECT_EQ(belief::update<T>({belief.data(), 2}, {belief.data(), 1}), Status::shape_mismatch);
  EXPECT_EQ(belief::update<T>({belief.data(), 0}, {belief.data(), 0}), Status::shape_mismatch);
}

}  // namespace
}  // namespace optcore
