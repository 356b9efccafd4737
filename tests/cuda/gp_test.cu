/// Batched Gaussian processes on the device against the same call on the CPU.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optcore/host/gp_batch.hpp"
#include "support/random.hpp"

namespace optcore::host {
namespace {

struct Batch {
  std::vector<int> sizes;
  int dims, outputs, queries;
  std::vector<double> X, Y, query, mean, variance, likelihood;
  std::vector<Status> status;

  Batch(std::vector<int> sizes_, int dims_, int outputs_, int queries_)
      : sizes(std::move(sizes_)), dims(dims_), outputs(outputs_), queries(queries_) {
    support::Random random(11);
    int total = 0;
    for (const int n : sizes) total += n;
    for (int i = 0; i < total * dims; ++i) X.push_back(random.uniform(-2, 2));
    for (int i = 0; i < total * outputs; ++i) Y.push_back(random.normal());
    for (int i = 0; i < queries * dims; ++i) query.push_back(random.uniform(-2, 2));
    mean.assign(sizes.size() * queries * outputs, NAN);
    variance.assign(sizes.size() * queries, NAN);
    likelihood.assign(sizes.size(), NAN);
    status.assign(sizes.size(), Status::not_ready);
  }

  Status fit(Device device) {
    const double one = 1, noise = 0.1;
    const std::vector<double> scales(dims, 0.8);
    const int batch = static_cast<int>(sizes.size()), rows = batch * queries;
    const GpBatchData data = {
        {sizes.data(), batch},
        {X.data(), static_cast<int>(X.size()) / dims, dims, dims},
        {Y.data(), static_cast<int>(Y.size()) / outputs, outputs, outputs},
        {GpFamily::matern52, {&one, 1}, {scales.data(), 1, dims, dims}, {&noise, 1}, {}},
        {query.data(), queries, dims, dims}};
    return fit_predict(device, data,
                       {{mean.data(), rows, outputs, outputs},
                        {variance.data(), rows},
                        {likelihood.data(), batch},
                        {status.data(), batch}});
  }
};

void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-10 * (1 + std::abs(b[i])));
}

TEST(CudaGpBatch, AgreesWithTheCpu) {
  for (const auto& sizes :
       {std::vector<int>{0, 1, 5, 32}, std::vector<int>(100, 64), std::vector<int>{256, 200, 3}}) {
    Batch device(sizes, 4, 2, 19), cpu(sizes, 4, 2, 19);
    ASSERT_EQ(device.fit(Device::cuda()), Status::ok);
    ASSERT_EQ(cpu.fit(Device::cpu()), Status::ok);
    EXPECT_EQ(device.status, cpu.status);
    expect_near(device.mean, cpu.mean);
    expect_near(device.variance, cpu.variance);
    expect_near(device.likelihood, cpu.likelihood);
  }
}

TEST(CudaGpBatch, RefusesWhatDoesNotFit) {
  Batch batch({257}, 2, 1, 1);
  EXPECT_EQ(batch.fit(Device::cuda()), Status::capacity_exceeded);
}

}  // namespace
}  // namespace optcore::host
