#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "optcore/gp/model.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

/// A random regression problem with its posterior by a dense long double solve, and a model with
/// its memory.
namespace optcore::support {

inline constexpr KernelFamily families[] = {KernelFamily::rbf, KernelFamily::matern12,
                                            KernelFamily::matern32, KernelFamily::matern52};

inline long double correlation(KernelFamily family, long double r2) {
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
    Random random(n + 10 * d);
    for (int i = 0; i < n * d; ++i) X.push_back(random.uniform(-2, 2));
    for (int i = 0; i < n * outputs; ++i) Y.push_back(random.normal());
    for (int f2 = 0; f2 < d; ++f2) scales.push_back(random.uniform(0.5, 2));
    for (int o = 0; o < outputs; ++o) prior.push_back(0.3 * o - 0.5);
    refit();
  }
  /// After X, Y or a hyper-parameter was changed.
  void refit() {
    n = static_cast<int>(X.size()) / d;
    std::vector<long double> l(n * n, 0);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) {
        long double s = k(&X[i * d], &X[j * d]) + (i == j ? noise : 0);
        if (i == j && !point_noise.empty()) s += point_noise[i];
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
  double covariance(const double* a, const double* b) const {
    std::vector<long double> ka(n), kb(n);
    for (int i = 0; i < n; ++i) ka[i] = k(a, &X[i * d]), kb[i] = k(b, &X[i * d]);
    ka = whiten(ka);
    kb = whiten(kb);
    long double total = k(a, b);
    for (int i = 0; i < n; ++i) total -= ka[i] * kb[i];
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
  std::vector<double> X, Y, scales, prior, point_noise;
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
      : X(cast<T>(r.X)),
        Y(cast<T>(r.Y)),
        scales(cast<T>(r.scales)),
        prior(cast<T>(r.prior)),
        point_noise(cast<T>(r.point_noise)) {
    memory.give([&](Arena& arena) { model.bind(arena, capacity, r.d, r.outputs, with_variance); });
    const AllocationGuard no_allocation;
    status =
        model.fit({X.data(), points, r.d, r.d}, {Y.data(), points, r.outputs, r.outputs}, hyper(r));
  }
  gp::Hyperparameters<T> hyper(const Reference& r) {
    return {.family = r.family,
            .variance = static_cast<T>(r.variance),
            .length_scales = {scales.data(), r.d},
            .noise = static_cast<T>(r.noise),
            .mean = {prior.data(), r.outputs},
            .point_noise = {point_noise.data(), static_cast<int>(point_noise.size())}};
  }
  gp::Model<T> model;
  std::vector<T> X, Y, scales, prior, point_noise;
  support::Memory memory;
  Status status;
};

}  // namespace optcore::support
