#include <gtest/gtest.h>

#include <cstdio>

#include "optcore/host/device.hpp"

// Like gtest_main, but a machine without a device reports "skipped" (77) with the reason.
int main(int argc, char** argv) {
  const auto device = optcore::host::describe(optcore::host::Device::cuda());
  if (optcore::failed(device.status)) {
    std::printf("skipped: no CUDA device (%s)\n", device.name.c_str());
    return 77;
  }
  std::printf("device: %s\n", device.name.c_str());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
