#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/belief/discrete_filter.hpp"
#include "optcore/belief/discrete_sequence.hpp"
#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

constexpr int capacity = 40;

template <class T>
class DiscreteTest : public testing::Test {
 public:
  using Filter = belief::DiscreteBayesFilter<T, capacity>;
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-4;

  /// A random stochastic matrix; a share of its entries is zero.
  static std::vector<T> transition(int n, support::Random& random, double zeros = 0.2) {
    std::vector<T> a(n * n);
    for (int i = 0; i < n; ++i) {
      double row = 0;
      for (int j = 0; j < n; ++j) {
        a[i * n + j] = j == i || random.uniform() > zeros ? T(random.uniform(0.01, 1)) : T(0);
        row += static_cast<double>(a[i * n + j]);
      }
      for (int j = 0; j < n; ++j)
        a[i * n + j] = static_cast<T>(static_cast<double>(a[i * n + j]) / row);
    }
    return a;
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DiscreteTest, Scalars);

using Logs = std::vector<long double>;

long double log_sum_exp(const Logs& x) {
  long double peak = -INFINITY, mass = 0;
  for (auto v : x) peak = std::fmax(peak, v);
  if (std::isinf(peak)) return peak;
  for (auto v : x) mass += std::exp(v - peak);
  return peak + std::log(mass);
}

/// One step in long double logarithms; returns the log evidence.
template <class T>
long double oracle(Logs& belief, const T* transition, const T* likelihood) {
  const int n = static_cast<int>(belief.size());
  Logs next(n), terms(n);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < n; ++i) {
      terms[i] = belief[i] + std::log(static_cast<long double>(transition[i * n + j]));
    }
    next[j] = log_sum_exp(terms) + likelihood[j];
  }
  const long double total = log_sum_exp(next);
  for (auto& v : next) v -= total;
  belief = next;
  return total;
}

TYPED_TEST(DiscreteTest, StepsAgreeWithLongDoubleHoweverWideTheLikelihoods) {
  using T = TypeParam;
  using Suite = DiscreteTest<T>;
  support::Random random(5);
  for (int n : {1, 2, 3, 8, 11, 16, 33}) {
    const auto a = Suite::transition(n, random);
    typename Suite::Filter filter;
    ASSERT_EQ(filter.setup({a.data(), n, n, n}), Status::ok);
    Logs expected(n, -std::log(static_cast<long double>(n)));
    std::vector<T> likelihood(n);
    for (int step = 0; step < 300; ++step) {
      const double width = step % 3 == 0 ? 2 : (step % 3 == 1 ? 300 : 1e5);
      for (T& value : likelihood) value = static_cast<T>(-width * random.uniform());
      const long double evidence = oracle(expected, a.data(), likelihood.data());
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(filter.step({likelihood.data(), n}), Status::ok);
      }
      ASSERT_NEAR(filter.log_evidence(), static_cast<double>(evidence),
                  Suite::tolerance * std::fmax(1, std::fabs(static_cast<double>(evidence))));
      std::vector<T> logs(n);
      belief::log_belief<T>(filter.state(), {logs.data(), n});
      for (int j = 0; j < n; ++j) {
        ASSERT_NEAR(filter.probabilities()[j], static_cast<double>(std::exp(expected[j])),
                    Suite::tolerance)
            << n << " " << step;
        if (std::isinf(expected[j])) {
          ASSERT_EQ(logs[j], -infinity<T>());
        } else {
          const double log_expected = static_cast<double>(expected[j]);
          ASSERT_NEAR(logs[j], log_expected,
                      10 * Suite::tolerance * std::fmax(1, std::fabs(log_expected)));
        }
      }
      for (int j = 0; j < n; ++j) expected[j] = logs[j];
    }
  }
}

TYPED_TEST(DiscreteTest, AStateThatOnlyLogarithmsCanHoldComesBack) {
  using T = TypeParam;
  typename DiscreteTest<T>::Filter filter;
  ASSERT_EQ(filter.setup(3), Status::ok);
  std::vector<T> down = {0, T(-30000), T(-1)}, up = {T(-30002), 0, T(-40000)};
  ASSERT_EQ(filter.update({down.data(), 3}), Status::ok);
  EXPECT_EQ(filter.probabilities()[1], T(0));
  ASSERT_EQ(filter.update({up.data(), 3}), Status::ok);
  EXPECT_NEAR(filter.probabilities()[1], 1 / (1 + std::exp(-2.0)), 1e-3);
  EXPECT_NEAR(filter.log_evidence(), -30000 + std::log1p(std::exp(-2.0)) - std::log1p(std::exp(-1)),
              1e-2);
}

TYPED_TEST(DiscreteTest, SequencesEqualSteps) {
  using T = TypeParam;
  using Suite = DiscreteTest<T>;
  support::Random random(6);
  constexpr int steps = 200;
  for (int n : {2, 8, 13, 16, 20}) {
    const auto a = Suite::transition(n, random, 0);
    std::vector<T> logs(steps * n), rows(steps * n), evidence(steps);
    std::vector<Status> status(steps);
    for (T& value : logs) value = static_cast<T>(-5 * random.uniform());
    for (int j = 0; j < n; ++j) logs[50 * n + j] *= 1000;  // leaves probabilities for logarithms
    logs[70 * n] = T(NAN);                                 // cannot be used
    for (int j = 0; j < n; ++j) logs[90 * n + j] = -infinity<T>();
    typename Suite::Filter whole, single;
    for (bool predict_first : {true, false}) {
      ASSERT_EQ(whole.setup({a.data(), n, n, n}), Status::ok);
      ASSERT_EQ(single.setup({a.data(), n, n, n}), Status::ok);
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(
            belief::filter_sequence<T>(whole.state(), {logs.data(), steps, n, n}, predict_first,
                                       {.probabilities = {rows.data(), steps, n, n},
                                        .log_evidence = {evidence.data(), steps},
                                        .row_status = {status.data(), steps}}),
            Status::not_finite);
      }
      for (int t = 0; t < steps; ++t) {
        const VectorView<const T> row{logs.data() + t * n, n};
        const Status expected = t > 0 || predict_first ? single.step(row) : single.update(row);
        ASSERT_EQ(status[t], expected) << t;
        ASSERT_EQ(failed(expected), t == 70 || t == 90);
        if (!failed(expected)) {
          ASSERT_NEAR(evidence[t], single.log_evidence(),
                      Suite::tolerance * std::fmax(1, std::fabs(single.log_evidence())));
        } else {
          ASSERT_TRUE(std::isnan(evidence[t]));
        }
        for (int j = 0; j < n; ++j) {
          ASSERT_NEAR(rows[t * n + j], single.probabilities()[j], Suite::tolerance)
              << n << " " << t;
        }
      }
      ASSERT_NEAR(whole.log_evidence(), single.log_evidence(), 10 * Suite::tolerance);
    }
  }
}

TYPED_TEST(DiscreteTest, SwitchingForgettingAndPredicting) {
  using T = TypeParam;
  typename DiscreteTest<T>::Filter filter;
  const std::vector<T> prior = {1, 3}, logs = {T(std::log(0.9)), T(std::log(0.1))};
  ASSERT_EQ(filter.setup(2, {prior.data(), 2}, T(0.5)), Status::ok);
  ASSERT_EQ(filter.update({logs.data(), 2}), Status::ok);
  EXPECT_NEAR(filter.probabilities()[0], 0.75, 1e-6);
  filter.predict();
  EXPECT_NEAR(filter.probabilities()[0], 0.5, 1e-6);
  ASSERT_EQ(filter.step({logs.data(), 2}), Status::ok);
  EXPECT_NEAR(filter.probabilities()[0], 0.375 * 0.9 / (0.375 * 0.9 + 0.625 * 0.1), 1e-6);
  filter.reset();
  ASSERT_EQ(filter.forget(T(0.5)), Status::ok);
  EXPECT_NEAR(filter.probabilities()[0], 1 / (1 + std::sqrt(3.0)), 1e-6);
  EXPECT_EQ(filter.forget(T(1.5)), Status::invalid_argument);
}

TYPED_TEST(DiscreteTest, WhatCannotBeUsedLeavesTheBelief) {
  using T = TypeParam;
  for (int n : {3, 30}) {
    typename DiscreteTest<T>::Filter filter;
    ASSERT_EQ(filter.setup(n), Status::ok);
    std::vector<T> logs(n, T(-1));
    logs[0] = T(NAN);
    EXPECT_EQ(filter.step({logs.data(), n}), Status::not_finite);
    logs[0] = infinity<T>();
    EXPECT_EQ(filter.step({logs.data(), n}), Status::not_finite);
    for (T& value : logs) value = -infinity<T>();
    EXPECT_EQ(filter.step({logs.data(), n}), Status::zero_evidence);
    EXPECT_EQ(filter.step({logs.data(), n - 1}), Status::shape_mismatch);
    for (int j = 0; j < n; ++j) EXPECT_NEAR(filter.probabilities()[j], 1.0 / n, 1e-7);
  }
  typename DiscreteTest<T>::Filter filter;
  const std::vector<T> leaky = {T(0.5), T(0.4), 0, 1}, negative = {T(1.5), T(-0.5), 0, 1};
  EXPECT_EQ(filter.setup(MatrixView<const T>{leaky.data(), 2, 2, 2}), Status::invalid_argument);
  EXPECT_EQ(filter.setup(MatrixView<const T>{negative.data(), 2, 2, 2}), Status::invalid_argument);
  EXPECT_EQ(filter.setup(0), Status::invalid_argument);
  EXPECT_EQ(filter.setup(capacity + 1), Status::invalid_argument);
  EXPECT_EQ(filter.probabilities().size, 0);
}

TYPED_TEST(DiscreteTest, AMillionStepsAreNeverNan) {
  using T = TypeParam;
  constexpr int n = 8;
  support::Random random(7);
  const auto a = DiscreteTest<T>::transition(n, random);
  typename DiscreteTest<T>::Filter filter;
  ASSERT_EQ(filter.setup({a.data(), n, n, n}), Status::ok);
  std::vector<T> logs(n);
  for (int step = 0; step < 1'000'000; ++step) {
    const double width = step % 64 == 0 ? 1e5 : 20;
    if (step % 8 == 0) {
      for (T& value : logs) value = static_cast<T>(-width * random.uniform());
    }
    ASSERT_EQ(filter.step({logs.data(), n}), Status::ok);
    T total = 0;
    for (int j = 0; j < n; ++j) total += filter.probabilities()[j];
    ASSERT_NEAR(total, 1, 1e-5);
  }
}

TYPED_TEST(DiscreteTest, PredictsOnMemoryThatHeldNaN) {
  using T = TypeParam;
  constexpr int n = 20;
  support::Random random(5);
  const std::vector<T> a = TestFixture::transition(n, random);
  alignas(64) static T memory[8192];
  for (T& x : memory) x = static_cast<T>(__builtin_nan(""));
  Arena arena(memory, sizeof memory);
  auto state = DiscreteState<T>::make(arena, n, true);
  ASSERT_FALSE(failed(belief::set_prior(state, VectorView<const T>{})));
  ASSERT_FALSE(failed(belief::set_transition(state, MatrixView<const T>{a.data(), n, n, n})));
  belief::predict(state);
  double total = 0;
  for (int i = 0; i < n; ++i) total += static_cast<double>(state.probability[i]);
  EXPECT_NEAR(total, 1, 1e-5);
}

}  // namespace
}  // namespace optcore
