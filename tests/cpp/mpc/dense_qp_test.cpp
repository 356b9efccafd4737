#include "optcore/mpc/dense_qp.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

using support::Random;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A programme with its solver and memory, in T.
template <class T>
struct Programme {
  Programme(int variables, int rows, bool box)
      : n(variables), m(rows), P(n * n), G(m * n), size{n, m, box} {
    memory.give([&](Arena& arena) { qp.attach(arena, size); });
  }
  void random_hessian(Random& random, double least) {
    std::vector<double> root(n * n);
    for (double& v : root) v = random.normal();
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        double s = i == j ? least : 0;
        for (int k = 0; k < n; ++k) s += root[i * n + k] * root[j * n + k] / n;
        P[i * n + j] = static_cast<T>(s);
      }
    }
  }
  /// Largest breach of the optimality conditions, in double.
  double breach() {
    std::vector<T> box(n), rows(m);
    qp.multipliers(box.data(), rows.data());
    std::vector<double> x(n), matrix(P.begin(), P.end()), constraint(G.begin(), G.end());
    for (int j = 0; j < n; ++j) x[j] = static_cast<double>(qp.x()[j]);
    double worst = 0;
    for (int j = 0; j < n; ++j) {
      double s = static_cast<double>(gradient[j]) + static_cast<double>(box[j]);
      for (int i = 0; i < n; ++i) s += matrix[j * n + i] * x[i];
      for (int i = 0; i < m; ++i) s += constraint[i * n + j] * static_cast<double>(rows[i]);
      worst = std::max(worst, std::abs(s));
    }
    const auto side = [&](double value, T low, T high, T multiplier) {
      const double below = static_cast<double>(low) - value;
      const double above = value - static_cast<double>(high);
      const double lambda = static_cast<double>(multiplier);
      worst = std::max({worst, below, above});
      if (lambda > 0) worst = std::max(worst, std::min(lambda, std::abs(above)));
      if (lambda < 0) worst = std::max(worst, std::min(-lambda, std::abs(below)));
    };
    for (int i = 0; i < m; ++i) {
      double value = 0;
      for (int j = 0; j < n; ++j) value += constraint[i * n + j] * x[j];
      side(value, qp.row_low()[i], qp.row_high()[i], rows[i]);
    }
    for (int j = 0; j < n && size.box; ++j) {
      side(x[j], qp.box_low()[j], qp.box_high()[j], box[j]);
    }
    return worst;
  }

  int n, m;
  std::vector<T> P, G, gradient;
  DenseQpSize size;
  mpc::DenseQp<T> qp;
  support::Memory memory;
};

template <class T>
class DenseQpTest : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-8 : 5e-3;
  static constexpr DenseQpSettings settings =
      sizeof(T) == 8 ? DenseQpSettings{}
                     : DenseQpSettings{.tolerance = 1e-4, .dual_tolerance = 1e-3};
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DenseQpTest, Scalars);

TYPED_TEST(DenseQpTest, RandomProgrammesSatisfyTheOptimalityConditions) {
  using T = TypeParam;
  for (int seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const int n = 1 + random.below(30), m = random.below(60);
    Programme<T> p(n, m, seed % 2 == 0);
    p.random_hessian(random, 0.1);
    for (T& v : p.G) v = static_cast<T>(random.normal());
    ASSERT_EQ(p.qp.factor(p.P.data(), p.G.data()), Status::ok);
    for (int i = 0; i < m; ++i) {  // the origin is feasible
      p.qp.row_low()[i] = static_cast<T>(i % 3 == 0 ? -random.uniform(0.05, 2) : -infinity);
      p.qp.row_high()[i] = static_cast<T>(random.uniform(0.05, 2));
    }
    for (int j = 0; j < n && p.size.box; ++j) {
      p.qp.box_low()[j] = static_cast<T>(-random.uniform(0.05, 1));
      p.qp.box_high()[j] = static_cast<T>(random.uniform(0.05, 1));
    }
    for (int turn = 0; turn < 3; ++turn) {  // the second and third are warm
      p.gradient.resize(n);
      for (int j = 0; j < n; ++j) p.qp.q()[j] = p.gradient[j] = static_cast<T>(2 * random.normal());
      DenseQpInfo info;
      {
        const AllocationGuard no_allocation;
        info = p.qp.solve(turn > 0, this->settings);
      }
      ASSERT_EQ(info.status, Status::ok) << seed;
      EXPECT_LT(p.breach(), this->tolerance * (1 + std::sqrt(n))) << seed << " " << turn;
    }
  }
}

TEST(DenseQp, EqualitiesHoldAndRedundantOnesDoNoHarm) {
  Random random(5);
  const int n = 8;
  Programme<double> p(n, 4, true);
  p.random_hessian(random, 0.5);
  for (int j = 0; j < n; ++j) {
    p.G[j] = random.normal();
    p.G[n + j] = random.normal();
    p.G[2 * n + j] = p.G[j] + p.G[n + j];
    p.G[3 * n + j] = random.normal();
  }
  p.gradient.resize(n);
  ASSERT_EQ(p.qp.factor(p.P.data(), p.G.data()), Status::ok);
  const double right[] = {0.3, -0.2, 0.1, 0.4};
  for (int i = 0; i < 4; ++i) p.qp.row_low()[i] = p.qp.row_high()[i] = right[i];
  for (int j = 0; j < n; ++j) p.qp.q()[j] = p.gradient[j] = random.normal();
  for (int j = 0; j < n; ++j) p.qp.box_low()[j] = -1, p.qp.box_high()[j] = 1;
  ASSERT_EQ(p.qp.solve(false).status, Status::ok);
  EXPECT_LT(p.breach(), 1e-8);
  p.qp.row_low()[2] = p.qp.row_high()[2] = 0.2;  // contradicts the first two
  EXPECT_EQ(p.qp.solve(true).status, Status::primal_infeasible);
  p.qp.row_low()[2] = p.qp.row_high()[2] = 0.1;
  ASSERT_EQ(p.qp.solve(true).status, Status::ok);
  EXPECT_LT(p.breach(), 1e-8);
}

TEST(DenseQp, InfeasibleProgrammesComeWithACertificateAndPoisonNothing) {
  for (int seed = 0; seed < 40; ++seed) {
    Random random(100 + seed);
    const int n = 2 + random.below(10), m = n + random.below(10);
    Programme<double> p(n, m, false);
    p.random_hessian(random, 0.1);
    for (double& v : p.G) v = random.normal();
    // the last row is minus a positive combination of the others, with a bound that contradicts
    std::vector<double> weight(m);
    double right = 0;
    for (int i = 0; i + 1 < m; ++i) {
      p.qp.row_high()[i] = random.uniform(0.1, 1);
      weight[i] = random.uniform(0, 1);
      right += weight[i] * p.qp.row_high()[i];
    }
    for (int j = 0; j < n; ++j) {
      p.G[(m - 1) * n + j] = 0;
      for (int i = 0; i + 1 < m; ++i) p.G[(m - 1) * n + j] -= weight[i] * p.G[i * n + j];
    }
    p.gradient.assign(n, 0.0);
    ASSERT_EQ(p.qp.factor(p.P.data(), p.G.data()), Status::ok);
    for (int j = 0; j < n; ++j) p.qp.q()[j] = p.gradient[j] = random.normal();
    p.qp.row_high()[m - 1] = -right - 0.5;
    ASSERT_EQ(p.qp.solve(seed % 2 == 1).status, Status::primal_infeasible) << seed;
    std::vector<double> box(n), z(m);
    p.qp.multipliers(box.data(), z.data());
    double value = 0, size = 0;
    for (int i = 0; i < m; ++i) {
      EXPECT_GE(z[i], -1e-9);
      value += z[i] * p.qp.row_high()[i];
      size = std::max(size, z[i]);
    }
    EXPECT_LT(value, -1e-6 * size) << seed;
    for (int j = 0; j < n; ++j) {
      double s = 0;
      for (int i = 0; i < m; ++i) s += p.G[i * n + j] * z[i];
      EXPECT_NEAR(s, 0, 1e-8 * size) << seed;
    }
    p.qp.row_high()[m - 1] = right + 0.5;
    ASSERT_EQ(p.qp.solve(true).status, Status::ok) << seed;
    EXPECT_LT(p.breach(), 1e-8) << seed;
  }
}

TEST(DenseQp, ALinearProgrammeIsSolvedByProximalSteps) {
  // max x + 2 y over x + y <= 4, x + 3 y <= 6, 0 <= x, y: x = 3, y = 1
  Programme<double> p(2, 2, true);
  p.G = {1, 1, 1, 3};
  p.gradient = {-1, -2};
  ASSERT_EQ(p.qp.factor(p.P.data(), p.G.data()), Status::ok);
  p.qp.row_high()[0] = 4, p.qp.row_high()[1] = 6;
  for (int j = 0; j < 2; ++j) {
    p.qp.q()[j] = p.gradient[j];
    p.qp.box_low()[j] = 0;
    p.qp.box_high()[j] = infinity;
  }
  ASSERT_EQ(p.qp.solve(false).status, Status::ok);
  EXPECT_NEAR(p.qp.x()[0], 3, 1e-8);
  EXPECT_NEAR(p.qp.x()[1], 1, 1e-8);
}

}  // namespace
}  // namespace optcore
