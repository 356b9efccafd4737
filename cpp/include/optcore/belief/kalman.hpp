#pragma once

#include "optcore/belief/kalman_state.hpp"
#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"

/// Kalman filters, one in each lane of a vector register: a single filter is one lane, a bank or
/// the models of an IMM are eight. Covariances are updated in Joseph's form and mirrored, so they
/// stay symmetric and positive semi-definite whatever the gain.
///
/// Source: Bar-Shalom, Li & Kirubarajan, Estimation with Applications to Tracking and Navigation
/// (2001), sections 5.2, 5.4 (Joseph form).
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// The beliefs of one register of lanes. D and M are 0 where sizes are known at run time only.
template <class T, int Lanes, int D, int M>
struct LaneFilter {
  using V = Pack<T, Lanes>;
  static constexpr int max_d = D > 0 ? D : max_filter_states;
  static constexpr int max_m = M > 0 ? M : max_filter_measurements;

  V x[max_d];
  V P[max_d][max_d];

  OPTCORE_INLINE static constexpr int size(const KalmanState<T>& s) noexcept {
    return D > 0 ? D : s.size;
  }
  OPTCORE_INLINE static constexpr int measured(const KalmanState<T>& s) noexcept {
    return M > 0 ? M : s.measured;
  }
  OPTCORE_INLINE static V at(const T* values, int element, int stride) noexcept {
    return V::load(values + static_cast<std::ptrdiff_t>(element) * stride);
  }

  OPTCORE_INLINE void load(const KalmanState<T>& s, int lane) noexcept {
    const int d = size(s);
    for (int a = 0; a < d; ++a) {
      x[a] = at(s.mean + lane, a, s.lanes);
      for (int b = 0; b <= a; ++b) P[a][b] = P[b][a] = at(s.covariance + lane, a * d + b, s.lanes);
    }
  }
  OPTCORE_INLINE void store(const KalmanState<T>& s, int lane) const noexcept {
    const int d = size(s);
    for (int a = 0; a < d; ++a) {
      x[a].store(s.next_mean + lane + a * s.lanes);
      for (int b = 0; b < d; ++b) P[a][b].store(s.next_covariance + lane + (a * d + b) * s.lanes);
    }
  }

  /// P <- A P A' for a full A, lower half computed and mirrored, plus `plus(a, b)`.
  template <class A, class Plus>
  OPTCORE_INLINE void transform(int d, A matrix, Plus plus) noexcept {
    V product[max_d][max_d];
    for (int a = 0; a < d; ++a) {
      V row[max_d];
      for (int k = 0; k < d; ++k) row[k] = matrix(a, k);
      for (int b = 0; b < d; ++b) {
        V total = row[0] * P[0][b];
        for (int k = 1; k < d; ++k) total = fma(row[k], P[k][b], total);
        product[a][b] = total;
      }
    }
    for (int b = 0; b < d; ++b) {
      V row[max_d];
      for (int k = 0; k < d; ++k) row[k] = matrix(b, k);
      for (int a = b; a < d; ++a) {
        V total = plus(a, b);
        for (int k = 0; k < d; ++k) total = fma(product[a][k], row[k], total);
        P[a][b] = P[b][a] = total;
      }
    }
  }

  OPTCORE_INLINE void predict(const KalmanState<T>& s, int lane) noexcept {
    const int d = size(s);
    const T *F = s.model.F + lane, *Q = s.model.Q + lane;
    V moved[max_d];
    for (int a = 0; a < d; ++a) {
      moved[a] = at(F, a * d, s.lanes) * x[0];
      for (int k = 1; k < d; ++k) moved[a] = fma(at(F, a * d + k, s.lanes), x[k], moved[a]);
    }
    for (int a = 0; a < d; ++a) x[a] = moved[a];
    transform(
        d, [&](int a, int k) { return at(F, a * d + k, s.lanes); },
        [&](int a, int b) { return at(Q, a * d + b, s.lanes); });
  }

  /// Takes in the innovation z - h(x), (m, W); returns the log-likelihood, NaN where the innovation
  /// covariance has no factor.
  template <class Innovation>
  OPTCORE_INLINE V update(const KalmanState<T>& s, int lane, Innovation innovation) noexcept {
    const int d = size(s), m = measured(s);
    const T *H = s.model.H + lane, *R = s.model.R + lane;
    V PHt[max_d][max_m], L[max_m][max_m], inverse[max_m], K[max_d][max_m], y[max_m], w[max_m];
    for (int q = 0; q < m; ++q) {
      for (int a = 0; a < d; ++a) {
        V total = P[a][0] * at(H, q * d, s.lanes);
        for (int k = 1; k < d; ++k) total = fma(P[a][k], at(H, q * d + k, s.lanes), total);
        PHt[a][q] = total;
      }
    }
    const V zero = V::zero();
    V determinant = V::broadcast(T(1)), distance = zero;
    for (int q = 0; q < m; ++q) y[q] = w[q] = innovation(q, *this);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j <= i; ++j) {
        V total = at(R, i * m + j, s.lanes);
        for (int k = 0; k < d; ++k) total = fma(at(H, i * d + k, s.lanes), PHt[k][j], total);
        for (int k = 0; k < j; ++k) total = fnma(L[i][k], L[j][k], total);
        if (i == j) {
          determinant *= total;  // the square of the factor's diagonal
          L[i][i] = sqrt(total);
          inverse[i] = V::broadcast(T(1)) / L[i][i];
        } else {
          L[i][j] = total * inverse[j];
        }
      }
      for (int k = 0; k < i; ++k) w[i] = fnma(L[i][k], w[k], w[i]);
      w[i] *= inverse[i];
      distance = fma(w[i], w[i], distance);
    }
    for (int a = 0; a < d; ++a) {
      V k[max_m];
      for (int i = 0; i < m; ++i) {
        k[i] = PHt[a][i];
        for (int j = 0; j < i; ++j) k[i] = fnma(L[i][j], k[j], k[i]);
        k[i] *= inverse[i];
      }
      for (int i = m - 1; i >= 0; --i) {
        for (int j = i + 1; j < m; ++j) k[i] = fnma(L[j][i], k[j], k[i]);
        k[i] *= inverse[i];
      }
      for (int i = 0; i < m; ++i) {
        K[a][i] = k[i];
        x[a] = fma(k[i], y[i], x[a]);
      }
    }
    // (I - K H) P (I - K H)' + K R K'
    V KR[max_d][max_m], A[max_d][max_d];
    for (int a = 0; a < d; ++a) {
      for (int j = 0; j < m; ++j) {
        V total = K[a][0] * at(R, j, s.lanes);
        for (int i = 1; i < m; ++i) total = fma(K[a][i], at(R, i * m + j, s.lanes), total);
        KR[a][j] = total;
      }
      for (int k = 0; k < d; ++k) {
        V total = V::broadcast(a == k ? T(1) : T(0));
        for (int i = 0; i < m; ++i) total = fnma(K[a][i], at(H, i * d + k, s.lanes), total);
        A[a][k] = total;
      }
    }
    transform(
        d, [&](int a, int k) { return A[a][k]; },
        [&](int a, int b) {
          V total = KR[a][0] * K[b][0];
          for (int i = 1; i < m; ++i) total = fma(KR[a][i], K[b][i], total);
          return total;
        });
    const T log_2pi = T(1.8378770664093454836);
    return V::broadcast(T(-0.5)) *
           (distance + log(determinant) + V::broadcast(log_2pi * static_cast<T>(m)));
  }
};

/// Whether all beliefs of the next state are finite with variances above zero.
template <class T>
OPTCORE_HD bool next_is_sound(const KalmanState<T>& s, int filters) noexcept {
  for (int w = 0; w < filters; ++w) {
    T check = s.next_likelihood[w];
    for (int a = 0; a < s.size; ++a) {
      const T variance = s.next_covariance[(a * s.size + a) * s.lanes + w];
      if (!(variance >= T(0))) return false;
      check += variance + s.next_mean[a * s.lanes + w];
    }
    if (!is_finite(check)) return false;
  }
  return true;
}

template <class T>
OPTCORE_HD void keep_next(KalmanState<T>& s) noexcept {
  const auto swap = [](T*& a, T*& b) {
    T* const c = a;
    a = b;
    b = c;
  };
  swap(s.mean, s.next_mean);
  swap(s.covariance, s.next_covariance);
  swap(s.log_likelihood, s.next_likelihood);
}

/// Calls `body.operator()<D, M>()` with the sizes as constants where they are common.
template <class T, class Body>
OPTCORE_HD auto with_sizes(const KalmanState<T>& s, Body body) noexcept {
  if (s.size == 4 && s.measured == 2) return body.template operator()<4, 2>();
  if (s.size == 6 && s.measured == 2) return body.template operator()<6, 2>();
  return body.template operator()<0, 0>();
}

template <class T>
inline constexpr int bank_register =
    native_lanes<T> < filter_lanes ? native_lanes<T> : filter_lanes;

/// Predicts and updates as asked, out of place.
template <class T, int Lanes, int D, int M, class Innovation>
OPTCORE_HD void advance_filters(const KalmanState<T>& s, bool predict, bool update,
                                Innovation innovation) noexcept {
  for (int lane = 0; lane < s.lanes; lane += Lanes) {
    LaneFilter<T, Lanes, D, M> filter;
    filter.load(s, lane);
    if (predict) filter.predict(s, lane);
    const auto likelihood =
        update ? filter.update(s, lane,
                               [&](int q, const auto& f) {
                                 return innovation.template operator()<Lanes>(q, lane, f);
                               })
               : Pack<T, Lanes>::zero();
    filter.store(s, lane);
    likelihood.store(s.next_likelihood + lane);
  }
}

/// z - H x for a measurement shared by all filters.
template <class T, class Filter>
OPTCORE_INLINE auto plain_innovation(const KalmanState<T>& s, const T* z, int q, int lane,
                                     const Filter& f) noexcept {
  using V = typename Filter::V;
  V total = V::broadcast(z[q]);
  const T* H = s.model.H + lane;
  const int d = Filter::size(s);
  for (int k = 0; k < d; ++k) total = fnma(Filter::at(H, q * d + k, s.lanes), f.x[k], total);
  return total;
}

template <class T, class Innovation>
OPTCORE_HD Status advance(KalmanState<T>& s, int filters, bool predict, bool update,
                          Innovation innovation) noexcept {
  if (s.lanes == 1) {
    advance_filters<T, 1, 0, 0>(s, predict, update, innovation);
  } else {
    with_sizes(s, [&]<int D, int M>() {
      advance_filters<T, bank_register<T>, D, M>(s, predict, update, innovation);
    });
  }
  if (!next_is_sound(s, filters)) return Status::not_finite;
  keep_next(s);
  return Status::ok;
}

}  // namespace detail

/// One step ahead: x <- F x, P <- F P F' + Q, in the first `filters` lanes.
/// @return not_finite leaves the beliefs as they were.
template <class T>
[[nodiscard]] OPTCORE_HD Status predict(KalmanState<T>& s, int filters = 1) noexcept {
  return detail::advance(s, filters, true, false,
                         [&]<int Lanes>(int, int, const auto&) { return Pack<T, Lanes>::zero(); });
}

/// Bayes' rule with a measurement (m,) that every filter sees; `first_predict` fuses a prediction.
/// log_likelihood holds log p(z | past) of each filter.
/// @return not_finite (a measurement that is not, or overflow, or an innovation without covariance)
///         leaves the beliefs as they were.
///
/// ```cpp
/// // a number known to be 0 +- 1, measured as 1 +- 1: it is 1/2 with variance 1/2
/// alignas(64) unsigned char memory[1024] = {};
/// optcore::Arena arena(memory, sizeof memory);
/// auto state = optcore::KalmanState<double>::make(arena, 1, 1, 1);
/// assert(!arena.overflowed());
/// state.model.F[0] = state.model.H[0] = state.model.R[0] = state.covariance[0] = 1;
/// const double z = 1;
/// assert(!failed(optcore::belief::update(state, &z)));
/// assert(std::abs(state.mean[0] - 0.5) < 1e-12 && std::abs(state.covariance[0] - 0.5) < 1e-12);
/// ```
template <class T>
[[nodiscard]] OPTCORE_HD Status update(KalmanState<T>& s, const T* z, bool first_predict = false,
                                       int filters = 1) noexcept {
  return detail::advance(s, filters, first_predict, true,
                         [&]<int Lanes>(int q, int lane, const auto& f) {
                           return detail::plain_innovation(s, z, q, lane, f);
                         });
}

/// Bayes' rule with the innovation z - h(x) given, for measurements that are not linear: H is then
/// the Jacobian, or the statistical linearisation of an unscented filter.
/// @param innovation (m, W)
template <class T>
[[nodiscard]] OPTCORE_HD Status update_with_innovation(KalmanState<T>& s, const T* innovation,
                                                       int filters = 1) noexcept {
  return detail::advance(s, filters, false, true, [&]<int Lanes>(int q, int lane, const auto&) {
    return Pack<T, Lanes>::load(innovation + q * s.lanes + lane);
  });
}

}  // namespace optcore::inline OPTCORE_ISA::belief
