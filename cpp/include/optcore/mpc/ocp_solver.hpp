#pragma once

#include "optcore/mpc/backoff.hpp"
#include "optcore/mpc/certificate.hpp"
#include "optcore/mpc/condensed_path.hpp"
#include "optcore/mpc/equilibrate.hpp"
#include "optcore/mpc/interior_point.hpp"
#include "optcore/mpc/residuals.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Optimal-control quadratic programme, solved by an active-set method over a Riccati recursion
/// with an interior point behind it.
///
///     minimise   sum_k  1/2 x'Q x + q'x + 1/2 u'R u + u'S x + r'u  (stage 0 without its x terms)
///     subject to x[k+1] = A x + B u + b,   x[0] given
///                lbx <= x <= ubx,  lbu <= u <= ubu
///                lower <= c'x + d'u <= upper     (rows, hard or at a price)
///
/// Nx and Nu greater than zero are compile-time sizes; zero takes them from OcpSize. All memory is
/// cut from an arena once; solve() never allocates, throws or runs longer than its iteration cap.
/// With `Condensed`, problems whose model stays the same go a shorter way (CondensedPath), at the
/// price of memory: about 8 (512 rows) times the number of bounds bytes.
///
/// ```cpp
/// alignas(64) static unsigned char memory[32768];
/// optcore::Arena arena(memory, sizeof memory);
/// optcore::mpc::OcpSolver<float, 1, 1> solver;
/// solver.attach(arena, {.nx = 1, .nu = 1, .horizon = 4, .rows = 0});
/// const float one = 1, none = 0, least = -0.5f, most = 0.5f, x0 = 5;
/// for (int k = 0; k <= 4; ++k) {  // x+ = x + u, cost sum u^2 / 2 + x_4^2 / 2
///   solver.data().set_hessian(k, k == 4 ? &one : &none, &one, nullptr);
///   if (k == 4) break;
///   solver.data().set_dynamics(k, &one, &one, nullptr);
///   solver.data().set_input_bounds(k, &least, &most);
/// }
/// solver.set_x0(&x0);  // each period
/// const optcore::OcpInfo info = solver.solve(/*warm=*/true);
/// assert(!failed(info.status) && std::abs(solver.u(0)[0] + 0.5f) < 1e-4f);
/// ```
template <class T, int Nx = 0, int Nu = 0, bool Condensed = false>
class OcpSolver {
 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, OcpSize size) noexcept {
    data_.attach(arena, size);
    iterate_.attach(arena, data_);
    riccati_.attach(arena, data_);
    active_set_.attach(arena, data_);
    interior_point_.attach(arena, data_);
    equilibration_.attach(arena, data_);
    if constexpr (Condensed) condensed_.attach(arena, data_, size);
    const auto count = static_cast<std::size_t>(data_.stages()) * data_.zs();
    plan_ = arena.array<T>(count);
    plan_multiplier_ = arena.array<T>(count);
    scaled_ = false;
  }

  /// The problem, to be written before solve().
  [[nodiscard]] Data& data() noexcept { return data_; }
  [[nodiscard]] const Data& data() const noexcept { return data_; }
  void set_x0(const T* x0) noexcept {
    for (int i = 0; i < data_.nx(); ++i) data_.x0[i] = x0[i] / data_.unit[i];
  }

  /// Chooses internal units for a badly scaled problem, once its data are written; they hold for
  /// whatever is written later. Everything that goes in or comes out stays in the caller's units.
  void equilibrate() noexcept {
    if (!equilibration_.apply(data_)) return;
    scaled_ = true;
    reset();
  }

  // Solution.
  /// (nx,)
  [[nodiscard]] const T* x(int k) const noexcept {
    return (scaled_ ? plan_ : iterate_.z) + k * data_.zs();
  }
  [[nodiscard]] const T* u(int k) const noexcept { return x(k) + data_.nx(); }  ///< (nu,)
  /// Multipliers of the bounds of (x, u) of stage k; positive at a lower bound, else negative.
  [[nodiscard]] const T* multipliers(int k) const noexcept {
    return (scaled_ ? plan_multiplier_ : iterate_.multiplier) + k * data_.zs();
  }
  /// Multiplier of row i of stage k: positive pushes towards the lower limit's inside.
  [[nodiscard]] T row_multiplier(int k, int i) const noexcept {
    return iterate_.row_multiplier[k * data_.rs() + i] * data_.cost_unit / data_.row_unit[i];
  }

  /// Forgets the warm start.
  void reset() noexcept { warm_ = false; }

  /// Solves from the last solution (when `warm` and the last solve succeeded) or from scratch; a
  /// warm solve that fails is repeated cold. Data that are not finite leave the solver ready for
  /// the next call.
  OcpInfo solve(bool warm, const OcpSettings& settings = {}) noexcept {
    OcpSettings own = settings;
    keeps_model_ = settings.method != OcpMethod::riccati;
    if (!keeps_model_) own.method = OcpMethod::automatic;
    OcpInfo info = solve_in_own_units(warm, own);
    convert();
    return info;
  }

 private:
  using Active = ActiveSet<T, Nx, Nu>;
  using Roll = typename Riccati<T, Nx, Nu>::Roll;
  static constexpr int most_guess_steps = 4, most_cold_steps = 15;
  static constexpr int most_patient_steps = 200, most_refinements = 4;

  OcpInfo solve_in_own_units(bool warm, const OcpSettings& settings) noexcept {
    OcpInfo info;
    if (!data_are_finite()) {
      reset();
      info.status = Status::not_finite;
      return info;
    }
    warm = warm && warm_;
    outcome_ = Active::Outcome::solved;  // until an active set is tried
    if constexpr (Condensed) {
      if (condensed_pays(settings)) {
        const bool guess =
            warm && settings.method == OcpMethod::automatic && !condensed_.is_short();
        if (guess && follow_last_set(settings, info)) return info;
        if (solve_condensed(warm && !guess, settings, info)) return info;
        warm = false;
      }
    }
    if (warm) {
      shift_and_follow();
    } else {
      forget();
      riccati_.regularise(0);
    }
    if (settings.method == OcpMethod::condensed) {
      info.status = Status::max_iterations;
      return give_up(settings, info);
    }
    const bool by_set = settings.method != OcpMethod::interior_point &&
                        (warm ? guess_active_set(settings, info)
                              : run_active_set(Active::Start::cold, settings, info));
    bool solved = by_set && accept(settings, info);
    if (!solved && settings.method != OcpMethod::active_set) {
      if (by_set) {
        forget();
      } else if (!warm && outcome_ == Active::Outcome::gave_up) {
        // From the unconstrained optimum to what its feedback can do.
        riccati_.follow(data_, iterate_.z, Roll::saturated);
      }
      solved = interior_point(warm && !by_set, settings, info);
    }
    if (!solved && warm) return reset(), solve_in_own_units(false, settings);
    if (!solved && info.status == Status::not_positive_definite && strengthen()) {
      return solve_again(settings);
    }
    if (!solved) diagnose(settings, info);
    warm_ = !failed(info.status);
    return warm_ ? info : give_up(settings, info);
  }

  [[nodiscard]] OcpInfo& give_up(const OcpSettings& settings, OcpInfo& info) noexcept {
    warm_ = false;
    iterate_.into_bounds(data_);
    riccati_.follow(data_, iterate_.z, Roll::as_planned);
    Active::multiply_hessian(data_, iterate_);
    static_cast<void>(measure(settings, info));
    return info;
  }

  /// Is it asked for, or is the model that of the last solve and no failure recent?
  [[nodiscard]] bool condensed_pays(const OcpSettings& settings) noexcept
    requires Condensed
  {
    const bool seen = condensed_.seen(data_);
    if (settings.method == OcpMethod::condensed) return condensed_.available();
    if (settings.method != OcpMethod::automatic || !keeps_model_ || !seen) return false;
    return condensed_guess_.due();
  }

  void shift_and_follow() noexcept {
    if (iterate_.one_stage_on(data_)) iterate_.shift(data_);
    riccati_.follow(data_, iterate_.z, exact_ ? Roll::feedback : Roll::as_planned);
  }

  /// The last active set, whose factor is kept: the shortest way of all where it still holds.
  bool follow_last_set(const OcpSettings& settings, OcpInfo& info) noexcept {
    shift_and_follow();
    return guess_active_set(settings, info) && accept(settings, info);
  }

  bool solve_condensed(bool warm, const OcpSettings& settings, OcpInfo& info) noexcept
    requires Condensed
  {
    if (warm) {
      riccati_.follow(data_, iterate_.z, Roll::as_planned);
    } else {
      forget();
    }
    info.method = OcpMethod::condensed;
    info.status = Status::ok;
    const bool solved = condensed_.run(data_, iterate_, warm, static_cast<T>(settings.tolerance),
                                       info.iterations) &&
                        measure(settings, info);
    if (!condensed_guess_.worked(solved)) return false;
    return warm_ = exact_ = true;
  }

  /// Everything that enters a solve besides matrices, which fail in the factor.
  [[nodiscard]] bool data_are_finite() const noexcept {
    T total = 0;
    for (int i = 0; i < data_.nx(); ++i) total += data_.x0[i] * T(0);
    for (int i = 0; i < data_.stages() * data_.zs(); ++i) total += data_.gradient[i] * T(0);
    return total == T(0);
  }

  /// A few steps from the last active set; after failures it is tried ever more rarely.
  bool guess_active_set(const OcpSettings& settings, OcpInfo& info) noexcept {
    if (settings.method == OcpMethod::automatic && !guess_.due()) return false;
    if (!exact_) interior_point_.keep_multipliers(data_, iterate_, /*only_active=*/true);
    return guess_.worked(run_active_set(Active::Start::guessed, settings, info));
  }

  bool run_active_set(typename Active::Start start, const OcpSettings& settings,
                      OcpInfo& info) noexcept {
    const int steps = start == Active::Start::cold      ? most_cold_steps
                      : start == Active::Start::guessed ? most_guess_steps
                                                        : most_patient_steps;
    const auto r =
        active_set_.run(data_, iterate_, riccati_, start, static_cast<T>(settings.tolerance),
                        riccati_.proximal() > 0 ? most_patient_steps : steps);
    outcome_ = r.outcome;
    info.method = OcpMethod::active_set;
    info.iterations += r.iterations;
    info.status = r.outcome == Active::Outcome::solved     ? Status::ok
                  : r.outcome == Active::Outcome::singular ? Status::not_positive_definite
                                                           : Status::max_iterations;
    return exact_ = r.outcome == Active::Outcome::solved;
  }

  /// A larger proximal term for costs that are only semi-definite; false when that cannot help.
  bool strengthen() noexcept {
    const T scale = Active::input_scale(data_), now = riccati_.proximal();
    if (now > T(1e-4) * scale) return false;
    riccati_.regularise(now > 0 ? T(100) * now : T(1e3) * sqrt(epsilon<T>()) * T(1e-3) * scale);
    return true;
  }

  /// Cold, with the present proximal term.
  OcpInfo solve_again(const OcpSettings& settings) noexcept {
    OcpInfo info;
    for (;;) {
      forget();
      if (run_active_set(Active::Start::patient, settings, info)) break;
      if (info.status != Status::not_positive_definite || !strengthen()) break;
    }
    if (info.status == Status::max_iterations) diagnose(settings, info);
    warm_ = false;
    if (info.status == Status::ok && !accept(settings, info)) {
      info.status = Status::max_iterations;
    }
    return failed(info.status) ? give_up(settings, info) : info;
  }

  /// Names the reason of a failure when there is a proof of it.
  void diagnose(const OcpSettings& settings, OcpInfo& info) noexcept {
    if (diverged(info)) return;
    if (info.status == Status::not_positive_definite) return;
    if (proven(info)) return;
    if (riccati_.proximal() == T(0)) {
      forget();
      OcpInfo more;
      if (run_active_set(Active::Start::patient, settings, more) && accept(settings, more)) {
        more.iterations += info.iterations;
        info = more;
        return;
      }
      info.iterations += more.iterations;
      if (proven(info)) return;
    }
    if (settings.method == OcpMethod::automatic && last_resort(settings, info)) return;
    info.status = Status::max_iterations;
  }

  /// The interior point alone, from zero inputs instead of where the active set left off; then the
  /// condensed path, unless it has just failed.
  bool last_resort(const OcpSettings& settings, OcpInfo& info) noexcept {
    forget();
    if (interior_point(false, settings, info) || diverged(info)) return true;
    if constexpr (Condensed) {
      return keeps_model_ && condensed_.available() && condensed_guess_.due() &&
             solve_condensed(false, settings, info);
    }
    return false;
  }

  /// Do the multipliers with which an interior point gave up prove infeasibility?
  bool diverged(OcpInfo& info) noexcept {
    if (info.method != OcpMethod::interior_point || !failed(info.status)) return false;
    interior_point_.keep_multipliers(data_, iterate_, /*only_active=*/true);
    if (!Certificate<T, Nx, Nu>::no_feasible_point(data_, iterate_)) return false;
    info.status = Status::primal_infeasible;
    return true;
  }

  bool proven(OcpInfo& info) noexcept {
    using Proof = Certificate<T, Nx, Nu>;
    if (riccati_.proximal() > 0 && Proof::falls_for_ever(data_, iterate_)) {
      info.status = Status::dual_infeasible;
      return true;
    }
    if (outcome_ == Active::Outcome::stalled && Proof::no_feasible_point(data_, iterate_)) {
      info.status = Status::primal_infeasible;
      return true;
    }
    return false;
  }

  /// Interior point from the trajectory; once its steps are nearly full, the active set it shows
  /// gives the exact solution in a factorisation or two.
  bool interior_point(bool near, const OcpSettings& settings, OcpInfo& info) noexcept {
    typename InteriorPoint<T, Nx, Nu>::Goal goal{static_cast<T>(settings.tolerance),
                                                 static_cast<T>(near ? 1 : settings.barrier),
                                                 settings.max_iterations};
    goal.near = near;
    const bool finish_exactly = settings.method == OcpMethod::automatic && settings.exact;
    goal.until_settled = finish_exactly;
    int before = info.iterations;
    for (int attempt = 0;; ++attempt) {
      const auto r = interior_point_.run(data_, iterate_, riccati_, goal);
      info.method = OcpMethod::interior_point;
      info.iterations = before + r.iterations;
      info.status = r.status;
      exact_ = false;
      if (failed(r.status)) return false;
      if (!finish_exactly) return measure(settings, info) || closer(settings, goal, info);
      const int size = data_.stages() * data_.zs();
      for (int i = 0; i < size; ++i) iterate_.spare[i] = iterate_.z[i];
      interior_point_.keep_multipliers(data_, iterate_, /*only_active=*/true);
      OcpInfo polish;
      const bool exact = run_active_set(Active::Start::guessed, settings, polish);
      info.iterations += polish.iterations;
      before += polish.iterations;
      if (exact && accept(settings, info)) return true;
      exact_ = false;
      for (int i = 0; i < size; ++i) iterate_.z[i] = iterate_.spare[i];
      Active::multiply_hessian(data_, iterate_);
      interior_point_.keep_multipliers(data_, iterate_, /*only_active=*/false);
      info.method = OcpMethod::interior_point;
      if (!goal.until_settled) return measure(settings, info) || closer(settings, goal, info);
      goal.until_settled = false;
      goal.resume = true;
    }
  }

  /// On with the interior point when its own estimate of the residuals was too good.
  bool closer(const OcpSettings& settings, typename InteriorPoint<T, Nx, Nu>::Goal goal,
              OcpInfo& info) noexcept {
    goal.resume = true;
    for (int attempt = 0; attempt < 2; ++attempt) {
      goal.tolerance *= T(0.03);
      const int before = interior_point_.iterations();
      const auto r = interior_point_.run(data_, iterate_, riccati_, goal);
      info.iterations += r.iterations - before;
      if (failed(r.status)) return false;
      if (measure(settings, info)) return true;
    }
    return false;
  }

  /// The plan's residuals; "ok" is taken back when they are not what it says.
  bool measure(const OcpSettings& settings, OcpInfo& info) noexcept {
    const auto r = ResidualsOf<T, Nx, Nu>::measure(data_, iterate_);
    info.objective = static_cast<double>(r.objective);
    info.gap = static_cast<double>(r.gap);
    info.primal = static_cast<double>(r.primal);
    info.dual = static_cast<double>(r.dual);
    info.max_slack = static_cast<double>(r.max_slack);
    if (info.status != Status::ok) return true;
    return r.within(max(static_cast<T>(settings.tolerance), T(1e4) * epsilon<T>()));
  }

  /// measure(), with steps of refinement where the active set is exact.
  bool accept(const OcpSettings& settings, OcpInfo& info) noexcept {
    for (int step = 0; !measure(settings, info); ++step) {
      if (step == 0) {  // long runs lose the dynamics to rounding
        riccati_.follow(data_, iterate_.z, Roll::as_planned);
        Active::multiply_hessian(data_, iterate_);
      }
      if (step == most_refinements || !active_set_.refine(data_, iterate_, riccati_)) return false;
    }
    return true;
  }

  /// The plan in the caller's units.
  void convert() noexcept {
    if (!scaled_) return;
    for (int k = 0; k <= data_.horizon(); ++k) {
      for (int j = 0; j < data_.nz(); ++j) {
        const int i = k * data_.zs() + j;
        plan_[i] = iterate_.z[i] * data_.unit[j];
        plan_multiplier_[i] = iterate_.multiplier[i] * data_.cost_unit / data_.unit[j];
      }
    }
  }

  /// Zero inputs, no multipliers.
  void forget() noexcept {
    iterate_.clear(data_);
    riccati_.follow(data_, iterate_.z, Roll::as_planned);
  }

  bool warm_ = false;
  bool scaled_ = false;  ///< the data's units are not the caller's
  bool exact_ = false;   ///< the last factor belongs to an exact active set
  typename Active::Outcome outcome_ = Active::Outcome::gave_up;
  Backoff guess_, condensed_guess_;  ///< of the last active set, of the condensed path
  bool keeps_model_ = true;
  Data data_;
  OcpIterate<T> iterate_;
  Riccati<T, Nx, Nu> riccati_;
  ActiveSet<T, Nx, Nu> active_set_;
  InteriorPoint<T, Nx, Nu> interior_point_;
  Equilibration<T, Nx, Nu> equilibration_;
  struct Nothing {};
  [[no_unique_address]] std::conditional_t<Condensed, CondensedPath<T, Nx, Nu>, Nothing> condensed_;
  T *plan_ = nullptr, *plan_multiplier_ = nullptr;  ///< in the caller's units, when scaled
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
