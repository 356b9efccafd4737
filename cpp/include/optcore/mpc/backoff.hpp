#pragma once

#include "optcore/core/config.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// A short way that does not always lead somewhere: after failures it is tried ever more rarely.
class Backoff {
 public:
  /// Is it time to try? Counts the times that it is not.
  [[nodiscard]] bool due() noexcept { return pause_ == 0 || (--pause_, false); }

  /// Learns how a try ended, and returns it.
  bool worked(bool success) noexcept {
    const int longer = 2 * last_pause_ + 1;
    pause_ = last_pause_ = success ? 0 : longer < longest ? longer : longest;
    return success;
  }

 private:
  static constexpr int longest = 15;
  int pause_ = 0, last_pause_ = 0;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
