#include "optcore/pipeline/control_loop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "pipeline/support.hpp"
#include "support/allocation_guard.hpp"
#include "support/memory.hpp"

namespace optcore::pipeline {
namespace {

/// A robot and walkers on a plane; walkers go straight on and never give way.
template <class T>
class World {
 public:
  explicit World(LoopConfig c = {}) : config(c) {
    memory_.give([&](Arena& arena) { loop.attach(arena, config, people_.model); });
    EXPECT_EQ(loop.set_up(people_.model), Status::ok);
  }

  LoopResult step() {
    std::vector<std::int64_t> id;
    std::vector<double> position, seen_at;
    for (std::size_t i = 0; i < walkers.size(); ++i) {
      id.push_back(static_cast<std::int64_t>(100 + i));
      position.insert(position.end(), {walkers[i][0], walkers[i][1]});
      seen_at.push_back(time);
    }
    const int n = static_cast<int>(id.size());
    LoopResult r;
    {
      const AllocationGuard no_allocation;
      r = loop.step({time, {id.data(), n}, {position.data(), n, 2, 2}, {seen_at.data(), n}},
                    state.data(), goal.data(), {});
    }
    for (int i = 0; i < 2; ++i) {
      EXPECT_LE(std::abs(r.command[i]), config.max_acceleration * (1 + 1e-6));
    }
    advance(state.data(), r.command, config.period);
    for (auto& w : walkers) {
      w[0] += config.period * w[2];
      w[1] += config.period * w[3];
      nearest = std::min(nearest, std::hypot(w[0] - state[0], w[1] - state[1]));
      if (std::hypot(w[0] - state[0], w[1] - state[1]) < config.contact_distance &&
          std::hypot(state[2], state[3]) > 0.1) {
        caused = true;
      }
    }
    time += config.period;
    return r;
  }

  bool arrived() const { return std::hypot(state[0] - goal[0], state[1] - goal[1]) < 0.3; }

  /// Steps until the goal is reached; false when it takes longer than `seconds`.
  bool go(double seconds) {
    while (time < seconds) {
      last = step();
      if (arrived()) return true;
    }
    return false;
  }

  LoopConfig config;
  ControlLoop<T> loop;
  std::array<double, 4> state = {0, 0, 0, 0};
  std::array<double, 2> goal = {8, 0};
  std::vector<std::array<double, 4>> walkers;
  double time = 0, nearest = 1e9;
  bool caused = false;
  LoopResult last;

 private:
  ConstantVelocity people_;
  support::Memory memory_;
};

template <class T>
class ControlLoopTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ControlLoopTest, Scalars);

TYPED_TEST(ControlLoopTest, ReachesTheGoalAlone) {
  World<TypeParam> world;
  EXPECT_TRUE(world.go(10));
  EXPECT_NEAR(world.state[1], 0, 1e-3);
}

TYPED_TEST(ControlLoopTest, PassesAPersonWhoStandsInTheWay) {
  World<TypeParam> world;
  world.walkers = {{4, 0, 0, 0}};
  EXPECT_TRUE(world.go(15));
  EXPECT_GT(world.nearest, world.config.contact_distance);
}

TYPED_TEST(ControlLoopTest, PassesWalkersWhoCross) {
  for (double speed : {-1.4, -1.0, 0.8, 1.3}) {
    World<TypeParam> world;
    world.walkers = {{4, -3.3 * speed, 0, speed}, {5.5, -4.4 * speed, 0, speed}};
    EXPECT_TRUE(world.go(20)) << speed;
    EXPECT_FALSE(world.caused) << speed;
  }
}

TYPED_TEST(ControlLoopTest, DoesNotFreezeBeforeSomebodyComingHeadOn) {
  World<TypeParam> world;
  world.walkers = {{8, 0, -1.2, 0}};
  EXPECT_TRUE(world.go(15));
  EXPECT_FALSE(world.caused);
  EXPECT_GT(world.nearest, world.config.contact_distance);
}

TYPED_TEST(ControlLoopTest, BrakesWhenItDoesNotKnowWhereItIs) {
  World<TypeParam> world;
  world.state = {NAN, 0, 1.0, 0};
  const LoopResult r = world.step();
  EXPECT_EQ(r.status, Status::not_finite);
  EXPECT_EQ(r.fallback, Fallback::brake);
  EXPECT_NEAR(r.command[0], -world.config.max_acceleration, 1e-6);
}

TYPED_TEST(ControlLoopTest, RecoversAfterAFaultyMeasurement) {
  World<TypeParam> world;
  world.walkers = {{4, 0.2, 0, 0}};
  world.step();
  auto good = world.state;
  world.state = {NAN, NAN, NAN, NAN};
  world.step();
  world.state = good;
  EXPECT_TRUE(world.go(15));
  EXPECT_FALSE(world.caused);
}

TEST(ControlLoop, StandsStillWhileSomebodyIsTooNear) {
  World<double> world;
  world.goal = {8, 0};
  world.walkers = {{0.55, 0, 0, 0}};
  for (int i = 0; i < 5; ++i) {
    const LoopResult r = world.step();
    EXPECT_TRUE(r.fallback == Fallback::hold || r.fallback == Fallback::margin ||
                r.fallback == Fallback::brake || r.fallback == Fallback::likely_only ||
                r.fallback == Fallback::nominal);
    EXPECT_FALSE(world.caused);
  }
}

TEST(ControlLoop, GivesTheSameBitsForTheSameInput) {
  std::array<double, 2> commands[2];
  for (auto& command : commands) {
    World<double> world;
    world.walkers = {{3, 0.3, -0.5, 0}, {5, -2, 0, 0.7}};
    for (int i = 0; i < 30; ++i) world.last = world.step();
    command = {world.last.command[0], world.last.command[1]};
  }
  EXPECT_EQ(commands[0], commands[1]);
}

TEST(ControlLoop, ReportsTheRiskItPromisesAndNeverMore) {
  World<double> world;
  world.walkers = {{3, 0.3, -0.5, 0}, {5, -2, 0, 0.7}, {4, 2, 0, -0.7}};
  for (int i = 0; i < 40; ++i) {
    const LoopResult r = world.step();
    EXPECT_LE(r.risk_allocated, world.config.risk * (1 + 1e-9));
    EXPECT_GT(r.risk_allocated, 0);
  }
}

TEST(ControlLoop, TracksNoMoreThanItsCapacityAndSaysSo) {
  LoopConfig config;
  config.max_people = 2;
  config.considered = 2;
  World<double> world(config);
  world.walkers = {{3, 3, 0, 0}, {4, 3, 0, 0}, {5, 3, 0, 0}};
  const LoopResult r = world.step();
  EXPECT_EQ(r.dropped_people, 1);
  EXPECT_EQ(r.considered, 2);
}

}  // namespace
}  // namespace optcore::pipeline
