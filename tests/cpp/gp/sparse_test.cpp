#include "optcore/gp/sparse.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/gp/model.hpp"
#include "optcore/host/buffer.hpp"
#include "support/allocation_guard.hpp"

namespace optcore::gp {
namespace {

template <class T>
struct Problem {
  int n, d;
  std::vector<T> X, Y, scales;
  Hyperparameters<T> hyper;

  Problem(int rows, int dims) : n(rows), d(dims), scales(static_cast<std::size_t>(dims), T(1.3)) {
    for (int i = 0; i < n; ++i) {
      T total = 0;
      for (int f = 0; f < d; ++f) {
        X.push_back(static_cast<T>(std::sin(1.7 * i + 2.3 * f * f) * 2));
        total += X.back();
      }
      Y.push_back(std::sin(total));
    }
    hyper.length_scales = {scales.data(), d};
    hyper.noise = T(0.05);
  }
  [[nodiscard]] MatrixView<const T> inputs(int rows) const { return {X.data(), rows, d, d}; }
  [[nodiscard]] MatrixView<const T> outputs(int rows) const { return {Y.data(), rows, 1, 1}; }
};

template <class T, class Object, class... Sizes>
host::Buffer bound(Object& object, Sizes... sizes) {
  Arena measure = Arena::measure();
  object.bind(measure, sizes...);
  host::Buffer memory(measure.used());
  Arena arena = memory.arena();
  object.bind(arena, sizes...);
  return memory;
}

TEST(SparseGp, IsTheExactModelWhenEveryRowIsAnInducingInput) {
  const Problem<double> p(50, 3);
  Sparse<double> sparse;
  Model<double> exact;
  const host::Buffer one = bound<double>(sparse, 50, 3, 1), other = bound<double>(exact, 50, 3, 1);
  ASSERT_EQ(exact.fit(p.inputs(50), p.outputs(50), p.hyper), Status::ok);
  double mean[2][5], variance[2][5];
  exact.predict(p.inputs(5), {mean[0], 5, 1, 1}, {variance[0], 5});
  {
    const AllocationGuard no_allocation;
    ASSERT_EQ(sparse.begin(p.inputs(50), p.hyper, 1e-10), Status::ok);
    ASSERT_EQ(sparse.add(p.inputs(20), p.outputs(20)), Status::ok);
    ASSERT_EQ(sparse.add(p.inputs(50).block(20, 0, 30, 3), p.outputs(50).block(20, 0, 30, 1)),
              Status::ok);
    ASSERT_EQ(sparse.finish(), Status::ok);
    sparse.predict(p.inputs(5), {mean[1], 5, 1, 1}, {variance[1], 5});
  }
  EXPECT_NEAR(sparse.bound(), exact.log_marginal_likelihood(), 1e-5);
  for (int q = 0; q < 5; ++q) {
    EXPECT_NEAR(mean[1][q], mean[0][q], 1e-6);
    EXPECT_NEAR(variance[1][q], variance[0][q], 1e-6);
  }
}

TEST(SparseGp, GradientFollowsFiniteDifferencesWithoutAllocating) {
  Problem<double> p(210, 2);
  Sparse<double> sparse;
  const host::Buffer memory = bound<double>(sparse, 30, 2, 1);
  const auto value = [&] {
    EXPECT_EQ(sparse.begin(p.inputs(30), p.hyper, 1e-6), Status::ok);
    EXPECT_EQ(sparse.add(p.inputs(210), p.outputs(210)), Status::ok);
    EXPECT_EQ(sparse.finish(), Status::ok);
    return sparse.bound();
  };
  value();
  double scales[2];
  BoundGradient<double> gradient;
  gradient.log_length_scales = {scales, 2};
  {
    const AllocationGuard no_allocation;
    sparse.begin_gradient();
    ASSERT_EQ(sparse.add_gradient(p.inputs(210), p.outputs(210)), Status::ok);
    sparse.finish_gradient(gradient);
  }
  double* const parameters[] = {p.scales.data(), p.scales.data() + 1, &p.hyper.variance,
                                &p.hyper.noise};
  const double slopes[] = {scales[0], scales[1], gradient.log_variance, gradient.log_noise};
  for (int i = 0; i < 4; ++i) {
    const double kept = *parameters[i], h = 1e-5;
    *parameters[i] = kept * std::exp(h);
    const double up = value();
    *parameters[i] = kept * std::exp(-h);
    const double down = value();
    *parameters[i] = kept;
    EXPECT_NEAR(slopes[i], (up - down) / (2 * h), 1e-5 * (1 + std::fabs(slopes[i]))) << i;
  }
}

TEST(SparseGp, RefusesWhatHasNoPosterior) {
  const Problem<double> p(30, 2);
  Sparse<double> sparse;
  const host::Buffer memory = bound<double>(sparse, 2, 2, 1);
  const double twice[] = {0.5, 0.5, 0.5, 0.5};
  EXPECT_EQ(sparse.begin({twice, 2, 2, 2}, p.hyper, 0.0), Status::not_positive_definite);
  EXPECT_EQ(sparse.failing_pivot(), 1);
  Hyperparameters<double> wrong = p.hyper;
  wrong.noise = 0;
  EXPECT_EQ(sparse.begin(p.inputs(2), wrong, 1e-8), Status::invalid_argument);
  EXPECT_EQ(sparse.begin(p.inputs(3), p.hyper, 1e-8), Status::shape_mismatch);
  ASSERT_EQ(sparse.begin(p.inputs(2), p.hyper, 1e-8), Status::ok);
  const double nan[] = {0.1, std::nan("")};
  EXPECT_EQ(sparse.add({nan, 1, 2, 2}, p.outputs(1)), Status::not_finite);
  EXPECT_EQ(sparse.rows(), 0);
}

TEST(SparseGp, WorksInSinglePrecision) {
  const Problem<double> exact(150, 2);
  const Problem<float> p(150, 2);
  Sparse<float> single;
  Sparse<double> reference;
  const host::Buffer one = bound<float>(single, 20, 2, 1);
  const host::Buffer other = bound<double>(reference, 20, 2, 1);
  ASSERT_EQ(single.begin(p.inputs(20), p.hyper, 1e-4f), Status::ok);
  ASSERT_EQ(single.add(p.inputs(150), p.outputs(150)), Status::ok);
  ASSERT_EQ(single.finish(), Status::ok);
  ASSERT_EQ(reference.begin(exact.inputs(20), exact.hyper, 1e-4), Status::ok);
  ASSERT_EQ(reference.add(exact.inputs(150), exact.outputs(150)), Status::ok);
  ASSERT_EQ(reference.finish(), Status::ok);
  float mean = 0, variance = 0;
  double mean_exact = 0, variance_exact = 0;
  single.predict(p.inputs(1), {&mean, 1, 1, 1}, {&variance, 1});
  reference.predict(exact.inputs(1), {&mean_exact, 1, 1, 1}, {&variance_exact, 1});
  EXPECT_NEAR(mean, mean_exact, 0.02);
  EXPECT_NEAR(variance, variance_exact, 0.02);
}

}  // namespace
}  // namespace optcore::gp
