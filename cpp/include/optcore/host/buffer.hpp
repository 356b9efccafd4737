#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#include "optcore/core/arena.hpp"

namespace optcore::host {

/// Owning, 64-byte aligned, zeroed memory: the only allocation of the library, made in set-up.
class Buffer {
 public:
  Buffer() noexcept = default;
  /// @throws std::bad_alloc when the memory cannot be had.
  explicit Buffer(std::size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        mapped_(std::exchange(other.mapped_, false)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] Arena arena() const noexcept { return Arena(data_, bytes_); }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  bool mapped_ = false;  ///< whole pages of the kernel, not of malloc
};

}  // namespace optcore::host
