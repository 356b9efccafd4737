#include "optcore/host/buffer.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace optcore::host {

namespace {

#if defined(__linux__)
constexpr std::size_t huge_page = std::size_t{1} << 21;

/// From here whole pages of the kernel, asked to be huge: a matrix walked by columns touches a page
/// per column. They come zeroed when first touched.
constexpr std::size_t mapped_from = 4 * huge_page;

/// Start of a mapping of `bytes` that begins on a huge page.
void* map(std::size_t bytes) noexcept {
  const std::size_t room = bytes + huge_page;
  if (room < bytes) return nullptr;
  void* const start =
      mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto* const first = static_cast<unsigned char*>(start);
  const std::size_t skip =
      (huge_page - reinterpret_cast<std::uintptr_t>(first) % huge_page) % huge_page;
  if (skip > 0) munmap(first, skip);
  munmap(first + skip + bytes, huge_page - skip);
  madvise(first + skip, bytes, MADV_HUGEPAGE);
  return first + skip;
}
#endif

}  // namespace

Buffer::Buffer(std::size_t bytes) {
  if (bytes == 0) return;
  std::size_t unit = Arena::alignment;
#if defined(__linux__)
  constexpr std::size_t small_page = 4096;
  mapped_ = bytes >= mapped_from;
  if (mapped_) unit = small_page;
#endif
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  if (rounded < bytes) throw std::bad_alloc();
#if defined(__linux__)
  if (mapped_) data_ = map(rounded);
#endif
  if (!mapped_) {
    data_ = std::aligned_alloc(Arena::alignment, rounded);
    if (data_ != nullptr) std::memset(data_, 0, rounded);
  }
  if (data_ == nullptr) throw std::bad_alloc();
  bytes_ = rounded;
}

Buffer::~Buffer() {
#if defined(__linux__)
  if (mapped_) {
    if (data_ != nullptr) munmap(data_, bytes_);
    return;
  }
#endif
  std::free(data_);
}

}  // namespace optcore::host
