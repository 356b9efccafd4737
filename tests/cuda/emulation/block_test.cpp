/// What kernels share: reductions, running sums, and that the emulation finds a missing barrier.

#include "block.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "emulated_block.hpp"

namespace optcore::cuda {
namespace {

using emulation::EmulatedBlock;
using emulation::Order;

TEST(EmulatedBlock, SumsAndLargest) {
  for (const Order order : emulation::orders) {
    for (const int threads : {32, 64, 256}) {
      EmulatedBlock block(0, 1, threads, 4096, order);
      auto* scratch = block.shared().array<double>(static_cast<std::size_t>(threads));
      const double total = sum_of(block, scratch, [](int t) { return t + 1.0; });
      EXPECT_EQ(total, threads * (threads + 1) / 2);
      const double top =
          largest_of(block, scratch, [](int t) { return static_cast<double>(7 * t % 31); });
      EXPECT_EQ(top, 30);
    }
  }
}

TEST(EmulatedBlock, RunningSums) {
  for (const Order order : emulation::orders) {
    for (const int threads : {1, 2, 32, 128}) {
      EmulatedBlock block(0, 1, threads, 4096, order);
      auto* values = block.shared().array<int>(static_cast<std::size_t>(threads));
      auto* spare = block.shared().array<int>(static_cast<std::size_t>(threads));
      block.each([&](int t) { values[t] = t * t; });
      std::vector<int> expected(values, values + threads);
      std::partial_sum(expected.begin(), expected.end(), expected.begin());
      EXPECT_EQ(running_sum(block, values, spare), expected.back());
      EXPECT_EQ(std::vector<int>(values, values + threads), expected);
    }
  }
}

TEST(EmulatedBlock, AMissingBarrierShows) {
  const auto shift_in_place = [](Order order) {
    EmulatedBlock block(0, 1, 32, 4096, order);
    auto* values = block.shared().array<int>(33);
    block.each([&](int t) { values[t] = t; });
    block.each([&](int t) { values[t] = values[t > 0 ? t - 1 : 31]; });  // reads what others write
    return std::vector<int>(values, values + 32);
  };
  EXPECT_NE(shift_in_place(Order::ascending), shift_in_place(Order::descending));
}

TEST(EmulatedBlock, SharedMemoryStartsPoisoned) {
  EmulatedBlock block(0, 1, 32, 256, Order::ascending);
  EXPECT_NE(*block.shared().array<double>(1), *block.shared().array<double>(1));
  EXPECT_EQ(block.shared().array<double>(100), nullptr);
}

}  // namespace
}  // namespace optcore::cuda
