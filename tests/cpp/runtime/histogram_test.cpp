#include "optcore/runtime/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "support/random.hpp"

namespace optcore::runtime {
namespace {

TEST(Histogram, BucketsTileTheRangeWithoutGapsOrOverlaps) {
  std::int64_t previous = -1;
  for (int i = 0; i < Histogram::buckets; ++i) {
    const std::int64_t upper = Histogram::upper_of(i);
    ASSERT_GT(upper, previous);
    ASSERT_EQ(Histogram::index_of(previous + 1), i);
    ASSERT_EQ(Histogram::index_of(upper), i);
    if (previous > 0) {
      ASSERT_LE(static_cast<double>(upper - previous - 1), 1e-3 * static_cast<double>(upper));
    }
    previous = upper;
  }
  EXPECT_GT(previous, std::int64_t{3600} * 1000000000);
}

TEST(Histogram, QuantilesAgreeWithTheSortedSampleToThreeDigits) {
  auto histogram = std::make_unique<Histogram>();
  support::Random random(7);
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20000; ++i) {
    const double scale = random.uniform(0, 9);
    values.push_back(static_cast<std::int64_t>(__builtin_pow(10.0, scale)));
    histogram->record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(q * 20000 + 0.999999) - 1;
    const auto truth = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(histogram->quantile(q)), truth, 1e-3 * truth + 1e-9) << q;
  }
  EXPECT_EQ(histogram->max(), values.back());
  EXPECT_EQ(histogram->count(), 20000);
}

TEST(Histogram, CountsMissesOfADeadline) {
  auto histogram = std::make_unique<Histogram>();
  for (int i = 0; i < 10; ++i) histogram->record(500'000);
  for (int i = 0; i < 3; ++i) histogram->record(1'500'000);
  EXPECT_EQ(histogram->count_above(1'000'000), 3);
  EXPECT_EQ(histogram->count_above(10'000'000), 0);
}

TEST(Histogram, MergesAndResets) {
  auto a = std::make_unique<Histogram>(), b = std::make_unique<Histogram>();
  a->record(10);
  b->record(-5);
  b->record(std::int64_t{1} << 60);
  a->merge(*b);
  EXPECT_EQ(a->count(), 3);
  EXPECT_EQ(a->quantile(0.0), 0);
  EXPECT_EQ(a->quantile(0.5), 10);
  EXPECT_EQ(a->max(), std::int64_t{1} << 60);
  a->reset();
  EXPECT_EQ(a->count(), 0);
  EXPECT_EQ(a->quantile(0.5), 0);
}

TEST(Histogram, LosesNothingWhenThreadsRecordTogether) {
  auto histogram = std::make_unique<Histogram>();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50000; ++i) histogram->record(1000 * t + i % 7);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(histogram->count(), 200000);
  EXPECT_EQ(histogram->max(), 3006);
}

}  // namespace
}  // namespace optcore::runtime
