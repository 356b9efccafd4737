#pragma once

#include "optcore/mpc/detail/rows.hpp"
#include "optcore/mpc/ocp_iterate.hpp"
#include "optcore/mpc/riccati.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Semismooth Newton method on the augmented Lagrangian: the active-set path.
///
/// Bounds and rows are replaced by quadratic penalties around their multipliers; Newton's step on
/// that convex, piecewise quadratic function is one Riccati solve, and stages whose active set did
/// not change keep their factor. From a cold start the penalty grows by a factor of a hundred a
/// step; once the set is settled, multiplier steps with the same factor make the solution exact.
/// With a good guess of the active set that is one factorisation. An exact line search makes the
/// method converge; when it is needed too often the interior point does better, and run() says so.
///
/// Sources: Hintermueller, Ito & Kunisch, "The primal-dual active set strategy as a semismooth
/// Newton method", SIAM J. Optim. 13(3) (2002); Hermans, Themelis & Patrinos, "QPALM", Math. Prog.
/// Comp. 14 (2022).
template <class T, int Nx, int Nu>
class ActiveSet {
  using P = Pack<T>;

 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, const Data& d) noexcept {
    const auto take = [&](T*& p, int each) {
      p = arena.array<T>(static_cast<std::size_t>(d.stages()) * static_cast<std::size_t>(each));
    };
    take(pull_, d.zs());
    take(row_pull_, d.rs());
    take(row_step_, d.rs());
  }

  enum class Start {
    cold,     ///< nothing known: from the unconstrained optimum, the penalty grows
    guessed,  ///< it.multiplier tells what is active (not zero)
    patient   ///< as cold, with as many line searches as it takes
  };
  enum class Outcome {
    solved,
    gave_up,   ///< too many line searches or steps: the interior point does better
    stalled,   ///< violations do not shrink; it.multiplier is then their direction
    singular,  ///< an input block is not positive definite
  };
  struct Result {
    Outcome outcome = Outcome::gave_up;
    int iterations = 0;
  };

  /// From it.z, a trajectory of the dynamics. The factor in `riccati` belongs to it.weight from
  /// stage d.changed + 1 on. Unsolved, it.z and it.multiplier are where the method gave up.
  Result run(Data& d, OcpIterate<T>& it, Riccati<T, Nx, Nu>& riccati, Start start, T tolerance,
             int max_iterations) noexcept {
    Result result;
    const T scale = input_scale(d), last_penalty = scale * top_penalty();
    const bool guessed = start == Start::guessed, patient = start == Start::patient;
    penalty_ = guessed ? last_penalty : T(0);
    int searches = 0;
    T lack = 0, last_worst = infinity<T>();
    multiply_hessian(d, it);
    guessed ? penalise<true>(d, it) : penalise<false>(d, it);
    for (; result.iterations < max_iterations; ++result.iterations) {
      if (d.changed >= 0) {
        if (!riccati.factorise(d, it.weight, it.row_weight, d.changed)) {
          return result.outcome = Outcome::singular, result;
        }
        d.changed = -1;
      }
      riccati.solve(d, it.lin, it.dz);
      const T slope = product(d, it.lin, it.dz), cost_slope = product(d, it.hz, it.dz);
      step(d, it, T(1));
      evaluate(d, it);
      if (!is_finite(worst_)) return result;
      if (penalty_ > 0 && product(d, it.lin, it.dz) > T(0.1) * abs(slope) + noise(d, it)) {
        if (guessed && result.iterations < most_full_steps) continue;
        const T length = search(d, it, cost_slope, slope, patient ? T(1e-3) : T(0.05));
        lack += T(1) - length;  // of full steps in a row
        step(d, it, length - T(1));
        evaluate(d, it);
        const bool poor =
            guessed || ++searches > most_searches || (lack > T(0.5) && lack > T(1) - length);
        if (poor && !patient) return keep_multipliers(d, it), result;
        continue;
      }
      lack = 0;
      if (penalty_ == T(0) && !patient && 2 * count_violated(d, it) > 3 * d.horizon()) {
        return result;
      }
      if (penalty_ < last_penalty) {
        const T next = d.changed < 0 ? last_penalty : T(100) * penalty_;
        penalty_ = penalty_ > 0 ? min(next, last_penalty) : scale * first_penalty();
        penalise<false>(d, it);
        continue;
      }
      if (d.changed >= 0) continue;  // the set has not settled
      if (riccati.proximal() * largest_input(d, it.dz) > tolerance) continue;
      if (worst_ <= tolerance) {
        keep_multipliers(d, it);
        ++result.iterations;
        return result.outcome = Outcome::solved, result;
      }
      if (worst_ > T(0.5) * last_worst) {
        keep_direction(d, it);
        return result.outcome = Outcome::stalled, result;
      }
      last_worst = worst_;
      keep_multipliers(d, it);
      penalise<true>(d, it);
    }
    if (patient) {
      keep_direction(d, it);
      result.outcome = Outcome::stalled;
    }
    return result;
  }

  /// One more Newton step at the solved problem's active set, with its factor: what rounding left
  /// of stationarity goes, since multipliers follow the step and not the difference of large
  /// numbers.
  /// @return false when the set would change.
  bool refine(Data& d, OcpIterate<T>& it, Riccati<T, Nx, Nu>& riccati) noexcept {
    penalise<true>(d, it);
    if (d.changed >= 0) return false;
    riccati.solve(d, it.lin, it.dz);
    const P zero = P::zero();
    const auto follow = [zero](P y, P weight, P moved) {
      const P next = fnma(weight, moved, y);
      return detail::where_positive(y, max(next, zero),
                                    detail::where_positive(-y, min(next, zero), zero));
    };
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      follow(P::load(pull_ + i), P::load(it.weight + i), P::load(it.dz + i))
          .store(it.multiplier + i);
    }
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int p = 0; p < d.row_packs(k); ++p) {
        const int i = k * d.rs() + p * P::lanes;
        follow(P::load(row_pull_ + i), P::load(it.row_weight + i),
               detail::row_along(d, k, p, it.dz))
            .store(it.row_multiplier + i);
      }
    }
    step(d, it, T(1));
    multiply_hessian(d, it);
    return true;
  }

  /// Largest weight of an input, the unit of the penalty; of a state where inputs cost nothing.
  [[nodiscard]] static T input_scale(const Data& d) noexcept {
    T input = T(1e-12), state = 0;
    for (int k = 0; k < d.horizon(); ++k) {
      const T* h = d.hessian + k * d.nz() * d.zs();
      for (int j = 0; j < d.nx(); ++j) state = max(state, h[j * d.zs() + j]);
      for (int j = d.nx(); j < d.nz(); ++j) input = max(input, h[j * d.zs() + j]);
    }
    return max(input, T(1e-4) * state);
  }

  /// hz = H z + g
  static void multiply_hessian(const Data& d, OcpIterate<T>& it) noexcept {
    for (int k = 0; k <= d.horizon(); ++k) {
      const int at = k * d.zs();
      detail::combine<Data::z_static>(d.zs() / P::lanes, d.gradient + at, d.last(k), it.z + at,
                                      d.hessian + at * d.nz(), d.zs(), it.hz + at);
    }
  }

 private:
  static constexpr int most_searches = 6, most_passes = 40;
  static constexpr int most_full_steps = 3;  ///< after a guess, before any line search
  static constexpr T first_penalty() noexcept { return T(1e2); }
  static constexpr T top_penalty() noexcept { return sizeof(T) == 4 ? T(1e4) : T(1e6); }

  /// Bounds that the unconstrained optimum breaks; when they are many, the interior point does
  /// better.
  [[nodiscard]] static int count_violated(const Data& d, const OcpIterate<T>& it) noexcept {
    P total = P::zero();
    const P zero = P::zero(), one = P::broadcast(T(1));
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      const P z = P::load(it.z + i);
      const P beyond = max(P::load(d.low + i) - z, z - P::load(d.high + i));
      total += detail::where_positive(beyond, one, zero);
    }
    return static_cast<int>(sum(total));
  }

  static void step(const Data& d, OcpIterate<T>& it, T length) noexcept {
    const P by = P::broadcast(length);
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      fma(by, P::load(it.dz + i), P::load(it.z + i)).store(it.z + i);
    }
  }

  [[nodiscard]] static T product(const Data& d, const T* a, const T* b) noexcept {
    return detail::dot(d.stages() * d.zs() / P::lanes, a, b);
  }

  /// Slopes below this are rounding.
  [[nodiscard]] static T noise(const Data& d, const OcpIterate<T>& it) noexcept {
    return T(64) * epsilon<T>() * (abs(product(d, it.hz, it.dz)) + abs(product(d, it.hz, it.z)));
  }

  void evaluate(Data& d, OcpIterate<T>& it) noexcept {
    multiply_hessian(d, it);
    penalise<false>(d, it);
  }

  /// The penalty's multiplier at a distance `low - v` and `high - v`; `Held` keeps active what has
  /// a multiplier, wherever v is.
  template <bool Held>
  OPTCORE_INLINE static P push(P rho, P low_room, P high_room, P kept) noexcept {
    const P zero = P::zero();
    const P below = fma(rho, low_room, kept), above = fma(rho, high_room, kept);
    const P free = max(below, zero) + min(above, zero);
    if constexpr (!Held) return free;
    return detail::where_positive(kept, below, detail::where_positive(-kept, above, free));
  }

  /// Multipliers, weights and gradient of the augmented Lagrangian at it.z; raises d.changed to the
  /// last stage whose weights are not those of the factor.
  template <bool Held>
  void penalise(Data& d, OcpIterate<T>& it) noexcept {
    const P zero = P::zero(), one = P::broadcast(T(1)), rho = P::broadcast(penalty_);
    const P inverse = P::broadcast(penalty_ > 0 ? T(1) / penalty_ : T(0));
    const int horizon = d.horizon(), zs = d.zs();
    const OcpIterate<T> v = it;
    const T *low = d.low, *high = d.high;
    T* pull = pull_;
    P worst = zero;
    for (int k = 0; k <= horizon; ++k) {
      P moved = zero;
      for (int i = k * zs; i < (k + 1) * zs; i += P::lanes) {
        const P z = P::load(v.z + i), kept = P::load(v.multiplier + i);
        const P y = push<Held>(rho, P::load(low + i) - z, P::load(high + i) - z, kept);
        const P size = detail::absolute(y), w = detail::where_positive(size, rho, zero);
        moved += detail::absolute(w - P::load(v.weight + i));
        worst = max(worst, detail::absolute(y - kept) * inverse * max(one, size));
        (P::load(v.hz + i) - y).store(v.lin + i);
        y.store(pull + i);
        w.store(v.weight + i);
      }
      if (d.counts[k] > 0) penalise_rows<Held>(d, it, k, moved, worst);
      if (sum(moved) > 0) d.changed = max(d.changed, k);
    }
    worst_ = largest(worst);
  }

  template <bool Held>
  void penalise_rows(const Data& d, OcpIterate<T>& it, int k, P& moved, P& worst) noexcept {
    const int packs = d.row_packs(k);
    const P zero = P::zero(), one = P::broadcast(T(1)), rho = P::broadcast(penalty_);
    const P inverse = P::broadcast(penalty_ > 0 ? T(1) / penalty_ : T(0));
    P any = zero;
    for (int p = 0; p < packs; ++p) {
      const int i = k * d.rs() + p * P::lanes;
      const P value = detail::row_along(d, k, p, it.z), kept = P::load(it.row_multiplier + i);
      const P raw =
          push<Held>(rho, P::load(d.row_low + i) - value, P::load(d.row_high + i) - value, kept);
      P y, w;
      price(P::load(d.l1 + i), P::load(d.l2 + i), rho, raw, y, w);
      value.store(it.row_value + i);
      y.store(row_pull_ + i);
      moved += detail::absolute(w - P::load(it.row_weight + i));
      w.store(it.row_weight + i);
      const P size = detail::absolute(y);
      any += size;
      worst = max(worst, detail::absolute(y - kept) * inverse * max(one, size));
    }
    if (sum(any) > 0) detail::pull_stage(d, k, row_pull_, it.lin);
  }

  /// Multiplier and curvature of a priced violation from those of a hard constraint's penalty.
  OPTCORE_INLINE static void price(P l1, P l2, P rho, P raw, P& y, P& w) noexcept {
    const P size = detail::absolute(raw), over = size - l1, share = P::broadcast(T(1)) / (l2 + rho);
    const P paid = fma(l2, size, rho * l1) * share;
    const P soft = detail::where_positive(over, paid, size);
    y = detail::where_positive(raw, soft, -soft);
    w = detail::where_positive(over, rho * l2 * share,
                               detail::where_positive(size, rho, P::zero()));
  }

  /// The change of the multipliers, which for a problem without feasible points proves it.
  void keep_direction(const Data& d, OcpIterate<T>& it) noexcept {
    for (int i = 0; i < d.stages() * d.zs(); ++i) it.multiplier[i] = pull_[i] - it.multiplier[i];
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int i = k * d.rs(); i < k * d.rs() + d.counts[k]; ++i) {
        it.row_multiplier[i] = row_pull_[i] - it.row_multiplier[i];
      }
    }
  }

  [[nodiscard]] static T largest_input(const Data& d, const T* v) noexcept {
    T top = 0;
    for (int k = 0; k < d.horizon(); ++k) {
      for (int j = d.nx(); j < d.nz(); ++j) top = max(top, abs(v[k * d.zs() + j]));
    }
    return top;
  }

  void keep_multipliers(const Data& d, OcpIterate<T>& it) noexcept {
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      P::load(pull_ + i).store(it.multiplier + i);
    }
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int p = 0; p < d.row_packs(k); ++p) {
        const int i = k * d.rs() + p * P::lanes;
        P::load(row_pull_ + i).store(it.row_multiplier + i);
      }
    }
  }

  /// Length in (0, 1) at which the slope along the last full step vanishes, but for `share` of it;
  /// the slope is piecewise linear and grows, so the Illinois rule finds it in a few passes over
  /// the constraints. A careless length may cycle, where penalties dwarf the cost.
  T search(const Data& d, const OcpIterate<T>& it, T cost_slope, T slope, T share) noexcept {
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int p = 0; p < d.row_packs(k); ++p) {
        detail::row_along(d, k, p, it.dz).store(row_step_ + k * d.rs() + p * P::lanes);
      }
    }
    const T bend = product(d, it.hz, it.dz) - cost_slope;
    T left = 0, right = 1, at_left = slope, at_right = product(d, it.lin, it.dz);
    T length = 1;
    for (int pass = 0; pass < most_passes; ++pass) {
      length = (left * at_right - right * at_left) / (at_right - at_left);
      const T here = cost_slope + length * bend - constraint_slope(d, it, T(1) - length);
      if (abs(here) <= share * abs(slope)) break;
      if (here > 0) {
        right = length;
        at_right = here;
        at_left *= T(0.5);
      } else {
        left = length;
        at_left = here;
        at_right *= T(0.5);
      }
    }
    return length;
  }

  /// sum y (C dz) at z - back dz.
  [[nodiscard]] T constraint_slope(const Data& d, const OcpIterate<T>& it, T back) noexcept {
    const P rho = P::broadcast(penalty_), by = P::broadcast(back);
    P total = P::zero();
    for (int i = 0; i < d.stages() * d.zs(); i += P::lanes) {
      const P dz = P::load(it.dz + i), z = fnma(by, dz, P::load(it.z + i));
      const P kept = P::load(it.multiplier + i);
      const P y = push<false>(rho, P::load(d.low + i) - z, P::load(d.high + i) - z, kept);
      total = fma(y, dz, total);
    }
    for (int k = 0; k <= d.horizon(); ++k) {
      for (int p = 0; p < d.row_packs(k); ++p) {
        const int i = k * d.rs() + p * P::lanes;
        const P dv = P::load(row_step_ + i), value = fnma(by, dv, P::load(it.row_value + i));
        const P kept = P::load(it.row_multiplier + i);
        P y, w;
        const P raw =
            push<false>(rho, P::load(d.row_low + i) - value, P::load(d.row_high + i) - value, kept);
        price(P::load(d.l1 + i), P::load(d.l2 + i), rho, raw, y, w);
        total = fma(y, dv, total);
      }
    }
    return sum(total);
  }

  T penalty_ = 0, worst_ = 0;
  T *pull_ = nullptr, *row_pull_ = nullptr, *row_step_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
