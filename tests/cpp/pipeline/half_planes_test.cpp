#include "optcore/pipeline/half_planes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/support.hpp"
#include "support/memory.hpp"

namespace optcore::pipeline {
namespace {

class HalfPlanes : public testing::Test {
 protected:
  void draw(std::vector<StraightCrowd<>::Walker> people, double x, double y, double sigma = 0.05) {
    crowd = std::make_unique<StraightCrowd<>>(std::move(people), config.horizon + 1, config.step,
                                              sigma);
    memory.give([&](Arena& arena) { constraints.attach(arena, config, 1); });
    result = {};
    constraints.allocate(crowd->forecast, result);
    rows.assign(static_cast<std::size_t>(config.rows_per_stage), {});
    count = constraints.linearise(crowd->forecast, 1, x, y, false, rows.data());
  }
  LoopConfig config;
  support::Memory memory;
  std::unique_ptr<StraightCrowd<>> crowd;
  ChanceConstraints<double> constraints;
  LoopResult result;
  std::vector<HalfPlane<double>> rows;
  int count = 0;
};

TEST_F(HalfPlanes, KeepTheContactDistanceAndTheQuantileOfTheSpread) {
  config.risk = 0.04;
  config.horizon = 20;
  config.step = 0.2;
  config.correlation_time = 2.0;  // two looks over 4 s
  draw({{2, 0, 0, 0}}, 0, 0, 0.1);
  ASSERT_EQ(count, 1);
  const double z = 2.0537489106318225;  // quantile of 1 - 0.02
  const double keep = config.contact_distance + config.clearance + z * 0.1;
  EXPECT_NEAR(rows[0].nx, -1, 1e-12);
  EXPECT_NEAR(rows[0].ny, 0, 1e-12);
  EXPECT_NEAR(rows[0].offset, -2 + keep, 1e-9);  // -x >= -2 + keep
  EXPECT_NEAR(rows[0].room, 2 - keep, 1e-9);
  EXPECT_NEAR(result.risk_allocated, 0.04, 1e-12);
}

TEST_F(HalfPlanes, CapTheMarginHoweverWideTheSpread) {
  draw({{2, 0, 0, 0}}, 0, 0, 50.0);
  ASSERT_EQ(count, 1);
  EXPECT_NEAR(rows[0].room, 2 - config.contact_distance - config.clearance - config.max_margin,
              1e-9);
}

TEST_F(HalfPlanes, KeepTheTightestRowsInOrder) {
  config.rows_per_stage = 3;
  draw({{2.4, 0, 0, 0}, {0, 1, 0, 0}, {-1.8, 0, 0, 0}, {0, -1.2, 0, 0}, {9, 9, 0, 0}}, 0, 0);
  ASSERT_EQ(count, 3);
  EXPECT_NEAR(rows[0].ny, -1, 1e-12);  // away from (0, 1)
  EXPECT_NEAR(rows[1].ny, 1, 1e-12);   // away from (0, -1.2)
  EXPECT_NEAR(rows[2].nx, 1, 1e-12);   // away from (-1.8, 0)
  EXPECT_LE(rows[0].room, rows[1].room);
  EXPECT_LE(rows[1].room, rows[2].room);
}

TEST_F(HalfPlanes, PassOverPeopleOutOfReach) {
  draw({{config.reach + 2, 0, 0, 0}}, 0, 0);
  EXPECT_EQ(count, 0);
}

TEST_F(HalfPlanes, AreDrawnEvenOnTopOfAPerson) {
  draw({{0, 0, 0, 0}}, 0, 0);
  ASSERT_EQ(count, 1);
  EXPECT_NEAR(std::hypot(rows[0].nx, rows[0].ny), 1, 1e-12);
  EXPECT_LT(rows[0].room, 0);
}

}  // namespace
}  // namespace optcore::pipeline
