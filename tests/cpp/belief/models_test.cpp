#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/belief/dirichlet.hpp"
#include "optcore/belief/linear_regression.hpp"
#include "optcore/belief/value_iteration.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

template <class T>
class ModelsTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ModelsTest, Scalars);

template <class T>
struct Regression {
  support::Memory memory;
  RegressionState<T> state;
  std::vector<T> x;
  Regression(int d, int p) {
    memory.give([&](Arena& arena) { state = RegressionState<T>::make(arena, d, p); });
    x.assign(state.stride, T(0));
  }
};

/// Posterior by normal equations in long double: mean of one output and its scatter.
struct Exact {
  int d;
  std::vector<long double> precision, moment;
  long double squares = 0, scatter, degrees;
  Exact(int inputs, double variance, double scatter0, double degrees0)
      : d(inputs), precision(d * d, 0.0L), moment(d, 0.0L), scatter(scatter0), degrees(degrees0) {
    for (int i = 0; i < d; ++i) precision[i * d + i] = 1 / static_cast<long double>(variance);
  }
  template <class T>
  void add(const T* x, T y) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) precision[i * d + j] += static_cast<long double>(x[i]) * x[j];
      moment[i] += static_cast<long double>(x[i]) * y;
    }
    squares += static_cast<long double>(y) * y;
    degrees += 1;
  }
  [[nodiscard]] std::vector<long double> solve(std::vector<long double> b) const {
    auto a = precision;
    for (int k = 0; k < d; ++k) {
      for (int i = k + 1; i < d; ++i) {
        const long double f = a[i * d + k] / a[k * d + k];
        for (int j = k; j < d; ++j) a[i * d + j] -= f * a[k * d + j];
        b[i] -= f * b[k];
      }
    }
    for (int i = d - 1; i >= 0; --i) {
      for (int j = i + 1; j < d; ++j) b[i] -= a[i * d + j] * b[j];
      b[i] /= a[i * d + i];
    }
    return b;
  }
};

TYPED_TEST(ModelsTest, RegressionAgreesWithTheNormalEquations) {
  using T = TypeParam;
  const double tolerance = sizeof(T) == 8 ? 1e-12 : 2e-3;
  support::Random random(21);
  for (int d : {1, 3, 8, 21}) {
    Regression<T> model(d, 2);
    ASSERT_EQ(belief::set_prior<T>(model.state, T(2), T(0.5), T(3)), Status::ok);
    Exact exact(d, 2, 0.5, 3);
    std::vector<std::vector<T>> xs, ys;
    for (int n = 0; n < 60; ++n) {
      for (int i = 0; i < d; ++i) model.x[i] = static_cast<T>(random.uniform(-1, 1));
      std::vector<T> y = {static_cast<T>(random.normal()), T(0)};
      y[1] = 2 * y[0];
      exact.add(model.x.data(), y[0]);
      xs.push_back(model.x);
      ys.push_back(y);
      const AllocationGuard no_allocation;
      ASSERT_EQ(belief::update(model.state, model.x.data(), y.data()), Status::ok);
    }
    const auto check = [&] {
      const auto mean = exact.solve(exact.moment);
      long double explained = 0;
      for (int i = 0; i < d; ++i) {
        explained += mean[i] * exact.moment[i];
        ASSERT_NEAR(model.state.mean[i], static_cast<double>(mean[i]), tolerance);
        ASSERT_NEAR(model.state.mean[model.state.stride + i], static_cast<double>(2 * mean[i]),
                    2 * tolerance);
        std::vector<long double> unit(d, 0.0L);
        unit[i] = 1;
        const auto column = exact.solve(unit);
        for (int j = 0; j <= i; ++j) {
          ASSERT_NEAR(model.state.covariance[i * model.state.stride + j],
                      static_cast<double>(column[j]), tolerance);
        }
      }
      const double scatter = static_cast<double>(exact.scatter + exact.squares - explained);
      ASSERT_NEAR(model.state.scatter[0], scatter, 100 * tolerance);
      ASSERT_NEAR(model.state.degrees, static_cast<double>(exact.degrees), 1e-5);
    };
    check();
    // out again in another order: the posterior of the first ten alone
    Exact first(d, 2, 0.5, 3);
    for (int n = 0; n < 10; ++n) first.add(xs[n].data(), ys[n][0]);
    for (int n = 59; n >= 10; --n) {
      ASSERT_EQ(belief::downdate(model.state, xs[n].data(), ys[n].data()), Status::ok) << n;
    }
    exact = first;
    if (sizeof(T) == 8) check();
  }
}

TYPED_TEST(ModelsTest, AnObservationThatWasNeverTakenInCannotBeTakenOut) {
  using T = TypeParam;
  Regression<T> model(2, 1);
  ASSERT_EQ(belief::set_prior<T>(model.state, T(1), T(1), T(5)), Status::ok);
  const T y = T(1);
  model.x[0] = T(3);
  EXPECT_EQ(belief::downdate(model.state, model.x.data(), &y), Status::not_positive_definite);
  model.x[0] = static_cast<T>(NAN);
  EXPECT_EQ(belief::update(model.state, model.x.data(), &y), Status::not_finite);
  EXPECT_EQ(model.state.covariance[0], T(1));
  EXPECT_EQ(model.state.degrees, T(5));
  EXPECT_EQ(belief::set_prior<T>(model.state, T(0), T(1), T(5)), Status::invalid_argument);
  EXPECT_EQ(belief::set_prior<T>(model.state, T(1), T(1), T(0)), Status::invalid_argument);
}

TYPED_TEST(ModelsTest, RegressionSamplesHaveThePosteriorsMoments) {
  using T = TypeParam;
  Regression<T> model(2, 1);
  ASSERT_EQ(belief::set_prior<T>(model.state, T(1), T(2), T(8)), Status::ok);
  const T y = T(1);
  model.x[0] = T(1);
  model.x[1] = T(0.5);
  ASSERT_EQ(belief::update(model.state, model.x.data(), &y), Status::ok);
  constexpr int n = 20000;
  double mean = 0, square = 0, noise_mean = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    T b[2], s[1];
    ASSERT_EQ(belief::sample<T>(model.state, {.seed = 1, .stream = 0, .step = i}, {b, 2, 1, 1},
                                {s, 1, 1, 1}),
              Status::ok);
    mean += static_cast<double>(b[0]) / n;
    square += static_cast<double>(b[0]) * static_cast<double>(b[0]) / n;
    noise_mean += static_cast<double>(s[0]) / n;
  }
  const double expected_noise =
      static_cast<double>(model.state.scatter[0]) / (static_cast<double>(model.state.degrees) - 2);
  const double variance = static_cast<double>(model.state.covariance[0]) * expected_noise;
  EXPECT_NEAR(noise_mean, expected_noise, 0.02);
  EXPECT_NEAR(mean, static_cast<double>(model.state.mean[0]), 5 * std::sqrt(variance / n));
  EXPECT_NEAR(square - mean * mean, variance, 0.05 * variance);
}

TYPED_TEST(ModelsTest, DirichletRowsSumToOneAndAverageToTheirMean) {
  using T = TypeParam;
  for (double scale : {0.01, 1.0, 40.0}) {
    const std::vector<double> counts = {scale, 0, 2 * scale, 5 * scale, 1, 1, 0.5, 0};
    std::vector<double> mean(8, 0.0);
    constexpr int n = 20000;
    for (std::uint32_t i = 0; i < n; ++i) {
      T out[8];
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(belief::dirichlet_sample<T>({.seed = 2, .stream = 1, .step = i},
                                              {counts.data(), 2, 4, 4}, {out, 2, 4, 4}),
                  Status::ok);
      }
      ASSERT_NEAR(out[0] + out[1] + out[2] + out[3], 1, 1e-6);
      ASSERT_EQ(out[1], T(0));
      for (int j = 0; j < 8; ++j) mean[j] += static_cast<double>(out[j]) / n;
    }
    for (int j = 0; j < 4; ++j) EXPECT_NEAR(mean[j], counts[j] / (8 * scale), 0.02);
    for (int j = 4; j < 8; ++j) EXPECT_NEAR(mean[j], counts[j] / 2.5, 0.02);
  }
  std::vector<double> bad = {1, -1, 0, 0};
  T out[4] = {T(7), T(7), T(7), T(7)};
  EXPECT_EQ(belief::dirichlet_sample<T>({}, {bad.data(), 2, 2, 2}, {out, 2, 2, 2}),
            Status::invalid_argument);
  bad[1] = 1;
  EXPECT_EQ(belief::dirichlet_sample<T>({}, {bad.data(), 2, 2, 2}, {out, 2, 2, 2}),
            Status::invalid_argument);
  EXPECT_EQ(out[0], T(7));
}

TYPED_TEST(ModelsTest, ValueIterationMeetsItsBoundAgainstLongDouble) {
  using T = TypeParam;
  support::Random random(22);
  for (const auto& [states, actions] : {std::pair{1, 1}, {2, 3}, {20, 4}, {37, 2}}) {
    const int rows = states * actions;
    std::vector<T> P(rows * states), R(rows), V(states, T(0)), scratch(rows + states);
    std::vector<int> policy(states);
    for (int r = 0; r < rows; ++r) {
      double total = 0;
      for (int j = 0; j < states; ++j) {
        P[r * states + j] = random.uniform() < 0.3 ? T(random.uniform()) : T(0);
        total += static_cast<double>(P[r * states + j]);
      }
      if (total == 0) total = static_cast<double>(P[r * states] = T(1));
      for (int j = 0; j < states; ++j) P[r * states + j] /= static_cast<T>(total);
      R[r] = static_cast<T>(random.uniform(-1, 1));
    }
    ValueIterationInfo info;
    {
      const AllocationGuard no_allocation;
      info = belief::value_iteration<T, T>(
          {P.data(), rows, states, states}, {R.data(), states, actions, actions},
          {.discount = 0.9, .tolerance = 1e-4}, {V.data(), states}, {policy.data(), states},
          {scratch.data(), rows + states});
    }
    ASSERT_EQ(info.status, Status::ok);
    ASSERT_LE(info.error, 1e-4);
    std::vector<long double> exact(states, 0.0L);
    for (int sweep = 0; sweep < 600; ++sweep) {
      auto next = exact;
      for (int s = 0; s < states; ++s) {
        next[s] = -INFINITY;
        for (int a = 0; a < actions; ++a) {
          long double q = R[s * actions + a];
          for (int j = 0; j < states; ++j) q += 0.9L * P[(s * actions + a) * states + j] * exact[j];
          next[s] = std::fmax(next[s], q);
        }
      }
      exact = next;
    }
    for (int s = 0; s < states; ++s) EXPECT_NEAR(V[s], static_cast<double>(exact[s]), 1.1e-4);
  }
}

TEST(ValueIteration, WhatCannotBeUsedLeavesTheValues) {
  const std::vector<double> P = {1}, R = {NAN}, good = {1};
  std::vector<double> V = {5}, scratch = {0, 0};
  std::vector<int> policy = {0};
  const auto run = [&](const std::vector<double>& reward, ValueIterationSettings settings) {
    return belief::value_iteration<double, double>({P.data(), 1, 1, 1}, {reward.data(), 1, 1, 1},
                                                   settings, {V.data(), 1}, {policy.data(), 1},
                                                   {scratch.data(), 2});
  };
  EXPECT_EQ(run(R, {}).status, Status::not_finite);
  EXPECT_EQ(run(good, {.discount = 1}).status, Status::invalid_argument);
  EXPECT_EQ(V[0], 5);
  EXPECT_EQ(run(good, {.discount = 0.5}).status, Status::ok);
  EXPECT_NEAR(V[0], 2, 1e-6);
  V[0] = 0;
}

}  // namespace
}  // namespace optcore
