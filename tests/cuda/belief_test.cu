/// Batched categorical beliefs on the device against the same call on the CPU.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "optcore/host/belief.hpp"
#include "support/random.hpp"

namespace optcore::host {
namespace {

struct Batch {
  int rows, cols;
  std::vector<double> beliefs, likelihoods, evidence;
  std::vector<Status> status;

  Batch(int rows_, int cols_) : rows(rows_), cols(cols_), evidence(rows_), status(rows_) {
    support::Random random(7);
    for (int i = 0; i < rows * cols; ++i) {
      beliefs.push_back(random.uniform(-5, 0));
      likelihoods.push_back(random.uniform(-700, 5));
    }
  }
  Status update(Device device) {
    return update_beliefs(device, {beliefs.data(), rows, cols, cols},
                          {likelihoods.data(), rows, cols, cols}, {evidence.data(), rows},
                          {status.data(), rows});
  }
};

void expect_same(const Batch& device, const Batch& cpu) {
  EXPECT_EQ(device.status, cpu.status);
  for (int row = 0; row < cpu.rows; ++row) {
    if (!failed(cpu.status[row])) EXPECT_NEAR(device.evidence[row], cpu.evidence[row], 1e-11);
    for (int k = 0; k < cpu.cols; ++k) {
      const double expected = cpu.beliefs[row * cpu.cols + k];
      EXPECT_NEAR(device.beliefs[row * cpu.cols + k], expected, 1e-11 * (1 + std::abs(expected)));
    }
  }
}

TEST(CudaBelief, AgreesWithTheCpu) {
  for (const int rows : {1, 127, 128, 1000}) {
    for (const int cols : {2, 5, 32}) {
      Batch device(rows, cols), cpu(rows, cols);
      ASSERT_EQ(device.update(Device::cuda()), Status::ok);
      ASSERT_EQ(cpu.update(Device::cpu()), Status::ok);
      expect_same(device, cpu);
    }
  }
}

TEST(CudaBelief, AFailedRowKeepsItsPriorAndSaysWhy) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Batch device(3, 4), cpu(3, 4);
  for (Batch* batch : {&device, &cpu}) {
    for (int k = 0; k < 4; ++k) batch->likelihoods[4 + k] = -infinity;
    batch->likelihoods[8] = std::numeric_limits<double>::quiet_NaN();
  }
  ASSERT_EQ(device.update(Device::cuda()), Status::ok);
  ASSERT_EQ(cpu.update(Device::cpu()), Status::ok);
  EXPECT_EQ(device.status[1], Status::zero_evidence);
  EXPECT_EQ(device.status[2], Status::not_finite);
  expect_same(device, cpu);
}

TEST(CudaBelief, AnEmptyBatchIsNoWork) {
  Batch empty(0, 4);
  EXPECT_EQ(empty.update(Device::cuda()), Status::ok);
}

}  // namespace
}  // namespace optcore::host
