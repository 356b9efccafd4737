#pragma once

#include "optcore/mpc/active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Optimality residuals of a trajectory and its multipliers, from the problem's data alone and in
/// the caller's units.
template <class T>
struct Residuals {
  T primal = 0;     ///< largest violation of a bound, a hard row or the dynamics
  T dual = 0;       ///< largest stationarity residual, after the costate recursion
  T gap = 0;        ///< mean of multiplier times room over all constraints
  T objective = 0;  ///< without the terms of x0 alone
  T max_slack = 0;  ///< largest violation of a priced row
  T size = 1;       ///< largest number of the plan, at least 1
  T pull = 1;       ///< largest multiplier, costate or gradient of the cost, at least 1

  /// Is every residual within `tolerance` of the numbers it is the difference of?
  [[nodiscard]] bool within(T tolerance) const noexcept {
    return is_finite(objective) && primal <= tolerance * size && dual <= tolerance * pull &&
           gap <= tolerance * max(size, pull);
  }
};

/// `it.hz` is H z + g at it.z; `it.lin` is overwritten.
template <class T, int Nx, int Nu>
class ResidualsOf {
 public:
  using Data = OcpData<T, Nx, Nu>;

  static Residuals<T> measure(const Data& d, OcpIterate<T>& it) noexcept {
    Residuals<T> r;
    const P zero = P::zero(), one = P::broadcast(T(1)), none = P::broadcast(Data::none);
    P products = zero, pairs = zero, costs = zero, worst = zero, size = one;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = 0; j < d.zs(); j += P::lanes) {
        const int i = k * d.zs() + j;
        const P z = P::load(it.z + i), y = P::load(it.multiplier + i), unit = P::load(d.unit + j);
        const P low = P::load(d.low + i), high = P::load(d.high + i);
        const P has_low = detail::where_positive(low + none, one, zero);
        const P has_high = detail::where_positive(none - high, one, zero);
        products += detail::absolute(has_low * max(y, zero) * (z - low));
        products += detail::absolute(has_high * min(y, zero) * (high - z));
        pairs += has_low + has_high;
        worst = max(worst, unit * max(low - z, z - high));
        size = max(size, unit * detail::absolute(z));
        if (k > 0) costs = fma(z, P::load(it.hz + i) + P::load(d.gradient + i), costs);
      }
    }
    T total = sum(products), count = sum(pairs);
    r.primal = largest(worst);
    r.size = largest(size);
    r.objective = T(0.5) * sum(costs);
    for (int j = d.nx(); j < d.nz(); ++j) {
      r.objective += T(0.5) * it.z[j] * (it.hz[j] + d.gradient[j]);
    }
    const auto pair = [&](T multiplier, T room) {
      total += abs(multiplier * room);
      count += 1;
    };
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int i = 0; i < d.counts[k]; ++i) row(d, it, k, i, pair, r);
    }
    for (int k = 0; k < d.horizon(); ++k) defect(d, it, k, r);
    r.objective += T(0.5) * cross_cost(d, it);
    r.objective *= d.cost_unit;
    r.gap = count > 0 ? d.cost_unit * total / count : T(0);
    stationarity(d, it, r);
    return r;
  }

 private:
  using P = Pack<T>;

  template <class Pair>
  static void row(const Data& d, const OcpIterate<T>& it, int k, int i, Pair pair,
                  Residuals<T>& r) noexcept {
    const int at = k * d.rs() + i;
    const T value = detail::row_value(d, k, i, it.z);
    const T low = d.row_low[at], high = d.row_high[at], y = it.row_multiplier[at];
    const T excess = max(T(0), max(low - value, value - high));
    if (d.l1[at] < Data::none) {
      r.objective += excess * (d.l1[at] + T(0.5) * d.l2[at] * excess);
      r.max_slack = max(r.max_slack, excess * d.row_unit[i]);
      pair(d.l1[at] + d.l2[at] * excess - abs(y), excess);
    } else {
      r.primal = max(r.primal, excess * d.row_unit[i]);
    }
    if (low > -Data::none) pair(max(y, T(0)), max(T(0), value - low));
    if (high < Data::none) pair(min(y, T(0)), max(T(0), high - value));
  }

  /// x[k + 1] - A x - B u - b
  static void defect(const Data& d, OcpIterate<T>& it, int k, Residuals<T>& r) noexcept {
    const T* next = it.z + (k + 1) * d.zs();
    detail::combine<Data::x_static>(d.xs() / Data::lanes, d.offset + k * d.xs(), d.nz(),
                                    it.z + k * d.zs(), d.columns + k * d.nz() * d.xs(), d.xs(),
                                    it.lin);
    for (int i = 0; i < d.nx(); ++i) {
      r.primal = max(r.primal, d.unit[i] * abs(next[i] - it.lin[i]));
    }
  }

  /// x0'S'u, half of which the sum over the inputs of stage 0 leaves out.
  static T cross_cost(const Data& d, const OcpIterate<T>& it) noexcept {
    T total = 0;
    for (int j = d.nx(); j < d.nz(); ++j) {
      for (int i = 0; i < d.nx(); ++i) total += it.z[j] * d.hessian[j * d.zs() + i] * it.z[i];
    }
    return total;
  }

  static void stationarity(const Data& d, OcpIterate<T>& it, Residuals<T>& r) noexcept {
    const P cost = P::broadcast(d.cost_unit);
    P pull = P::zero();
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = 0; j < d.zs(); j += P::lanes) {
        const int i = k * d.zs() + j;
        const P g = P::load(it.hz + i), y = P::load(it.multiplier + i);
        (g - y).store(it.lin + i);
        pull = max(pull, max(detail::absolute(g), detail::absolute(y)) / P::load(d.unit + j));
      }
    }
    detail::pull_rows(d, it.row_multiplier, it.lin);
    P costate = P::zero();
    for (int k = d.horizon() - 1; k >= 0; --k) {
      detail::costate_step(d, k, it.lin);
      T* lin = it.lin + k * d.zs();
      for (int j = d.nx(); j < d.nz(); ++j) r.dual = max(r.dual, abs(lin[j]) / d.unit[j]);
      for (int j = 0; j < d.xs(); j += P::lanes) {
        costate = max(costate, detail::absolute(P::load(lin + j)) / P::load(d.unit + j));
      }
    }
    r.dual *= d.cost_unit;
    r.pull = max(r.pull, largest(cost * max(pull, costate)));
  }
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
