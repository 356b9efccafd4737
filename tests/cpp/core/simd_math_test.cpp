#include "optcore/core/simd_math.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "support/random.hpp"

namespace optcore {
namespace {

/// Distance in units in the last place of T, measured from a long double value.
template <class T>
double ulps(T got, long double expected) {
  const T nearest = static_cast<T>(expected);
  if (got == nearest || (std::isnan(got) && std::isnan(nearest))) return 0;
  if (!std::isfinite(got) || !std::isfinite(nearest)) return 1e9;
  const T size = std::fabs(nearest);
  const T unit = std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - expected) / unit);
}

template <class P>
using Scalar = decltype(sum(P::zero()));

template <class P>
class SimdMath : public testing::Test {
 public:
  using T = Scalar<P>;
  static constexpr int points = sizeof(T) == 8 ? 200'000 : 100'000;

  /// Apart from the loop: inlined, GCC may contract the drawing differently for the two functions
  /// under test and hand them different arguments.
  template <class Draw>
  [[gnu::noinline]] static void fill(std::array<T, P::lanes>& x, support::Random& random,
                                     Draw draw) {
    for (T& value : x) value = draw(random);
  }

  /// Worst error of `function` over random points made by `draw`.
  template <class Function, class Reference, class Draw>
  static double worst(Function function, Reference reference, Draw draw) {
    support::Random random(1);
    double most = 0;
    std::array<T, P::lanes> x{}, y{};
    for (int i = 0; i < points; i += P::lanes) {
      fill(x, random, draw);
      function(P::load(x.data())).store(y.data());
      for (int lane = 0; lane < P::lanes; ++lane) {
        most = std::fmax(most, ulps<T>(y[lane], reference(static_cast<long double>(x[lane]))));
      }
    }
    return most;
  }
};

using Packs =
    testing::Types<Pack<double>, Pack<float>, Pack<double, 1>, Pack<float, 1>, Pack<double, 4>>;
TYPED_TEST_SUITE(SimdMath, Packs);

TYPED_TEST(SimdMath, ExpIsAccurateOnTheWholeRange) {
  using P = TypeParam;
  const double low = sizeof(Scalar<P>) == 8 ? -746 : -104, high = sizeof(Scalar<P>) == 8 ? 710 : 89;
  const auto function = [](P x) { return exp(x); };
  const auto reference = [](long double x) { return std::exp(x); };
  const double wide = TestFixture::worst(function, reference, [&](support::Random& r) {
    return static_cast<Scalar<P>>(r.uniform(low, high));
  });
  const double near_zero = TestFixture::worst(function, reference, [](support::Random& r) {
    return static_cast<Scalar<P>>(r.uniform(-1, 1) * std::pow(2.0, -r.below(40)));
  });
  const double negative = TestFixture::worst(
      [](P x) { return exp_negative(x); }, reference,
      [&](support::Random& r) {
        return static_cast<Scalar<P>>(r.uniform(sizeof(Scalar<P>) == 8 ? -708 : -87, 0));
      });
  std::printf("exp: %.3f ulp, near 0: %.3f, exp_negative: %.3f\n", wide, near_zero, negative);
  EXPECT_LE(wide, 1.25);
  EXPECT_LE(near_zero, 1.25);
  EXPECT_LE(negative, 1.25);
}

TYPED_TEST(SimdMath, Exp2OfNegativeNumbersStaysWithinItsBound) {
  using P = TypeParam;
  if constexpr (std::is_same_v<Scalar<P>, float>) {
    const auto exp2 = [](P x) { return exp2_negative(x); };
    const auto exact = [](long double x) { return std::exp2(x); };
    const auto worst = TestFixture::worst(
        exp2, exact, [](auto& r) { return static_cast<float>(r.uniform(-124.9, 0)); });
    EXPECT_LE(worst, 3.25);
    EXPECT_EQ(exp2_negative(P::broadcast(-1e30F))[0], 0.0F);
    EXPECT_EQ(exp2_negative(P::broadcast(-INFINITY))[0], 0.0F);
    EXPECT_NEAR(exp2_negative(P::zero())[0], 1.0F, 2e-7F);
  }
}

TYPED_TEST(SimdMath, LogIsAccurateOnTheWholeRange) {
  using P = TypeParam;
  const auto function = [](P x) { return log(x); };
  const auto reference = [](long double x) { return std::log(x); };
  const int exponents = sizeof(Scalar<P>) == 8 ? 2098 : 276,
            lowest = sizeof(Scalar<P>) == 8 ? -1074 : -149;
  const double wide = TestFixture::worst(function, reference, [&](support::Random& r) {
    const Scalar<P> x =
        static_cast<Scalar<P>>(std::ldexp(r.uniform(1, 2), lowest + r.below(exponents)));
    return x;
  });
  const double near_one = TestFixture::worst(function, reference, [](support::Random& r) {
    return static_cast<Scalar<P>>(1 + r.uniform(-0.3, 0.45) * std::pow(2.0, -r.below(50)));
  });
  std::printf("log: %.3f ulp, near 1: %.3f\n", wide, near_one);
  EXPECT_LE(wide, 1.25);
  EXPECT_LE(near_one, 1.0);
}

TYPED_TEST(SimdMath, SpecialValues) {
  using P = TypeParam;
  using Limits = std::numeric_limits<Scalar<P>>;
  const auto exp1 = [](Scalar<P> x) { return exp(P::broadcast(x))[P::lanes - 1]; };
  const auto down = [](Scalar<P> x) { return exp_negative(P::broadcast(x))[P::lanes - 1]; };
  const auto log1 = [](Scalar<P> x) { return log(P::broadcast(x))[P::lanes - 1]; };
  EXPECT_EQ(exp1(0), Scalar<P>(1));
  EXPECT_EQ(exp1(-Scalar<P>(0)), Scalar<P>(1));
  EXPECT_EQ(exp1(-Limits::infinity()), Scalar<P>(0));
  EXPECT_EQ(exp1(Limits::lowest()), Scalar<P>(0));
  EXPECT_EQ(exp1(Limits::infinity()), Limits::infinity());
  EXPECT_EQ(exp1(Limits::max()), Limits::infinity());
  EXPECT_TRUE(std::isnan(exp1(Limits::quiet_NaN())));
  EXPECT_EQ(down(0), Scalar<P>(1));
  EXPECT_EQ(down(-Limits::infinity()), Scalar<P>(0));
  EXPECT_EQ(down(sizeof(Scalar<P>) == 8 ? Scalar<P>(-708.4) : Scalar<P>(-87.34)), Scalar<P>(0));
  EXPECT_TRUE(std::isnan(down(Limits::quiet_NaN())));
  EXPECT_EQ(log1(1), Scalar<P>(0));
  EXPECT_EQ(log1(0), -Limits::infinity());
  EXPECT_EQ(log1(-Scalar<P>(0)), -Limits::infinity());
  EXPECT_EQ(log1(Limits::infinity()), Limits::infinity());
  EXPECT_TRUE(std::isnan(log1(-1)));
  EXPECT_TRUE(std::isnan(log1(-Limits::denorm_min())));
  EXPECT_TRUE(std::isnan(log1(-Limits::infinity())));
  EXPECT_TRUE(std::isnan(log1(Limits::quiet_NaN())));
  EXPECT_LE(
      ulps<Scalar<P>>(log1(Limits::denorm_min()), std::log((long double)Limits::denorm_min())), 1);
  EXPECT_LE(ulps<Scalar<P>>(log1(Limits::max()), std::log((long double)Limits::max())), 1);
}

}  // namespace
}  // namespace optcore
