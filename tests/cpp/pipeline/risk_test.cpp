#include "optcore/pipeline/risk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "support/random.hpp"

namespace optcore::pipeline {
namespace {

TEST(NormalQuantile, InvertsTheDistributionFunction) {
  for (double p = 1e-15; p < 0.5; p *= 1.7) {
    const long double z = normal_quantile(p);
    const long double back = 0.5L * std::erfc(-z / std::sqrt(2.0L));
    EXPECT_NEAR(static_cast<double>(back / p), 1.0, 2e-13) << p;
    EXPECT_NEAR(normal_quantile(1 - p), -normal_quantile(1 - (1 - p)), 1e-12 * std::abs(double(z)));
  }
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-15 * 4);  // published table
  EXPECT_EQ(normal_quantile(0.5), 0.0);
  EXPECT_EQ(normal_quantile(0.0), -INFINITY);
  EXPECT_EQ(normal_quantile(1.0), INFINITY);
  EXPECT_TRUE(std::isnan(normal_quantile(-0.1)));
  EXPECT_TRUE(std::isnan(normal_quantile(1.1)));
}

TEST(NormalCdf, AgreesWithPublishedValues) {
  EXPECT_NEAR(normal_cdf(1.959963984540054), 0.975, 1e-15);
  EXPECT_NEAR(normal_cdf(-6.0) / 9.865876450376981e-10, 1.0, 1e-13);
  EXPECT_EQ(normal_cdf(0.0), 0.5);
}

/// Against sampling: an upper bound everywhere, and not a loose one for spreads like people's,
/// which are at most about twice as long as wide.
TEST(ContactProbability, BoundsWhatSamplingSees) {
  support::Random random(5);
  constexpr int samples = 40'000;
  for (int trial = 0; trial < 60; ++trial) {
    const double a = random.uniform(0.05, 1), b = random.uniform(0.05, 1);
    const double angle = random.uniform(0, 3.2), c = std::cos(angle), s = std::sin(angle);
    const double covariance[3] = {c * c * a * a + s * s * b * b, c * s * (a * a - b * b),
                                  s * s * a * a + c * c * b * b};
    const double dx = random.uniform(-2, 2), dy = random.uniform(-2, 2);
    int inside = 0;
    for (int i = 0; i < samples; ++i) {
      const double u = a * random.normal(), v = b * random.normal();
      const double x = c * u - s * v - dx, y = s * u + c * v - dy;
      inside += x * x + y * y < 0.25;
    }
    const double seen = static_cast<double>(inside) / samples;
    const double bound = contact_probability(dx, dy, covariance, 0.5);
    EXPECT_GE(bound, seen - 4 * std::sqrt(seen * (1 - seen) / samples) - 1e-3);
    if (std::max(a, b) < 2 * std::min(a, b)) {
      EXPECT_LE(bound, 0.03 + 2.5 * seen) << a << ' ' << b << ' ' << dx << ' ' << dy;
    }
    EXPECT_LE(bound, 1.0);
  }
}

TEST(ContactProbability, IsCertainOrImpossibleWithoutSpread) {
  const double none[3] = {0, 0, 0};
  EXPECT_EQ(contact_probability(0.3, 0.0, none, 0.5), 1.0);
  EXPECT_EQ(contact_probability(0.6, 0.0, none, 0.5), 0.0);
}

TEST(RiskAllocation, NeverSpendsMoreThanTheBudget) {
  support::Random random(3);
  for (int trial = 0; trial < 2000; ++trial) {
    constexpr int n = 6;
    std::array<double, n> weight{}, risk{};
    double total = 0;
    for (double& w : weight) total += w = std::pow(random.uniform(), 6);
    for (double& w : weight) w /= total;
    const double budget = random.uniform(1e-4, 0.4);
    const double dropped = allocate_risk<double>({weight.data(), n}, budget, {risk.data(), n});
    double spent = 0, mass = 0;
    for (int h = 0; h < n; ++h) {
      spent += weight[h] * risk[h];
      if (risk[h] == 1) mass += weight[h];
      EXPECT_GT(risk[h], 0);
      EXPECT_TRUE(risk[h] <= 0.5 || risk[h] == 1);
    }
    EXPECT_LE(spent, budget * (1 + 1e-12));
    EXPECT_NEAR(mass, dropped, 1e-12);
    EXPECT_LE(dropped, 0.5 * budget);
  }
}

TEST(RiskAllocation, GivesUnlikelyHypothesesMoreOfTheirOwnRisk) {
  const std::array<double, 2> weight = {0.9, 0.1};
  std::array<double, 2> risk{};
  EXPECT_EQ(allocate_risk<double>({weight.data(), 2}, 0.02, {risk.data(), 2}), 0.0);
  EXPECT_NEAR(risk[0], 0.01 / 0.9, 1e-15);
  EXPECT_NEAR(risk[1], 0.01 / 0.1, 1e-15);
}

TEST(RiskAllocation, KeepsACertainHypothesis) {
  const std::array<double, 3> weight = {0.0, 1.0, 0.0};
  std::array<double, 3> risk{};
  EXPECT_EQ(allocate_risk<double>({weight.data(), 3}, 0.05, {risk.data(), 3}), 0.0);
  EXPECT_EQ(risk[0], 1);
  EXPECT_NEAR(risk[1], 0.05, 1e-15);
}

}  // namespace
}  // namespace optcore::pipeline
