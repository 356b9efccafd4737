/// What CUDA devices this machine has.

#include <cstdio>

#include "backend.hpp"
#include "launch.cuh"

namespace optcore::cuda {

int device_count(const char** reason) noexcept {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    *reason = cudaGetErrorString(error);
    return 0;
  }
  *reason = count == 0 ? "no CUDA device in this machine" : "";
  return count;
}

Status select_device(int index) noexcept { return to_status(cudaSetDevice(index)); }

Status device_info(int index, char* name, int name_size, double* memory_bytes) noexcept {
  cudaDeviceProp properties;
  OPTCORE_TRY_CUDA(to_status(cudaGetDeviceProperties(&properties, index)));
  std::snprintf(name, static_cast<std::size_t>(name_size), "%s", properties.name);
  *memory_bytes = static_cast<double>(properties.totalGlobalMem);
  return Status::ok;
}

}  // namespace optcore::cuda
