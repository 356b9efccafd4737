#include "optcore/gp/model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

constexpr KernelFamily families[] = {KernelFamily::rbf, KernelFamily::matern12,
                                     KernelFamily::matern32, KernelFamily::matern52};

long double correlation(KernelFamily family, long double r2) {
  const long double r = std::sqrt(r2);
  switch (family) {
    case KernelFamily::rbf: return std::exp(-r2 / 2);
    case KernelFamily::matern12: return std::exp(-r);
    case KernelFamily::matern32: return (1 + std::sqrt(3.0L) * r) * std::exp(-std::sqrt(3.0L) * r);
    default: return (1 + std::sqrt(5.0L) * r + 5 * r2 / 3) * std::exp(-std::sqrt(5.0L) * r);
  }
}

/// Random data, and the posterior by a dense long double solve.
struct Reference {
  Reference(KernelFamily f, int n_, int d_, int outputs_)
      : family(f), n(n_), d(d_), outputs(outputs_) {
    support::Random random(n + 10 * d);
    for (int i = 0; i < n * d; ++i) X.push_back(random.uniform(-2, 2));
    for (int i = 0; i < n * outputs; ++i) Y.push_back(random.normal());
    for (int f2 = 0; f2 < d; ++f2) scales.push_back(random.uniform(0.5, 2));
    for (int o = 0; o < outputs; ++o) prior.push_back(0.3 * o - 0.5);
    std::vector<long double> l(n * n, 0);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) {
        long double s = k(&X[i * d], &X[j * d]) + (i == j ? noise : 0);
        for (int p = 0; p < j; ++p) s -= l[i * n + p] * l[j * n + p];
        l[i * n + j] = i == j ? std::sqrt(s) : s / l[j * n + j];
      }
    }
    factor = l;
  }
  long double k(const double* a, const double* b) const {
    long double r2 = 0;
    for (int f = 0; f < d; ++f) {
      const long double t = (static_cast<long double>(a[f]) - b[f]) / scales[f];
      r2 += t * t;
    }
    return variance * correlation(family, r2);
  }
  std::vector<long double> whiten(std::vector<long double> b) const {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < i; ++j) b[i] -= factor[i * n + j] * b[j];
      b[i] /= factor[i * n + i];
    }
    return b;
  }
  std::vector<long double> whitened_output(int o) const {
    std::vector<long double> y(n);
    for (int i = 0; i < n; ++i) y[i] = static_cast<long double>(Y[i * outputs + o]) - prior[o];
    return whiten(y);
  }
  double mean(const double* x, int o) const {
    std::vector<long double> ks(n);
    for (int i = 0; i < n; ++i) ks[i] = k(x, &X[i * d]);
    const auto v = whiten(ks), z = whitened_output(o);
    long double total = prior[o];
    for (int i = 0; i < n; ++i) total += v[i] * z[i];
    return static_cast<double>(total);
  }
  double var(const double* x) const {
    std::vector<long double> ks(n);
    for (int i = 0; i < n; ++i) ks[i] = k(x, &X[i * d]);
    long double total = variance;
    for (const long double v : whiten(ks)) total -= v * v;
    return static_cast<double>(total);
  }
  double likelihood() const {
    long double total = 0;
    for (int o = 0; o < outputs; ++o) {
      for (const long double z : whitened_output(o)) total -= z * z / 2;
      for (int i = 0; i < n; ++i) total -= std::log(factor[i * n + i]);
      total -= n * std::log(2 * 3.14159265358979323846L) / 2;
    }
    return static_cast<double>(total);
  }
  KernelFamily family;
  int n, d, outputs;
  double variance = 1.7, noise = 0.05;
  std::vector<double> X, Y, scales, prior;
  std::vector<long double> factor;
};

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return std::vector<T>(v.begin(), v.end());
}

/// A model with its memory, fitted to the first `points` rows of a reference problem.
template <class T>
struct Fitted {
  Fitted(const Reference& r, int capacity, int points, bool with_variance = true)
      : X(cast<T>(r.X)), Y(cast<T>(r.Y)), scales(cast<T>(r.scales)), prior(cast<T>(r.prior)) {
    Arena measure = Arena::measure();
    model.bind(measure, capacity, r.d, r.outputs, with_variance);
    memory.resize(measure.used() + 64, 0xAB);
    void* start = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
    Arena arena(start, measure.used());
    model.bind(arena, capacity, r.d, r.outputs, with_variance);
    const AllocationGuard no_allocation;
    status =
        model.fit({X.data(), points, r.d, r.d}, {Y.data(), points, r.outputs, r.outputs}, hyper(r));
  }
  gp::Hyperparameters<T> hyper(const Reference& r) {
    return {.family = r.family,
            .variance = static_cast<T>(r.variance),
            .length_scales = {scales.data(), r.d},
            .noise = static_cast<T>(r.noise),
            .mean = {prior.data(), r.outputs}};
  }
  gp::Model<T> model;
  std::vector<T> X, Y, scales, prior;
  std::vector<unsigned char> memory;
  Status status;
};

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

}  // namespace
}  // namespace optcore
