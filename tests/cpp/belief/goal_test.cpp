#include "optcore/belief/goal.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "support/allocation_guard.hpp"

namespace optcore {
namespace {

template <class T>
class BoltzmannTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(BoltzmannTest, Scalars);

TYPED_TEST(BoltzmannTest, AgreesWithAFineQuadratureInLongDouble) {
  using T = TypeParam;
  const std::array<T, 2> from = {T(1), T(-2)}, to = {T(1.4), T(-1.7)};
  const std::array<T, 8> goals = {5, 5, -3, 0, T(1.2), T(-1.9), 100000, 3};
  const std::array<T, 3> betas = {0, 2, 40};
  std::array<T, 12> logs{};
  {
    const AllocationGuard no_allocation;
    ASSERT_EQ(belief::boltzmann_log_likelihood<T>(from.data(), to.data(), {goals.data(), 4, 2, 2},
                                                  {betas.data(), 3}, {logs.data(), 12}),
              Status::ok);
  }
  const long double dx = static_cast<long double>(to[0]) - from[0];
  const long double dy = static_cast<long double>(to[1]) - from[1];
  for (int g = 0; g < 4; ++g) {
    const auto progress = [&](long double angle) {
      const long double c = std::cos(angle), s = std::sin(angle);
      const long double gx = goals[2 * g] - static_cast<long double>(from[0]);
      const long double gy = goals[2 * g + 1] - static_cast<long double>(from[1]);
      return std::hypot(gx, gy) - std::hypot(c * dx - s * dy - gx, s * dx + c * dy - gy);
    };
    for (int b = 0; b < 3; ++b) {
      long double mean = 0;
      for (int k = 0; k < 4096; ++k) {
        mean += std::exp(betas[b] * progress(2 * 3.14159265358979323846L * k / 4096)) / 4096;
      }
      const double expected = static_cast<double>(betas[b] * progress(0) - std::log(mean));
      EXPECT_NEAR(logs[g * 3 + b], expected, sizeof(T) == 8 ? 1e-4 : 4e-4) << g << " " << b;
    }
  }
}

TYPED_TEST(BoltzmannTest, StandingStillSaysNothing) {
  using T = TypeParam;
  const std::array<T, 2> here = {T(1), T(2)};
  const std::array<T, 4> goals = {1, 2, 5, 5};  // the person stands on the first goal
  const std::array<T, 2> betas = {1, 30};
  std::array<T, 4> logs = {9, 9, 9, 9};
  ASSERT_EQ(belief::boltzmann_log_likelihood<T>(here.data(), here.data(), {goals.data(), 2, 2, 2},
                                                {betas.data(), 2}, {logs.data(), 4}),
            Status::ok);
  for (T value : logs) EXPECT_NEAR(value, 0, 1e-6);
}

TYPED_TEST(BoltzmannTest, RefusesWhatIsNotFiniteAndKeepsTheOutput) {
  using T = TypeParam;
  const std::array<T, 2> from = {0, 0}, to = {1, 0}, bad = {T(NAN), 0};
  const std::array<T, 2> goal = {3, 3}, far = {T(INFINITY), 0};
  const std::array<T, 1> beta = {1}, negative = {-1};
  T out = 7;
  const auto call = [&](const auto& a, const auto& b, const auto& g, const auto& betas) {
    return belief::boltzmann_log_likelihood<T>(a.data(), b.data(), {g.data(), 1, 2, 2},
                                               {betas.data(), 1}, {&out, 1});
  };
  EXPECT_EQ(call(from, bad, goal, beta), Status::not_finite);
  EXPECT_EQ(call(from, to, far, beta), Status::not_finite);
  EXPECT_EQ(call(from, to, goal, negative), Status::invalid_argument);
  EXPECT_EQ(out, 7);
}

}  // namespace
}  // namespace optcore
