#include "optcore/runtime/cache.hpp"

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "support/random.hpp"

namespace optcore::runtime {
namespace {

using IntCache = Cache<int>;
using Found = IntCache::Found;

Digest key(std::uint64_t n) { return {n * 0x9e3779b97f4a7c15u, n}; }

TEST(Cache, EvictsTheLeastRecentlyUsedFirst) {
  IntCache cache({.bytes = 100, .entries = 3});
  IntCache::Removed removed;
  for (int i = 0; i < 3; ++i) cache.put(key(i), i, 1, IntCache::never, 0, removed);
  EXPECT_EQ(cache.find(key(0), 0, removed).value, 0);
  cache.put(key(3), 3, 1, IntCache::never, 0, removed);
  ASSERT_EQ(removed, std::vector<int>{1});
  EXPECT_EQ(cache.find(key(1), 0, removed).found, Found::no);
  EXPECT_EQ(cache.counters().evictions, 1u);
}

TEST(Cache, NeverHoldsMoreBytesThanItMay) {
  IntCache cache({.bytes = 10, .entries = 100});
  IntCache::Removed removed;
  EXPECT_TRUE(cache.put(key(1), 1, 6, IntCache::never, 0, removed));
  EXPECT_TRUE(cache.put(key(2), 2, 6, IntCache::never, 0, removed));
  EXPECT_EQ(cache.counters().bytes, 6u);
  EXPECT_FALSE(cache.put(key(2), 3, 11, IntCache::never, 0, removed));
  EXPECT_EQ(cache.find(key(2), 0, removed).found, Found::no) << "an outdated value stayed";
  EXPECT_EQ(cache.counters().bytes, 0u);
}

TEST(Cache, HoldsAValueUntilItsExpiryAndNoLonger) {
  IntCache cache({.bytes = 10, .entries = 10, .beta = 0});
  IntCache::Removed removed;
  cache.put(key(1), 1, 1, 1000, 0, removed);
  EXPECT_EQ(cache.find(key(1), 999, removed).found, Found::yes);
  EXPECT_EQ(cache.find(key(1), 1000, removed).found, Found::no);
  EXPECT_EQ(cache.counters().expirations, 1u);
  cache.put(key(2), 2, 1, 1000, 0, removed);
  cache.put(key(3), 3, 1, IntCache::never, 0, removed);
  EXPECT_EQ(cache.expire(1000, removed), 1u);
  EXPECT_EQ(cache.counters().entries, 1u);
}

TEST(Cache, AsksForARefreshAsOftenAsItsDistributionSays) {
  // P(due) = exp(-left / (cost beta)): left 100, cost 100, beta 1 gives exp(-1) = 0.3679
  IntCache cache({.bytes = 10, .entries = 10, .beta = 1});
  IntCache::Removed removed;
  cache.put(key(1), 1, 1, 10000, 100, removed);
  EXPECT_EQ(cache.find(key(1), 0, removed).found, Found::yes);
  int due = 0;
  for (int i = 0; i < 20000; ++i) due += cache.find(key(1), 9900, removed).found == Found::due;
  EXPECT_NEAR(due / 20000.0, 0.36788, 0.02);
}

/// The same policy in the plainest form, as the oracle.
struct Model {
  struct Entry {
    std::uint64_t key;
    int value;
    std::size_t bytes;
    std::int64_t expiry;
  };
  std::list<Entry> entries;
  std::size_t limit_bytes, limit_entries;

  std::optional<int> find(std::uint64_t k, std::int64_t now) {
    for (auto e = entries.begin(); e != entries.end(); ++e) {
      if (e->key != k) continue;
      if (now >= e->expiry) {
        entries.erase(e);
        return {};
      }
      entries.splice(entries.begin(), entries, e);
      return e->value;
    }
    return {};
  }
  void erase(std::uint64_t k) {
    entries.remove_if([k](const Entry& e) { return e.key == k; });
  }
  void put(std::uint64_t k, int value, std::size_t bytes, std::int64_t expiry) {
    erase(k);
    if (bytes > limit_bytes) return;
    entries.push_front({k, value, bytes, expiry});
    while (used() > limit_bytes || entries.size() > limit_entries) entries.pop_back();
  }
  [[nodiscard]] std::size_t used() const {
    std::size_t sum = 0;
    for (const Entry& e : entries) sum += e.bytes;
    return sum;
  }
};

TEST(Cache, AgreesWithAListThatIsSearchedFromTheFront) {
  IntCache cache({.bytes = 60, .entries = 12, .beta = 0});
  Model model{{}, 60, 12};
  support::Random random(3);
  IntCache::Removed removed;
  std::int64_t now = 0;
  for (int step = 0; step < 50000; ++step) {
    now += static_cast<std::int64_t>(random.uniform(0, 3));
    const auto k = static_cast<std::uint64_t>(random.uniform(0, 24));
    const double what = random.uniform(0, 1);
    if (what < 0.5) {
      const auto hit = cache.find(key(k), now, removed);
      const auto expected = model.find(k, now);
      ASSERT_EQ(hit.found != Found::no, expected.has_value()) << step;
      if (expected) {
        ASSERT_EQ(hit.value, *expected) << step;
      }
    } else if (what < 0.95) {
      const auto bytes = static_cast<std::size_t>(random.uniform(0, 70));
      const auto life = static_cast<std::int64_t>(random.uniform(1, 60));
      cache.put(key(k), step, bytes, now + life, 0, removed);
      model.put(k, step, bytes, now + life);
    } else {
      cache.erase(key(k), removed);
      model.erase(k);
    }
    ASSERT_EQ(cache.counters().bytes, model.used()) << step;
    ASSERT_EQ(cache.counters().entries, model.entries.size()) << step;
    removed.clear();
  }
}

TEST(Cache, LosesNoValueWhenThreadsShareIt) {
  // every handle ever put is destroyed exactly once
  auto live = std::make_shared<int>(0);
  {
    Cache<std::shared_ptr<int>> cache({.bytes = 50, .entries = 50});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 5000; ++i) {
          Cache<std::shared_ptr<int>>::Removed removed;
          cache.put(key((i * 7 + t) % 90), live, 1, i + 100, 10, removed);
          const auto hit = cache.find(key(i % 90), i, removed);
          if (hit.found != Cache<std::shared_ptr<int>>::Found::no) {
            EXPECT_EQ(hit.value, live);
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_LE(cache.counters().entries, 50u);
    EXPECT_EQ(live.use_count(), 1 + static_cast<long>(cache.counters().entries));
  }
  EXPECT_EQ(live.use_count(), 1);
}

}  // namespace
}  // namespace optcore::runtime
