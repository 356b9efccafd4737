#include "optcore/runtime/hash.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace optcore::runtime {
namespace {

std::vector<unsigned char> bytes(std::size_t n) {
  std::vector<unsigned char> v(n);
  std::uint32_t x = 2463534242u;
  for (auto& b : v) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    b = static_cast<unsigned char>(x);
  }
  return v;
}

TEST(Hash, AgreesWithThePublishedValues) {
  // XXH3_128 of the empty input, from the specification of xxHash.
  const Digest empty = hash(nullptr, 0);
  EXPECT_EQ(empty.high, 0x99aa06d3014798d8u);
  EXPECT_EQ(empty.low, 0x6001c324468d497fu);
}

TEST(Hash, StridedEqualsContiguousForEveryLayout) {
  // a (5, 7, 300) block of two-byte items read along permuted and reversed axes
  const std::ptrdiff_t shape[3] = {5, 7, 300};
  const auto data = bytes(2 * 5 * 7 * 300);
  const std::ptrdiff_t plain[3] = {2 * 7 * 300, 2 * 300, 2};
  const int orders[4][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}, {2, 1, 0}};
  for (const auto& order : orders) {
    for (int flip = 0; flip < 2; ++flip) {
      std::ptrdiff_t view_shape[3], strides[3];
      const unsigned char* at = data.data();
      for (int k = 0; k < 3; ++k) {
        view_shape[k] = shape[order[k]];
        strides[k] = plain[order[k]];
      }
      if (flip == 1) {
        at += strides[0] * (view_shape[0] - 1);
        strides[0] = -strides[0];
      }
      std::vector<unsigned char> copy;
      for (std::ptrdiff_t i = 0; i < view_shape[0]; ++i)
        for (std::ptrdiff_t j = 0; j < view_shape[1]; ++j)
          for (std::ptrdiff_t k = 0; k < view_shape[2]; ++k) {
            const auto* item = at + i * strides[0] + j * strides[1] + k * strides[2];
            copy.insert(copy.end(), item, item + 2);
          }
      EXPECT_TRUE(hash_strided(at, 3, view_shape, strides, 2) == hash(copy.data(), copy.size()));
    }
  }
}

TEST(Hash, EveryBitCounts) {
  for (std::size_t n : {1u, 16u, 200u, 5000u}) {
    auto data = bytes(n);
    const Digest before = hash(data.data(), n);
    for (std::size_t i = 0; i < n; i += n / 16 + 1) {
      data[i] ^= 1;
      EXPECT_FALSE(hash(data.data(), n) == before);
      data[i] ^= 1;
    }
    EXPECT_FALSE(hash(data.data(), n, 1) == before);
    EXPECT_FALSE(hash(data.data(), n - 1) == before);
  }
}

}  // namespace
}  // namespace optcore::runtime
