#include "optcore/mpc/ocp_solver.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore::mpc {
namespace {

/// A double integrator in the plane among priced half-planes, with its memory.
template <class T, int Nx, int Nu>
struct Planner {
  static constexpr int N = 12, rows = 3;

  Planner() {
    memory.give([&](Arena& arena) { solver.attach(arena, {4, 2, N, rows}); });
    const T h = T(0.2), half = T(0.02);
    const T A[16] = {1, 0, h, 0, 0, 1, 0, h, 0, 0, 1, 0, 0, 0, 0, 1};
    const T B[8] = {half, 0, 0, half, h, 0, 0, h};
    const T R[4] = {T(0.2), 0, 0, T(0.2)}, low[2] = {-2, -2}, high[2] = {2, 2};
    T Q[16] = {};
    for (int i = 0; i < 4; ++i) Q[5 * i] = T(0.4);
    for (int k = 0; k <= N; ++k) {
      solver.data().set_hessian(k, Q, R, nullptr);
      if (k == N) break;
      solver.data().set_dynamics(k, A, B, nullptr);
      solver.data().set_input_bounds(k, low, high);
    }
  }

  void draw(std::uint64_t seed) {
    support::Random random(seed);
    T x0[4];
    for (T& x : x0) x = static_cast<T>(random.uniform(-1, 1));
    solver.set_x0(x0);
    for (int k = 1; k <= N; ++k) {
      solver.data().set_row_count(k, rows);
      for (int i = 0; i < rows; ++i) {
        const double angle = random.uniform(0, 6.28);
        const T normal[4] = {static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle)), 0,
                             0};
        solver.data().set_row(k, i, normal, nullptr, static_cast<T>(random.uniform(-1, 0.1)),
                              infinity<T>(), 20, 10);
      }
    }
  }

  OcpSolver<T, Nx, Nu> solver;
  support::Memory memory;
};

template <class T>
class OcpSolverTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(OcpSolverTest, Scalars);

TYPED_TEST(OcpSolverTest, SolvesWithoutAllocationAndIsStationary) {
  using T = TypeParam;
  Planner<T, 4, 2> planner;
  OcpSettings settings;
  settings.tolerance = sizeof(T) == 4 ? 1e-3 : 1e-8;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    planner.draw(seed);
    OcpInfo info;
    {
      const AllocationGuard no_allocation;
      info = planner.solver.solve(seed % 2 == 1, settings);
    }
    ASSERT_EQ(info.status, Status::ok) << seed;
    EXPECT_LT(info.dual, sizeof(T) == 4 ? 0.2 : 1e-6) << seed;
    EXPECT_LT(info.gap, 10 * settings.tolerance) << seed;
    EXPECT_LT(info.primal, 10 * settings.tolerance) << seed;
  }
}

TYPED_TEST(OcpSolverTest, SizesKnownAtRunTimeGiveTheSameAnswer) {
  using T = TypeParam;
  Planner<T, 4, 2> fixed;
  Planner<T, 0, 0> open;
  OcpSettings settings;
  settings.tolerance = sizeof(T) == 4 ? 1e-4 : 1e-9;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    fixed.draw(seed);
    open.draw(seed);
    ASSERT_EQ(fixed.solver.solve(false, settings).status,
              open.solver.solve(false, settings).status);
    for (int k = 0; k < fixed.N; ++k) {
      EXPECT_NEAR(fixed.solver.u(k)[0], open.solver.u(k)[0], sizeof(T) == 4 ? 2e-2 : 1e-6) << seed;
    }
  }
}

TYPED_TEST(OcpSolverTest, BothMethodsFindTheSameCost) {
  using T = TypeParam;
  Planner<T, 4, 2> planner;
  OcpSettings one, other;
  one.tolerance = other.tolerance = sizeof(T) == 4 ? 1e-4 : 1e-8;
  other.method = OcpMethod::interior_point;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    planner.draw(seed);
    const OcpInfo a = planner.solver.solve(false, one), b = planner.solver.solve(false, other);
    if (failed(a.status) || failed(b.status)) continue;
    EXPECT_NEAR(a.objective, b.objective,
                (sizeof(T) == 4 ? 1e-2 : 1e-5) * (1 + std::abs(a.objective)));
  }
}

/// An integrator x+ = x + u / 10 with |u| <= 1 and x >= 0.2, its input and state in given units.
template <class T>
std::vector<T> drive(T state_unit, T input_unit, OcpInfo& info) {
  constexpr int N = 8;
  OcpSolver<T> solver;
  support::Memory memory;
  memory.give([&](Arena& arena) { solver.attach(arena, {1, 1, N, 1}); });
  const T A = 1, B = T(0.1) * state_unit / input_unit, low = -input_unit, high = input_unit;
  const T Q = T(1) / (state_unit * state_unit), R = T(0.1) / (input_unit * input_unit), c = 1;
  for (int k = 0; k <= N; ++k) {
    solver.data().set_hessian(k, &Q, &R, nullptr);
    if (k > 0) {
      solver.data().set_row_count(k, 1);
      solver.data().set_row(k, 0, &c, nullptr, T(0.2) * state_unit, infinity<T>(),
                            OcpData<T, 0, 0>::none, 0);
    }
    if (k == N) break;
    solver.data().set_dynamics(k, &A, &B, nullptr);
    solver.data().set_input_bounds(k, &low, &high);
  }
  solver.equilibrate();
  const T x0 = T(0.7) * state_unit;
  solver.set_x0(&x0);
  OcpSettings settings;
  settings.tolerance = sizeof(T) == 4 ? 1e-3 : 1e-9;
  {
    const AllocationGuard no_allocation;
    info = solver.solve(false, settings);
  }
  std::vector<T> plan;
  for (int k = 0; k < N; ++k) plan.push_back(solver.u(k)[0] / input_unit);
  for (int k = 0; k <= N; ++k) plan.push_back(solver.x(k)[0] / state_unit);
  for (int k = 1; k <= N; ++k) plan.push_back(solver.row_multiplier(k, 0) * state_unit);
  return plan;
}

TYPED_TEST(OcpSolverTest, UnitsOfTheCallerDoNotMatter) {
  using T = TypeParam;
  OcpInfo plain, scaled;
  const std::vector<T> expected = drive<T>(1, 1, plain);
  const std::vector<T> found = drive<T>(T(4096), T(1) / T(1024), scaled);
  ASSERT_EQ(plain.status, Status::ok);
  ASSERT_EQ(scaled.status, Status::ok);
  EXPECT_NEAR(plain.objective, scaled.objective, sizeof(T) == 4 ? 1e-3 : 1e-8);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(expected[i], found[i], sizeof(T) == 4 ? 2e-3 : 1e-7) << i;
  }
}

TYPED_TEST(OcpSolverTest, ANanDoesNotPoisonTheNextSolve) {
  using T = TypeParam;
  Planner<T, 4, 2> planner;
  OcpSettings settings;
  settings.tolerance = sizeof(T) == 4 ? 1e-3 : 1e-8;
  planner.draw(7);
  ASSERT_EQ(planner.solver.solve(false, settings).status, Status::ok);
  const T bad[4] = {static_cast<T>(NAN), 0, 0, 0};
  planner.solver.set_x0(bad);
  EXPECT_EQ(planner.solver.solve(true, settings).status, Status::not_finite);
  planner.draw(7);
  EXPECT_EQ(planner.solver.solve(true, settings).status, Status::ok);
}

}  // namespace
}  // namespace optcore::mpc
