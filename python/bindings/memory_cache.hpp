#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "module.hpp"
#include "optcore/runtime/cache.hpp"
#include "optcore/runtime/clock.hpp"
#include "optcore/runtime/histogram.hpp"

namespace optcore::python {

inline runtime::Digest digest_of(const py::bytes& key) {
  const auto text = static_cast<std::string_view>(key);
  if (text.size() != sizeof(runtime::Digest)) {
    throw py::value_error("key must be 16 bytes, got " + std::to_string(text.size()));
  }
  runtime::Digest d;
  std::memcpy(&d, text.data(), sizeof d);
  return d;
}

/// All calls hold the interpreter's lock; values that leave die after the cache's own lock is free,
/// since a destructor may call the cache again.
class MemoryCache {
 public:
  using Store = runtime::Cache<py::object>;

  MemoryCache(std::size_t bytes, std::size_t entries, double beta)
      : store_({.bytes = bytes, .entries = entries, .beta = beta}) {}

  [[nodiscard]] std::int64_t now() const {
    const runtime::Clock& clock = runtime::Clock::instance();
    return clock.nanoseconds(clock.ticks()) + shift_;
  }

  Store::Hit find(runtime::Digest key, std::int64_t now, Store::Removed& removed) {
    return store_.find(key, now, removed);
  }

  py::object get(const py::bytes& key) {
    Store::Removed removed;
    const std::int64_t start = now();
    const Store::Hit hit = store_.find(digest_of(key), start, removed);
    if (hit.found == Store::Found::no) return py::none();
    latency_.record(now() - start);
    return py::make_tuple(hit.value, hit.found == Store::Found::due);
  }

  [[nodiscard]] bool contains(const py::bytes& key) const {
    return store_.peek(digest_of(key), now()).found != Store::Found::no;
  }

  bool put(const py::bytes& key, py::object value, std::size_t bytes, double ttl, double cost) {
    Store::Removed removed;
    constexpr double century = 3.2e9;  // seconds; more would not fit
    if (!(ttl > 0)) throw py::value_error("ttl must be positive, got " + std::to_string(ttl));
    const std::int64_t expiry =
        ttl >= century ? Store::never : now() + static_cast<std::int64_t>(ttl * 1e9);
    const auto nanoseconds = static_cast<std::int64_t>(std::clamp(cost, 0.0, century) * 1e9);
    return store_.put(digest_of(key), std::move(value), bytes, expiry, nanoseconds, removed);
  }

  bool erase(const py::bytes& key) {
    Store::Removed removed;
    return store_.erase(digest_of(key), removed);
  }

  std::size_t expire() {
    Store::Removed removed;
    return store_.expire(now(), removed);
  }

  void clear() {
    Store::Removed removed;
    store_.clear(removed);
  }

  [[nodiscard]] py::dict counters() const {
    const Store::Counters c = store_.counters();
    py::dict d;
    d["keys"] = c.entries;
    d["bytes"] = c.bytes;
    d["hits"] = c.hits;
    d["misses"] = c.misses;
    d["evictions"] = c.evictions;
    d["expirations"] = c.expirations;
    d["refused"] = c.refused;
    d["served"] = served;
    return d;
  }

  runtime::Histogram& latency() { return latency_; }

  void advance(double seconds) { shift_ += static_cast<std::int64_t>(seconds * 1e9); }

  std::uint64_t served = 0;  ///< hits that `cached` gave out by itself

 private:
  Store store_;
  runtime::Histogram latency_;  // of look-ups that hit
  std::int64_t shift_ = 0;
};

}  // namespace optcore::python
