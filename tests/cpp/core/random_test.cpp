#include "optcore/core/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"

namespace optcore {
namespace {

using Four = std::array<std::uint32_t, 4>;

Four philox(const Four& counter, std::uint32_t k0, std::uint32_t k1) {
  const auto out = philox4x32<1>({{counter[0], counter[1], counter[2], counter[3]}}, k0, k1);
  return {out.word[0], out.word[1], out.word[2], out.word[3]};
}

/// Known answers of the Random123 distribution, file kat_vectors.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, 0, 0), (Four{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  constexpr std::uint32_t ones = 0xFFFFFFFFu;
  EXPECT_EQ(philox({ones, ones, ones, ones}, ones, ones),
            (Four{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0xa4093822u, 0x299f31d0u),
            (Four{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(Philox, LanesAreTheScalarItems) {
  const RandomKey key{.seed = 0x0123456789ABCDEFu, .stream = 7, .step = 9};
  const auto lanes = random_words<random_lanes>(key, 100, 3);
  std::array<std::array<std::uint32_t, random_lanes>, 4> words{};
  for (int w = 0; w < 4; ++w) __builtin_memcpy(words[w].data(), &lanes.word[w], sizeof words[w]);
  for (int i = 0; i < random_lanes; ++i) {
    const auto one = random_words<1>(key, 100 + static_cast<std::uint32_t>(i), 3);
    for (int w = 0; w < 4; ++w) EXPECT_EQ(words[w][i], one.word[w]);
  }
}

TEST(Random, SineAndCosineOfATurn) {
  for (int i = 0; i < 10000; ++i) {
    const double u = (i + 0.5) / 10000;
    Pack<double, 1> s, c;
    detail::sine_cosine_of_turn(Pack<double, 1>{u}, s, c);
    EXPECT_NEAR(s.v, static_cast<double>(std::sin(2 * pi<long double> * u)), 4e-16);
    EXPECT_NEAR(c.v, static_cast<double>(std::cos(2 * pi<long double> * u)), 4e-16);
    Pack<float, 1> sf, cf;
    const float uf = static_cast<float>(u);
    detail::sine_cosine_of_turn(Pack<float, 1>{uf}, sf, cf);
    EXPECT_NEAR(sf.v, std::sin(2 * pi<double> * static_cast<double>(uf)), 2e-7);
    EXPECT_NEAR(cf.v, std::cos(2 * pi<double> * static_cast<double>(uf)), 2e-7);
  }
}

/// Moments of n draws against the exact ones, to five standard errors.
void expect_moments(const std::vector<double>& x, double mean, double variance, double kurtosis) {
  const double n = static_cast<double>(x.size());
  double first = 0, second = 0;
  for (double v : x) first += v / n;
  for (double v : x) second += (v - first) * (v - first) / n;
  EXPECT_NEAR(first, mean, 5 * std::sqrt(variance / n));
  EXPECT_NEAR(second, variance, 5 * variance * std::sqrt((kurtosis - 1) / n));
}

template <class T>
class DrawsTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DrawsTest, Scalars);

TYPED_TEST(DrawsTest, HaveTheMomentsOfTheirDistributions) {
  using T = TypeParam;
  constexpr int n = 100'000;
  std::vector<double> uniform(n), normal(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    Draws<T> draws({.seed = 1, .stream = 2, .step = 3}, i);
    const T u = draws.uniform();
    ASSERT_TRUE(u > T(0) && u < T(1));
    uniform[i] = static_cast<double>(u);
    normal[i] = static_cast<double>(draws.normal());
  }
  expect_moments(uniform, 0.5, 1.0 / 12, 1.8);
  expect_moments(normal, 0, 1, 3);
  for (double shape : {0.05, 0.5, 1.0, 7.0}) {
    std::vector<double> gamma(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      Draws<T> draws({.seed = 4}, i);
      gamma[i] = static_cast<double>(draws.gamma(static_cast<T>(shape)));
    }
    expect_moments(gamma, shape, shape, 3 + 6 / shape);
  }
  Draws<T> tiny({.seed = 5}, 0);
  const T logarithm = tiny.log_gamma(T(1e-4));
  EXPECT_TRUE(is_finite(logarithm));
}

TEST(Random, GammaFillsDependOnKeyAndIndexAlone) {
  const RandomKey key{.seed = 11, .stream = 1, .step = 5};
  std::vector<float> shape(1000), whole(1000), part(100);
  for (int i = 0; i < 1000; ++i) shape[i] = 1.0f + static_cast<float>(i % 17);
  {
    const AllocationGuard no_allocation;
    fill_gamma(key, 0, {shape.data(), 1000}, {whole.data(), 1000});
    fill_gamma(key, 300, {shape.data() + 300, 100}, {part.data(), 100});
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(part[i], whole[300 + i]);
  for (float value : whole) EXPECT_GT(value, 0.0f);
  for (float a : {1.0f, 2.5f, 40.0f}) {
    std::vector<float> shapes(200'000, a), values(shapes.size());
    const int n = static_cast<int>(shapes.size());
    fill_gamma(key, 0, {shapes.data(), n}, {values.data(), n});
    expect_moments({values.begin(), values.end()}, static_cast<double>(a), static_cast<double>(a),
                   3 + 6 / static_cast<double>(a));
  }
}

TEST(Random, NormalFoursAreStandardAndUncorrelated) {
  std::vector<double> all;
  std::array<std::array<double, 4>, 4> product{};
  constexpr std::uint32_t n = 100'000 / random_lanes * random_lanes;
  for (std::uint32_t i = 0; i < n; i += random_lanes) {
    Pack<float, random_lanes> x[4];
    normal_fours<random_lanes>({.seed = 3}, i, 0, x);
    for (int lane = 0; lane < random_lanes; ++lane) {
      for (int a = 0; a < 4; ++a) {
        all.push_back(static_cast<double>(x[a][lane]));
        for (int b = 0; b < 4; ++b) {
          product[a][b] += static_cast<double>(x[a][lane]) * static_cast<double>(x[b][lane]) / n;
        }
      }
    }
  }
  expect_moments(all, 0, 1, 3);
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < a; ++b) EXPECT_NEAR(product[a][b], 0, 5 / std::sqrt(n));
  }
}

}  // namespace
}  // namespace optcore
