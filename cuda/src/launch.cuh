#pragma once

#include <cuda_runtime.h>

#include "device_block.cuh"
#include "optcore/core/status.hpp"

#define OPTCORE_TRY_CUDA(call)                              \
  do {                                                      \
    const ::optcore::Status try_status_ = (call);           \
    if (::optcore::failed(try_status_)) return try_status_; \
  } while (false)

namespace optcore::cuda {

inline Status to_status(cudaError_t error) noexcept {
  switch (error) {
    case cudaSuccess: return Status::ok;
    case cudaErrorMemoryAllocation: return Status::out_of_memory;
    default: return Status::device_unavailable;
  }
}

constexpr unsigned blocks_for(int items, int threads_per_block) noexcept {
  return static_cast<unsigned>((items + threads_per_block - 1) / threads_per_block);
}

/// Blocks of a kernel that run at once on the current device, with `bytes` of shared memory each;
/// out_of_memory when not even one does.
template <class Body, class Arguments>
[[nodiscard]] Status resident_blocks(int threads, std::size_t bytes, int& blocks) noexcept {
  int device = 0, processors = 0, each = 0;
  const auto kernel = run_blocks<Body, Arguments>;
  OPTCORE_TRY_CUDA(to_status(cudaGetDevice(&device)));
  OPTCORE_TRY_CUDA(
      to_status(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device)));
  if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(bytes)) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // more than the device has: not an error of the device
    return Status::out_of_memory;
  }
  OPTCORE_TRY_CUDA(
      to_status(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, threads, bytes)));
  blocks = processors * each;
  return blocks > 0 ? Status::ok : Status::out_of_memory;
}

template <class Body, class Arguments>
[[nodiscard]] Status launch_blocks(const Arguments& arguments, int blocks, int threads,
                                   std::size_t bytes, cudaStream_t stream) noexcept {
  run_blocks<Body, Arguments>
      <<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads), bytes, stream>>>(
          Body{}, arguments, bytes);
  return to_status(cudaGetLastError());
}

/// A stream that ends with its scope.
class Stream {
 public:
  Stream() noexcept
      : status_(to_status(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking))) {}
  ~Stream() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] cudaStream_t get() const noexcept { return stream_; }
  [[nodiscard]] Status synchronize() const noexcept {
    return to_status(cudaStreamSynchronize(stream_));
  }

 private:
  cudaStream_t stream_ = nullptr;
  Status status_;
};

}  // namespace optcore::cuda
