#include "optcore/linalg/cholesky.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "optcore/linalg/inverse.hpp"
#include "optcore/linalg/triangular.hpp"
#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

using linalg::Triangle;

/// A random covariance of points on a line, its padded triangle and the memory of both.
template <class T>
struct Problem {
  explicit Problem(int n, std::uint64_t seed = 1)
      : size(n), stride(linalg::padded_stride<T>(n)), storage(area() + 64), full(n * n) {
    support::Random random(seed);
    std::vector<double> x(n);
    for (double& value : x) value = random.uniform(0, 0.2 * n);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        full[i * n + j] = std::exp(-0.5 * (x[i] - x[j]) * (x[i] - x[j])) + (i == j ? 0.1 : 0);
      }
    }
  }
  std::size_t area() const { return static_cast<std::size_t>(stride) * linalg::padded<T>(size); }
  Triangle<T> triangle() {
    Triangle<T> a{storage.data(), size, stride};
    for (int j = 0; j < size; ++j) {
      for (int i = 0; i < size; ++i) a(i, j) = i >= j ? static_cast<T>(full[i * size + j]) : T(99);
    }
    linalg::pad_with_identity(a);
    return a;
  }
  int size, stride;
  std::vector<T> storage;
  std::vector<double> full;
};

std::vector<double> reference_factor(const std::vector<double>& a, int n) {
  std::vector<long double> l(a.size(), 0);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) {
      long double s = a[i * n + j];
      for (int k = 0; k < j; ++k) s -= l[i * n + k] * l[j * n + k];
      l[i * n + j] = i == j ? std::sqrt(s) : s / l[j * n + j];
    }
  }
  return {l.begin(), l.end()};
}

template <class T>
class Cholesky : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 2e-13 : 2e-4;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Cholesky, Scalars);

TYPED_TEST(Cholesky, AgreesWithLongDoubleAtEverySizeAndLeavesTheUpperTriangle) {
  using T = TypeParam;
  for (int n = 1; n <= 75; ++n) {
    Problem<T> problem(n, n);
    const Triangle<T> a = problem.triangle();
    int pivot = 7;
    {
      const AllocationGuard no_allocation;
      ASSERT_EQ(linalg::factor(a, static_cast<T*>(nullptr), &pivot), Status::ok) << n;
    }
    EXPECT_EQ(pivot, -1);
    const auto expected = reference_factor(problem.full, n);
    double log_det = 0;
    for (int j = 0; j < n; ++j) {
      for (int i = j; i < n; ++i) {
        ASSERT_NEAR(a(i, j), expected[i * n + j], TestFixture::tolerance) << n << ' ' << i;
      }
      for (int i = 0; i < j; ++i) ASSERT_EQ(a(i, j), T(99));
      log_det += 2 * std::log(expected[j * n + j]);
    }
    EXPECT_NEAR(linalg::log_determinant<T>(a), log_det, n * TestFixture::tolerance);
  }
}

TYPED_TEST(Cholesky, BlockedAgreesWithDirect) {
  using T = TypeParam;
  for (int n : {513, 600, 777, 961}) {
    Problem<T> problem(n), other(n);
    const Triangle<T> blocked = problem.triangle(), direct = other.triangle();
    std::vector<T> workspace(linalg::factor_workspace<T>(n));
    ASSERT_EQ(linalg::factor(blocked, workspace.data()), Status::ok);
    ASSERT_EQ(linalg::factor(direct), Status::ok);
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < j; ++i) ASSERT_EQ(blocked(i, j), T(99));
      for (int i = j; i < n; ++i) {
        ASSERT_NEAR(blocked(i, j), direct(i, j), TestFixture::tolerance) << i << ' ' << j;
      }
    }
  }
}

/// Two parts, the second first: what a team of two threads may come to.
void second_part_first(void*, void (*part)(void*, int), void* work) {
  part(work, 1);
  part(work, 0);
}

/// Two threads made for one piece of work.
void on_two_threads(void*, void (*part)(void*, int), void* work) {
  std::thread other(part, work, 1);
  part(work, 0);
  other.join();
}

TYPED_TEST(Cholesky, ATeamOfTwoGivesTheSameBits) {
  using T = TypeParam;
  for (const Team team : {Team{2}, Team{2, second_part_first}, Team{2, on_two_threads}}) {
    for (int n : {40, 321, 333, 400, 777}) {
      Problem<T> problem(n), other(n);
      const Triangle<T> shared = problem.triangle(), alone = other.triangle();
      std::vector<T> workspace(linalg::factor_workspace<T>(n) + 1);
      int pivot = 7;
      ASSERT_EQ(linalg::factor(shared, workspace.data(), &pivot, T(0), team), Status::ok);
      EXPECT_EQ(pivot, -1);
      ASSERT_EQ(linalg::factor(alone, workspace.data()), Status::ok);
      for (int j = 0; j < n; ++j) {
        for (int i = 0; i < n; ++i) ASSERT_EQ(shared(i, j), alone(i, j)) << n << ' ' << i;
      }
      const Triangle<T> bad = problem.triangle();
      bad(n - 2, n - 2) = T(-1);
      EXPECT_EQ(linalg::factor(bad, workspace.data(), &pivot, T(0), team),
                Status::not_positive_definite);
      EXPECT_EQ(pivot, n - 2);
    }
  }
}

TYPED_TEST(Cholesky, ReportsTheFirstBadPivot) {
  using T = TypeParam;
  for (int n : {3, 21, 64, 600}) {
    for (int bad : {0, n / 2, n - 1}) {
      Problem<T> problem(n);
      const Triangle<T> a = problem.triangle();
      a(bad, bad) = T(-1);
      std::vector<T> workspace(linalg::factor_workspace<T>(n) + 1);
      int pivot = -1;
      EXPECT_EQ(linalg::factor(a, workspace.data(), &pivot), Status::not_positive_definite);
      EXPECT_EQ(pivot, bad);
      const Triangle<T> b = problem.triangle();
      b(bad, bad) = T(NAN);
      EXPECT_EQ(linalg::factor(b, workspace.data(), &pivot), Status::not_positive_definite);
      EXPECT_EQ(pivot, bad);
    }
  }
}

TYPED_TEST(Cholesky, SolvesInvertsAndMultiplies) {
  using T = TypeParam;
  for (int n : {1, 2, 7, 8, 9, 24, 31, 33, 100}) {
    Problem<T> problem(n), other(n);
    const Triangle<T> l = problem.triangle();
    ASSERT_EQ(linalg::factor(l), Status::ok);
    const Triangle<T> m = other.triangle();
    linalg::invert<T>(l, m);
    const int rows = linalg::padded<T>(n);
    std::vector<T> b(rows), x(rows), y(rows), z(rows);
    support::Random random(3);
    for (int i = 0; i < n; ++i) b[i] = x[i] = static_cast<T>(random.normal());
    const double loose = 20 * TestFixture::tolerance;
    linalg::solve_lower<T>(l, x.data());
    linalg::multiply_lower<T>(m, b.data(), y.data());
    for (int i = 0; i < n; ++i) EXPECT_NEAR(x[i], y[i], loose) << n;
    double squares = 0;
    for (int i = 0; i < n; ++i) squares += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    EXPECT_NEAR(linalg::squared_product<T>(m, b.data()), squares, loose * (1 + squares));
    linalg::multiply_lower_transposed<T>(m, x.data(), z.data());
    linalg::solve_lower_transposed<T>(l, x.data());
    for (int i = 0; i < n; ++i) EXPECT_NEAR(x[i], z[i], loose) << n;
    for (int i = 0; i < n; ++i) {  // A x = b
      double s = 0;
      for (int j = 0; j < n; ++j) s += problem.full[i * n + j] * static_cast<double>(x[j]);
      EXPECT_NEAR(s, static_cast<double>(b[i]), loose);
    }
    EXPECT_NEAR(
        linalg::dot(b.data(), b.data(), rows),
        [&] {
          double s = 0;
          for (T v : b) s += static_cast<double>(v) * static_cast<double>(v);
          return s;
        }(),
        n * loose);
  }
}

TYPED_TEST(Cholesky, InverseTimesTheMatrixIsTheIdentity) {
  using T = TypeParam;
  for (int n : {1, 5, 24, 31, 100, 191, 200, 400, 590}) {
    Problem<T> problem(n);
    const Triangle<T> a = problem.triangle();
    ASSERT_EQ(linalg::factor(a), Status::ok);
    std::vector<T> workspace(linalg::inverse_workspace<T>(n));
    {
      const AllocationGuard no_allocation;
      linalg::negative_inverse(a, workspace.data());
    }
    for (int j = 0; j < n; j += 1 + n / 40) {
      for (int i = 0; i < n; i += 1 + n / 40) {
        double s = 0;
        for (int k = 0; k < n; ++k) {
          s -= problem.full[i * n + k] * static_cast<double>(a(std::max(k, j), std::min(k, j)));
        }
        ASSERT_NEAR(s, i == j ? 1 : 0, 40 * TestFixture::tolerance) << n << ' ' << i << ' ' << j;
      }
    }
  }
}

}  // namespace
}  // namespace optcore
