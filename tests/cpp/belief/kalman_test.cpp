#include "optcore/belief/kalman.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/belief/imm.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

using Long = long double;

/// A textbook filter in long double with a general inverse.
struct Exact {
  int d, m;
  std::vector<Long> F, Q, H, R, x, P;

  static std::vector<Long> product(const std::vector<Long>& a, const std::vector<Long>& b, int r,
                                   int k, int c, bool transposed = false) {
    std::vector<Long> out(r * c, 0.0L);
    for (int i = 0; i < r; ++i)
      for (int j = 0; j < c; ++j)
        for (int l = 0; l < k; ++l)
          out[i * c + j] += a[i * k + l] * (transposed ? b[j * k + l] : b[l * c + j]);
    return out;
  }
  void predict() {
    x = product(F, x, d, d, 1);
    P = product(product(F, P, d, d, d), F, d, d, d, true);
    for (int i = 0; i < d * d; ++i) P[i] += Q[i];
  }
  /// Returns the log-likelihood.
  Long update(const std::vector<Long>& z) {
    const auto PHt = product(P, H, d, d, m, true);
    auto S = product(H, PHt, m, d, m);
    for (int i = 0; i < m * m; ++i) S[i] += R[i];
    // Gauss-Jordan with the determinant on the way
    std::vector<Long> inverse(m * m, 0.0L);
    for (int i = 0; i < m; ++i) inverse[i * m + i] = 1;
    Long determinant = 1;
    for (int k = 0; k < m; ++k) {
      const Long pivot = S[k * m + k];
      determinant *= pivot;
      for (int j = 0; j < m; ++j) S[k * m + j] /= pivot, inverse[k * m + j] /= pivot;
      for (int i = 0; i < m; ++i) {
        if (i == k) continue;
        const Long f = S[i * m + k];
        for (int j = 0; j < m; ++j) {
          S[i * m + j] -= f * S[k * m + j];
          inverse[i * m + j] -= f * inverse[k * m + j];
        }
      }
    }
    const auto K = product(PHt, inverse, d, m, m);
    const auto Hx = product(H, x, m, d, 1);
    std::vector<Long> y(m);
    for (int i = 0; i < m; ++i) y[i] = z[i] - Hx[i];
    const auto correction = product(K, y, d, m, 1);
    for (int i = 0; i < d; ++i) x[i] += correction[i];
    const auto lost = product(K, PHt, d, m, d, true);
    for (int i = 0; i < d * d; ++i) P[i] -= lost[i];
    Long distance = 0;
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < m; ++j) distance += y[i] * inverse[i * m + j] * y[j];
    return -0.5L * (distance + std::log(determinant) + m * std::log(2 * pi<Long>));
  }
};

/// Constant velocity in `axes` dimensions for state (positions, velocities[, accelerations]).
Exact model(int d, int m, double noise, double measured, support::Random& random) {
  Exact e{d,
          m,
          std::vector<Long>(d * d),
          std::vector<Long>(d * d),
          std::vector<Long>(m * d),
          std::vector<Long>(m * m),
          std::vector<Long>(d),
          std::vector<Long>(d * d)};
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j < d; ++j) {
      e.F[i * d + j] = i == j ? 0.95 : (j == i + m ? 0.1 : 0.01 * random.uniform(-1, 1));
      const double off = i == j ? 1 : 0.2;
      e.Q[i * d + j] = noise * off;
      e.P[i * d + j] = off;
    }
    e.x[i] = random.uniform(-1, 1);
  }
  for (int q = 0; q < m; ++q) {
    e.H[q * d + q] = 1;
    for (int j = 0; j < d; ++j) e.H[q * d + j] += 0.1 * random.uniform(-1, 1);
    for (int r = 0; r < m; ++r) e.R[q * m + r] = measured * (q == r ? 1 : 0.1);
  }
  return e;
}

template <class T>
struct Filters {
  support::Memory memory;
  ImmState<T> imm;
  KalmanState<T>& s = imm.filters;
  Filters(int d, int m, int models) {
    memory.give([&](Arena& arena) { imm = ImmState<T>::make(arena, d, m, models); });
    for (int q = 0; q < m; ++q)
      for (int w = 0; w < 8; ++w) s.model.R[(q * m + q) * 8 + w] = T(1);
  }
  void put(int w, const Exact& e) {
    const auto copy = [&](const std::vector<Long>& from, T* to) {
      for (std::size_t i = 0; i < from.size(); ++i) to[i * s.lanes + w] = static_cast<T>(from[i]);
    };
    copy(e.F, s.model.F);
    copy(e.Q, s.model.Q);
    copy(e.H, s.model.H);
    copy(e.R, s.model.R);
    copy(e.x, s.mean);
    copy(e.P, s.covariance);
  }
  /// The numbers as the filter holds them.
  void round(Exact& e, int w) const {
    const auto copy = [&](std::vector<Long>& to, const T* from) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i * s.lanes + w];
    };
    copy(e.F, s.model.F);
    copy(e.Q, s.model.Q);
    copy(e.H, s.model.H);
    copy(e.R, s.model.R);
    copy(e.x, s.mean);
    copy(e.P, s.covariance);
  }
};

template <class T>
class KalmanTest : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-4;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(KalmanTest, Scalars);

TYPED_TEST(KalmanTest, BanksAgreeWithLongDoubleStepByStep) {
  using T = TypeParam;
  support::Random random(31);
  for (const auto& [d, m] : {std::pair{1, 1}, {4, 2}, {6, 2}, {5, 3}}) {
    Filters<T> bank(d, m, 5);
    std::vector<Exact> exact;
    for (int w = 0; w < 5; ++w) {
      exact.push_back(model(d, m, 0.01 * (w + 1), 0.05, random));
      bank.put(w, exact[w]);
    }
    for (int step = 0; step < 50; ++step) {
      std::vector<T> z(m);
      std::vector<Long> zs(m);
      for (int q = 0; q < m; ++q) zs[q] = z[q] = static_cast<T>(random.uniform(-1, 1));
      for (int w = 0; w < 5; ++w) bank.round(exact[w], w);
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(belief::update<T>(bank.s, z.data(), true, 5), Status::ok);
      }
      for (int w = 0; w < 5; ++w) {
        exact[w].predict();
        const Long likelihood = exact[w].update(zs);
        ASSERT_NEAR(bank.s.log_likelihood[w], static_cast<double>(likelihood),
                    10 * this->tolerance * (1 + std::fabs(static_cast<double>(likelihood))));
        for (int a = 0; a < d; ++a) {
          ASSERT_NEAR(bank.s.mean[a * 8 + w], static_cast<double>(exact[w].x[a]), this->tolerance);
        }
        for (int a = 0; a < d * d; ++a) {
          ASSERT_NEAR(bank.s.covariance[a * 8 + w], static_cast<double>(exact[w].P[a]),
                      this->tolerance);
        }
      }
    }
  }
}

/// The IMM's equations, model by model, in long double.
struct ExactImm {
  std::vector<Exact> filters;
  std::vector<Long> probability;
  std::vector<std::vector<Long>> switching;

  Long step(const std::vector<Long>& z) {
    const int M = static_cast<int>(filters.size()), d = filters[0].d;
    const auto before = filters;
    std::vector<Long> predicted(M, 0.0L), likelihood(M);
    for (int j = 0; j < M; ++j)
      for (int i = 0; i < M; ++i) predicted[j] += probability[i] * switching[i][j];
    Long peak = -INFINITY;
    for (int j = 0; j < M; ++j) {
      auto& f = filters[j];
      std::fill(f.x.begin(), f.x.end(), 0.0L);
      std::fill(f.P.begin(), f.P.end(), 0.0L);
      for (int i = 0; i < M; ++i)
        for (int a = 0; a < d; ++a)
          f.x[a] += probability[i] * switching[i][j] / predicted[j] * before[i].x[a];
      for (int i = 0; i < M; ++i) {
        const Long w = probability[i] * switching[i][j] / predicted[j];
        for (int a = 0; a < d; ++a)
          for (int b = 0; b < d; ++b)
            f.P[a * d + b] += w * (before[i].P[a * d + b] +
                                   (before[i].x[a] - f.x[a]) * (before[i].x[b] - f.x[b]));
      }
      f.predict();
      likelihood[j] = f.update(z);
      peak = std::fmax(peak, likelihood[j]);
    }
    Long total = 0;
    for (int j = 0; j < M; ++j) {
      probability[j] = predicted[j] * std::exp(likelihood[j] - peak);
      total += probability[j];
    }
    for (auto& p : probability) p /= total;
    return peak + std::log(total);
  }
};

TYPED_TEST(KalmanTest, ImmAgreesWithLongDouble) {
  using T = TypeParam;
  support::Random random(32);
  for (int models : {1, 3, 5, 8}) {
    const int d = 4, m = 2;
    Filters<T> filters(d, m, models);
    ExactImm exact;
    for (int w = 0; w < models; ++w) {
      exact.filters.push_back(model(d, m, 0.01 * (w + 1), 0.05, random));
      filters.put(w, exact.filters[w]);
      exact.probability.push_back(1.0L / models);
      filters.imm.probability[w] = T(1) / static_cast<T>(models);
      exact.switching.emplace_back(models);
      for (int j = 0; j < models; ++j) {
        const T p = models == 1 ? T(1) : w == j ? T(0.9) : T(0.1) / static_cast<T>(models - 1);
        filters.imm.switching[w * 8 + j] = p;
        exact.switching[w][j] = p;
      }
    }
    for (int step = 0; step < 40; ++step) {
      std::vector<T> z(m);
      std::vector<Long> zs(m);
      for (int q = 0; q < m; ++q) zs[q] = z[q] = static_cast<T>(random.uniform(-1, 1));
      for (int w = 0; w < models; ++w) {
        filters.round(exact.filters[w], w);
        exact.probability[w] = filters.imm.probability[w];
      }
      const Long evidence = exact.step(zs);
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(belief::step<T>(filters.imm, z.data()), Status::ok);
      }
      const double close = this->tolerance;
      ASSERT_NEAR(filters.imm.log_evidence, static_cast<double>(evidence),
                  20 * close * (1 + std::fabs(static_cast<double>(evidence))));
      for (int w = 0; w < models; ++w) {
        ASSERT_NEAR(filters.imm.probability[w], static_cast<double>(exact.probability[w]),
                    10 * close);
        for (int a = 0; a < d; ++a) {
          ASSERT_NEAR(filters.s.mean[a * 8 + w], static_cast<double>(exact.filters[w].x[a]), close);
        }
        for (int a = 0; a < d * d; ++a) {
          ASSERT_NEAR(filters.s.covariance[a * 8 + w], static_cast<double>(exact.filters[w].P[a]),
                      close);
        }
      }
    }
  }
}

TEST(Imm, AMillionStepsWithAlmostPerfectMeasurementsStayPositive) {
  support::Random random(33);
  const int d = 4, m = 2, models = 5;
  Filters<double> filters(d, m, models);
  for (int w = 0; w < models; ++w) {
    Exact e = model(d, m, 0, 1e-12, random);
    for (int i = 0; i < d; ++i)
      for (int j = 0; j < d; ++j) {
        e.F[i * d + j] = i == j ? 1 : (j == i + 2 ? 0.1 : 0);
        e.Q[i * d + j] = i == j ? 1e-6 * (w + 1) : 0;
        if (i < m) e.H[i * d + j] = i == j ? 1 : 0;
      }
    filters.put(w, e);
    filters.imm.probability[w] = 0.2;
    for (int j = 0; j < models; ++j) filters.imm.switching[w * 8 + j] = w == j ? 0.92 : 0.02;
  }
  double position[2] = {0, 0};
  for (int step = 0; step < 1'000'000; ++step) {
    const double jump = step % 10007 == 0 ? 100 : 1;  // now and then nobody expects it
    double z[2];
    for (int q = 0; q < 2; ++q) z[q] = position[q] += 0.01 * jump * random.uniform(-1, 1);
    ASSERT_EQ(belief::step<double>(filters.imm, z), Status::ok) << step;
    double total = 0;
    for (int w = 0; w < models; ++w) total += filters.imm.probability[w];
    ASSERT_NEAR(total, 1, 1e-12);
    if (step % 1000 != 0) continue;
    for (int w = 0; w < models; ++w) {  // Cholesky in long double: every pivot positive
      Long L[4][4];
      for (int i = 0; i < d; ++i)
        for (int j = 0; j <= i; ++j) {
          ASSERT_EQ(filters.s.covariance[(i * d + j) * 8 + w],
                    filters.s.covariance[(j * d + i) * 8 + w]);
          Long sum = filters.s.covariance[(i * d + j) * 8 + w];
          for (int k = 0; k < j; ++k) sum -= L[i][k] * L[j][k];
          if (i == j) {
            ASSERT_GT(sum, 0) << step << " " << w << " " << i;
          }
          L[i][j] = i == j ? std::sqrt(sum) : sum / L[j][j];
        }
    }
  }
}

TEST(Imm, WhatCannotBeUsedLeavesEverything) {
  support::Random random(34);
  Filters<double> filters(4, 2, 2);
  for (int w = 0; w < 2; ++w) {
    filters.put(w, model(4, 2, 0.01, 0.05, random));
    filters.imm.probability[w] = 0.5;
    filters.imm.switching[w * 8] = filters.imm.switching[w * 8 + 1] = 0.5;
  }
  const double before = filters.s.mean[0], chance = filters.imm.probability[0];
  for (double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY), 1e300}) {
    const double z[2] = {bad, 0};
    EXPECT_EQ(belief::step<double>(filters.imm, z), Status::not_finite);
    EXPECT_EQ(belief::update<double>(filters.s, z, true, 2), Status::not_finite);
  }
  EXPECT_EQ(filters.s.mean[0], before);
  EXPECT_EQ(filters.imm.probability[0], chance);
  const double far[2] = {1e5, -1e5};
  EXPECT_EQ(belief::step<double>(filters.imm, far), Status::ok);
  EXPECT_NEAR(filters.imm.probability[0] + filters.imm.probability[1], 1, 1e-12);
  double mean[4], covariance[16];
  belief::combine<double>(filters.imm, mean, {covariance, 4, 4, 4});
  EXPECT_GT(mean[0], 1e4);
}

}  // namespace
}  // namespace optcore
