/// The memory level of the cache and its single flight, for values that are Python objects.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "module.hpp"
#include "optcore/runtime/cache.hpp"
#include "optcore/runtime/clock.hpp"
#include "optcore/runtime/histogram.hpp"
#include "optcore/runtime/single_flight.hpp"

namespace optcore::python {
namespace {

using runtime::Digest;

Digest digest_of(const py::bytes& key) {
  const auto text = static_cast<std::string_view>(key);
  if (text.size() != sizeof(Digest)) {
    throw py::value_error("key must be 16 bytes, got " + std::to_string(text.size()));
  }
  Digest d;
  std::memcpy(&d, text.data(), sizeof d);
  return d;
}

std::int64_t steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// All calls hold the interpreter's lock; values that leave die after the cache's own lock is free,
/// since a destructor may call the cache again.
class MemoryCache {
 public:
  using Store = runtime::Cache<py::object>;

  MemoryCache(std::size_t bytes, std::size_t entries, double beta)
      : store_({.bytes = bytes, .entries = entries, .beta = beta}) {}

  py::object get(const py::bytes& key) {
    Store::Removed removed;
    const runtime::Clock& clock = runtime::Clock::instance();
    const std::int64_t start = clock.ticks();
    const Store::Hit hit = store_.find(digest_of(key), now(), removed);
    if (hit.found == Store::Found::no) return py::none();
    latency_.record(clock.nanoseconds(clock.ticks() - start));
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
    return d;
  }

  runtime::Histogram& latency() { return latency_; }

  void advance(double seconds) { shift_ += static_cast<std::int64_t>(seconds * 1e9); }

 private:
  [[nodiscard]] std::int64_t now() const { return steady_now() + shift_; }

  Store store_;
  runtime::Histogram latency_;  // of look-ups that hit
  std::int64_t shift_ = 0;
};

using Flights = runtime::SingleFlight<py::object>;

struct Ticket {
  Flights::Ticket flight;
};

py::tuple join(Flights& flights, const py::bytes& key) {
  auto [flight, leads] = flights.join(digest_of(key));
  if (!flight) return py::make_tuple(py::none(), leads);
  return py::make_tuple(Ticket{std::move(flight)}, leads);
}

/// Waits in short steps, so that Ctrl-C is heard.
bool wait(const Ticket& ticket, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto patience = std::chrono::duration<double>(std::clamp(seconds, 0.0, 1e6));
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(patience);
  while (true) {
    const auto left =
        std::min<Clock::duration>(until - Clock::now(), std::chrono::milliseconds(50));
    bool landed = false;
    {
      const py::gil_scoped_release others_run;
      landed = ticket.flight->wait(std::max(left, Clock::duration::zero()));
    }
    if (landed) return true;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (Clock::now() >= until) return false;
  }
}

}  // namespace

void bind_runtime_cache(py::module_& m) {
  py::class_<MemoryCache, std::unique_ptr<MemoryCache>>(
      m, "MemoryCache", "LRU with time to live, bounded in bytes and entries; thread-safe.")
      .def(py::init<std::size_t, std::size_t, double>(), py::arg("max_bytes"),
           py::arg("max_entries"), py::arg("beta") = 1.0)
      .def("get", &MemoryCache::get, py::arg("key"),
           "(value, is due for early refresh), or None on a miss.")
      .def("__contains__", &MemoryCache::contains, py::arg("key"))
      .def("put", &MemoryCache::put, py::arg("key"), py::arg("value"), py::arg("bytes"),
           py::arg("ttl"), py::arg("cost") = 0.0)
      .def("erase", &MemoryCache::erase, py::arg("key"))
      .def("expire", &MemoryCache::expire)
      .def("clear", &MemoryCache::clear)
      .def("counters", &MemoryCache::counters)
      .def_property_readonly("latency", &MemoryCache::latency,
                             py::return_value_policy::reference_internal)
      .def("advance", &MemoryCache::advance, py::arg("seconds"),
           "Moves this cache's clock forward; for tests.");
  py::class_<Ticket>(m, "Ticket")
      .def("wait", &wait, py::arg("seconds"))
      .def_property_readonly("result", [](const Ticket& t) { return t.flight->result(); });
  py::class_<Flights, std::unique_ptr<Flights>>(m, "SingleFlight",
                                                "One computation per key at a time.")
      .def(py::init<>())
      .def("join", &join, py::arg("key"), "(ticket or None, whether the caller leads).")
      .def(
          "land",
          [](Flights& flights, const py::bytes& key, const Ticket& ticket, py::object result) {
            flights.land(digest_of(key), ticket.flight, std::move(result));
          },
          py::arg("key"), py::arg("ticket"), py::arg("result"));
}

}  // namespace optcore::python
