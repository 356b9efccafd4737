#pragma once

#include <chrono>
#include <cstdint>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace optcore::runtime {

/// The cheapest monotonic clock of the machine: the time-stamp counter where it runs at one rate
/// through all power states, else the operating system's. Half the cost of std::chrono's.
class Clock {
 public:
  /// Measures the counter's rate against the operating system's clock for 2 ms, once a process.
  static const Clock& instance() noexcept {
    static const Clock clock;
    return clock;
  }

  [[nodiscard]] std::int64_t ticks() const noexcept {
#if defined(__x86_64__)
    if (counter_) return static_cast<std::int64_t>(__rdtsc());
#endif
    return system_ns();
  }

  [[nodiscard]] std::int64_t nanoseconds(std::int64_t ticks) const noexcept {
    return counter_ ? static_cast<std::int64_t>(static_cast<double>(ticks) * ns_per_tick_) : ticks;
  }

  [[nodiscard]] static std::int64_t system_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

 private:
  Clock() noexcept {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
    if (!invariant) return;
    const std::int64_t start = system_ns();
    const auto first = static_cast<std::int64_t>(__rdtsc());
    std::int64_t now = start;
    while (now - start < 2'000'000) now = system_ns();
    const auto ticks = static_cast<std::int64_t>(__rdtsc()) - first;
    if (ticks <= 0) return;
    ns_per_tick_ = static_cast<double>(now - start) / static_cast<double>(ticks);
    counter_ = true;
#endif
  }

  bool counter_ = false;
  double ns_per_tick_ = 1.0;
};

}  // namespace optcore::runtime
