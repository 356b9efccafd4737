#include "optcore/gp/model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/gp_problem.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

using support::families;
using support::Fitted;
using support::Reference;

template <class T>
class GpModel : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-11 : 2e-3;

  static void expect_agreement(gp::Model<T>& model, const Reference& r, int m) {
    support::Random random(99);
    std::vector<T> queries, means(m * r.outputs), only_means(means), variances(m);
    std::vector<T> gradient(m * r.outputs * r.d);
    for (int i = 0; i < m * r.d; ++i) queries.push_back(static_cast<T>(random.uniform(-3, 3)));
    const MatrixView<const T> q{queries.data(), m, r.d, r.d};
    {
      const AllocationGuard no_allocation;
      model.predict(q, {means.data(), m, r.outputs, r.outputs}, {variances.data(), m});
      model.mean_gradient(q, {only_means.data(), m, r.outputs, r.outputs},
                          {gradient.data(), m, r.outputs * r.d, r.outputs * r.d});
    }
    for (int i = 0; i < m; ++i) {
      const std::vector<double> x(queries.begin() + i * r.d, queries.begin() + (i + 1) * r.d);
      EXPECT_NEAR(variances[i], r.var(x.data()), tolerance);
      for (int o = 0; o < r.outputs; ++o) {
        EXPECT_NEAR(means[i * r.outputs + o], r.mean(x.data(), o), tolerance);
        EXPECT_NEAR(only_means[i * r.outputs + o], r.mean(x.data(), o), tolerance);
      }
      if (i > 2) continue;
      for (int f = 0; f < r.d; ++f) {
        auto left = x, right = x;
        const double h = 1e-5;
        left[f] -= h;
        right[f] += h;
        for (int o = 0; o < r.outputs; ++o) {
          const double slope = (r.mean(right.data(), o) - r.mean(left.data(), o)) / (2 * h);
          EXPECT_NEAR(gradient[(i * r.outputs + o) * r.d + f], slope,
                      std::max(tolerance, 1e-7) * (1 + std::abs(slope)));
        }
      }
    }
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GpModel, Scalars);

TYPED_TEST(GpModel, AgreesWithLongDoubleForEveryKernel) {
  using T = TypeParam;
  for (const KernelFamily family : families) {
    for (const int n : {1, 7, 40, 77}) {
      for (const int outputs : {1, 2, 3, 7}) {
        const Reference r(family, n, 1 + n % 4, outputs);
        Fitted<T> fitted(r, n, n);
        ASSERT_EQ(fitted.status, Status::ok);
        for (const int m : {1, 3, 8, 19}) this->expect_agreement(fitted.model, r, m);
        EXPECT_NEAR(fitted.model.log_marginal_likelihood(), r.likelihood(),
                    TestFixture::tolerance * n * outputs * 5);
      }
    }
  }
}

TYPED_TEST(GpModel, AppendEqualsAFit) {
  using T = TypeParam;
  for (const bool with_variance : {true, false}) {
    const Reference r(KernelFamily::matern52, 61, 3, 2);
    Fitted<T> grown(r, 61, 5, with_variance);
    ASSERT_EQ(grown.status, Status::ok);
    for (int i = 5; i < 61; ++i) {
      const AllocationGuard no_allocation;
      ASSERT_EQ(grown.model.append({&grown.X[i * 3], 3}, {&grown.Y[i * 2], 2}), Status::ok);
    }
    EXPECT_EQ(grown.model.size(), 61);
    EXPECT_EQ(grown.model.append({&grown.X[0], 3}, {&grown.Y[0], 2}), Status::capacity_exceeded);
    EXPECT_NEAR(grown.model.log_marginal_likelihood(), r.likelihood(),
                600 * TestFixture::tolerance);
    if (with_variance) this->expect_agreement(grown.model, r, 9);
  }
}

TYPED_TEST(GpModel, GrowsFromNothing) {
  using T = TypeParam;
  const Reference r(KernelFamily::rbf, 20, 2, 1);
  Fitted<T> grown(r, 20, 0);
  ASSERT_EQ(grown.status, Status::ok);
  T mean = 9, variance = 9;
  grown.model.predict({grown.X.data(), 1, 2, 2}, {&mean, 1, 1, 1}, {&variance, 1});
  EXPECT_EQ(mean, grown.prior[0]);
  EXPECT_EQ(variance, static_cast<T>(r.variance));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(grown.model.append({&grown.X[i * 2], 2}, {&grown.Y[i], 1}), Status::ok);
  }
  this->expect_agreement(grown.model, r, 11);
}

TYPED_TEST(GpModel, RefusesBadInputAndKeepsItsState) {
  using T = TypeParam;
  const Reference r(KernelFamily::rbf, 10, 2, 1);
  Fitted<T> f(r, 10, 10);
  gp::Model<T>& model = f.model;
  const MatrixView<const T> X{f.X.data(), 10, 2, 2}, Y{f.Y.data(), 10, 1, 1};
  auto hyper = f.hyper(r);
  EXPECT_EQ(model.fit(X, {f.Y.data(), 9, 1, 1}, hyper), Status::shape_mismatch);
  hyper.variance = 0;
  EXPECT_EQ(model.fit(X, Y, hyper), Status::invalid_argument);
  hyper = f.hyper(r);
  hyper.noise = T(-1);
  EXPECT_EQ(model.fit(X, Y, hyper), Status::invalid_argument);
  hyper = f.hyper(r);
  std::vector<T> zero_scale = {T(1), T(0)};
  hyper.length_scales = {zero_scale.data(), 2};
  EXPECT_EQ(model.fit(X, Y, hyper), Status::invalid_argument);
  std::vector<T> broken = f.X;
  broken[3] = T(NAN);
  EXPECT_EQ(model.fit({broken.data(), 10, 2, 2}, Y, f.hyper(r)), Status::not_finite);
  this->expect_agreement(model, r, 8);

  hyper = f.hyper(r);
  hyper.noise = 0;
  for (int c = 0; c < 2; ++c) broken[3 * 2 + c] = broken[c] = T(0.5);
  broken[3] = T(1);
  broken[2] = T(0);
  EXPECT_EQ(model.fit({broken.data(), 10, 2, 2}, Y, hyper), Status::not_positive_definite);
  EXPECT_EQ(model.failing_pivot(), 3);
  EXPECT_EQ(model.size(), 0);
  EXPECT_EQ(gp::Model<T>().fit(X, Y, hyper), Status::capacity_exceeded);
}

TYPED_TEST(GpModel, KeepsItsStateWhenADuplicateCannotBeAppended) {
  using T = TypeParam;
  Reference r(KernelFamily::rbf, 6, 2, 1);
  r.noise = 0;
  Fitted<T> f(r, 12, 1);
  ASSERT_EQ(f.status, Status::ok);
  EXPECT_EQ(f.model.append({f.X.data(), 2}, {f.Y.data(), 1}), Status::not_positive_definite);
  EXPECT_EQ(f.model.failing_pivot(), 1);
  EXPECT_EQ(f.model.size(), 1);
}

TYPED_TEST(GpModel, PredictsTheSameWithoutTheInverse) {
  using T = TypeParam;
  const Reference r(KernelFamily::matern52, 67, 3, 2);
  Fitted<T> fitted(r, 80, 67, false);
  for (const int m : {1, 5, 8, 20, 24, 57}) this->expect_agreement(fitted.model, r, m);
}

TYPED_TEST(GpModel, OneModelServesProcessesOfDifferentSizesByTurns) {
  using T = TypeParam;
  const int sizes[] = {33, 7, 64, 1};
  const Reference largest(KernelFamily::matern32, 64, 3, 2);
  Fitted<T> shared(largest, 64, 64, false);
  std::vector<Reference> processes;
  std::vector<std::vector<T>> learned;
  const auto learn = [&](const Reference& r) {
    const auto X = support::cast<T>(r.X), Y = support::cast<T>(r.Y);
    shared.scales = support::cast<T>(r.scales);
    ASSERT_EQ(shared.model.fit({X.data(), r.n, 3, 3}, {Y.data(), r.n, 2, 2}, shared.hyper(r)),
              Status::ok);
  };
  for (const int n : sizes) {
    const Reference& r = processes.emplace_back(KernelFamily::matern32, n, 3, 2);
    learn(r);
    auto& compact = learned.emplace_back(gp::Model<T>::compact_size(n, 3, 2) + 2, T(-7));
    const AllocationGuard no_allocation;
    shared.model.store(compact.data() + 1);
    EXPECT_EQ(compact.front(), T(-7));
    EXPECT_EQ(compact.back(), T(-7));
  }
  for (const int i : {2, 0, 3, 1, 2}) {
    learn(processes[i == 0 ? 1 : 0]);
    {
      const AllocationGuard no_allocation;
      shared.model.restore(sizes[i], learned[i].data() + 1);
    }
    EXPECT_EQ(shared.model.size(), sizes[i]);
    const double likelihood = processes[i].likelihood();
    EXPECT_NEAR(shared.model.log_marginal_likelihood(), likelihood,
                TestFixture::tolerance * (1 + std::abs(likelihood)));
    this->expect_agreement(shared.model, processes[i], 9);
  }
}

TYPED_TEST(GpModel, AddsTheNoiseOfEachPoint) {
  using T = TypeParam;
  Reference r(KernelFamily::rbf, 25, 2, 1);
  for (int i = 0; i < 25; ++i) r.point_noise.push_back(0.02 * i);
  r.refit();
  Fitted<T> fitted(r, 25, 25);
  this->expect_agreement(fitted.model, r, 9);
  r.point_noise[3] = -1;
  EXPECT_EQ(Fitted<T>(r, 25, 25).status, Status::invalid_argument);
}

TYPED_TEST(GpModel, DropEqualsAFitWithoutThePoint) {
  using T = TypeParam;
  Reference r(KernelFamily::matern32, 50, 2, 2);
  for (int i = 0; i < 50; ++i) r.point_noise.push_back(0.01 * (i % 7));
  r.refit();
  Fitted<T> fitted(r, 50, 50);
  support::Random random(5);
  while (r.n > 3) {
    const int index = r.n % 3 == 0 ? 0 : random.below(r.n);
    {
      const AllocationGuard no_allocation;
      ASSERT_EQ(fitted.model.drop(index), Status::ok);
    }
    r.X.erase(r.X.begin() + 2 * index, r.X.begin() + 2 * index + 2);
    r.Y.erase(r.Y.begin() + 2 * index, r.Y.begin() + 2 * index + 2);
    r.point_noise.erase(r.point_noise.begin() + index);
    r.refit();
    if (r.n % 5 == 0) this->expect_agreement(fitted.model, r, 9);
  }
  EXPECT_NEAR(fitted.model.log_marginal_likelihood(), r.likelihood(), 100 * TestFixture::tolerance);
  EXPECT_EQ(fitted.model.drop(3), Status::invalid_argument);
  EXPECT_EQ(fitted.model.drop(-1), Status::invalid_argument);
  ASSERT_EQ(fitted.model.refactor(), Status::ok);
  this->expect_agreement(fitted.model, r, 9);
}

TYPED_TEST(GpModel, LeavesOneOut) {
  using T = TypeParam;
  for (const int n : {2, 12, 41}) {
    Reference r(KernelFamily::matern52, n, 2, 2);
    for (int i = 0; i < n; ++i) r.point_noise.push_back(0.01 * (i % 7));
    r.refit();
    Fitted<T> fitted(r, n, n);
    std::vector<T> residual(n * 2), variance(n);
    {
      const AllocationGuard no_allocation;
      fitted.model.leave_one_out({residual.data(), n, 2, 2}, {variance.data(), n});
    }
    for (int i = 0; i < n; ++i) {
      Reference others = r;
      others.X.erase(others.X.begin() + 2 * i, others.X.begin() + 2 * i + 2);
      others.Y.erase(others.Y.begin() + 2 * i, others.Y.begin() + 2 * i + 2);
      others.point_noise.erase(others.point_noise.begin() + i);
      others.refit();
      const double* const x = &r.X[2 * i];
      EXPECT_NEAR(variance[i], others.var(x) + r.noise + r.point_noise[i],
                  10 * TestFixture::tolerance);
      for (int o = 0; o < 2; ++o) {
        EXPECT_NEAR(residual[i * 2 + o], r.Y[i * 2 + o] - others.mean(x, o),
                    10 * TestFixture::tolerance);
      }
    }
  }
}

/// 10^5 pairs of append and drop, with L^-1 and without: no prediction may move by 1e-8 (double).
TYPED_TEST(GpModel, SlidesOverALongStreamWithoutDrift) {
  using T = TypeParam;
  for (const bool with_inverse : {false, true}) {
    Reference r(KernelFamily::rbf, 24, 2, 1);
    Fitted<T> fitted(r, 25, 24, with_inverse);
    support::Random random(8);
    for (int step = 0; step < 100000; ++step) {
      const T x[2] = {static_cast<T>(random.uniform(-2, 2)), static_cast<T>(random.uniform(-2, 2))};
      const T y = static_cast<T>(random.normal());
      const AllocationGuard no_allocation;
      ASSERT_EQ(fitted.model.append({x, 2}, {&y, 1}), Status::ok);
      ASSERT_EQ(fitted.model.drop(step % 3 == 0 ? random.below(25) : 0), Status::ok);
    }
    // a window of fresh points, known to the reference
    for (int i = 0; i < 24; ++i) {
      const T x[2] = {static_cast<T>(r.X[2 * i]), static_cast<T>(r.X[2 * i + 1])};
      const T y = static_cast<T>(r.Y[i]);
      ASSERT_EQ(fitted.model.append({x, 2}, {&y, 1}), Status::ok);
      ASSERT_EQ(fitted.model.drop(0), Status::ok);
    }
    this->expect_agreement(fitted.model, r, 9);
  }
}

TYPED_TEST(GpModel, AddsALinearMean) {
  using T = TypeParam;
  Reference r(KernelFamily::matern52, 23, 3, 2);
  r.prior = {0, 0};
  Fitted<T> plain(r, 24, 20);
  Fitted<T> linear(r, 24, 0);
  // per output a constant, then slopes: added to the data, they must come back
  const std::vector<T> mean = {T(0.5), T(-1), T(0.3), T(-0.2), T(0.1), T(0.7), T(0), T(-0.4)};
  const auto prior = [&](const T* x, int o) {
    T value = mean[o];
    for (int f = 0; f < 3; ++f) value += mean[2 + o * 3 + f] * x[f];
    return value;
  };
  for (int i = 0; i < 23; ++i) {
    for (int o = 0; o < 2; ++o) linear.Y[i * 2 + o] += prior(&linear.X[i * 3], o);
  }
  auto hyper = linear.hyper(r);
  hyper.mean = {mean.data(), 8};
  ASSERT_EQ(linear.model.fit({linear.X.data(), 20, 3, 3}, {linear.Y.data(), 20, 2, 2}, hyper),
            Status::ok);
  for (int i = 20; i < 23; ++i) {
    ASSERT_EQ(linear.model.append({&linear.X[i * 3], 3}, {&linear.Y[i * 2], 2}), Status::ok);
    ASSERT_EQ(plain.model.append({&plain.X[i * 3], 3}, {&plain.Y[i * 2], 2}), Status::ok);
  }
  EXPECT_NEAR(linear.model.log_marginal_likelihood(), plain.model.log_marginal_likelihood(),
              1000 * TestFixture::tolerance);
  constexpr int m = 13;
  support::Random random(6);
  std::vector<T> queries, mu(m * 2), base(m * 2), v(m), w(m), slopes(m * 6), rest(m * 6);
  for (int i = 0; i < m * 3; ++i) queries.push_back(static_cast<T>(random.uniform(-3, 3)));
  const MatrixView<const T> q{queries.data(), m, 3, 3};
  const auto expect = [&] {
    for (int i = 0; i < m; ++i) {
      for (int o = 0; o < 2; ++o) {
        EXPECT_NEAR(mu[i * 2 + o], base[i * 2 + o] + prior(&queries[i * 3], o),
                    10 * TestFixture::tolerance);
      }
    }
  };
  linear.model.predict(q, {mu.data(), m, 2, 2}, {v.data(), m});
  plain.model.predict(q, {base.data(), m, 2, 2}, {w.data(), m});
  expect();
  linear.model.mean_gradient(q, {mu.data(), m, 2, 2}, {slopes.data(), m, 6, 6});
  plain.model.mean_gradient(q, {base.data(), m, 2, 2}, {rest.data(), m, 6, 6});
  expect();
  for (int i = 0; i < m; ++i) {
    EXPECT_NEAR(v[i], w[i], TestFixture::tolerance);
    for (int e = 0; e < 6; ++e) {
      EXPECT_NEAR(slopes[i * 6 + e], rest[i * 6 + e] + mean[2 + e], 30 * TestFixture::tolerance);
    }
  }
  std::vector<T> covariance(m * m), scratch(linear.model.joint_scratch(m));
  linear.model.predict_joint(q, {mu.data(), m, 2, 2}, {covariance.data(), m, m, m}, scratch.data());
  expect();
  hyper.mean = {mean.data(), 7};
  EXPECT_EQ(linear.model.fit({linear.X.data(), 20, 3, 3}, {linear.Y.data(), 20, 2, 2}, hyper),
            Status::shape_mismatch);
}

TYPED_TEST(GpModel, JointPosteriorAndGradientOfTheVariance) {
  using T = TypeParam;
  for (const KernelFamily family : families) {
    const Reference r(family, 37, 3, 1);
    Fitted<T> fitted(r, 37, 37);
    support::Random random(4);
    const int m = 29;
    std::vector<T> queries, mean(m), covariance(m * m), gradient(m * 3);
    for (int i = 0; i < m * 3; ++i) queries.push_back(static_cast<T>(random.uniform(-3, 3)));
    std::vector<T> scratch(fitted.model.joint_scratch(m));
    const MatrixView<const T> q{queries.data(), m, 3, 3};
    fitted.model.predict_joint(q, {mean.data(), m, 1, 1}, {covariance.data(), m, m, m},
                               scratch.data());
    fitted.model.variance_gradient(q, {gradient.data(), m, 3, 3});
    for (int i = 0; i < m; i += 3) {
      const std::vector<double> x(queries.begin() + i * 3, queries.begin() + i * 3 + 3);
      EXPECT_NEAR(mean[i], r.mean(x.data(), 0), TestFixture::tolerance);
      for (int j = 0; j < m; ++j) {
        const std::vector<double> y(queries.begin() + j * 3, queries.begin() + j * 3 + 3);
        EXPECT_NEAR(covariance[i * m + j], r.covariance(x.data(), y.data()),
                    TestFixture::tolerance);
      }
      for (int f = 0; f < 3; ++f) {
        auto left = x, right = x;
        left[f] -= 1e-5;
        right[f] += 1e-5;
        EXPECT_NEAR(gradient[i * 3 + f], (r.var(right.data()) - r.var(left.data())) / 2e-5,
                    std::max(TestFixture::tolerance, 1e-6));
      }
    }
  }
}

}  // namespace
}  // namespace optcore
