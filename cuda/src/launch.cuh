#pragma once

#include <cuda_runtime.h>

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
