#include "optcore/pipeline/braking.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "pipeline/support.hpp"
#include "support/random.hpp"

namespace optcore::pipeline {
namespace {

TEST(Braking, StopsWithoutReversingAndWithinTheLimit) {
  support::Random random(2);
  for (int trial = 0; trial < 200; ++trial) {
    double s[4] = {0, 0, random.uniform(-2, 2), random.uniform(-2, 2)};
    const double heading[2] = {s[2], s[3]};
    double speed = std::hypot(s[2], s[3]);
    const int periods = static_cast<int>(speed / (2.5 * 0.1)) + 2;
    for (int i = 0; i < periods; ++i) {
      double u[2];
      braking_command(s + 2, 2.5, 0.1, u);
      EXPECT_LE(std::hypot(u[0], u[1]), 2.5 + 1e-12);
      advance(s, u, 0.1);
      EXPECT_GE(s[2] * heading[0] + s[3] * heading[1], -1e-12);
      EXPECT_LE(std::hypot(s[2], s[3]), speed + 1e-12);
      speed = std::hypot(s[2], s[3]);
    }
    EXPECT_NEAR(speed, 0, 1e-12);
  }
}

class Guard : public testing::Test {
 protected:
  bool allowed(std::vector<StraightCrowd<>::Walker> people, std::array<double, 4> state,
               std::array<double, 2> command) {
    StraightCrowd<> crowd(std::move(people), config.horizon + 1, config.step);
    return can_brake_after<double>(config, crowd.forecast, state.data(), command.data(), 0.05);
  }
  LoopConfig config;
};

TEST_F(Guard, AllowsAnythingWhereNobodyIs) {
  EXPECT_TRUE(allowed({}, {0, 0, 1.5, 0}, {2.5, 0}));
  EXPECT_TRUE(allowed({{0, 5, 0, 0}}, {0, 0, 1.5, 0}, {2.5, 0}));
}

TEST_F(Guard, RefusesToGoOnWhenBrakingLaterWouldTouch) {
  // 1.2 m/s at 2.5 m/s^2 needs 0.29 m; contact at 0.5 m and the margin leave room at 1.2 m only
  EXPECT_TRUE(allowed({{1.3, 0, 0, 0}}, {0, 0, 1.2, 0}, {0, 0}));
  EXPECT_FALSE(allowed({{0.95, 0, 0, 0}}, {0, 0, 1.2, 0}, {0, 0}));
}

TEST_F(Guard, SeesAWalkerComingFromTheSide) {
  EXPECT_FALSE(allowed({{0.5, -0.9, 0, 1.5}}, {0, 0, 1.2, 0}, {0, 0}));
  EXPECT_TRUE(allowed({{0.5, -0.9, 0, -1.5}}, {0, 0, 1.2, 0}, {0, 0}));
}

TEST_F(Guard, DoesNotStartTowardsSomebodyNear) {
  EXPECT_FALSE(allowed({{0.62, 0, 0, 0}}, {0, 0, 0, 0}, {2.5, 0}));
  EXPECT_TRUE(allowed({{0.62, 0, 0, 0}}, {0, 0, 0, 0}, {0, 0}));  // standing is always allowed
}

TEST_F(Guard, LetsTheRobotLeaveSomebodyBehind) {
  EXPECT_TRUE(allowed({{-0.6, 0, 0, 0}}, {0, 0, 1.0, 0}, {1.0, 0}));
}

TEST_F(Guard, PassesOverHypothesesBelowTheLeastWeight) {
  StraightCrowd<> crowd({{0.8, 0, 0, 0}}, config.horizon + 1, config.step);
  const double state[4] = {0, 0, 1.2, 0}, command[2] = {0, 0};
  crowd.forecast.weight(0)[0] = 0.01;
  EXPECT_TRUE(can_brake_after<double>(config, crowd.forecast, state, command, 0.05));
  crowd.forecast.weight(0)[0] = 0.5;
  EXPECT_FALSE(can_brake_after<double>(config, crowd.forecast, state, command, 0.05));
}

}  // namespace
}  // namespace optcore::pipeline
