#include "optcore/pipeline/goal_field.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore::pipeline {
namespace {

constexpr double length_scale[4] = {2.0, 1.5, 0.5, 0.7};
constexpr double variance = 0.04;

/// A field of n random points and the same Gaussian process, dense and in long double.
struct Scene {
  explicit Scene(int size, double noise_level = 0.02) : n(size) {
    support::Random random(11);
    for (int i = 0; i < n; ++i) {
      points.insert(points.end(), {random.uniform(-5, 5), random.uniform(-5, 5),
                                   random.uniform(-1, 1), random.uniform(-1, 1)});
      targets.insert(targets.end(), {0.2 * random.normal(), 0.2 * random.normal()});
      count.push_back(1 + random.below(20));
      noise.push_back(noise_level / count.back());
    }
  }

  Status fit() {
    const auto attach = [&](Arena& arena) {
      field.attach(arena, n);
      scratch = arena.array<double>(GoalField<double>::scratch_size(n));
    };
    memory.give(attach);
    return field.fit({points.data(), n, 4, 4}, {targets.data(), n, 2, 2}, {noise.data(), n},
                     {count.data(), n}, length_scale, variance, scratch);
  }

  long double kernel(const double* a, const double* b) const {
    long double square = 0;
    for (int d = 0; d < 4; ++d) {
      const long double u = (static_cast<long double>(a[d]) - b[d]) / length_scale[d];
      square += u * u;
    }
    return std::exp(-0.5L * square);
  }

  /// K^-1 b by Gaussian elimination.
  std::vector<long double> solve(std::vector<long double> b) const {
    std::vector<std::vector<long double>> k(n, std::vector<long double>(n));
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) k[i][j] = variance * kernel(&points[4 * i], &points[4 * j]);
      k[i][i] += noise[i];
    }
    for (int p = 0; p < n; ++p) {
      for (int i = p + 1; i < n; ++i) {
        const long double f = k[i][p] / k[p][p];
        for (int j = p; j < n; ++j) k[i][j] -= f * k[p][j];
        b[i] -= f * b[p];
      }
    }
    for (int i = n - 1; i >= 0; --i) {
      for (int j = i + 1; j < n; ++j) b[i] -= k[i][j] * b[j];
      b[i] /= k[i][i];
    }
    return b;
  }

  int n;
  std::vector<double> points, targets, noise, count;
  support::Memory memory;
  GoalField<double> field;
  double* scratch = nullptr;
};

TEST(GoalField, AgreesWithTheDenseGaussianProcess) {
  for (int n : {1, 7, 16, 33, 60}) {
    Scene scene(n);
    ASSERT_EQ(scene.fit(), Status::ok);
    std::vector<long double> alpha[2];
    for (int o = 0; o < 2; ++o) {
      std::vector<long double> y(n);
      for (int j = 0; j < n; ++j) y[j] = scene.targets[2 * j + o];
      alpha[o] = scene.solve(y);
    }
    double total = 0;
    for (double c : scene.count) total += c;

    // four queries, so that the batched variance is compared row by row
    support::Random random(5);
    double z[4][4], change[4][2], density[4], spread[4];
    for (auto& query : z) {
      for (int d = 0; d < 4; ++d) query[d] = random.uniform(d < 2 ? -5 : -1, d < 2 ? 5 : 1);
    }
    std::vector<float> rows(static_cast<std::size_t>(4 * scene.field.padded()));
    {
      const AllocationGuard no_allocation;
      for (int q = 0; q < 4; ++q) {
        density[q] = scene.field.mean(z[q], change[q]);
        scene.field.kernel_row(z[q], rows.data() + q * scene.field.padded());
      }
      scene.field.variance(rows.data(), 4, spread);
    }

    for (int q = 0; q < 4; ++q) {
      std::vector<long double> k(n);
      long double mean[2] = {0, 0}, share = 0;
      for (int j = 0; j < n; ++j) {
        k[j] = scene.kernel(z[q], &scene.points[4 * j]);
        for (int o = 0; o < 2; ++o) mean[o] += variance * k[j] * alpha[o][j];
        share += k[j] * scene.count[j] / total;
      }
      long double left = variance;
      const auto solved = scene.solve(k);
      for (int j = 0; j < n; ++j) left -= variance * variance * k[j] * solved[j];
      EXPECT_NEAR(density[q], static_cast<double>(share), 1e-6) << n;
      for (int o = 0; o < 2; ++o) {
        EXPECT_NEAR(change[q][o], static_cast<double>(mean[o]), 2e-6) << n;
      }
      EXPECT_NEAR(spread[q], static_cast<double>(left), 2e-6) << n;
    }
  }
}

TEST(GoalField, KnowsNothingFarFromItsData) {
  Scene scene(20);
  ASSERT_EQ(scene.fit(), Status::ok);
  const double z[4] = {1e3, 1e3, 0, 0};
  double change[2], spread;
  std::vector<float> rows(static_cast<std::size_t>(4 * scene.field.padded()));
  EXPECT_EQ(scene.field.mean(z, change), 0.0);
  EXPECT_EQ(change[0], 0.0);
  EXPECT_EQ(change[1], 0.0);
  scene.field.kernel_row(z, rows.data());
  scene.field.variance(rows.data(), 1, &spread);
  EXPECT_EQ(spread, variance);
}

TEST(GoalField, RefusesDuplicatePointsWithoutNoise) {
  Scene scene(4, 0.0);
  for (int d = 0; d < 4; ++d) scene.points[4 + d] = scene.points[d];
  EXPECT_EQ(scene.fit(), Status::not_positive_definite);
}

}  // namespace
}  // namespace optcore::pipeline
