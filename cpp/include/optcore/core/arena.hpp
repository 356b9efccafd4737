#pragma once

#include <cstddef>
#include <cstdint>

#include "optcore/core/config.hpp"
#include "optcore/core/view.hpp"

namespace optcore {

/// Cuts a caller's buffer into 64-byte aligned views; never allocates.
///
/// The same set-up code serves twice: first on `Arena::measure()`, whose `used()` then says how
/// many bytes are needed (a constant expression where the set-up is one), then on the real buffer.
/// A buffer that is too small gives null views and `overflowed()`; check it once after set-up.
///
/// ```cpp
/// const auto set_up = [](optcore::Arena& arena) {
///   return arena.matrix<float>(3, 4);  // (3, 4), and whatever else is needed
/// };
/// optcore::Arena sizes = optcore::Arena::measure();
/// (void)set_up(sizes);
/// alignas(64) unsigned char memory[256];
/// assert(sizes.used() <= sizeof memory);
/// optcore::Arena arena(memory, sizeof memory);
/// auto matrix = set_up(arena);
/// assert(!arena.overflowed());
/// matrix(2, 3) = 1;
/// ```
class Arena {
 public:
  static constexpr std::size_t alignment = 64;

  OPTCORE_HD constexpr Arena(void* buffer, std::size_t bytes) noexcept
      : base_(buffer), capacity_(bytes) {}

  /// An arena without memory that only adds up sizes.
  [[nodiscard]] OPTCORE_HD static constexpr Arena measure() noexcept {
    return Arena(nullptr, SIZE_MAX);
  }

  template <class T>
  [[nodiscard]] OPTCORE_HD constexpr T* array(std::size_t count) noexcept {
    const std::size_t start = used_;
    const std::size_t bytes = (count * sizeof(T) + alignment - 1) / alignment * alignment;
    used_ += bytes;
    if (base_ == nullptr || used_ > capacity_) return nullptr;
    return reinterpret_cast<T*>(static_cast<unsigned char*>(base_) + start);
  }

  template <class T>
  [[nodiscard]] OPTCORE_HD constexpr VectorView<T> vector(int size) noexcept {
    return {array<T>(static_cast<std::size_t>(size)), size};
  }

  /// A rows x cols matrix whose rows lie `stride` elements apart (default: cols).
  template <class T>
  [[nodiscard]] OPTCORE_HD constexpr MatrixView<T> matrix(int rows, int cols,
                                                          int stride = 0) noexcept {
    if (stride < cols) stride = cols;
    return {array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride)), rows, cols,
            stride};
  }

  [[nodiscard]] OPTCORE_HD constexpr std::size_t used() const noexcept { return used_; }
  [[nodiscard]] OPTCORE_HD constexpr bool overflowed() const noexcept { return used_ > capacity_; }

 private:
  void* base_;
  std::size_t capacity_;
  std::size_t used_ = 0;
};

}  // namespace optcore
