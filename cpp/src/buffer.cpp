#include "optcore/host/buffer.hpp"

#include <cstring>

namespace optcore::host {

Buffer::Buffer(std::size_t bytes) {
  if (bytes == 0) return;
  const std::size_t rounded = (bytes + Arena::alignment - 1) / Arena::alignment * Arena::alignment;
  if (rounded < bytes) throw std::bad_alloc();
  data_ = std::aligned_alloc(Arena::alignment, rounded);
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, rounded);
  bytes_ = rounded;
}

}  // namespace optcore::host
