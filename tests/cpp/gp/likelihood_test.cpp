#include "optcore/gp/likelihood.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/gp_problem.hpp"
#include "support/memory.hpp"

namespace optcore {
namespace {

using support::Fitted;
using support::Reference;

template <class T>
class GpLikelihood : public testing::Test {
 public:
  static constexpr double tolerance = sizeof(T) == 8 ? 1e-6 : 2e-2;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GpLikelihood, Scalars);

TYPED_TEST(GpLikelihood, ValueAndGradientsAgreeWithFiniteDifferences) {
  using T = TypeParam;
  for (const KernelFamily family : support::families) {
    for (const int n : {1, 9, 30, 53}) {
      const int d = 3, outputs = 2;
      Reference r(family, n, d, outputs);
      Fitted<T> data(r, n, 0);  // holds the arrays in T
      gp::Likelihood<T> likelihood;
      support::Memory memory;
      memory.give([&](Arena& arena) { likelihood.bind(arena, n, d, outputs, true); });
      std::vector<T> scales(d), mean(outputs);
      gp::LikelihoodOutput<T> out;
      out.log_length_scales = {scales.data(), d};
      out.mean = {mean.data(), outputs};
      {
        const AllocationGuard no_allocation;
        ASSERT_EQ(
            likelihood.evaluate({data.X.data(), n, d, d}, {data.Y.data(), n, outputs, outputs},
                                data.hyper(r), true, out),
            Status::ok);
      }
      const auto near = [&](double got, double expected) {
        EXPECT_NEAR(got, expected, this->tolerance * (1 + std::abs(expected))) << n;
      };
      near(static_cast<double>(out.value), r.likelihood());
      const auto difference = [&](double Reference::*field) {
        Reference copy = r;
        const double h = 1e-5;
        copy.*field = r.*field * std::exp(h);
        copy.refit();
        const double right = copy.likelihood();
        copy.*field = r.*field * std::exp(-h);
        copy.refit();
        return (right - copy.likelihood()) / (2 * h);
      };
      near(static_cast<double>(out.log_variance), difference(&Reference::variance));
      near(static_cast<double>(out.log_noise), difference(&Reference::noise));
      const auto difference_of = [&](std::vector<double> Reference::*field, int i, bool logarithm) {
        Reference copy = r;
        const double h = 1e-5, middle = (r.*field)[i];
        (copy.*field)[i] = logarithm ? middle * std::exp(h) : middle + h;
        copy.refit();
        const double right = copy.likelihood();
        (copy.*field)[i] = logarithm ? middle * std::exp(-h) : middle - h;
        copy.refit();
        return (right - copy.likelihood()) / (2 * h);
      };
      for (int f = 0; f < d; ++f) {
        near(static_cast<double>(scales[f]), difference_of(&Reference::scales, f, true));
      }
      for (int o = 0; o < outputs; ++o) {
        near(static_cast<double>(mean[o]), difference_of(&Reference::prior, o, false));
      }
    }
  }
}

}  // namespace
}  // namespace optcore
