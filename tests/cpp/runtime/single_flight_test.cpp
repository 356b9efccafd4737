#include "optcore/runtime/single_flight.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace optcore::runtime {
namespace {

using namespace std::chrono_literals;

TEST(SingleFlight, SixtyFourThreadsComputeOnce) {
  SingleFlight<int> flights;
  const Digest key{1, 2};
  std::atomic<int> computations{0}, waiting{0}, right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&] {
      const auto [ticket, leads] = flights.join(key);
      if (leads) {
        ++computations;
        while (waiting.load() < 63) std::this_thread::yield();
        flights.land(key, ticket, 42);
        ++right;
      } else {
        ++waiting;
        if (ticket->wait(30s) && ticket->result() == 42) ++right;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(computations.load(), 1);
  EXPECT_EQ(right.load(), 64);
  EXPECT_TRUE(flights.join(key).second) << "a landed flight must not catch later callers";
}

TEST(SingleFlight, AFollowerOfALeaderThatNeverLandsGivesUp) {
  SingleFlight<int> flights;
  const Digest key{1, 1};
  const auto leader = flights.join(key);
  ASSERT_TRUE(leader.second);
  std::thread([&] {
    const auto [ticket, leads] = flights.join({1, 1});
    EXPECT_FALSE(leads);
    EXPECT_FALSE(ticket->wait(1ms));
  }).join();
}

TEST(SingleFlight, AThreadDoesNotWaitForItself) {
  SingleFlight<int> flights;
  const auto outer = flights.join({1, 1});
  const auto inner = flights.join({1, 1});
  EXPECT_TRUE(outer.second);
  EXPECT_TRUE(inner.second);
  EXPECT_EQ(inner.first, nullptr);
}

TEST(SingleFlight, KeysDoNotWaitForOneAnother) {
  SingleFlight<int> flights;
  EXPECT_TRUE(flights.join({1, 1}).second);
  EXPECT_TRUE(flights.join({1, 2}).second);
}

}  // namespace
}  // namespace optcore::runtime
