#pragma once

#include <atomic>
#include <cstdint>

#include "optcore/runtime/clock.hpp"
#include "optcore/runtime/histogram.hpp"

namespace optcore::runtime {

/// What one profiled function has cost: latency histogram, total and own time, errors. Any thread
/// may enter while others read. Off, it costs its caller one relaxed load.
struct CallSite {
  std::atomic<bool> enabled{true};
  std::atomic<std::int64_t> slow_ns{INT64_MAX};  ///< longer calls are worth a warning
  std::atomic<std::int64_t> total_ns{0};
  std::atomic<std::int64_t> children_ns{0};  ///< part of total_ns inside other call sites
  std::atomic<std::int64_t> errors{0};
  Histogram histogram;

  [[nodiscard]] bool on() const noexcept { return enabled.load(std::memory_order_relaxed); }

  void record(std::int64_t elapsed_ns, std::int64_t inside_ns = 0) noexcept {
    histogram.record(elapsed_ns);
    total_ns.fetch_add(elapsed_ns, std::memory_order_relaxed);
    if (inside_ns > 0) children_ns.fetch_add(inside_ns, std::memory_order_relaxed);
  }

  void reset() noexcept {
    histogram.reset();
    total_ns.store(0, std::memory_order_relaxed);
    children_ns.store(0, std::memory_order_relaxed);
    errors.store(0, std::memory_order_relaxed);
  }
};

/// One call of a site on this thread; nested calls are charged to the one around them.
class Call {
 public:
  explicit Call(CallSite& site) noexcept
      : site_(site), around_(inside_), start_(Clock::instance().ticks()) {
    inside_ = 0;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Ends the call. @return its length in ns.
  std::int64_t finish() noexcept {
    const Clock& clock = Clock::instance();
    const std::int64_t elapsed = clock.nanoseconds(clock.ticks() - start_);
    site_.record(elapsed, inside_);
    inside_ = around_ + elapsed;
    return elapsed;
  }

 private:
  static inline thread_local std::int64_t inside_ = 0;  // ns in sites below the present one
  CallSite& site_;
  std::int64_t around_;
  std::int64_t start_;
};

}  // namespace optcore::runtime
