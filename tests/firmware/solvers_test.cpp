/// The three kernels on the target, in float and in double; the exit status is the number of the
/// first check that failed. Expected values follow from closed forms written beside them.

#include "optcore/belief/discrete_filter.hpp"
#include "optcore/belief/kalman.hpp"
#include "optcore/gp/model.hpp"
#include "optcore/mpc/dense_qp.hpp"
#include "optcore/mpc/ocp_solver.hpp"

namespace {

using Real = OPTCORE_REAL;
using optcore::Arena;
using optcore::failed;

constexpr Real tolerance = sizeof(Real) == 4 ? Real(1e-5) : Real(1e-10);
alignas(64) unsigned char memory[48 * 1024];

bool near(Real got, Real expected, Real within = tolerance) {
  return optcore::abs(got - expected) <= within;
}

/// Observations y_i of one point with noise s: by Bayes' rule for a Gaussian of variance 1 the
/// posterior has precision 1 + n / s and mean sum(y) / s over it.
bool gp_follows_bayes_rule() {
  Arena arena(memory, sizeof memory);
  optcore::gp::Model<Real> gp;
  gp.bind(arena, 8, 1, 1, /*with_inverse=*/false);
  if (arena.overflowed()) return false;
  const Real X[6] = {}, Y[6] = {1, 2, 0, 1, 3, -1}, scale = 2;
  optcore::gp::Hyperparameters<Real> hyper;
  hyper.length_scales = {&scale, 1};
  hyper.noise = Real(0.5);
  if (failed(gp.fit({X, 6, 1, 1}, {Y, 6, 1, 1}, hyper))) return false;
  const Real here[5] = {};
  Real mean[5], variance[5];
  const auto all = [&](int queries, Real expected_mean, Real expected_variance) {
    gp.predict({here, queries, 1, 1}, {mean, queries, 1, 1}, {variance, queries});
    bool right = true;
    for (int q = 0; q < queries; ++q) {
      right = right && near(mean[q], expected_mean) && near(variance[q], expected_variance);
    }
    return right;
  };
  if (!all(1, Real(12) / 13, Real(1) / 13) || !all(5, Real(12) / 13, Real(1) / 13)) return false;
  const Real one_more = 4;
  if (failed(gp.append({here, 1}, {&one_more, 1})) || !all(1, Real(20) / 15, Real(1) / 15)) {
    return false;
  }
  for (int i = 0; i < 6; ++i) {
    if (failed(gp.drop(0))) return false;
  }
  return all(1, Real(8) / 3, Real(1) / 3);  // the last one alone
}

/// x+ = x + u over N = 4 stages, cost sum u^2 / 2 + x_N^2 / 2: every u is -x0 / (N + 1).
bool mpc_meets_its_bounds() {
  Arena arena(memory, sizeof memory);
  optcore::mpc::OcpSolver<Real, 1, 1> solver;
  solver.attach(arena, {.nx = 1, .nu = 1, .horizon = 4, .rows = 0});
  if (arena.overflowed()) return false;
  const Real one = 1, none = 0, x0 = 5;
  for (int k = 0; k <= 4; ++k) {
    solver.data().set_hessian(k, k == 4 ? &one : &none, &one, nullptr);
    if (k < 4) solver.data().set_dynamics(k, &one, &one, nullptr);
  }
  solver.set_x0(&x0);
  optcore::OcpSettings settings;
  settings.tolerance = sizeof(Real) == 4 ? 1e-5 : 1e-9;
  const Real within = 20 * tolerance;
  if (failed(solver.solve(false, settings).status)) return false;
  for (int k = 0; k < 4; ++k) {
    if (!near(solver.u(k)[0], -1, within)) return false;
  }
  const Real least = Real(-0.5), most = Real(0.5);  // all at the bound
  for (int k = 0; k < 4; ++k) solver.data().set_input_bounds(k, &least, &most);
  if (failed(solver.solve(true, settings).status) || !near(solver.x(4)[0], 3, within)) return false;
  // x_1 >= 4.8 binds first; three stages are left from there
  const Real floor = Real(4.8), far = -100, high = 100;
  for (int k = 0; k < 4; ++k) solver.data().set_input_bounds(k, &far, &high);
  solver.data().set_state_bounds(1, &floor, &high);
  return !failed(solver.solve(true, settings).status) && near(solver.u(0)[0], Real(-0.2), within) &&
         near(solver.u(1)[0], Real(-1.2), within);
}

/// min (x - 1)^2 / 2 + (y - 2)^2 / 2 with x + y <= 1: (0, 1), multiplier 1.
bool dense_qp_finds_the_corner() {
  Arena arena(memory, sizeof memory);
  optcore::mpc::DenseQp<Real> qp;
  qp.attach(arena, {.variables = 2, .rows = 1, .box = false, .kept = 0});
  if (arena.overflowed()) return false;
  const Real P[4] = {1, 0, 0, 1}, G[2] = {1, 1};
  qp.q()[0] = -1;
  qp.q()[1] = -2;
  qp.row_high()[0] = 1;
  optcore::DenseQpSettings settings;
  settings.tolerance = settings.dual_tolerance = sizeof(Real) == 4 ? 1e-5 : 1e-9;
  Real multiplier = 0;
  if (failed(qp.factor(P, G)) || failed(qp.solve(false, settings).status)) return false;
  qp.multipliers(nullptr, &multiplier);
  return near(qp.x()[0], 0) && near(qp.x()[1], 1) && near(multiplier, 1);
}

/// As many states as fill one padded row, two, and more: each has a path of its own. State 0 is
/// twice as likely as each other; nothing moves.
template <int States>
bool belief_doubles() {
  static optcore::belief::DiscreteBayesFilter<Real, States> filter;
  static Real transition[States * States], logs[States];
  for (int i = 0; i < States; ++i) transition[i * States + i] = 1;
  if (failed(filter.setup({transition, States, States, States}))) return false;
  logs[0] = optcore::log(Real(2));
  if (failed(filter.step({logs, States}))) return false;
  const Real expected = Real(2) / (States + 1);
  const bool right = near(filter.probabilities()[0], expected) &&
                     near(filter.probabilities()[States - 1], expected / 2);
  return right && failed(filter.step({logs, States - 1}));
}

/// Prior N(0, 1), measurement 1 with variance 1: the mean goes half way.
bool kalman_goes_half_way() {
  Arena arena(memory, sizeof memory);
  auto state = optcore::KalmanState<Real>::make(arena, 1, 1, 1);
  if (arena.overflowed()) return false;
  state.model.F[0] = state.model.H[0] = state.model.R[0] = state.covariance[0] = 1;
  state.model.Q[0] = state.mean[0] = 0;
  const Real z = 1;
  return !failed(optcore::belief::update(state, &z)) && near(state.mean[0], Real(0.5)) &&
         near(state.covariance[0], Real(0.5));
}

}  // namespace

int main() {
  if (!gp_follows_bayes_rule()) return 1;
  if (!mpc_meets_its_bounds()) return 2;
  if (!dense_qp_finds_the_corner()) return 3;
  if (!belief_doubles<2>() || !belief_doubles<8>() || !belief_doubles<12>()) return 4;
  if (!belief_doubles<37>()) return 5;
  if (!kalman_goes_half_way()) return 6;
  return 0;
}
