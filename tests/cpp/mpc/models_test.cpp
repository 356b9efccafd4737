#include "optcore/mpc/models.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

TEST(Dual, CarriesTheDerivativesOfTextbookFunctions) {
  using Number = mpc::Dual<double, 2>;
  const Number x = Number::variable(0.7, 0), y = Number::variable(-1.3, 1);
  const Number f = sin(x * y) / (y - x) + mpc::tan(x);
  const double a = 0.7, b = -1.3, s = std::sin(a * b), c = std::cos(a * b), d = b - a;
  EXPECT_NEAR(f.value, s / d + std::tan(a), 1e-15);
  EXPECT_NEAR(f.slope[0], b * c / d + s / (d * d) + 1 + std::tan(a) * std::tan(a), 1e-14);
  EXPECT_NEAR(f.slope[1], a * c / d - s / (d * d), 1e-14);
}

template <class M>
class ModelTest : public testing::Test {};
using Models =
    testing::Types<mpc::DoubleIntegrator<double>, mpc::Unicycle<double>, mpc::Bicycle<double>,
                   mpc::DifferentialDrive<double>, mpc::Pendulum<double>, mpc::CartPole<double>,
                   mpc::Quadrotor<double>, mpc::Arm7<double>>;
TYPED_TEST_SUITE(ModelTest, Models);

TYPED_TEST(ModelTest, JacobiansAgreeWithDifferences) {
  using M = TypeParam;
  constexpr int n = M::nx, m = M::nu;
  support::Random random(n + 100 * m);
  double x[n], u[m], next[n], A[n * n], B[n * m];
  for (double& v : x) v = random.uniform(-0.6, 0.6);
  for (double& v : u) v = random.uniform(-0.6, 0.6);
  {
    const AllocationGuard no_allocation;
    mpc::linearise(M(), x, u, 0.1, 2, next, A, B);
  }
  const auto difference = [&](double* entry, int i) {
    const double d = 1e-6, kept = *entry;
    double high[n], low[n];
    *entry = kept + d;
    for (int j = 0; j < n; ++j) high[j] = x[j];
    mpc::rk4(M(), high, u, 0.1, 2);
    *entry = kept - d;
    for (int j = 0; j < n; ++j) low[j] = x[j];
    mpc::rk4(M(), low, u, 0.1, 2);
    *entry = kept;
    return (high[i] - low[i]) / (2 * d);
  };
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) EXPECT_NEAR(A[i * n + j], difference(x + j, i), 1e-8);
    for (int j = 0; j < m; ++j) EXPECT_NEAR(B[i * m + j], difference(u + j, i), 1e-8);
  }
}

}  // namespace
}  // namespace optcore
