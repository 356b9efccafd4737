#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "optcore/runtime/histogram.hpp"

namespace optcore::runtime {

/// What a load test counts: latencies of the calls that were due within [measured, end), in ns of
/// the monotonic clock. What was due before, in the ramp, is left out; what was due inside and
/// ended later is counted. Any thread may record.
///
/// A call has three times: when it was due, when it started, when it ended. `response` counts from
/// due, so that a late start is part of what the caller waited (no coordinated omission, Gil Tene);
/// `service` from the start; `lag` is the difference, and `wake_lag` the part of it that is the
/// generator's own: lags of calls that had a free worker waiting for them.
class LoadRecord {
 public:
  /// Latency bins of the heat map: eight to the power of two, 128 ns wide below 2 us.
  static constexpr int bin_bits = 7;
  static constexpr int bins = Histogram::buckets >> bin_bits;

  LoadRecord(std::int64_t measured, std::int64_t end, int slots)
      : measured_(measured),
        end_(end),
        slots_(slots),
        heat_(static_cast<std::size_t>(slots) * bins) {}

  /// @param waited a worker was free before the call was due
  /// @param failed raised: counted as an error, not among the latencies
  void record(std::int64_t due, std::int64_t start, std::int64_t stop, bool waited,
              bool failed) noexcept {
    if (!count(due, stop, failed)) return;
    service.record(stop - start);
    lag.record(start - due);
    if (waited) {
      wake_lag.record(start - due);
    } else {
      busy_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  /// A call that was due when it started: `service` and `lag` say nothing new and stay empty.
  void record(std::int64_t start, std::int64_t stop, bool failed) noexcept {
    static_cast<void>(count(start, stop, failed));
  }

  /// A call that was due and never started: nobody was free until `now`.
  void give_up(std::int64_t due, std::int64_t now) noexcept {
    if (due < measured_ || due >= end_) return;
    unstarted_.fetch_add(1, std::memory_order_relaxed);
    response.record(now - due);
  }

  void count_timeout(std::int64_t due) noexcept {
    if (due >= measured_ && due < end_) timeouts_.fetch_add(1, std::memory_order_relaxed);
  }

  [[nodiscard]] std::int64_t measured() const noexcept { return measured_; }
  [[nodiscard]] std::int64_t end() const noexcept { return end_; }
  [[nodiscard]] int slots() const noexcept { return slots_; }
  [[nodiscard]] std::int64_t finished() const noexcept { return finished_.load(); }
  [[nodiscard]] std::int64_t errors() const noexcept { return errors_.load(); }
  [[nodiscard]] std::int64_t timeouts() const noexcept { return timeouts_.load(); }
  [[nodiscard]] std::int64_t busy() const noexcept { return busy_.load(); }
  [[nodiscard]] std::int64_t unstarted() const noexcept { return unstarted_.load(); }
  [[nodiscard]] std::int64_t heat(int slot, int bin) const noexcept {
    return heat_[static_cast<std::size_t>(slot) * bins + static_cast<std::size_t>(bin)].load(
        std::memory_order_relaxed);
  }

  Histogram response, service, lag, wake_lag;

 private:
  /// Whether the call has latencies to record.
  bool count(std::int64_t due, std::int64_t stop, bool failed) noexcept {
    if (stop >= measured_ && stop < end_ && !failed) {
      finished_.fetch_add(1, std::memory_order_relaxed);
    }
    if (due < measured_ || due >= end_) return false;
    if (failed) {
      errors_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    response.record(stop - due);
    const auto slot = (due - measured_) * slots_ / (end_ - measured_);
    const auto bin = Histogram::index_of(stop - due) >> bin_bits;
    heat_[static_cast<std::size_t>(slot) * bins + static_cast<std::size_t>(bin)].fetch_add(
        1, std::memory_order_relaxed);
    return true;
  }

  std::int64_t measured_, end_;
  int slots_;
  std::vector<std::atomic<std::int64_t>> heat_;
  std::atomic<std::int64_t> finished_{0}, errors_{0}, timeouts_{0}, busy_{0}, unstarted_{0};
};

}  // namespace optcore::runtime
