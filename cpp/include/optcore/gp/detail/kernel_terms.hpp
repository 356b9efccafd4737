#pragma once

#include "optcore/gp/kernel_node.hpp"
#include "optcore/gp/stationary.hpp"

/// The leaves of a composite covariance function: values and derivatives of a run of points
/// against one point, points in lanes.
///
/// Source: Rasmussen & Williams (2006), section 4.2; for periods Mackay (1998); for coregional
/// outputs Alvarez, Rosasco & Lawrence, Foundations and Trends in Machine Learning 4(3) (2012).
namespace optcore::inline OPTCORE_ISA::gp::detail {

inline constexpr int term_points = 32;  ///< most points of one run, whole registers

/// One run: `count` points (whole registers) from `first` against `query`.
template <class T>
struct TermRun {
  ScaledInputs<const T> x;  ///< unscaled inputs by feature
  int first;
  int count;
  const T* query;  ///< (d,)
  int self;        ///< index of the query among the points of x; -1 where it is none

  /// x(i..i+W, f) - query[f], i counted from `first`
  OPTCORE_INLINE Pack<T> difference(int f, int i) const noexcept {
    return Pack<T>::load(x.feature(f) + first + i) - Pack<T>::broadcast(query[f]);
  }
};

/// Where derivatives are added; null: not wanted.
template <class T>
struct TermSlopes {
  T* parameters = nullptr;  ///< of this node
  T* input = nullptr;       ///< (d,) with respect to the query
};

/// sin(pi x) for |x| <= 1/2, by its series to rounding.
template <class P>
OPTCORE_INLINE P sin_pi(P x) noexcept {
  using T = decltype(sum(x));
  constexpr double series[] = {
      3.1415926535897931,      -5.1677127800499703,     2.5501640398773455,
      -0.59926452932079211,    0.082145886611128233,    -0.0073704309457143504,
      0.00046630280576761255,  -2.1915353447830217e-05, 7.9520540014755126e-07,
      -2.2948428997269873e-08, 5.392664662608129e-10};
  const P z = x * x;
  P s = P::broadcast(static_cast<T>(series[10]));
#pragma GCC unroll 16
  for (int k = 9; k >= 0; --k) s = fma(s, z, P::broadcast(static_cast<T>(series[k])));
  return s * x;
}

/// x less its nearest integer.
template <class T>
OPTCORE_INLINE Pack<T> fraction(Pack<T> x) noexcept {
  const Pack<T> magic = Pack<T>::broadcast(optcore::detail::FloatBits<T>::round_magic);
  return x - ((x + magic) - magic);
}

/// log(1 + z), z >= 0, exact for small z too.
template <class P>
OPTCORE_INLINE P log1p(P z) noexcept {
  const P one = P::broadcast(1), u = one + z;
  return log(u) + (z - (u - one)) / u;
}

/// A stationary leaf: its squared scaled distance q and what the families make of it.
template <KernelFamily F, class T>
struct StationaryTerm {
  using P = Pack<T>;
  const T* parameters;  ///< variance, length scales
  int dims;

  OPTCORE_INLINE T scale(int f) const noexcept {
    return static_cast<T>(Correlation<F>::input_scale) / parameters[1 + f];
  }
  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    for (int i = 0; i < run.count; i += P::lanes) P::zero().store(out + i);
    for (int f = 0; f < dims; ++f) {
      const P s = P::broadcast(scale(f));
      for (int i = 0; i < run.count; i += P::lanes) {
        const P u = run.difference(f, i) * s;
        fma(u, u, P::load(out + i)).store(out + i);
      }
    }
    const P variance = P::broadcast(parameters[0]);
    for (int i = 0; i < run.count; i += P::lanes) {
      (variance * Correlation<F>::value(P::load(out + i))).store(out + i);
    }
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T* value,
                         TermSlopes<T> out) const noexcept {
    alignas(64) T steep[term_points];  // weight * variance * d correlation / d q
    P all = P::zero();
    for (int i = 0; i < run.count; i += P::lanes) {
      P q = P::zero();
      for (int f = 0; f < dims; ++f) {
        const P u = run.difference(f, i) * P::broadcast(scale(f));
        q = fma(u, u, q);
      }
      const P w = P::load(weights + i);
      all = fma(w, P::load(value + i), all);
      (w * P::broadcast(parameters[0]) * Correlation<F>::slope(q)).store(steep + i);
    }
    if (out.parameters != nullptr) out.parameters[0] += sum(all) / parameters[0];
    for (int f = 0; f < dims; ++f) {
      P squares = P::zero(), linear = P::zero();
      for (int i = 0; i < run.count; i += P::lanes) {
        const P difference = run.difference(f, i), product = P::load(steep + i) * difference;
        squares = fma(product, difference, squares);
        linear += product;
      }
      const T s2 = scale(f) * scale(f);
      if (out.parameters != nullptr) {
        out.parameters[1 + f] -= 2 * s2 / parameters[1 + f] * sum(squares);
      }
      if (out.input != nullptr) out.input[f] -= 2 * s2 * sum(linear);
    }
  }
};

template <class T>
struct RationalQuadraticTerm {
  using P = Pack<T>;
  const T* parameters;  ///< variance, alpha, length scales
  int dims;

  OPTCORE_INLINE P half_distance(const TermRun<T>& run, int i) const noexcept {  // r^2 / (2 alpha)
    P q = P::zero();
    for (int f = 0; f < dims; ++f) {
      const P u = run.difference(f, i) * P::broadcast(T(1) / parameters[2 + f]);
      q = fma(u, u, q);
    }
    return q * P::broadcast(T(0.5) / parameters[1]);
  }
  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    const P variance = P::broadcast(parameters[0]), alpha = P::broadcast(parameters[1]);
    for (int i = 0; i < run.count; i += P::lanes) {
      (variance * exp_negative(-(alpha * log1p(half_distance(run, i))))).store(out + i);
    }
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T* value,
                         TermSlopes<T> out) const noexcept {
    alignas(64) T steep[term_points];  // weight * value / (1 + z)
    P all = P::zero(), of_alpha = P::zero();
    for (int i = 0; i < run.count; i += P::lanes) {
      const P z = half_distance(run, i), w = P::load(weights + i) * P::load(value + i);
      const P s = w / (P::broadcast(1) + z);
      s.store(steep + i);
      all += w;
      of_alpha += fma(s, z, -(w * log1p(z)));
    }
    if (out.parameters != nullptr) {
      out.parameters[0] += sum(all) / parameters[0];
      out.parameters[1] += sum(of_alpha);
    }
    for (int f = 0; f < dims; ++f) {
      P squares = P::zero(), linear = P::zero();
      for (int i = 0; i < run.count; i += P::lanes) {
        const P difference = run.difference(f, i), product = P::load(steep + i) * difference;
        squares = fma(product, difference, squares);
        linear += product;
      }
      const T s = T(1) / parameters[2 + f];
      if (out.parameters != nullptr) out.parameters[2 + f] += sum(squares) * s * s * s;
      if (out.input != nullptr) out.input[f] += sum(linear) * s * s;
    }
  }
};

template <class T>
struct PeriodicTerm {
  using P = Pack<T>;
  const T* parameters;  ///< variance, periods, length scales
  int dims;

  OPTCORE_INLINE P turns(const TermRun<T>& run, int f, int i) const noexcept {
    return run.difference(f, i) * P::broadcast(T(1) / parameters[1 + f]);
  }
  OPTCORE_INLINE T scale(int f) const noexcept { return T(1) / parameters[1 + dims + f]; }
  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    const P variance = P::broadcast(parameters[0]);
    for (int i = 0; i < run.count; i += P::lanes) {
      P q = P::zero();
      for (int f = 0; f < dims; ++f) {
        const P s = sin_pi(fraction(turns(run, f, i))) * P::broadcast(scale(f));
        q = fma(s, s, q);
      }
      (variance * exp_negative(P::broadcast(-2) * q)).store(out + i);
    }
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T* value,
                         TermSlopes<T> out) const noexcept {
    P all = P::zero();
    for (int i = 0; i < run.count; i += P::lanes) {
      all = fma(P::load(weights + i), P::load(value + i), all);
    }
    if (out.parameters != nullptr) out.parameters[0] += sum(all) / parameters[0];
    for (int f = 0; f < dims; ++f) {
      P squares = P::zero(), of_period = P::zero(), linear = P::zero();
      for (int i = 0; i < run.count; i += P::lanes) {
        const P w = P::load(weights + i) * P::load(value + i), u = turns(run, f, i);
        const P r = fraction(u), half = P::broadcast(T(0.5));
        const P sine = sin_pi(r), cosine = sin_pi(half - max(r, -r));
        squares = fma(w * sine, sine, squares);
        const P both = w * sine * cosine;
        linear += both;
        of_period = fma(both, u, of_period);
      }
      const T s = scale(f), steep = 4 * pi<T> * s * s / parameters[1 + f];
      if (out.parameters != nullptr) {
        out.parameters[1 + f] += steep * sum(of_period);
        out.parameters[1 + dims + f] += 4 * s * s * s * sum(squares);
      }
      if (out.input != nullptr) out.input[f] += steep * sum(linear);
    }
  }
};

template <class T>
struct LinearTerm {
  using P = Pack<T>;
  const T* parameters;  ///< variances
  int dims;

  OPTCORE_INLINE static P input(const TermRun<T>& run, int f, int i) noexcept {
    return P::load(run.x.feature(f) + run.first + i);
  }
  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    for (int i = 0; i < run.count; i += P::lanes) {
      P value = P::zero();
      for (int f = 0; f < dims; ++f) {
        value = fma(input(run, f, i), P::broadcast(parameters[f] * run.query[f]), value);
      }
      value.store(out + i);
    }
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T*,
                         TermSlopes<T> out) const noexcept {
    for (int f = 0; f < dims; ++f) {
      P total = P::zero();
      for (int i = 0; i < run.count; i += P::lanes) {
        total = fma(P::load(weights + i), input(run, f, i), total);
      }
      if (out.parameters != nullptr) out.parameters[f] += sum(total) * run.query[f];
      if (out.input != nullptr) out.input[f] += sum(total) * parameters[f];
    }
  }
};

template <class T>
struct ConstantTerm {
  using P = Pack<T>;
  const T* parameters;

  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    for (int i = 0; i < run.count; i += P::lanes) P::broadcast(parameters[0]).store(out + i);
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T*,
                         TermSlopes<T> out) const noexcept {
    P total = P::zero();
    for (int i = 0; i < run.count; i += P::lanes) total += P::load(weights + i);
    if (out.parameters != nullptr) out.parameters[0] += sum(total);
  }
};

template <class T>
struct WhiteTerm {
  using P = Pack<T>;
  const T* parameters;

  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    for (int i = 0; i < run.count; i += P::lanes) P::zero().store(out + i);
    const int at = run.self - run.first;
    if (run.self >= 0 && at >= 0 && at < run.count) out[at] = parameters[0];
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T*,
                         TermSlopes<T> out) const noexcept {
    const int at = run.self - run.first;
    if (out.parameters != nullptr && run.self >= 0 && at >= 0 && at < run.count) {
      out.parameters[0] += weights[at];
    }
  }
};

template <class T>
struct CoregionalTerm {
  const T* parameters;  ///< W by rows, kappa
  int column, outputs, rank;

  /// An index outside the outputs counts as the nearest one.
  OPTCORE_HD int output(T value) const noexcept {
    return clamp(static_cast<int>(value + T(0.5)), 0, outputs - 1);
  }
  OPTCORE_HD T covariance(int t, int u) const noexcept {
    T value = t == u ? parameters[outputs * rank + t] : T(0);
    for (int r = 0; r < rank; ++r) value += parameters[t * rank + r] * parameters[u * rank + r];
    return value;
  }
  OPTCORE_HD void values(const TermRun<T>& run, T* out) const noexcept {
    const int t = output(run.query[column]);
    const T* const u = run.x.feature(column) + run.first;
    for (int i = 0; i < run.count; ++i) out[i] = covariance(t, output(u[i]));
  }
  OPTCORE_HD void slopes(const TermRun<T>& run, const T* weights, const T*,
                         TermSlopes<T> out) const noexcept {
    if (out.parameters == nullptr) return;
    const int t = output(run.query[column]);
    for (int i = 0; i < run.count; ++i) {
      const int u = output(run.x.feature(column)[run.first + i]);
      for (int r = 0; r < rank; ++r) {
        out.parameters[t * rank + r] += weights[i] * parameters[u * rank + r];
        out.parameters[u * rank + r] += weights[i] * parameters[t * rank + r];
      }
      if (t == u) out.parameters[outputs * rank + t] += weights[i];
    }
  }
};

/// Calls body(term) with the leaf that `node` is.
template <class T, class Body>
OPTCORE_INLINE void with_term(const KernelNode& node, const T* parameters, Body body) noexcept {
  const T* const own = parameters + node.parameters;
  switch (node.kind) {
    case KernelKind::rbf: return body(StationaryTerm<KernelFamily::rbf, T>{own, node.dims});
    case KernelKind::matern12:
      return body(StationaryTerm<KernelFamily::matern12, T>{own, node.dims});
    case KernelKind::matern32:
      return body(StationaryTerm<KernelFamily::matern32, T>{own, node.dims});
    case KernelKind::matern52:
      return body(StationaryTerm<KernelFamily::matern52, T>{own, node.dims});
    case KernelKind::rational_quadratic: return body(RationalQuadraticTerm<T>{own, node.dims});
    case KernelKind::periodic: return body(PeriodicTerm<T>{own, node.dims});
    case KernelKind::linear: return body(LinearTerm<T>{own, node.dims});
    case KernelKind::constant: return body(ConstantTerm<T>{own});
    case KernelKind::white: return body(WhiteTerm<T>{own});
    case KernelKind::coregional:
      return body(CoregionalTerm<T>{own, node.dims, node.outputs, node.rank});
    case KernelKind::sum:
    case KernelKind::product: return;
  }
}

}  // namespace optcore::inline OPTCORE_ISA::gp::detail
