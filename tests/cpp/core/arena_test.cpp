#include "optcore/core/arena.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace optcore {
namespace {

TEST(Arena, MeasuresWhatItLaterHandsOut) {
  Arena measuring = Arena::measure();
  EXPECT_EQ(measuring.vector<double>(3).data, nullptr);
  EXPECT_EQ(measuring.matrix<float>(5, 7).data, nullptr);
  alignas(64) unsigned char memory[4096];
  Arena arena(memory, measuring.used());
  EXPECT_NE(arena.vector<double>(3).data, nullptr);
  EXPECT_NE(arena.matrix<float>(5, 7).data, nullptr);
  EXPECT_FALSE(arena.overflowed());
  EXPECT_EQ(arena.vector<double>(1).data, nullptr);
  EXPECT_TRUE(arena.overflowed());
}

TEST(Arena, AlignsEveryPieceToACacheLine) {
  alignas(64) unsigned char memory[1024];
  Arena arena(memory, sizeof memory);
  for (int n : {1, 3, 9}) {
    const auto v = arena.vector<double>(n);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(v.data) % 64, 0u);
    EXPECT_EQ(v.size, n);
  }
}

TEST(Arena, PadsRowsWhenAStrideIsGiven) {
  alignas(64) unsigned char memory[1024];
  Arena arena(memory, sizeof memory);
  const auto m = arena.matrix<double>(2, 3, 8);
  EXPECT_EQ(&m(1, 0) - &m(0, 0), 8);
}

}  // namespace
}  // namespace optcore
