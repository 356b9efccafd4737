#include "optcore/gp/composite.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "optcore/gp/likelihood.hpp"
#include "optcore/gp/model.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

/// A covariance function twice: nodes for the kernel under test, and plain arithmetic.
struct Tree {
  std::vector<KernelNode> nodes;
  std::vector<double> parameters;

  /// `equal`: x and y are the same point of the data.
  long double value(const double* x, const double* y, bool equal) const {
    std::vector<long double> stack;
    for (const KernelNode& node : nodes) stack_step(node, x, y, equal, stack);
    return stack.back();
  }

 private:
  void stack_step(const KernelNode& node, const double* x, const double* y, bool equal,
                  std::vector<long double>& stack) const {
    const double* const p = parameters.data() + node.parameters;
    const auto r2 = [&](int first) {
      long double total = 0;
      for (int f = 0; f < node.dims; ++f) {
        const long double t = (static_cast<long double>(x[f]) - y[f]) / p[first + f];
        total += t * t;
      }
      return total;
    };
    const auto operands = [&](auto combine) {
      const long double b = stack.back();
      stack.pop_back();
      stack.back() = combine(stack.back(), b);
    };
    const auto matern = [&](long double nu2) { return std::sqrt(nu2 * r2(1)); };
    switch (node.kind) {
      case KernelKind::rbf: stack.push_back(p[0] * std::exp(-r2(1) / 2)); break;
      case KernelKind::matern12: stack.push_back(p[0] * std::exp(-matern(1))); break;
      case KernelKind::matern32:
        stack.push_back(p[0] * (1 + matern(3)) * std::exp(-matern(3)));
        break;
      case KernelKind::matern52: {
        const long double s = matern(5);
        stack.push_back(p[0] * (1 + s + s * s / 3) * std::exp(-s));
        break;
      }
      case KernelKind::rational_quadratic:
        stack.push_back(p[0] * std::pow(1 + r2(2) / (2 * p[1]), -static_cast<long double>(p[1])));
        break;
      case KernelKind::periodic: {
        long double q = 0;
        for (int f = 0; f < node.dims; ++f) {
          const long double turn = (static_cast<long double>(x[f]) - y[f]) / p[1 + f];
          const long double s = std::sin(3.14159265358979323846264L * turn) / p[1 + node.dims + f];
          q += s * s;
        }
        stack.push_back(p[0] * std::exp(-2 * q));
        break;
      }
      case KernelKind::linear: {
        long double total = 0;
        for (int f = 0; f < node.dims; ++f) total += static_cast<long double>(p[f]) * x[f] * y[f];
        stack.push_back(total);
        break;
      }
      case KernelKind::constant: stack.push_back(p[0]); break;
      case KernelKind::white: stack.push_back(equal ? p[0] : 0); break;
      case KernelKind::coregional: {
        const int t = static_cast<int>(x[node.dims]), u = static_cast<int>(y[node.dims]);
        long double total = t == u ? p[node.outputs * node.rank + t] : 0;
        for (int r = 0; r < node.rank; ++r) {
          total += static_cast<long double>(p[t * node.rank + r]) * p[u * node.rank + r];
        }
        stack.push_back(total);
        break;
      }
      case KernelKind::sum: operands(std::plus<long double>()); break;
      case KernelKind::product: operands(std::multiplies<long double>()); break;
    }
  }
};

constexpr int d = 3;  // the last input holds an output 0, 1, 2 where a tree is coregional

/// One tree per leaf, and one that uses them all.
std::vector<Tree> trees() {
  std::vector<Tree> all;
  Tree everything;
  support::Random random(2);
  for (int kind = 0; kind <= static_cast<int>(KernelKind::coregional); ++kind) {
    KernelNode node;
    node.kind = static_cast<KernelKind>(kind);
    node.dims = 2;
    if (node.kind == KernelKind::coregional) node.outputs = 3, node.rank = 2;
    Tree one;
    one.nodes = {node};
    for (int p = 0; p < parameter_count(node); ++p) {
      one.parameters.push_back(random.uniform(0.5, 1.5));
    }
    if (node.kind == KernelKind::coregional) one.parameters[1] *= -1;
    node.parameters = static_cast<int>(everything.parameters.size());
    everything.nodes.push_back(node);
    everything.parameters.insert(everything.parameters.end(), one.parameters.begin(),
                                 one.parameters.end());
    if (kind == 0) {
      all.push_back(one);
      continue;
    }
    // ((k0 + k1) * k2 + k3) * ... : sums and products in turn
    if (everything.nodes.size() + 1 <= max_kernel_nodes) {
      everything.nodes.push_back(
          {kind % 2 == 1 ? KernelKind::sum : KernelKind::product, 0, 0, 0, 0});
    }
    all.push_back(one);
  }
  while (true) {  // drop what did not fit
    int depth = 0;
    for (const KernelNode& node : everything.nodes) {
      depth += node.kind == KernelKind::sum || node.kind == KernelKind::product ? -1 : 1;
    }
    if (depth == 1) break;
    everything.nodes.pop_back();
  }
  all.push_back(everything);
  Tree coregional = all[static_cast<std::size_t>(KernelKind::coregional)];
  coregional.nodes.push_back({KernelKind::rbf, 2, static_cast<int>(coregional.parameters.size())});
  coregional.parameters.insert(coregional.parameters.end(), {1.3, 0.7, 1.1});
  coregional.nodes.push_back({KernelKind::product});
  all.push_back(coregional);
  return all;
}

std::vector<double> points(int n, std::uint64_t seed) {
  support::Random random(seed);
  std::vector<double> X;
  for (int i = 0; i < n; ++i) {
    X.insert(X.end(),
             {random.uniform(-2, 2), random.uniform(-2, 2), static_cast<double>(random.below(3))});
  }
  return X;
}

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return {v.begin(), v.end()};
}

template <class Object>
class Bound {
 public:
  template <class... Sizes>
  explicit Bound(Sizes... sizes) {
    memory_.give([&](Arena& arena) { object.bind(arena, sizes...); });
  }
  Object object;

 private:
  support::Memory memory_;
};

template <class T>
class CompositeKernel : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-12 : 2e-4;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(CompositeKernel, Scalars);

TYPED_TEST(CompositeKernel, ValuesAndSlopesOfEveryTerm) {
  using T = TypeParam;
  constexpr int n = 32;
  const std::vector<double> X = points(n, 1);
  std::vector<T> features(n * d);
  for (int i = 0; i < n; ++i) {
    for (int f = 0; f < d; ++f) features[f * n + i] = static_cast<T>(X[i * d + f]);
  }
  const gp::ScaledInputs<const T> x{features.data(), d, n};
  for (const Tree& tree : trees()) {
    const auto kind = static_cast<int>(tree.nodes[0].kind);
    const auto parameters = cast<T>(tree.parameters);
    const int count = static_cast<int>(parameters.size());
    Bound<gp::CompositeKernel<T>> bound(count);
    ASSERT_EQ(bound.object.set({tree.nodes.data(), static_cast<int>(tree.nodes.size())},
                               {parameters.data(), count}, d),
              Status::ok);
    for (const int self : {5, -1}) {
      std::vector<double> y(X.begin() + 5 * d, X.begin() + 6 * d);
      if (self < 0) y[0] += 0.3;
      const auto query = cast<T>(y);
      std::vector<T> values(n), weights(n), slopes(count, 0), input(d, 0);
      for (int i = 0; i < n; ++i) weights[i] = static_cast<T>(0.1 * (i % 5) - 0.15);
      {
        const AllocationGuard no_allocation;
        bound.object.values(x, 0, n, query.data(), self, values.data());
        bound.object.add_slopes(x, 0, n, query.data(), self, weights.data(), slopes.data(),
                                input.data());
      }
      const auto contraction = [&](const Tree& t, const std::vector<double>& at) {
        long double total = 0;
        for (int i = 0; i < n; ++i) {
          total += weights[i] * t.value(&X[i * d], at.data(), i == self);
        }
        return total;
      };
      for (int i = 0; i < n; ++i) {
        EXPECT_NEAR(values[i], static_cast<double>(tree.value(&X[i * d], y.data(), i == self)),
                    TestFixture::tolerance * 20)
            << kind << ' ' << i;
      }
      const double loose = std::max(TestFixture::tolerance * 100, 1e-7);
      for (int p = 0; p < count; ++p) {
        Tree left = tree, right = tree;
        left.parameters[p] -= 1e-5;
        right.parameters[p] += 1e-5;
        const auto slope =
            static_cast<double>((contraction(right, y) - contraction(left, y)) / 2e-5L);
        EXPECT_NEAR(slopes[p], slope, loose * (1 + std::abs(slope))) << kind << ' ' << p;
      }
      for (int f = 0; f < 2; ++f) {
        if (tree.nodes[0].kind == KernelKind::matern12 && self >= 0) break;  // the cusp
        if (tree.nodes.size() > 9 && self >= 0) break;
        auto left = y, right = y;
        left[f] -= 1e-5;
        right[f] += 1e-5;
        const auto slope =
            static_cast<double>((contraction(tree, right) - contraction(tree, left)) / 2e-5L);
        EXPECT_NEAR(input[f], slope, loose * (1 + std::abs(slope))) << kind << ' ' << f;
      }
    }
    const auto x0 = cast<T>(std::vector<double>(X.begin(), X.begin() + d));
    std::vector<T> slopes(d);
    bound.object.diagonal_slopes(x0.data(), d, slopes.data());
    EXPECT_NEAR(bound.object.diagonal(x0.data()),
                static_cast<double>(tree.value(&X[0], &X[0], true)), TestFixture::tolerance * 20);
    for (int f = 0; f < 2; ++f) {
      std::vector<double> left(X.begin(), X.begin() + d), right = left;
      left[f] -= 1e-5;
      right[f] += 1e-5;
      const auto slope = static_cast<double>((tree.value(right.data(), right.data(), true) -
                                              tree.value(left.data(), left.data(), true)) /
                                             2e-5L);
      EXPECT_NEAR(slopes[f], slope, std::max(TestFixture::tolerance * 100, 1e-7));
    }
  }
}

/// The posterior and its likelihood by dense elimination in long double.
struct Dense {
  Dense(const Tree& t, const std::vector<double>& X_, const std::vector<double>& y_, double noise)
      : tree(t), X(X_), y(y_.begin(), y_.end()), n(static_cast<int>(y_.size())), l(n * n) {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) {
        long double s = t.value(&X[i * d], &X[j * d], i == j) + (i == j ? noise : 0);
        for (int k = 0; k < j; ++k) s -= l[i * n + k] * l[j * n + k];
        l[i * n + j] = i == j ? std::sqrt(s) : s / l[j * n + j];
      }
    }
  }
  std::vector<long double> whiten(std::vector<long double> b) const {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < i; ++j) b[i] -= l[i * n + j] * b[j];
      b[i] /= l[i * n + i];
    }
    return b;
  }
  double likelihood() const {
    long double total = 0;
    for (const long double z : whiten(y)) total -= z * z / 2;
    for (int i = 0; i < n; ++i)
      total -= std::log(l[i * n + i]) + std::log(2 * 3.14159265358979323846L) / 2;
    return static_cast<double>(total);
  }
  std::vector<long double> covariances(const double* x) const {
    std::vector<long double> k;
    for (int i = 0; i < n; ++i) k.push_back(tree.value(&X[i * d], x, false));
    return whiten(k);
  }
  double mean(const double* x) const {
    const auto v = covariances(x), z = whiten(y);
    long double total = 0;
    for (int i = 0; i < n; ++i) total += v[i] * z[i];
    return static_cast<double>(total);
  }
  double covariance(const double* a, const double* b, bool equal) const {
    const auto u = covariances(a), v = covariances(b);
    long double total = tree.value(a, b, equal);
    for (int i = 0; i < n; ++i) total -= u[i] * v[i];
    return static_cast<double>(total);
  }
  const Tree& tree;
  std::vector<double> X;
  std::vector<long double> y;
  int n;
  std::vector<long double> l;
};

TYPED_TEST(CompositeKernel, ModelAndLikelihoodAgreeWithLongDouble) {
  using T = TypeParam;
  constexpr int n = 43, m = 29;
  constexpr double noise = 0.2;
  const double loose = std::max(1e-9, 5 * TestFixture::tolerance);
  const std::vector<double> X = points(n, 3), Q = points(m, 4);
  std::vector<double> y;
  for (int i = 0; i < n; ++i) y.push_back(std::sin(X[i * d]) + X[i * d + 1]);
  const auto Xt = cast<T>(X), yt = cast<T>(y), Qt = cast<T>(Q);
  for (const Tree& tree : trees()) {
    const auto parameters = cast<T>(tree.parameters);
    const int count = static_cast<int>(parameters.size());
    const gp::Hyperparameters<T> hyper = {
        .family = KernelFamily::composite,
        .noise = static_cast<T>(noise),
        .nodes = {tree.nodes.data(), static_cast<int>(tree.nodes.size())},
        .parameters = {parameters.data(), count}};
    for (const bool with_inverse : {true, false}) {
      Bound<gp::Model<T>> bound(n, d, 1, with_inverse, count);
      gp::Model<T>& model = bound.object;
      ASSERT_EQ(model.fit({Xt.data(), n - 1, d, d}, {yt.data(), n - 1, 1, 1}, hyper), Status::ok);
      ASSERT_EQ(model.append({&Xt[(n - 1) * d], d}, {&yt[n - 1], 1}), Status::ok);
      const Dense dense(tree, X, y, noise);
      std::vector<T> mean(m), variance(m), only(m), slopes(m * d), spread(m * d), joint(m * m);
      std::vector<T> scratch(model.joint_scratch(m));
      const MatrixView<const T> queries{Qt.data(), m, d, d};
      {
        const AllocationGuard no_allocation;
        model.predict(queries, {mean.data(), m, 1, 1}, {variance.data(), m});
        model.mean_gradient(queries, {only.data(), m, 1, 1}, {slopes.data(), m, d, d});
        model.variance_gradient(queries, {spread.data(), m, d, d});
      }
      const auto kind = static_cast<int>(tree.nodes[0].kind);
      for (int i = 0; i < m; ++i) {
        const double* const q = &Q[i * d];
        EXPECT_NEAR(mean[i], dense.mean(q), loose * 10) << kind;
        EXPECT_NEAR(only[i], dense.mean(q), loose * 10) << kind;
        EXPECT_NEAR(variance[i], dense.covariance(q, q, true), loose * 20) << kind;
        for (int f = 0; f < 2 && i < 4; ++f) {
          std::vector<double> left(q, q + d), right = left;
          left[f] -= 1e-5;
          right[f] += 1e-5;
          EXPECT_NEAR(slopes[i * d + f],
                      (dense.mean(right.data()) - dense.mean(left.data())) / 2e-5,
                      std::max(1e-6, loose * 20));
          EXPECT_NEAR(spread[i * d + f],
                      (dense.covariance(right.data(), right.data(), true) -
                       dense.covariance(left.data(), left.data(), true)) /
                          2e-5,
                      std::max(1e-6, loose * 40));
        }
      }
      model.predict_joint(queries, {mean.data(), m, 1, 1}, {joint.data(), m, m, m}, scratch.data());
      for (int i = 0; i < m; i += 4) {
        for (int j = 0; j < m; ++j) {
          EXPECT_NEAR(joint[i * m + j], dense.covariance(&Q[i * d], &Q[j * d], i == j), loose * 20)
              << kind;
        }
      }
    }
    if (sizeof(T) == 4) continue;
    Bound<gp::Likelihood<T>> bound(n, d, 1, true, count);
    std::vector<T> slopes(count);
    gp::LikelihoodOutput<T> out;
    out.parameters = {slopes.data(), count};
    ASSERT_EQ(bound.object.evaluate({Xt.data(), n, d, d}, {yt.data(), n, 1, 1}, hyper, true, out),
              Status::ok);
    EXPECT_NEAR(out.value, Dense(tree, X, y, noise).likelihood(), 1e-8);
    for (int p = 0; p < count; ++p) {
      Tree left = tree, right = tree;
      left.parameters[p] -= 1e-5;
      right.parameters[p] += 1e-5;
      const double slope =
          (Dense(right, X, y, noise).likelihood() - Dense(left, X, y, noise).likelihood()) / 2e-5;
      EXPECT_NEAR(slopes[p], slope, 1e-5 * (1 + std::abs(slope))) << p;
    }
  }
}

TEST(CompositeKernelChecks, RefuseWhatIsNoTree) {
  using Kernel = gp::CompositeKernel<double>;
  const double parameters[] = {1, 1, -1, 1};
  const auto check = [&](std::vector<KernelNode> nodes, int count) {
    return Kernel::check({nodes.data(), static_cast<int>(nodes.size())}, {parameters, count}, 1);
  };
  const KernelNode rbf{KernelKind::rbf, 1, 0};
  EXPECT_EQ(check({rbf}, 2), Status::ok);
  EXPECT_EQ(check({}, 2), Status::invalid_argument);
  EXPECT_EQ(check({rbf, rbf}, 2), Status::invalid_argument);
  EXPECT_EQ(check({rbf, {KernelKind::sum}}, 2), Status::invalid_argument);
  EXPECT_EQ(check({rbf}, 1), Status::invalid_argument);
  EXPECT_EQ(check({{KernelKind::rbf, 2, 0}}, 4), Status::invalid_argument);
  EXPECT_EQ(check({{KernelKind::constant, 0, 2}}, 4), Status::invalid_argument);
  EXPECT_EQ(check({{static_cast<KernelKind>(99), 0, 0}}, 4), Status::invalid_argument);
}

}  // namespace
}  // namespace optcore
