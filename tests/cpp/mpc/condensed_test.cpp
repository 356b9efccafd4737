#include "optcore/mpc/condensed.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/allocation_guard.hpp"

namespace {

using optcore::Arena;
using optcore::CondensedTables;
using optcore::infinity;
using optcore::Status;

/// One state, one input, one stage: x1 = x0 + u + w, cost (u^2 + x1^2) / 2, |u| <= 0.25,
/// x1 <= 1. H = 2, f = x0 + w: u = -(x0 + w) / 2, x1 = (x0 + w) / 2; G = (1, 1), gram = 1/2.
template <class T>
struct Integrator {
  static constexpr int stride = 16;
  alignas(64) T response[2 * stride] = {}, offset[stride] = {}, low[stride], high[stride];
  alignas(64) T gram[2 * stride] = {}, unit[stride];
  alignas(64) unsigned char memory[8192];
  optcore::mpc::CondensedController<T> mpc;

  Integrator() {
    for (int i = 0; i < stride; ++i) {
      low[i] = -infinity<T>(), high[i] = infinity<T>(), unit[i] = 1;
    }
    low[0] = T(-0.25), high[0] = T(0.25), high[1] = T(1);
    for (int p = 0; p < 2; ++p) response[p * stride] = T(-0.5), response[p * stride + 1] = T(0.5);
    for (int i = 0; i < 2; ++i) gram[i * stride] = gram[i * stride + 1] = T(0.5);
    Arena arena(memory, sizeof memory);
    mpc.attach(arena, tables());
    EXPECT_FALSE(arena.overflowed());
    EXPECT_EQ(arena.used(), optcore::mpc::CondensedController<T>::workspace(tables()));
  }
  [[nodiscard]] CondensedTables<T> tables() const {
    return {1, 1, 1, 1, 2, stride, 3, response, offset, low, high, gram, unit};
  }
};

/// Not inlined: else compilers see loops over one number that they believe longer.
template <class T>
[[gnu::noinline]] optcore::mpc::CondensedInfo ask(optcore::mpc::CondensedController<T>& mpc, T x0,
                                                  const T* w = nullptr) {
  return mpc.solve(&x0, w);
}

template <class T>
[[gnu::noinline]] void bound(optcore::mpc::CondensedController<T>& mpc, const T* low,
                             const T* high) {
  mpc.set_bounds(low, high);
}

template <class T>
class Condensed : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Condensed, Scalars);

TYPED_TEST(Condensed, SolvesByHandWithinAndOnBounds) {
  using T = TypeParam;
  Integrator<T> one;
  auto& mpc = one.mpc;
  const optcore::AllocationGuard guard;
  T x0 = T(0.4);
  EXPECT_EQ(ask(mpc, x0).status, Status::ok);
  EXPECT_NEAR(mpc.u(0, 0), -0.2, 1e-6);
  EXPECT_NEAR(mpc.value(1), 0.2, 1e-6);
  x0 = 1;
  const auto info = ask(mpc, x0);
  EXPECT_EQ(info.status, Status::ok);
  EXPECT_EQ(info.active, 1);
  EXPECT_NEAR(mpc.u(0, 0), -0.25, 1e-6);
  EXPECT_NEAR(mpc.value(1), 0.75, 1e-6);
  EXPECT_EQ(ask(mpc, x0).iterations, 0);  // the active set is kept
  const T w = T(-0.7);
  EXPECT_EQ(ask(mpc, x0, &w).status, Status::ok);
  EXPECT_NEAR(mpc.u(0, 0), -0.15, 1e-6);
}

TYPED_TEST(Condensed, InfeasibleAndNotFiniteLeaveTheNextSolveSound) {
  using T = TypeParam;
  Integrator<T> one;
  auto& mpc = one.mpc;
  T x0 = 2;  // x1 <= 1 would need u <= -1
  EXPECT_EQ(ask(mpc, x0).status, Status::primal_infeasible);
  EXPECT_LE(optcore::abs(mpc.u(0, 0)), T(0.25));
  x0 = optcore::infinity<T>();
  EXPECT_EQ(ask(mpc, x0).status, Status::not_finite);
  x0 = static_cast<T>(__builtin_nan(""));
  EXPECT_EQ(ask(mpc, x0).status, Status::not_finite);
  x0 = 1;
  EXPECT_EQ(ask(mpc, x0).status, Status::ok);
  EXPECT_NEAR(mpc.u(0, 0), -0.25, 1e-6);
}

TYPED_TEST(Condensed, BoundsMayChangeAndMayHaveAPrice) {
  using T = TypeParam;
  Integrator<T> one;
  alignas(64) T low[16], high[16];
  for (int i = 0; i < 16; ++i) low[i] = -infinity<T>(), high[i] = infinity<T>();
  high[1] = T(0.1);
  bound(one.mpc, low, high);
  T x0 = 1;
  EXPECT_EQ(ask(one.mpc, x0).status, Status::ok);
  EXPECT_NEAR(one.mpc.u(0, 0), -0.9, 1e-6);
  // (u^2 + (1 + u)^2 + 4 s^2) / 2 with s = 1 + u - 0.1: 2 u + 1 + 4 (u + 0.9) = 0
  one.gram[16 + 1] += T(0.25);
  one.mpc.reset();
  EXPECT_EQ(ask(one.mpc, x0).status, Status::ok);
  EXPECT_NEAR(one.mpc.u(0, 0), -4.6 / 6, 1e-6);
}

TYPED_TEST(Condensed, WithoutMemoryItIsNotReady) {
  using T = TypeParam;
  optcore::mpc::CondensedController<T> mpc;
  const T x0 = 1;
  EXPECT_EQ(ask(mpc, x0).status, Status::not_ready);
}

TYPED_TEST(Condensed, OverflowLeavesThePlan) {
  using T = TypeParam;
  Integrator<T> one;
  EXPECT_EQ(ask(one.mpc, T(0.4)).status, Status::ok);
  const T plan = one.mpc.u(0, 0);
  for (const T x0 : {std::numeric_limits<T>::max(), -std::numeric_limits<T>::max()}) {
    const T w = x0;  // their sum is beyond T
    EXPECT_EQ(ask(one.mpc, x0, &w).status, Status::not_finite);
    EXPECT_EQ(one.mpc.u(0, 0), plan);
  }
}

TYPED_TEST(Condensed, UnitsDoNotChangeThePlan) {
  using T = TypeParam;
  Integrator<T> one;
  one.unit[1] = T(0.25);  // x1 in quarters
  for (int p = 0; p < 2; ++p) one.response[p * one.stride + 1] /= one.unit[1];
  one.high[1] /= one.unit[1];
  one.gram[1] /= one.unit[1];
  one.gram[one.stride] /= one.unit[1];
  one.gram[one.stride + 1] /= one.unit[1] * one.unit[1];
  Arena arena(one.memory, sizeof one.memory);
  one.mpc.attach(arena, one.tables());
  EXPECT_EQ(ask(one.mpc, T(1)).status, Status::ok);
  EXPECT_NEAR(one.mpc.u(0, 0), -0.25, 1e-6);
  EXPECT_NEAR(one.mpc.value(1), 0.75, 1e-6);
  static constexpr T low[2] = {-1, -1}, high[2] = {1, T(0.4)};
  bound(one.mpc, low, high);
  EXPECT_EQ(ask(one.mpc, T(1)).status, Status::ok);
  EXPECT_NEAR(one.mpc.value(1), 0.4, 1e-6);
}

TYPED_TEST(Condensed, AnArenaThatIsTooSmallIsSeen) {
  using T = TypeParam;
  Integrator<T> one;
  optcore::mpc::CondensedController<T> mpc;
  Arena arena(one.memory, 512);
  mpc.attach(arena, one.tables());
  EXPECT_TRUE(arena.overflowed());
  EXPECT_EQ(ask(mpc, T(1)).status, Status::not_ready);
}

}  // namespace
