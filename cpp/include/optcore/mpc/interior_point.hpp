#pragma once

#include "optcore/mpc/active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Primal-dual interior point with Mehrotra's predictor and corrector over the Riccati recursion:
/// the path that always converges. Predictor and corrector share one factorisation. Trajectories
/// keep the dynamics, and a step of length a leaves 1 - a of every other residual, so residuals
/// are computed once and then scaled.
///
/// A one-sided constraint is s (v - limit) = gap > 0 with multiplier lambda, s = +1 (lower) or -1;
/// a priced one may be violated by a slack > 0 whose own multiplier is nu. Constraints that do not
/// exist have push 0, gap and lambda 1 and inverses 0, so no loop asks.
///
/// Source: Mehrotra, SIAM J. Optim. 2(4) (1992); Rao, Wright & Rawlings, JOTA 99 (1998).
template <class T, int Nx, int Nu>
class InteriorPoint {
 public:
  using Data = OcpData<T, Nx, Nu>;
  using Factor = Riccati<T, Nx, Nu>;

  void attach(Arena& arena, const Data& d) noexcept {
    const auto take = [&](T*& p, int each) {
      p = arena.array<T>(static_cast<std::size_t>(d.stages()) * static_cast<std::size_t>(each));
    };
    for (int s = 0; s < 2; ++s) {
      take(bounds_.of[s].base, Pairs::count * d.zs());
      take(rows_.of[s].base, Pairs::count * d.rs());
      take(prices_.of[s].base, Price::count * d.rs());
    }
    take(lift_, d.zs());
    take(row_pull_, d.rs());
    take(row_lift_, d.rs());
  }

  using P = Pack<T>;
  struct Result {
    Status status = Status::max_iterations;
    int iterations = 0;
    T gap = 0, primal = 0, dual = 0;
  };

  /// From the trajectory it.z, or from where the last run stopped.
  struct Goal {
    T tolerance, barrier;
    int max_iterations;
    bool resume = false;
    bool near = false;           ///< the trajectory is close to a solution
    bool until_settled = false;  ///< stop early, when the active set shows
  };

  /// Leaves multipliers and weights of the last factor in `it`.
  Result run(Data& d, OcpIterate<T>& it, Factor& riccati, const Goal& goal) noexcept {
    if (!goal.resume) start(d, it, goal);
    Result r = result_;
    T alpha = alpha_;
    for (;; ++r.iterations) {
      r.gap = advance(d, it, alpha);
      if (r.iterations == 0) r.dual = largest_gradient(d, it);
      r.primal *= T(1) - alpha;
      r.dual *= T(1) - alpha;
      if (!is_finite(r.gap + r.primal)) return stop(r, Status::not_finite);
      const bool small =
          r.gap < goal.tolerance && r.primal < goal.tolerance && r.dual < goal.tolerance;
      if (small || (goal.until_settled && r.gap < settled_gap() && r.primal < settled_gap())) {
        keep_multipliers(d, it, false);
        alpha_ = 0;
        return stop(r, Status::ok);
      }
      if (r.iterations >= goal.max_iterations) {
        return stop(r, r.primal > T(1e3) * goal.tolerance ? Status::primal_infeasible
                                                          : Status::max_iterations);
      }
      d.changed = d.horizon();
      if (!riccati.factorise(d, it.weight, it.row_weight, d.horizon())) {
        return stop(r, Status::not_positive_definite);
      }
      riccati.solve(d, it.lin, it.dz);
      T products = 0;
      const T affine = min(T(1), predict(d, it, products));
      const T left = (T(1) - affine) * r.gap + affine * affine * products / max(count_, T(1));
      const T sigma = r.gap > 0 ? clamp(left / r.gap, T(0), T(1)) : T(0);
      const T target = max(sigma * sigma * sigma * r.gap, T(0.05) * goal.tolerance);
      aim(d, it, target);
      riccati.solve(d, it.lin, it.dz);
      alpha = min(T(1), T(0.998) * correct(d, it, target));
      if (!(alpha > T(1e-9))) return stop(r, Status::primal_infeasible);
    }
  }

  [[nodiscard]] int iterations() const noexcept { return result_.iterations; }

  /// Multipliers of the last run; `only_active` leaves out those smaller than their gap.
  void keep_multipliers(const Data& d, OcpIterate<T>& it, bool only_active) const noexcept {
    const P scale = P::broadcast(only_active ? ActiveSet<T, Nx, Nu>::input_scale(d) : T(0));
    const auto multiplier = [&](const Pairs& s, int i) {
      const P l = s.get(Pairs::lambda, i);
      return s.get(Pairs::push, i) *
             detail::where_positive(l - scale * s.get(Pairs::gap, i), l, P::zero());
    };
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      (multiplier(bounds_.of[0], i) + multiplier(bounds_.of[1], i)).store(it.multiplier + i);
    }
    each_row(d, [&](int, int, int i) {
      P y = multiplier(rows_.of[0], i);
      if (d.upper_rows) y += multiplier(rows_.of[1], i);
      y.store(it.row_multiplier + i);
    });
  }

 private:
  /// Pairs gap > 0, multiplier > 0 whose product goes to zero, and their steps. The fields of one
  /// pack lie side by side, so a pass follows one pointer.
  template <int Fields>
  struct Block {
    static constexpr int count = Fields;
    enum Field {
      push,
      residual,
      gap,
      lambda,
      d_gap,
      d_lambda,
      inverse_gap,
      inverse_lambda,
      product
    };

    OPTCORE_INLINE P get(int field, int i) const noexcept {
      return P::load(base + i * Fields + field * P::lanes);
    }
    OPTCORE_INLINE void set(int field, int i, P value) const noexcept {
      value.store(base + i * Fields + field * P::lanes);
    }
    OPTCORE_INLINE void begin(int i, P direction, P exists, P gap0, P lambda0) const noexcept {
      const P one = P::broadcast(T(1));
      set(push, i, direction);
      set(gap, i, detail::where_positive(exists, gap0, one));
      set(lambda, i, detail::where_positive(exists, lambda0, one));
      set(d_gap, i, P::zero());
      set(d_lambda, i, P::zero());
    }
    /// Takes the step; one division gives both inverses. Adds gap lambda to mu. Returns the
    /// curvature lambda / gap.
    OPTCORE_INLINE P move(int i, P by, P exists, P& mu) const noexcept {
      const P g = fma(by, get(d_gap, i), get(gap, i));
      const P l = fma(by, get(d_lambda, i), get(lambda, i));
      const P both = g * l, inverse = exists / both, inverse_g = l * inverse;
      mu = fma(exists, both, mu);
      set(gap, i, g);
      set(lambda, i, l);
      set(inverse_gap, i, inverse_g);
      set(inverse_lambda, i, g * inverse);
      return l * inverse_g;
    }
    /// The multiplier's step that belongs to the gap's, for the complementarity target `t`.
    OPTCORE_INLINE P follow(int i, P step, P t, P exists) const noexcept {
      const P l = get(lambda, i);
      return fnma(l, exists, fnma(l, step, t) * get(inverse_gap, i));
    }
    OPTCORE_INLINE P steepness(int i, P step, P l_step) const noexcept {
      return max(-step * get(inverse_gap, i), -l_step * get(inverse_lambda, i));
    }
    T* base = nullptr;
  };
  /// `push` is s, 0 where there is no constraint; `residual` s (v - limit) - gap.
  using Pairs = Block<9>;
  /// The slack of a priced row with nu; how the row's movement is shared between gap and slack.
  /// `push` is 1 for priced rows, `residual` that of the slack's stationarity.
  struct Price : Block<13> {
    enum { relief = 9, by_gap, by_slack, drive };
  };

  // Copied into a pass, since a vector store could change a member as far as the compiler knows.
  struct Sides {
    Pairs of[2];
  };
  struct Prices {
    Price of[2];
  };

  [[nodiscard]] int row_sides(const Data& d) const noexcept { return d.upper_rows ? 2 : 1; }
  OPTCORE_INLINE static P exists(const T* limit) noexcept {
    const P none = detail::absolute(P::load(limit)) - P::broadcast(Data::none);
    return detail::where_positive(none, P::zero(), P::broadcast(T(1)));
  }
  template <class F>
  static void each_row(const Data& d, F f) noexcept {
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int p = 0; p < d.row_packs(k); ++p) f(k, p, k * d.rs() + p * P::lanes);
    }
  }

  static constexpr T settled_gap() noexcept { return sizeof(T) == 4 ? T(1e-3) : T(1e-5); }

  Result stop(Result r, Status status) noexcept {
    r.status = status;
    return result_ = r;
  }

  /// Far from a solution gaps start wide (a third of the range, half of a violation), near one
  /// they follow the trajectory.
  void start(const Data& d, OcpIterate<T>& it, const Goal& goal) noexcept {
    const P share = P::broadcast(goal.near ? T(0.05) : T(0.3));
    const P mirror = P::broadcast(goal.near ? T(0) : T(-0.5));
    const P one = P::broadcast(T(1)), mu = P::broadcast(goal.barrier), tenth = P::broadcast(T(0.1));
    P total = P::zero(), off = P::zero();
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      const P z = P::load(it.z + i);
      const P low = P::load(d.low + i), high = P::load(d.high + i);
      const P least = min((high - low) * share, one);
      P::zero().store(it.dz + i);
      for (int s = 0; s < 2; ++s) {
        const P on = exists((s == 0 ? d.low : d.high) + i);
        const P room = detail::where_positive(on, s == 0 ? z - low : high - z, one);
        const P gap = max(max(room, mirror * room), least), residual = on * (room - gap);
        bounds_.of[s].begin(i, s == 0 ? on : -on, on, gap, mu / gap);
        bounds_.of[s].set(Pairs::residual, i, residual);
        off = max(off, detail::absolute(residual));
        total += on;
      }
    }
    each_row(d, [&](int k, int p, int i) {
      const P value = detail::row_along(d, k, p, it.z);
      const P l1 = P::load(d.l1 + i), l2 = P::load(d.l2 + i);
      const P priced = detail::where_positive(P::broadcast(Data::none) - l1, one, P::zero());
      for (int s = 0; s < row_sides(d); ++s) {
        const T* limits = s == 0 ? d.row_low : d.row_high;
        const P on = exists(limits + i), relaxed = on * priced, limit = P::load(limits + i);
        const P room = detail::where_positive(on, s == 0 ? value - limit : limit - value, one);
        const P gap = max(room, tenth), slack = max(gap - room, P::broadcast(T(0.05)));
        const P lambda = min(mu / gap, P::broadcast(T(0.5)) * l1);
        rows_.of[s].begin(i, s == 0 ? on : -on, on, gap, lambda);
        prices_.of[s].begin(i, relaxed, relaxed, slack, l1);
        const P residual = on * (room - gap) + relaxed * slack;
        const P dual = relaxed * fma(l2, slack, -lambda);  // nu starts at l1
        rows_.of[s].set(Pairs::residual, i, residual);
        prices_.of[s].set(Price::push, i, relaxed);
        prices_.of[s].set(Price::residual, i, dual);
        off = max(off, detail::absolute(residual));
        off = max(off, detail::absolute(dual) / max(one, relaxed * l1));
        total += on + relaxed;
      }
    });
    count_ = sum(total);
    result_ = {};
    result_.primal = largest(off);
    alpha_ = 0;
  }

  /// Takes the last step; weights and gradient of the next Newton system. Returns the mean gap.
  T advance(const Data& d, OcpIterate<T>& it, T alpha) noexcept {
    const Sides sides = bounds_, rows = rows_;
    const Prices prices = prices_;
    const P by = P::broadcast(alpha), keep = P::broadcast(T(1) - alpha), one = P::broadcast(T(1));
    P mu = P::zero();
    for (int k = 0; k <= d.horizon(); ++k) {
      const int at = k * d.zs();
      for (int i = at; i < at + d.zs(); i += P::lanes) {
        fma(by, P::load(it.dz + i), P::load(it.z + i)).store(it.z + i);
      }
      detail::combine<Data::z_static>(d.zs() / P::lanes, d.gradient + at, d.last(k), it.z + at,
                                      d.hessian + at * d.nz(), d.zs(), it.hz + at);
      for (int i = at; i < at + d.zs(); i += P::lanes) {
        P lin = P::load(it.hz + i), weight = P::zero();
        for (const Pairs& s : sides.of) {
          const P push = s.get(Pairs::push, i), residual = keep * s.get(Pairs::residual, i);
          s.set(Pairs::residual, i, residual);
          const P w = s.move(i, by, push * push, mu);
          weight += w;
          lin = fma(push, w * residual, lin);
        }
        weight.store(it.weight + i);
        lin.store(it.lin + i);
      }
    }
    each_row(d, [&](int, int, int i) {
      P pull = P::zero(), weight = P::zero();
      const P l2 = P::load(d.l2 + i);
      for (int n = 0; n < row_sides(d); ++n) {
        const Pairs& s = rows.of[n];
        const Price& price = prices.of[n];
        const P push = s.get(Pairs::push, i), on = push * push, relaxed = price.get(Price::push, i);
        const P residual = keep * s.get(Pairs::residual, i),
                dual = keep * price.get(Price::residual, i);
        s.set(Pairs::residual, i, residual);
        price.set(Price::residual, i, dual);
        const P w = s.move(i, by, on, mu), bend = price.move(i, by, relaxed, mu);
        const P lambda = on * s.get(Pairs::lambda, i), nu = price.get(Price::lambda, i);
        const P give = relaxed * (bend + l2);
        const P relief = relaxed / max(P::broadcast(smallest_normal<T>()), give + w);
        const P by_gap = fma(give, relief, one - relaxed), by_slack = w * relief;
        const P rest = -relaxed * (nu + dual);
        price.set(Price::relief, i, relief);
        price.set(Price::by_gap, i, by_gap);
        price.set(Price::by_slack, i, by_slack);
        price.set(Price::drive, i, (relief * (rest - lambda)));
        const P force = lambda - by_gap * fma(w, residual, lambda) - by_slack * rest;
        pull = fma(push, force, pull);
        weight = fma(w, by_gap, weight);
      }
      pull.store(row_pull_ + i);
      weight.store(it.row_weight + i);
    });
    detail::pull_rows(d, row_pull_, it.lin);
    return count_ > 0 ? sum(mu) / count_ : T(0);
  }

  /// The predictor's steps: keeps their products, and what the corrector adds to the gradient, in
  /// parts with and without the target. Returns the longest step; `products` is their sum.
  T predict(const Data& d, OcpIterate<T>& it, T& products) noexcept {
    const Sides sides = bounds_, rows = rows_;
    const Prices prices = prices_;
    P steep = P::broadcast(T(1e-12)), total = P::zero();
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      const P dz = P::load(it.dz + i);
      P lin = P::load(it.lin + i), lift = P::zero();
      for (const Pairs& s : sides.of) {
        const P push = s.get(Pairs::push, i);
        const P step = fma(push, dz, s.get(Pairs::residual, i));
        const P l_step = s.follow(i, step, P::zero(), push * push), product = step * l_step;
        const P pushed = push * s.get(Pairs::inverse_gap, i);
        steep = max(steep, s.steepness(i, step, l_step));
        total += product;
        s.set(Pairs::product, i, product);
        lin = fma(pushed, product, lin);
        lift += pushed;
      }
      lin.store(it.lin + i);
      lift.store(lift_ + i);
    }
    each_row(d, [&](int k, int p, int i) {
      const P moved = detail::row_along(d, k, p, it.dz);
      P pull = P::zero(), lift = P::zero();
      for (int n = 0; n < row_sides(d); ++n) {
        const Pairs& s = rows.of[n];
        const Price& price = prices.of[n];
        const P push = s.get(Pairs::push, i), relaxed = price.get(Price::push, i);
        const P change = fma(push, moved, s.get(Pairs::residual, i));
        const P by_gap = price.get(Price::by_gap, i), by_slack = price.get(Price::by_slack, i);
        const P drive = price.get(Price::drive, i);
        const P step = fma(by_gap, change, drive), slack = fnma(by_slack, change, drive);
        const P l_step = s.follow(i, step, P::zero(), push * push);
        const P nu_step = price.follow(i, slack, P::zero(), relaxed);
        const P product = step * l_step, paid = slack * nu_step;
        const P gap = by_gap * s.get(Pairs::inverse_gap, i);
        const P cost = by_slack * price.get(Price::inverse_gap, i);
        steep = max(steep, s.steepness(i, step, l_step));
        steep = max(steep, price.steepness(i, slack, nu_step));
        total += product + paid;
        s.set(Pairs::product, i, product);
        price.set(Price::product, i, paid);
        pull = fma(push, fnma(gap, product, cost * paid), pull);
        lift = fma(push, gap - cost, lift);
      }
      pull.store(row_pull_ + i);
      lift.store(row_lift_ + i);
    });
    products = sum(total);
    return T(1) / largest(steep);
  }

  /// The corrector's gradient for the complementarity target.
  void aim(const Data& d, OcpIterate<T>& it, T target) noexcept {
    const P t = P::broadcast(target);
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      fnma(t, P::load(lift_ + i), P::load(it.lin + i)).store(it.lin + i);
    }
    each_row(d, [&](int, int, int i) {
      fma(t, P::load(row_lift_ + i), P::load(row_pull_ + i)).store(row_pull_ + i);
    });
    detail::pull_rows(d, row_pull_, it.lin);
  }

  /// The corrector's steps; returns the longest that keeps all pairs positive (may exceed 1).
  T correct(const Data& d, const OcpIterate<T>& it, T target) noexcept {
    const Sides sides = bounds_, rows = rows_;
    const Prices prices = prices_;
    const P t = P::broadcast(target);
    P steep = P::broadcast(T(1e-12));
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      const P dz = P::load(it.dz + i);
      for (const Pairs& s : sides.of) {
        const P push = s.get(Pairs::push, i);
        const P step = fma(push, dz, s.get(Pairs::residual, i));
        const P l_step = s.follow(i, step, t - s.get(Pairs::product, i), push * push);
        s.set(Pairs::d_gap, i, step);
        s.set(Pairs::d_lambda, i, l_step);
        steep = max(steep, s.steepness(i, step, l_step));
      }
    }
    each_row(d, [&](int k, int p, int i) {
      const P moved = detail::row_along(d, k, p, it.dz);
      for (int n = 0; n < row_sides(d); ++n) {
        const Pairs& s = rows.of[n];
        const Price& price = prices.of[n];
        const P push = s.get(Pairs::push, i), relaxed = price.get(Price::push, i);
        const P aim = t - s.get(Pairs::product, i), aim_slack = t - price.get(Price::product, i);
        const P change = fma(push, moved, s.get(Pairs::residual, i));
        const P extra =
            fma(aim, s.get(Pairs::inverse_gap, i), aim_slack * price.get(Price::inverse_gap, i));
        const P drive = fma(price.get(Price::relief, i), extra, price.get(Price::drive, i));
        const P step = fma(price.get(Price::by_gap, i), change, drive);
        const P slack = fnma(price.get(Price::by_slack, i), change, drive);
        const P l_step = s.follow(i, step, aim, push * push);
        const P nu_step = price.follow(i, slack, aim_slack, relaxed);
        s.set(Pairs::d_gap, i, step);
        s.set(Pairs::d_lambda, i, l_step);
        price.set(Price::d_gap, i, slack);
        price.set(Price::d_lambda, i, nu_step);
        steep = max(steep, s.steepness(i, step, l_step));
        steep = max(steep, price.steepness(i, slack, nu_step));
      }
    });
    return T(1) / largest(steep);
  }

  [[nodiscard]] static T largest_gradient(const Data& d, const OcpIterate<T>& it) noexcept {
    T top = 1;
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int j = d.first(k); j < d.last(k); ++j) top = max(top, abs(it.hz[k * d.zs() + j]));
    }
    return top;
  }

  Sides bounds_, rows_;  ///< lower, upper
  Prices prices_;
  T count_ = 0;  ///< pairs
  Result result_;
  T alpha_ = 0;  ///< length of the step not yet taken
  T *lift_ = nullptr, *row_pull_ = nullptr, *row_lift_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
