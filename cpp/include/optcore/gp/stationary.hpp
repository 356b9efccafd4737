#pragma once

#include "optcore/core/simd_math.hpp"
#include "optcore/linalg/triangle.hpp"

namespace optcore {

/// Covariance functions: squared exponential and Matérn 1/2, 3/2, 5/2, each fused into the loops
/// that use it; or a tree of terms (gp/composite.hpp).
enum class KernelFamily : int {
  rbf = 0,
  matern12 = 1,
  matern32 = 2,
  matern52 = 3,
  composite = 4,
};

}  // namespace optcore

/// Covariances of one scaled squared distance. Inputs are stored divided by the length scale and
/// multiplied by input_scale(), so that q = sum of squared differences is r^2 / 2 for the squared
/// exponential and (2 nu) r^2 for the Matérn functions; differences are squared directly, so close
/// points lose no digits.
///
/// Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 4.2.
namespace optcore::inline OPTCORE_ISA::gp {

template <KernelFamily F>
struct Correlation;

template <>
struct Correlation<KernelFamily::rbf> {
  static constexpr double input_scale = 0.70710678118654752440;  // sqrt(1/2)
  template <class P>
  OPTCORE_INLINE static P value(P q) noexcept {
    return exp_negative(-q);
  }
  /// d value / d q
  template <class P>
  OPTCORE_INLINE static P slope(P q) noexcept {
    return -exp_negative(-q);
  }
};

template <>
struct Correlation<KernelFamily::matern12> {
  static constexpr double input_scale = 1;
  template <class P>
  OPTCORE_INLINE static P value(P q) noexcept {
    return exp_negative(-sqrt(q));
  }
  /// The cusp at q = 0 gets slope 0: the subgradient in the middle.
  template <class P>
  OPTCORE_INLINE static P slope(P q) noexcept {
    const P s = sqrt(q);
    const P half = P::broadcast(decltype(sum(q))(-0.5));
    const P steep = half * exp_negative(-s) / s;
    return {q.v > P::zero().v ? steep.v : P::zero().v};
  }
};

template <>
struct Correlation<KernelFamily::matern32> {
  static constexpr double input_scale = 1.7320508075688772935;  // sqrt(3)
  template <class P>
  OPTCORE_INLINE static P value(P q) noexcept {
    const P s = sqrt(q);
    const P e = exp_negative(-s);
    return fma(s, e, e);
  }
  template <class P>
  OPTCORE_INLINE static P slope(P q) noexcept {
    return P::broadcast(decltype(sum(q))(-0.5)) * exp_negative(-sqrt(q));
  }
};

template <>
struct Correlation<KernelFamily::matern52> {
  static constexpr double input_scale = 2.2360679774997896964;  // sqrt(5)
  template <class P>
  OPTCORE_INLINE static P value(P q) noexcept {
    using T = decltype(sum(q));
    const P s = sqrt(q);
    const P polynomial = fma(q, P::broadcast(T(1) / T(3)), s + P::broadcast(T(1)));
    return polynomial * exp_negative(-s);
  }
  template <class P>
  OPTCORE_INLINE static P slope(P q) noexcept {
    using T = decltype(sum(q));
    const P s = sqrt(q);
    return P::broadcast(T(-1) / T(6)) * (s + P::broadcast(T(1))) * exp_negative(-s);
  }
};

/// Calls body.template operator()<family>() for one that is not composite.
template <class Body>
OPTCORE_INLINE auto with_stationary(KernelFamily family, Body body) noexcept {
  switch (family) {
    case KernelFamily::matern12: return body.template operator()<KernelFamily::matern12>();
    case KernelFamily::matern32: return body.template operator()<KernelFamily::matern32>();
    case KernelFamily::matern52: return body.template operator()<KernelFamily::matern52>();
    default: return body.template operator()<KernelFamily::rbf>();
  }
}

/// Calls body.template operator()<family>().
template <class Body>
OPTCORE_INLINE auto with_family(KernelFamily family, Body body) noexcept {
  if (family == KernelFamily::composite) {
    return body.template operator()<KernelFamily::composite>();
  }
  return with_stationary(family, body);
}

/// What a model multiplies its inputs with beside the inverse length scale; composite: terms scale.
[[nodiscard]] OPTCORE_HD constexpr double input_scale(KernelFamily family) noexcept {
  switch (family) {
    case KernelFamily::rbf: return Correlation<KernelFamily::rbf>::input_scale;
    case KernelFamily::matern32: return Correlation<KernelFamily::matern32>::input_scale;
    case KernelFamily::matern52: return Correlation<KernelFamily::matern52>::input_scale;
    default: return 1;
  }
}

[[nodiscard]] OPTCORE_HD constexpr bool is_known(KernelFamily family) noexcept {
  return family >= KernelFamily::rbf && family <= KernelFamily::composite;
}

/// Training inputs by feature, scaled: feature f of point i is data[f * stride + i]; padding zero.
template <class T>
struct ScaledInputs {
  T* data = nullptr;
  int dims = 0;
  int stride = 0;

  OPTCORE_HD constexpr T* feature(int f) const noexcept {
    return data + static_cast<std::ptrdiff_t>(f) * stride;
  }
  OPTCORE_HD constexpr operator ScaledInputs<const T>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {data, dims, stride};
  }
};

/// Lower triangle of variance * correlation + noise on the diagonal, padded with the identity. Of
/// the registers that cross the diagonal the part above it gets its covariances too.
template <KernelFamily F, class T>
OPTCORE_HD void fill_covariance(ScaledInputs<const T> x, T variance, T noise,
                                linalg::Triangle<T> k) noexcept {
  constexpr int W = native_lanes<T>, columns = 4;
  using P = Pack<T>;
  const int n = k.size, rows = linalg::padded<T>(n);
  const P scale = P::broadcast(variance);
  for (int j = 0; j < n; j += columns) {
    const int count = min(columns, n - j);
    int at[columns];
    for (int c = 0; c < columns; ++c) at[c] = min(j + c, n - 1);
    const auto tile = [&]<int R>(int i) {
      P q[columns][R];
#pragma GCC unroll 8
      for (auto& column : q) {
#pragma GCC unroll 8
        for (P& value : column) value = P::zero();
      }
      const T* feature = x.data;
      for (int f = 0; f < x.dims; ++f, feature += x.stride) {
#pragma GCC unroll 8
        for (int c = 0; c < columns; ++c) {
          const P xj = P::broadcast(feature[at[c]]);
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) {
            const P difference = P::load(feature + i + r * W) - xj;
            q[c][r] = fma(difference, difference, q[c][r]);
          }
        }
      }
#pragma GCC unroll 8
      for (int c = 0; c < columns; ++c) {
        if (c >= count) break;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          (scale * Correlation<F>::value(q[c][r])).store(k.column(j + c) + i + r * W);
        }
      }
    };
    int i = j / W * W;
    for (; i + 2 * W <= rows; i += 2 * W) tile.template operator()<2>(i);
    if (i < rows) tile.template operator()<1>(i);
    for (int c = 0; c < count; ++c) k(j + c, j + c) = variance + noise;
  }
  linalg::pad_with_identity(k);
}

}  // namespace optcore::inline OPTCORE_ISA::gp
