#pragma once

#include "optcore/belief/regression_state.hpp"
#include "optcore/belief/small_matrix.hpp"
#include "optcore/core/random.hpp"
#include "optcore/core/status.hpp"

/// Bayesian linear regression by rank-1 updates of the matrix-normal-inverse-Wishart posterior.
///
/// Source: Rowe, Multivariate Bayesian Statistics (2003), chapter 8; Bishop, PRML (2006), section
/// 3.3; the update is Sherman & Morrison's.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// s.gain = V x; returns x'Vx. `x` (stride,) zero beyond the inputs. Each block below V's diagonal
/// is read once and serves both sides.
template <class T>
OPTCORE_HD T gain_of(const RegressionState<T>& s, const T* x) noexcept {
  using P = Pack<T>;
  constexpr int rows = P::lanes;
  P quadratic = P::zero();
  for (int i = 0; i < s.inputs; i += rows) {
    const T* v = s.covariance + static_cast<std::ptrdiff_t>(i) * s.stride;
    P sums[rows], factor[rows];
    for (int r = 0; r < rows; ++r) {
      sums[r] = P::zero();
      factor[r] = P::broadcast(x[i + r]);
    }
    for (int j = 0; j < i; j += P::lanes) {
      const P input = P::load(x + j);
      P above = P::load(s.gain + j);
      for (int r = 0; r < rows; ++r) {
        const P entry = P::load(v + static_cast<std::ptrdiff_t>(r) * s.stride + j);
        sums[r] = fma(entry, input, sums[r]);
        above = fma(entry, factor[r], above);
      }
      above.store(s.gain + j);
    }
    const P input = P::load(x + i);
    for (int r = 0; r < rows; ++r) {
      sums[r] = fma(P::load(v + static_cast<std::ptrdiff_t>(r) * s.stride + i), input, sums[r]);
      s.gain[i + r] = sum(sums[r]);
    }
  }
  for (int j = 0; j < s.stride; j += P::lanes) {
    quadratic = fma(P::load(s.gain + j), P::load(x + j), quadratic);
  }
  return sum(quadratic);
}

/// V -= factor * s.gain s.gain', blocks on and below the diagonal.
template <class T>
OPTCORE_HD void take_off(const RegressionState<T>& s, T factor) noexcept {
  using P = Pack<T>;
  constexpr int rows = P::lanes;
  for (int i = 0; i < s.inputs; i += rows) {
    T* v = s.covariance + static_cast<std::ptrdiff_t>(i) * s.stride;
    P scale[rows];
    for (int r = 0; r < rows; ++r) scale[r] = P::broadcast(factor * s.gain[i + r]);
    for (int j = 0; j <= i; j += P::lanes) {
      const P gain = P::load(s.gain + j);
      for (int r = 0; r < rows; ++r) {
        T* const entry = v + static_cast<std::ptrdiff_t>(r) * s.stride + j;
        fnma(scale[r], gain, P::load(entry)).store(entry);
      }
    }
  }
}

/// target (stride,) += factor * s.gain
template <class T>
OPTCORE_INLINE void add_gain(const RegressionState<T>& s, T factor, T* target) noexcept {
  using P = Pack<T>;
  for (int j = 0; j < s.stride; j += P::lanes) {
    fma(P::broadcast(factor), P::load(s.gain + j), P::load(target + j)).store(target + j);
  }
}

/// Takes an observation in (sign 1) or out (sign -1).
template <class T>
OPTCORE_HD Status revise(RegressionState<T>& s, const T* x, const T* y, T sign) noexcept {
  const T quadratic = gain_of(s, x);
  const T spread = T(1) + sign * quadratic;
  if (!is_finite(quadratic)) return Status::not_finite;
  // a covariance that lost its sign, or an observation that was never in it
  if (!(quadratic >= T(0)) || !(spread > T(8) * epsilon<T>())) {
    return Status::not_positive_definite;
  }
  const int p = s.outputs;
  if (sign < T(0) && !(s.degrees - T(1) > T(p - 1))) return Status::invalid_argument;
  T check = T(0);
  for (int q = 0; q < p; ++q) {
    const T* m = s.mean + static_cast<std::ptrdiff_t>(q) * s.stride;
    Pack<T> sums = Pack<T>::zero();
    for (int j = 0; j < s.stride; j += Pack<T>::lanes) {
      sums = fma(Pack<T>::load(m + j), Pack<T>::load(x + j), sums);
    }
    s.error[q] = y[q] - sum(sums);
    check += s.error[q];
  }
  if (!is_finite(check)) return Status::not_finite;
  const T factor = sign / spread;
  for (int q = 0; q < p && sign < T(0); ++q) {
    if (!(s.scatter[q * p + q] + factor * s.error[q] * s.error[q] > T(0))) {
      return Status::not_positive_definite;
    }
  }
  for (int q = 0; q < p; ++q) {
    add_gain(s, factor * s.error[q], s.mean + static_cast<std::ptrdiff_t>(q) * s.stride);
    for (int r = 0; r < p; ++r) s.scatter[q * p + r] += factor * s.error[q] * s.error[r];
  }
  take_off(s, factor);
  s.degrees += sign;
  s.spread = spread;
  return Status::ok;
}

}  // namespace detail

/// Sets the prior: mean zero, V = variance I, Psi = scatter I.
/// @return invalid_argument unless variance, scatter > 0 and degrees > p - 1; nothing is changed.
template <class T>
[[nodiscard]] OPTCORE_HD Status set_prior(RegressionState<T>& s, T variance, T scatter,
                                          T degrees) noexcept {
  const bool good = variance > T(0) && scatter > T(0) && degrees > T(s.outputs - 1) &&
                    is_finite(variance) && is_finite(scatter) && is_finite(degrees);
  if (!good) return Status::invalid_argument;
  for (int i = 0; i < s.outputs * s.stride; ++i) s.mean[i] = T(0);
  for (int i = 0; i < s.stride; ++i) {
    for (int j = 0; j < s.stride; ++j) {
      const bool one = i == j && i < s.inputs;
      s.covariance[static_cast<std::ptrdiff_t>(i) * s.stride + j] = one ? variance : T(0);
    }
  }
  for (int q = 0; q < s.outputs; ++q) {
    for (int r = 0; r < s.outputs; ++r) s.scatter[q * s.outputs + r] = q == r ? scatter : T(0);
    s.error[q] = T(0);
  }
  for (int j = 0; j < s.stride; ++j) s.gain[j] = T(0);
  s.degrees = degrees;
  s.spread = T(1);
  return Status::ok;
}

/// Takes in one observation.
/// @param x (stride,) inputs, zero beyond d  @param y (p,) outputs
/// @return not_finite, not_positive_definite (rounding has spoilt V); the belief is then as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status update(RegressionState<T>& s, const T* x, const T* y) noexcept {
  return detail::revise(s, x, y, T(1));
}

/// Takes an earlier observation out again.
/// @return not_positive_definite when it cannot have been taken in; the belief is then as it was.
template <class T>
[[nodiscard]] OPTCORE_HD Status downdate(RegressionState<T>& s, const T* x, const T* y) noexcept {
  return detail::revise(s, x, y, T(-1));
}

/// Predictive Student t: mean (p,) and the factor 1 + x'Vx that multiplies Psi / (nu - p - 1) in
/// its covariance.
template <class T>
OPTCORE_HD T predict(const RegressionState<T>& s, const T* x, T* mean) noexcept {
  const T quadratic = detail::gain_of(s, x);
  for (int q = 0; q < s.outputs; ++q) {
    const T* m = s.mean + static_cast<std::ptrdiff_t>(q) * s.stride;
    T total = T(0);
    for (int j = 0; j < s.inputs; ++j) total += m[j] * x[j];
    mean[q] = total;
  }
  return T(1) + quadratic;
}

/// One draw of (B, S) from the posterior.
/// @param coefficients (d, p)  @param noise (p, p) covariance S
/// @return not_positive_definite when V or Psi has no factor; the outputs are then as they were.
template <class T>
[[nodiscard]] OPTCORE_HD Status sample(const RegressionState<T>& s, const RandomKey& key,
                                       MatrixView<T> coefficients, MatrixView<T> noise) noexcept {
  const int d = s.inputs, p = s.outputs;
  const MatrixView<T> psi{s.scratch, p, p, p}, bartlett{s.scratch + p * p, p, p, p};
  const MatrixView<T> factor{s.scratch + 2 * p * p, d, d, d};
  T* column = s.scratch + 2 * p * p + static_cast<std::ptrdiff_t>(d) * d;
  for (int i = 0; i < p * p; ++i) psi.data[i] = s.scatter[i];
  for (int i = 0; i < d; ++i) {
    for (int j = 0; j <= i; ++j) {
      factor(i, j) = s.covariance[static_cast<std::ptrdiff_t>(i) * s.stride + j];
    }
  }
  if (!cholesky(psi) || !cholesky(factor)) return Status::not_positive_definite;
  // S = L A^-T A^-1 L' with L L' = Psi and A Bartlett's factor of a Wishart variate
  Draws<T> draws(key, 0);
  for (int i = 0; i < p; ++i) {
    bartlett(i, i) = sqrt(T(2) * draws.gamma((s.degrees - T(i)) / T(2)));
    for (int j = 0; j < i; ++j) bartlett(i, j) = draws.normal();
  }
  // rows of W = L A^-T: row i solves A w = (row i of L)'
  for (int i = 0; i < p; ++i) {
    for (int j = i + 1; j < p; ++j) psi(i, j) = T(0);
    solve_lower<T>(bartlett, psi.row_data(i));
  }
  for (int i = 0; i < p; ++i) {
    for (int j = 0; j < p; ++j) {
      T total = T(0);
      for (int k = 0; k < p; ++k) total += psi(i, k) * psi(j, k);
      noise(i, j) = total;
    }
  }
  // B = M + chol(V) Z W'
  for (int i = 0; i < d; ++i) {
    for (int q = 0; q < p; ++q) {
      coefficients(i, q) = s.mean[static_cast<std::ptrdiff_t>(q) * s.stride + i];
    }
  }
  for (int k = 0; k < p; ++k) {
    for (int i = 0; i < d; ++i) column[i] = draws.normal();
    for (int i = d - 1; i >= 0; --i) {
      T total = T(0);
      for (int j = 0; j <= i; ++j) total += factor(i, j) * column[j];
      for (int q = 0; q < p; ++q) coefficients(i, q) += total * psi(q, k);
    }
  }
  return Status::ok;
}

/// Natural log of the density that the belief gave to its last observation before taking it in;
/// NaN when the scatter has no factor. Not for the inner loop: it takes two log-gammas.
template <class T>
[[nodiscard]] OPTCORE_HD T log_evidence(const RegressionState<T>& s) noexcept {
  const int p = s.outputs;
  const MatrixView<T> psi{s.scratch, p, p, p};
  T* whitened = s.scratch + p * p;
  for (int i = 0; i < p * p; ++i) psi.data[i] = s.scatter[i];
  if (!cholesky(psi)) return T(__builtin_nan(""));
  T log_determinant = T(0), share = T(0);
  for (int i = 0; i < p; ++i) {
    log_determinant += T(2) * log(psi(i, i));
    whitened[i] = s.error[i];
  }
  solve_lower<T>(psi, whitened);
  for (int i = 0; i < p; ++i) share += whitened[i] * whitened[i] / s.spread;
  const T kept = log(T(1) - share);  // |Psi before| / |Psi after|
  const auto log_gamma = [](T x) {
    return static_cast<T>(__builtin_lgamma(static_cast<double>(x)));
  };
  return log_gamma(s.degrees / T(2)) - log_gamma((s.degrees - T(p)) / T(2)) -
         T(p) / T(2) * log(pi<T> * s.spread) - (log_determinant + kept) / T(2) +
         s.degrees / T(2) * kept;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
