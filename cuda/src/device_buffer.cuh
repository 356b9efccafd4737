#pragma once

#include <cstddef>

#include "launch.cuh"
#include "optcore/core/view.hpp"

namespace optcore::cuda {

/// Stream-ordered device memory for `count` items, freed on the same stream.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer(std::size_t count, const Stream& stream) noexcept
      : count_(count), stream_(stream.get()) {
    void* memory = nullptr;
    status_ = to_status(cudaMallocAsync(&memory, count * sizeof(T) + 1, stream_));
    data_ = static_cast<T*>(memory);
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) cudaFreeAsync(data_, stream_);
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] T* data() const noexcept { return data_; }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }

  [[nodiscard]] Status fill_zero() noexcept {
    return to_status(cudaMemsetAsync(data_, 0, count_ * sizeof(T), stream_));
  }
  [[nodiscard]] Status upload(const T* host) noexcept {
    return to_status(
        cudaMemcpyAsync(data_, host, count_ * sizeof(T), cudaMemcpyHostToDevice, stream_));
  }
  /// Rows of a strided host matrix into a dense device one.
  [[nodiscard]] Status upload(MatrixView<const T> host) noexcept {
    const std::size_t row = static_cast<std::size_t>(host.cols) * sizeof(T);
    return to_status(cudaMemcpy2DAsync(data_, row, host.data, sizeof(T) * host.stride, row,
                                       static_cast<std::size_t>(host.rows), cudaMemcpyHostToDevice,
                                       stream_));
  }
  /// Rows of `each` numbers that lie `step` apart on the host.
  [[nodiscard]] Status upload_rows(const T* host, std::ptrdiff_t step, int rows,
                                   std::size_t each) noexcept {
    if (rows == 1)
      return to_status(
          cudaMemcpyAsync(data_, host, each * sizeof(T), cudaMemcpyHostToDevice, stream_));
    return to_status(cudaMemcpy2DAsync(
        data_, each * sizeof(T), host, static_cast<std::size_t>(step) * sizeof(T), each * sizeof(T),
        static_cast<std::size_t>(rows), cudaMemcpyHostToDevice, stream_));
  }
  [[nodiscard]] Status download(T* host) const noexcept {
    return to_status(
        cudaMemcpyAsync(host, data_, count_ * sizeof(T), cudaMemcpyDeviceToHost, stream_));
  }
  [[nodiscard]] Status download(MatrixView<T> host) const noexcept {
    const std::size_t row = static_cast<std::size_t>(host.cols) * sizeof(T);
    return to_status(cudaMemcpy2DAsync(host.data, sizeof(T) * host.stride, data_, row, row,
                                       static_cast<std::size_t>(host.rows), cudaMemcpyDeviceToHost,
                                       stream_));
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
  cudaStream_t stream_;
  Status status_;
};

}  // namespace optcore::cuda
