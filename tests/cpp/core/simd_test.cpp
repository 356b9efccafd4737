#include "optcore/core/simd.hpp"

#include <gtest/gtest.h>

#include <array>

#include "optcore/core/math.hpp"

namespace optcore {
namespace {

template <class P>
class PackTest : public testing::Test {};

using Packs = testing::Types<Pack<double, 1>, Pack<double, 2>, Pack<double, 4>, Pack<double, 8>,
                             Pack<float, 4>, Pack<float, 16>, Pack<double>>;
TYPED_TEST_SUITE(PackTest, Packs);

TYPED_TEST(PackTest, AgreesWithScalarArithmeticLaneByLane) {
  using P = TypeParam;
  using T = decltype(sum(P::zero()));
  std::array<T, 2 * P::lanes + 1> a{}, b{}, out{};
  for (int i = 0; i < 2 * P::lanes; ++i) {
    a[i] = T(i) - T(3);
    b[i] = T(2 * i + 1);
  }
  for (int shift : {0, 1}) {  // loads need no alignment
    const P x = P::load(&a[shift]), y = P::load(&b[shift]);
    fma(x, y, P::broadcast(T(5))).store(&out[shift]);
    for (int i = 0; i < P::lanes; ++i) EXPECT_EQ(out[i + shift], a[i + shift] * b[i + shift] + 5);
    fnma(x, y, P::broadcast(T(5))).store(&out[shift]);
    for (int i = 0; i < P::lanes; ++i) EXPECT_EQ(out[i + shift], 5 - a[i + shift] * b[i + shift]);
    T total = 0, top = a[shift];
    for (int i = 0; i < P::lanes; ++i) {
      total += a[i + shift];
      top = a[i + shift] > top ? a[i + shift] : top;
      EXPECT_EQ(max(x, y)[i], max(a[i + shift], b[i + shift]));
      EXPECT_EQ(min(x, y)[i], min(a[i + shift], b[i + shift]));
    }
    EXPECT_EQ(sum(x), total);
    EXPECT_EQ(largest(x), top);
  }
}

}  // namespace
}  // namespace optcore
