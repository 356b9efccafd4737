#include "optcore/host/device.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace optcore::host {
namespace {

TEST(Device, TheCpuIsAlwaysUsable) {
  const DeviceInfo info = describe(Device::cpu());
  EXPECT_EQ(info.status, Status::ok);
  EXPECT_STREQ(info.name.c_str(), cpu_isa());
}

TEST(Device, ADeviceThatIsNotThereSaysWhy) {
  const DeviceInfo info = describe(Device::cuda(1 << 20));
  EXPECT_EQ(info.status, Status::device_unavailable);
  EXPECT_FALSE(info.name.empty());
}

}  // namespace
}  // namespace optcore::host
