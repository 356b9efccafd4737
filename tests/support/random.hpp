#pragma once

#include <cstdint>

namespace optcore::support {

/// SplitMix64: the same numbers everywhere, for tests and benchmarks.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// In [low, high).
  double uniform(double low = 0, double high = 1) {
    return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53);
  }
  /// Roughly standard normal (sum of twelve uniforms); exact tails do not matter in tests.
  double normal() {
    double total = -6;
    for (int i = 0; i < 12; ++i) total += uniform();
    return total;
  }
  int below(int n) { return static_cast<int>(bits() % static_cast<std::uint64_t>(n)); }

 private:
  std::uint64_t state_;
};

}  // namespace optcore::support
