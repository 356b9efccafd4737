#pragma once

#include <string>

#include "optcore/core/status.hpp"

namespace optcore::host {

/// Where a host call runs. A value, passed to each call; never a global.
struct Device {
  enum class Kind : int { cpu = 0, cuda = 1 };
  Kind kind = Kind::cpu;
  int index = 0;

  [[nodiscard]] static constexpr Device cpu() noexcept { return {}; }
  [[nodiscard]] static constexpr Device cuda(int index = 0) noexcept { return {Kind::cuda, index}; }
};

/// What can be said of a device without using it.
struct DeviceInfo {
  Status status = Status::ok;  ///< device_unavailable with the reason in `name`
  std::string name;
  double memory_bytes = 0;
};

[[nodiscard]] DeviceInfo describe(Device device);

/// The instruction set the CPU kernels of this process use ("generic", "avx2", "avx512", "neon").
/// Chosen once by cpuid; the environment variable OPTCORE_FORCE_ISA lowers it.
[[nodiscard]] const char* cpu_isa() noexcept;

}  // namespace optcore::host
