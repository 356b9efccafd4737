#include "optcore/runtime/load_record.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace optcore::runtime {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(LoadRecord, CountsCallsDueInsideAndThroughputByTheirEnds) {
  auto record = std::make_unique<LoadRecord>(100 * ms, 200 * ms, 10);
  record->record(50 * ms, 50 * ms, 60 * ms, true, false);      // in the ramp
  record->record(90 * ms, 90 * ms, 110 * ms, true, false);     // due before, ended inside
  record->record(100 * ms, 101 * ms, 103 * ms, true, false);   // inside, woken late
  record->record(150 * ms, 170 * ms, 175 * ms, false, false);  // inside, nobody was free
  record->record(199 * ms, 199 * ms, 250 * ms, true, false);   // ended after the end
  record->record(160 * ms, 160 * ms, 161 * ms, true, true);    // raised
  record->record(200 * ms, 200 * ms, 201 * ms, true, false);   // due after
  EXPECT_EQ(record->finished(), 3);
  EXPECT_EQ(record->errors(), 1);
  EXPECT_EQ(record->busy(), 1);
  EXPECT_EQ(record->response.count(), 3);
  EXPECT_EQ(record->response.max(), 51 * ms);
  EXPECT_EQ(record->service.max(), 51 * ms);
  EXPECT_EQ(record->lag.max(), 20 * ms);
  EXPECT_EQ(record->wake_lag.max(), 1 * ms);
}

TEST(LoadRecord, ACallThatNeverStartedHasTheWaitSoFar) {
  auto record = std::make_unique<LoadRecord>(0, 100 * ms, 1);
  record->give_up(10 * ms, 150 * ms);
  record->give_up(100 * ms, 150 * ms);
  EXPECT_EQ(record->unstarted(), 1);
  EXPECT_EQ(record->response.max(), 140 * ms);
  EXPECT_EQ(record->finished(), 0);
}

TEST(LoadRecord, BackToBackCallsFillResponseAndHeatAlone) {
  auto record = std::make_unique<LoadRecord>(0, 100 * ms, 4);
  for (int i = 0; i < 100; ++i) record->record(i * ms, i * ms + 500, false);
  EXPECT_EQ(record->response.count(), 100);
  EXPECT_EQ(record->service.count(), 0);
  EXPECT_EQ(record->lag.count(), 0);
  for (int slot = 0; slot < 4; ++slot) {
    std::int64_t calls = 0;
    for (int bin = 0; bin < LoadRecord::bins; ++bin) calls += record->heat(slot, bin);
    EXPECT_EQ(calls, 25);
    EXPECT_EQ(record->heat(slot, Histogram::index_of(500) >> LoadRecord::bin_bits), 25);
  }
}

}  // namespace
}  // namespace optcore::runtime
