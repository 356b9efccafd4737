#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "optcore/runtime/hash.hpp"

namespace optcore::runtime {

/// Least-recently-used map from fingerprints to values with a time to live, bounded in entries and
/// bytes. Any thread may call anything.
///
/// `Value` is a shared handle, cheap to copy, whose copy may run under the lock but whose
/// destructor may run anything: values leave through `Removed` and die in the caller's hands, after
/// the lock.
///
/// Times are nanoseconds of one monotonic clock that the caller reads. Expired entries are dropped
/// when they are met, and by expire().
///
/// Early refresh: Vattani, Chierichetti & Lowenstein, "Optimal probabilistic cache stampede
/// prevention", PVLDB 8(8), 2015: a hit is due for recomputation once
/// now - cost * beta * ln(u) >= expiry, u uniform in (0, 1].
///
/// ```cpp
/// namespace runtime = optcore::runtime;
/// runtime::Cache<int> cache({.bytes = 1024, .entries = 2});
/// runtime::Cache<int>::Removed removed;  // what left, to be destroyed here
/// const auto key = [](int i) { return runtime::hash(&i, sizeof i); };
/// for (int i = 0; i < 3; ++i) cache.put(key(i), 10 * i, sizeof(int), cache.never, 0, removed);
/// assert(removed.size() == 1 && removed[0] == 0);  // the least recently used of three
/// assert(cache.find(key(2), /*now=*/0, removed).value == 20);
/// ```
template <class Value>
class Cache {
 public:
  using Removed = std::vector<Value>;
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  enum class Found { no, yes, due };  ///< due: a hit whose value should be computed anew by one

  struct Hit {
    Found found = Found::no;
    Value value{};
  };

  struct Options {
    std::size_t bytes = 0;    ///< at most this many in all values together
    std::size_t entries = 0;  ///< at most this many entries
    double beta = 1.0;        ///< eagerness of early refresh; 0 switches it off
  };

  struct Counters {
    std::uint64_t hits = 0, misses = 0, evictions = 0, expirations = 0, refused = 0;
    std::size_t entries = 0, bytes = 0;
  };

  explicit Cache(const Options& options) : options_(options) {}

  /// Looks a key up and makes it the most recently used.
  [[nodiscard]] Hit find(Digest key, std::int64_t now, Removed& removed) {
    const std::scoped_lock lock(mutex_);
    const auto at = index_.find(key);
    if (at == index_.end()) {
      ++counters_.misses;
      return {};
    }
    const auto entry = at->second;
    if (now >= entry->expiry) {
      ++counters_.misses;
      ++counters_.expirations;
      drop(entry, removed);
      return {};
    }
    ++counters_.hits;
    if (entry != order_.begin()) order_.splice(order_.begin(), order_, entry);
    return {is_due(*entry, now) ? Found::due : Found::yes, entry->value};
  }

  /// Looks without counting, ageing or refreshing.
  [[nodiscard]] Hit peek(Digest key, std::int64_t now) const {
    const std::scoped_lock lock(mutex_);
    const auto at = index_.find(key);
    if (at == index_.end() || now >= at->second->expiry) return {};
    return {Found::yes, at->second->value};
  }

  /// Stores or replaces; evicts the least recently used until everything fits.
  ///
  /// @param bytes   what the value weighs.
  /// @param expiry  when it is no longer valid, or never.
  /// @param cost    nanoseconds its computation took, for early refresh; 0: no early refresh.
  /// @return false when the value alone is over the bound; an older value of the key is then gone.
  bool put(Digest key, Value value, std::size_t bytes, std::int64_t expiry, std::int64_t cost,
           Removed& removed) {
    const std::scoped_lock lock(mutex_);
    if (const auto at = index_.find(key); at != index_.end()) drop(at->second, removed);
    if (bytes > options_.bytes || options_.entries == 0) {
      ++counters_.refused;
      removed.push_back(std::move(value));
      return false;
    }
    order_.push_front({key, std::move(value), bytes, expiry, cost});
    index_.emplace(key, order_.begin());
    counters_.bytes += bytes;
    while (counters_.bytes > options_.bytes || index_.size() > options_.entries) {
      ++counters_.evictions;
      drop(std::prev(order_.end()), removed);
    }
    return true;
  }

  bool erase(Digest key, Removed& removed) {
    const std::scoped_lock lock(mutex_);
    const auto at = index_.find(key);
    if (at == index_.end()) return false;
    drop(at->second, removed);
    return true;
  }

  /// Drops what is no longer valid; returns how many.
  std::size_t expire(std::int64_t now, Removed& removed) {
    const std::scoped_lock lock(mutex_);
    const std::size_t before = order_.size();
    for (auto entry = order_.begin(); entry != order_.end();) {
      const auto next = std::next(entry);
      if (now >= entry->expiry) drop(entry, removed);
      entry = next;
    }
    counters_.expirations += before - order_.size();
    return before - order_.size();
  }

  void clear(Removed& removed) {
    const std::scoped_lock lock(mutex_);
    while (!order_.empty()) drop(order_.begin(), removed);
  }

  [[nodiscard]] Counters counters() const {
    const std::scoped_lock lock(mutex_);
    Counters counters = counters_;
    counters.entries = index_.size();
    return counters;
  }

  /// Visits every value, for traversal by a garbage collector that has stopped all threads.
  template <class Visit>
  void each_unlocked(Visit&& visit) const {
    for (const Entry& entry : order_) visit(entry.value);
  }

 private:
  struct Entry {
    Digest key;
    Value value;
    std::size_t bytes;
    std::int64_t expiry;
    std::int64_t cost;
  };
  using Order = std::list<Entry>;

  struct ByLow {
    std::size_t operator()(const Digest& key) const noexcept {
      return static_cast<std::size_t>(key.low);
    }
  };

  void drop(typename Order::iterator entry, Removed& removed) {
    counters_.bytes -= entry->bytes;
    index_.erase(entry->key);
    removed.push_back(std::move(entry->value));
    order_.erase(entry);
  }

  bool is_due(const Entry& entry, std::int64_t now) {
    if (entry.cost <= 0 || options_.beta <= 0 || entry.expiry == never) return false;
    const double reach = static_cast<double>(entry.cost) * options_.beta;
    const auto left = static_cast<double>(entry.expiry - now);
    if (left > 40 * reach) return false;  // -ln u stays below 37 in double precision
    return left <= reach * exponential_(random_);
  }

  mutable std::mutex mutex_;
  Options options_;
  Order order_;  // most recently used first
  std::unordered_map<Digest, typename Order::iterator, ByLow> index_;
  Counters counters_;
  std::minstd_rand random_{std::random_device{}()};
  std::exponential_distribution<double> exponential_;
};

}  // namespace optcore::runtime
