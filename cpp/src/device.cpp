#include "optcore/host/device.hpp"

#include "backend.hpp"

namespace optcore::host {

DeviceInfo describe(Device device) {
  DeviceInfo info;
  if (device.kind == Device::Kind::cpu) {
    info.name = cpu_isa();
    return info;
  }
  const char* reason = "";
  const int count = cuda::device_count(&reason);
  if (device.index < 0 || device.index >= count) {
    info.status = Status::device_unavailable;
    info.name = count > 0 ? "no device with this index" : reason;
    return info;
  }
  char name[256] = "";
  info.status = cuda::device_info(device.index, name, sizeof name, &info.memory_bytes);
  info.name = name;
  return info;
}

}  // namespace optcore::host
