#pragma once

#include <cstdint>

namespace optcore {

/// Names a sequence: `seed` and `stream` say whose, `step` says when.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint32_t step = 0;
};

}  // namespace optcore
