/// The arithmetic of the batched Gaussian processes, thread by thread, against the CPU's.

#include "kernels/gp_batch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "emulated_block.hpp"
#include "optcore/host/gp_batch.hpp"
#include "support/random.hpp"

namespace optcore::cuda {
namespace {

using emulation::Order;

struct Case {
  std::vector<int> sizes;
  int dims, outputs, queries, chunk, threads;
  KernelFamily family;
  bool in_shared, shared_queries;
};

struct Answer {
  std::vector<double> mean, variance, likelihood;
  std::vector<Status> status;
};

struct Batch {
  explicit Batch(const Case& c_) : c(c_), batch(static_cast<int>(c_.sizes.size())) {
    support::Random random(31 * c.dims + c.queries);
    first.push_back(0);
    for (const int n : c.sizes) first.push_back(first.back() + n);
    for (int i = 0; i < first.back() * c.dims; ++i) X.push_back(random.uniform(-2, 2));
    for (int i = 0; i < first.back() * c.outputs; ++i) Y.push_back(random.normal());
    const int asked = c.shared_queries ? c.queries : batch * c.queries;
    for (int i = 0; i < asked * c.dims; ++i) query.push_back(random.uniform(-2, 2));
    for (int i = 0; i < batch; ++i) {
      variance.push_back(random.uniform(0.5, 2));
      noise.push_back(random.uniform(0.05, 0.2));
      for (int f = 0; f < c.dims; ++f) scales.push_back(random.uniform(0.7, 2));
    }
    for (int o = 0; o < c.outputs; ++o) prior.push_back(0.3 - o);
  }

  Answer empty() const {
    Answer a;
    const auto rows = static_cast<std::size_t>(batch * c.queries);
    a.mean.assign(rows * c.outputs, NAN);
    a.variance.assign(rows, NAN);
    a.likelihood.assign(batch, NAN);
    a.status.assign(batch, Status::not_ready);
    return a;
  }

  Answer emulate(Order order) {
    Answer a = empty();
    constexpr int grid = 3;
    int counter = 0, most = 0;
    for (const int n : c.sizes) most = std::max(most, n);
    GpBatchProblem p{};
    p.batch = batch, p.dims = c.dims, p.outputs = c.outputs, p.queries = c.queries;
    p.most_points = most, p.chunk = c.chunk, p.family = c.family, p.first = first.data();
    p.X = X.data(), p.Y = Y.data(), p.query = query.data(), p.variance = variance.data();
    p.length_scales = scales.data(), p.noise = noise.data(), p.prior_mean = prior.data();
    p.query_step = c.shared_queries ? 0 : c.queries * c.dims;
    p.variance_step = p.noise_step = 1, p.scale_step = c.dims;
    p.mean = a.mean.data(), p.deviation2 = a.variance.data(), p.likelihood = a.likelihood.data();
    p.status = a.status.data(), p.counter = &counter;
    std::vector<double> workspace(grid * GpBatchKernel::factor_size(p), NAN);
    if (!c.in_shared) p.workspace = workspace.data();
    emulation::run_blocks(grid, c.threads, GpBatchKernel::shared_bytes(p, c.threads), order,
                          GpBatchKernel{}, p);
    return a;
  }

  Answer cpu() {
    Answer a = empty();
    host::GaussianProcessBatch gp({c.sizes.data(), batch}, c.dims, c.outputs);
    const host::GpBatchHyperparameters hyper = {
        .family = static_cast<host::GpFamily>(c.family),
        .variance = {variance.data(), batch},
        .length_scales = {scales.data(), batch, c.dims, c.dims},
        .noise = {noise.data(), batch},
        .mean = {prior.data(), c.outputs}};
    const int total = first.back(), asked = static_cast<int>(query.size()) / c.dims;
    EXPECT_EQ(gp.fit({X.data(), total, c.dims, c.dims}, {Y.data(), total, c.outputs, c.outputs},
                     hyper, {a.status.data(), batch}),
              Status::ok);
    EXPECT_EQ(gp.predict({query.data(), asked, c.dims, c.dims},
                         {a.mean.data(), batch * c.queries, c.outputs, c.outputs},
                         {a.variance.data(), batch * c.queries}),
              Status::ok);
    EXPECT_EQ(gp.log_marginal_likelihood({a.likelihood.data(), batch}), Status::ok);
    return a;
  }

  Case c;
  int batch;
  std::vector<int> first;
  std::vector<double> X, Y, query, variance, noise, scales, prior;
};

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], 1e-10 * (1 + std::abs(b[i]))) << i;
  }
}

void expect_same_in_every_order(Batch& batch) {
  const Answer cpu = batch.cpu(), first = batch.emulate(Order::ascending);
  EXPECT_EQ(first.status, cpu.status);
  expect_near(first.mean, cpu.mean);
  expect_near(first.variance, cpu.variance);
  expect_near(first.likelihood, cpu.likelihood);
  for (const Order order : emulation::orders) {
    const Answer again = batch.emulate(order);
    EXPECT_EQ(again.mean, first.mean);
    EXPECT_EQ(again.variance, first.variance);
    EXPECT_EQ(again.likelihood, first.likelihood);
  }
}

TEST(EmulatedGpBatch, AgreesWithTheCpu) {
  const KernelFamily families[] = {KernelFamily::rbf, KernelFamily::matern12,
                                   KernelFamily::matern32, KernelFamily::matern52};
  for (const KernelFamily family : families) {
    Batch batch({{1, 2, 3, 4, 5, 33, 64, 0}, 3, 2, 5, 8, 32, family, true, false});
    expect_same_in_every_order(batch);
  }
}

TEST(EmulatedGpBatch, MoreQueriesThanOneSweepCarries) {
  Batch batch({{7, 20, 41}, 2, 1, 11, 4, 64, KernelFamily::matern52, true, true});
  expect_same_in_every_order(batch);
}

TEST(EmulatedGpBatch, FactorsThatDoNotFitSharedMemory) {
  Batch batch({{256, 100}, 4, 1, 3, 3, 128, KernelFamily::rbf, false, false});
  expect_same_in_every_order(batch);
}

TEST(EmulatedGpBatch, AnswersWithThePriorWhereOneFails) {
  Batch batch({{6, 6, 6, 6}, 1, 1, 2, 2, 32, KernelFamily::rbf, true, false});
  batch.X[1] = batch.X[0];  // repeats a point
  batch.noise[0] = 0;
  batch.Y[7] = NAN;
  batch.scales[2] = -1;
  const Answer cpu = batch.cpu(), own = batch.emulate(Order::ascending);
  EXPECT_EQ(own.status, (std::vector<Status>{Status::not_positive_definite, Status::not_finite,
                                             Status::invalid_argument, Status::ok}));
  EXPECT_EQ(own.status, cpu.status);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(own.mean[i], batch.prior[0]);  // of the first two
    EXPECT_EQ(own.variance[i], batch.variance[i / 2]);
  }
  EXPECT_NEAR(own.mean[6], cpu.mean[6], 1e-10);
}

}  // namespace
}  // namespace optcore::cuda
