#pragma once

#include "block.hpp"

namespace optcore::cuda {

/// The block of block.hpp on a device. One warp synchronises itself alone.
class DeviceBlock {
 public:
  __device__ DeviceBlock(unsigned char* shared, std::size_t bytes) : shared_(shared, bytes) {}

  __device__ int threads() const { return static_cast<int>(blockDim.x); }
  __device__ int index() const { return static_cast<int>(blockIdx.x); }
  __device__ int grid() const { return static_cast<int>(gridDim.x); }
  __device__ Arena& shared() { return shared_; }

  template <class F>
  __device__ void each(F f) {
    f(static_cast<int>(threadIdx.x));
    barrier();
  }
  template <class T>
  __device__ T broadcast(const T& shared) {
    const T value = shared;
    barrier();
    return value;
  }
  __device__ int take(int* counter, int* slot) {
    if (threadIdx.x == 0) *slot = atomicAdd(counter, 1);
    barrier();
    return broadcast(*slot);
  }

 private:
  __device__ void barrier() const {
    if (blockDim.x <= 32) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }
  Arena shared_;
};

/// Starts the body of a kernel in `bytes` of dynamic shared memory.
template <class Body, class Arguments>
__global__ void run_blocks(Body body, Arguments arguments, std::size_t bytes) {
  extern __shared__ __align__(64) unsigned char memory[];
  DeviceBlock block(memory, bytes);
  body(block, arguments);
}

}  // namespace optcore::cuda
