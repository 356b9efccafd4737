#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "optcore/core/arena.hpp"

namespace optcore::support {

/// Memory for anything that attaches to an arena: measured first, then given, full of nonsense.
class Memory {
 public:
  /// @param attach  called with an arena that measures, then with the one that gives
  template <class Attach>
  void give(Attach attach) {
    Arena measuring = Arena::measure();
    attach(measuring);
    bytes_.assign(measuring.used() + Arena::alignment, 0xAB);
    void* start = bytes_.data();
    std::size_t room = bytes_.size();
    Arena arena(std::align(Arena::alignment, measuring.used(), start, room), measuring.used());
    attach(arena);
  }

 private:
  std::vector<unsigned char> bytes_;
};

}  // namespace optcore::support
