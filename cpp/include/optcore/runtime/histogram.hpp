#pragma once

#include <atomic>
#include <cstdint>

namespace optcore::runtime {

/// Log-linear latency histogram: 1 ns to about 73 minutes at three significant digits, no
/// allocation.
///
/// Values below 2048 ns are counted exactly; above, each power of two is cut into 1024 equal parts,
/// so a reported quantile is at most 0.1 % above the true one. Recording is one relaxed atomic
/// addition: any thread may record while another reads.
///
/// Source: the log-linear layout of HdrHistogram (Gil Tene).
///
/// ```cpp
/// static optcore::runtime::Histogram latency;
/// for (int ns : {100, 200, 300}) latency.record(ns);
/// assert(latency.quantile(0.5) == 200 && latency.max() == 300 && latency.count_above(250) == 1);
/// ```
class Histogram {
 public:
  static constexpr int sub_bits = 10;
  static constexpr std::int64_t exact = std::int64_t{2} << sub_bits;
  static constexpr int max_exponent = 42;
  static constexpr int buckets = (max_exponent - sub_bits + 1) << sub_bits;

  /// Negative durations count as 0, too long ones in the last bucket.
  void record(std::int64_t nanoseconds) noexcept {
    counts_[index_of(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
    total_.fetch_add(1, std::memory_order_relaxed);
    raise_max(nanoseconds);
  }

  [[nodiscard]] std::int64_t count() const noexcept {
    return total_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t max() const noexcept { return max_.load(std::memory_order_relaxed); }

  /// Smallest recorded value that at least a share q of all values do not exceed, in ns (its
  /// bucket's upper end); 0 when nothing was recorded.
  [[nodiscard]] std::int64_t quantile(double q) const noexcept {
    const std::int64_t n = count();
    if (n == 0) return 0;
    auto rank = static_cast<std::int64_t>(q * static_cast<double>(n) + 0.999999);
    if (rank < 1) rank = 1;
    if (rank > n) rank = n;
    std::int64_t seen = 0;
    for (int i = 0; i < buckets; ++i) {
      seen += counts_[i].load(std::memory_order_relaxed);
      if (seen >= rank) return upper_of(i) < max() ? upper_of(i) : max();
    }
    return max();
  }

  /// How many values were longer than `nanoseconds` (to the bucket's resolution).
  [[nodiscard]] std::int64_t count_above(std::int64_t nanoseconds) const noexcept {
    std::int64_t above = 0;
    for (int i = index_of(nanoseconds) + 1; i < buckets; ++i) {
      above += counts_[i].load(std::memory_order_relaxed);
    }
    return above;
  }

  void merge(const Histogram& other) noexcept {
    for (int i = 0; i < buckets; ++i) {
      counts_[i].fetch_add(other.counts_[i].load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    }
    total_.fetch_add(other.count(), std::memory_order_relaxed);
    raise_max(other.max());
  }

  /// Counts n values at the upper end of bucket i: how stored counts come back.
  void add(int i, std::int64_t n) noexcept {
    if (n <= 0) return;
    counts_[i].fetch_add(n, std::memory_order_relaxed);
    total_.fetch_add(n, std::memory_order_relaxed);
    raise_max(upper_of(i));
  }

  void reset() noexcept {
    for (auto& c : counts_) c.store(0, std::memory_order_relaxed);
    total_.store(0, std::memory_order_relaxed);
    max_.store(0, std::memory_order_relaxed);
  }

  [[nodiscard]] std::int64_t bucket_count(int i) const noexcept {
    return counts_[i].load(std::memory_order_relaxed);
  }

  [[nodiscard]] static constexpr int index_of(std::int64_t v) noexcept {
    if (v < exact) return v < 0 ? 0 : static_cast<int>(v);
    const int exponent = 63 - __builtin_clzll(static_cast<unsigned long long>(v));
    const int shift = exponent - sub_bits;
    const std::int64_t i = (static_cast<std::int64_t>(shift) << sub_bits) + (v >> shift);
    return i < buckets ? static_cast<int>(i) : buckets - 1;
  }

  /// Largest value that falls into bucket i.
  [[nodiscard]] static constexpr std::int64_t upper_of(int i) noexcept {
    if (i < exact) return i;
    const int shift = (i >> sub_bits) - 1;
    const std::int64_t mantissa = (i & ((1 << sub_bits) - 1)) + (std::int64_t{1} << sub_bits);
    return ((mantissa + 1) << shift) - 1;
  }

 private:
  void raise_max(std::int64_t value) noexcept {
    std::int64_t seen = max_.load(std::memory_order_relaxed);
    while (value > seen && !max_.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }

  std::atomic<std::int64_t> counts_[buckets] = {};
  std::atomic<std::int64_t> total_{0};
  std::atomic<std::int64_t> max_{0};
};

}  // namespace optcore::runtime
