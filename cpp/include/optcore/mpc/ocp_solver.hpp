#pragma once

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
template <class T, int Nx = 0, int Nu = 0>
class OcpSolver {
 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, OcpSize size) noexcept {
    data_.attach(arena, size);
    iterate_.attach(arena, data_);
    riccati_.attach(arena, data_);
    active_set_.attach(arena, data_);
    interior_point_.attach(arena, data_);
  }

  /// The problem, to be written before solve().
  [[nodiscard]] Data& data() noexcept { return data_; }
  [[nodiscard]] const Data& data() const noexcept { return data_; }
  void set_x0(const T* x0) noexcept {
    for (int i = 0; i < data_.nx(); ++i) data_.x0[i] = x0[i];
  }

  // Solution.
  [[nodiscard]] const T* x(int k) const noexcept { return iterate_.z + k * data_.zs(); }  ///< (nx,)
  [[nodiscard]] const T* u(int k) const noexcept { return x(k) + data_.nx(); }            ///< (nu,)
  /// Multiplier of row i of stage k: positive pushes towards the lower limit's inside.
  [[nodiscard]] T row_multiplier(int k, int i) const noexcept {
    return iterate_.row_multiplier[k * data_.rs() + i];
  }

  /// Forgets the warm start.
  void reset() noexcept { warm_ = false; }

  /// Solves from the last solution (when `warm` and the last solve succeeded) or from scratch; a
  /// warm solve that fails is repeated cold. Data that are not finite leave the solver ready for
  /// the next call.
  OcpInfo solve(bool warm, const OcpSettings& settings = {}) noexcept {
    OcpInfo info;
    bool solved = false;
    warm = warm && warm_;
    if (warm) riccati_.follow(data_, iterate_.z, /*feedback=*/exact_);
    if (settings.method != OcpMethod::interior_point) {
      solved = warm ? guess_active_set(settings, info) : active_set(false, settings, info);
    }
    if (!solved && settings.method != OcpMethod::active_set) {
      solved = interior_point(warm, settings, info);
    }
    if (!solved && warm) return reset(), solve(false, settings);
    warm_ = solved;
    exact_ = info.method == OcpMethod::active_set;
    if (!solved) data_.changed = data_.horizon();
    measure(info);
    return info;
  }

 private:
  static constexpr int most_warm_steps = 3, most_cold_steps = 12, longest_pause = 15;

  /// A few steps from the last active set; after failures it is tried ever more rarely.
  bool guess_active_set(const OcpSettings& settings, OcpInfo& info) noexcept {
    if (settings.method == OcpMethod::automatic && pause_ > 0) return --pause_, false;
    if (active_set(true, settings, info)) return last_pause_ = 0, true;
    pause_ = last_pause_ = min(longest_pause, 2 * last_pause_ + 1);
    return false;
  }

  bool active_set(bool warm, const OcpSettings& settings, OcpInfo& info) noexcept {
    if (!warm) forget();
    const auto r =
        active_set_.run(data_, iterate_, riccati_, warm, static_cast<T>(settings.tolerance),
                        warm ? most_warm_steps : most_cold_steps);
    info.method = OcpMethod::active_set;
    info.iterations += r.iterations;
    info.status = r.solved ? Status::ok : Status::max_iterations;
    return r.solved;
  }

  bool interior_point(bool warm, const OcpSettings& settings, OcpInfo& info) noexcept {
    if (!warm) forget();
    const auto r = interior_point_.run(data_, iterate_, riccati_, static_cast<T>(settings.barrier),
                                       static_cast<T>(settings.tolerance), settings.max_iterations);
    info.method = OcpMethod::interior_point;
    info.iterations += r.iterations;
    info.status = r.status;
    return !failed(r.status);
  }

  void measure(OcpInfo& info) noexcept {
    const auto r = ResidualsOf<T, Nx, Nu>::measure(data_, iterate_);
    info.objective = static_cast<double>(r.objective);
    info.gap = static_cast<double>(r.gap);
    info.primal = static_cast<double>(r.primal);
    info.dual = static_cast<double>(r.dual);
    info.max_slack = static_cast<double>(r.max_slack);
  }

  /// Zero inputs, no multipliers.
  void forget() noexcept {
    for (int i = 0; i < data_.stages() * data_.zs(); ++i) {
      iterate_.z[i] = iterate_.multiplier[i] = iterate_.weight[i] = 0;
    }
    for (int i = 0; i < data_.stages() * data_.rs(); ++i) {
      iterate_.row_multiplier[i] = iterate_.row_weight[i] = 0;
    }
    data_.changed = data_.horizon();
    riccati_.follow(data_, iterate_.z, false);
  }

  bool warm_ = false;
  bool exact_ = false;              ///< the last factor belongs to an exact active set
  int pause_ = 0, last_pause_ = 0;  ///< warm solves that leave the active set alone
  Data data_;
  OcpIterate<T> iterate_;
  Riccati<T, Nx, Nu> riccati_;
  ActiveSet<T, Nx, Nu> active_set_;
  InteriorPoint<T, Nx, Nu> interior_point_;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
