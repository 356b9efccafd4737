/// A chain of masses and springs between walls, the textbook problem of MPC, in any size.

#pragma once

#include <vector>

#include "optcore/host/mpc.hpp"
#include "support/random.hpp"

namespace optcore::bench {

/// nx / 2 unit masses and springs, forces between the first nu + 1 of them, 0.5 s a stage, exactly
/// discretised; |x| <= 4, |u| <= 0.5, away from rest by a seeded x0.
class Chain {
 public:
  Chain(int nx, int nu, int horizon, bool bounded)
      : size_{nx, nu, horizon, 0}, A_(nx * nx), B_(nx * nu), x0(nx) {
    discretise();
    const int N = horizon;
    const auto repeat = [](std::vector<double>& to, const std::vector<double>& each, int times) {
      for (int k = 0; k < times; ++k) to.insert(to.end(), each.begin(), each.end());
    };
    std::vector<double> Q(nx * nx), R(nu * nu);
    for (int i = 0; i < nx; ++i) Q[i * nx + i] = 1;
    for (int i = 0; i < nu; ++i) R[i * nu + i] = 1;
    repeat(all_.A, A_, N), repeat(all_.B, B_, N), repeat(all_.Q, Q, N + 1), repeat(all_.R, R, N);
    all_.zero.assign((N + 1) * nx * nx, 0);
    const double far = 1e30;
    all_.low_x.assign((N + 1) * nx, bounded ? -4 : -far);
    all_.high_x.assign((N + 1) * nx, bounded ? 4 : far);
    all_.low_u.assign(N * nu, bounded ? -0.5 : -far);
    all_.high_u.assign(N * nu, bounded ? 0.5 : far);
    support::Random random(1);
    for (double& x : x0) x = random.uniform(-2, 2);
  }

  [[nodiscard]] host::OcpSolver solver() const {
    host::OcpSolver made(size_);
    const double* zero = all_.zero.data();
    made.set({.A = all_.A.data(),
              .B = all_.B.data(),
              .b = zero,
              .Q = all_.Q.data(),
              .R = all_.R.data(),
              .S = zero,
              .q = zero,
              .r = zero,
              .lbx = all_.low_x.data(),
              .ubx = all_.high_x.data(),
              .lbu = all_.low_u.data(),
              .ubu = all_.high_u.data(),
              .C = zero,
              .D = zero,
              .lg = zero,
              .ug = zero,
              .l1 = zero,
              .l2 = zero});
    return made;
  }

  /// x <- A x + B u + w, w uniform within `disturbance`.
  void advance(std::vector<double>& x, const double* u, double disturbance,
               support::Random& random) const {
    std::vector<double> next(x.size());
    for (int i = 0; i < size_.nx; ++i) {
      next[i] = random.uniform(-disturbance, disturbance);
      for (int j = 0; j < size_.nx; ++j) next[i] += A_[i * size_.nx + j] * x[j];
      for (int j = 0; j < size_.nu; ++j) next[i] += B_[i * size_.nu + j] * u[j];
    }
    x = next;
  }

  [[nodiscard]] const OcpSize& size() const { return size_; }

 private:
  /// The exponential of the continuous model's [A B; 0 0] by its series.
  void discretise() {
    const int n = size_.nx, m = size_.nu, masses = n / 2, w = n + m;
    std::vector<double> f(w * w), power(w * w), sum(w * w);
    for (int i = 0; i < masses; ++i) {
      f[i * w + masses + i] = 1;
      f[(masses + i) * w + i] = -2;
      if (i > 0) f[(masses + i) * w + i - 1] = 1;
      if (i + 1 < masses) f[(masses + i) * w + i + 1] = 1;
    }
    for (int j = 0; j < m; ++j) {
      f[(masses + j) * w + n + j] = 1;
      if (j + 1 < masses) f[(masses + j + 1) * w + n + j] = -1;
    }
    for (double& value : f) value *= 0.5;
    for (int i = 0; i < w; ++i) power[i * w + i] = sum[i * w + i] = 1;
    for (int term = 1; term < 30; ++term) {
      std::vector<double> next(w * w);
      for (int i = 0; i < w; ++i) {
        for (int k = 0; k < w; ++k) {
          for (int j = 0; j < w; ++j) next[i * w + j] += power[i * w + k] * f[k * w + j] / term;
        }
      }
      power = next;
      for (int i = 0; i < w * w; ++i) sum[i] += power[i];
    }
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) A_[i * n + j] = sum[i * w + j];
      for (int j = 0; j < m; ++j) B_[i * m + j] = sum[i * w + n + j];
    }
  }

  OcpSize size_;
  std::vector<double> A_, B_;
  struct {
    std::vector<double> A, B, Q, R, zero, low_x, high_x, low_u, high_u;
  } all_;

 public:
  std::vector<double> x0;
};

}  // namespace optcore::bench
