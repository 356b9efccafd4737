#include "optcore/mpc/condensed_path.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/mpc/ocp_solver.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore::mpc {
namespace {

/// A double integrator in the plane with bounds on velocity and input and a wall, with its memory.
template <class T, bool Condensed>
struct Vehicle {
  static constexpr int N = 15, rows = 1;

  Vehicle() {
    memory.give([&](Arena& arena) { solver.attach(arena, {4, 2, N, rows}); });
    model(T(0.2));
    const T far = T(1e30), low[4] = {-far, -far, -1, -1}, high[4] = {far, far, 1, 1};
    const T wall[4] = {1, 1, 0, 0}, push[2] = {-1, -1}, pull[2] = {1, 1};
    for (int k = 0; k <= N; ++k) {
      solver.data().set_state_bounds(k, low, high);
      solver.data().set_input_bounds(k, push, pull);
      solver.data().set_row_count(k, k > 0 ? rows : 0);
      if (k > 0) solver.data().set_row(k, 0, wall, nullptr, -far, T(2.5), far, 0);
    }
  }

  void model(T h) {
    const T half = h * h / 2;
    const T A[16] = {1, 0, h, 0, 0, 1, 0, h, 0, 0, 1, 0, 0, 0, 0, 1};
    const T B[8] = {half, 0, 0, half, h, 0, 0, h}, R[4] = {T(0.2), 0, 0, T(0.2)};
    T Q[16] = {};
    for (int i = 0; i < 4; ++i) Q[5 * i] = T(0.4);
    for (int k = 0; k <= N; ++k) {
      solver.data().set_hessian(k, Q, R, nullptr);
      if (k < N) solver.data().set_dynamics(k, A, B, nullptr);
    }
  }

  /// Another state and another target.
  void draw(std::uint64_t seed) {
    support::Random random(seed);
    T x0[4], q[4];
    for (int i = 0; i < 4; ++i) {
      x0[i] = static_cast<T>(random.uniform(-1, 1));
      q[i] = static_cast<T>(random.uniform(-1, 1));
    }
    const T r[2] = {};
    solver.set_x0(x0);
    for (int k = 0; k <= N; ++k) solver.data().set_gradient(k, q, r);
  }

  OcpSolver<T, 4, 2, Condensed> solver;
  support::Memory memory;
};

template <class T>
OcpSettings settings(OcpMethod method = OcpMethod::automatic) {
  OcpSettings found;
  found.tolerance = sizeof(T) == 4 ? 1e-4 : 1e-9;
  found.method = method;
  return found;
}

template <class T>
class CondensedPathTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(CondensedPathTest, Scalars);

TYPED_TEST(CondensedPathTest, AgreesWithTheOtherPathWarmAndCold) {
  using T = TypeParam;
  Vehicle<T, true> kept;
  Vehicle<T, false> plain;
  int condensed = 0, active = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    kept.draw(seed);
    plain.draw(seed);
    OcpInfo info;
    {
      const AllocationGuard no_allocation;
      info = kept.solver.solve(seed % 3 != 0, settings<T>());
    }
    const OcpInfo other = plain.solver.solve(false, settings<T>());
    ASSERT_EQ(info.status, Status::ok) << seed;
    ASSERT_EQ(other.status, Status::ok) << seed;
    const double near = sizeof(T) == 4 ? 5e-2 : 1e-6;
    EXPECT_NEAR(info.objective, other.objective, near) << seed;
    for (int k = 0; k < kept.N; ++k) {
      for (int j = 0; j < 2; ++j) {
        EXPECT_NEAR(kept.solver.u(k)[j], plain.solver.u(k)[j], near) << seed;
        EXPECT_NEAR(kept.solver.multipliers(k)[4 + j], plain.solver.multipliers(k)[4 + j], near);
        active += kept.solver.multipliers(k)[4 + j] != 0 ? 1 : 0;
      }
    }
    condensed += info.method == OcpMethod::condensed ? 1 : 0;
  }
  EXPECT_GT(condensed, 190);
  EXPECT_GT(active, 500);
}

TYPED_TEST(CondensedPathTest, AnotherModelTakesTheOtherPathOnce) {
  using T = TypeParam;
  Vehicle<T, true> vehicle;
  for (const T h : {T(0.2), T(0.15), T(0.25)}) {
    vehicle.model(h);
    vehicle.draw(1);
    EXPECT_NE(vehicle.solver.solve(true, settings<T>()).method, OcpMethod::condensed);
    vehicle.model(h);  // the same again
    vehicle.draw(2);
    const OcpInfo info = vehicle.solver.solve(true, settings<T>());
    EXPECT_EQ(info.method, OcpMethod::condensed);
    const OcpInfo other = vehicle.solver.solve(false, settings<T>(OcpMethod::riccati));
    EXPECT_NE(other.method, OcpMethod::condensed);
    EXPECT_NEAR(info.objective, other.objective, sizeof(T) == 4 ? 1e-2 : 1e-7);
  }
}

TYPED_TEST(CondensedPathTest, WithoutAFeasiblePointThereIsAProofAndTheNextSolveIsClean) {
  using T = TypeParam;
  Vehicle<T, true> vehicle;
  vehicle.draw(3);
  static_cast<void>(vehicle.solver.solve(false, settings<T>()));
  const T beyond[4] = {5, 5, 1, 1};  // past the wall, going on
  vehicle.solver.set_x0(beyond);
  EXPECT_EQ(vehicle.solver.solve(true, settings<T>()).status, Status::primal_infeasible);
  vehicle.draw(4);
  EXPECT_EQ(vehicle.solver.solve(true, settings<T>()).status, Status::ok);
}

}  // namespace
}  // namespace optcore::mpc
