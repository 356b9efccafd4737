/// The memory level of the cache and its single flight, for values that are Python objects.

#include <algorithm>
#include <chrono>
#include <memory>

#include "memory_cache.hpp"
#include "optcore/runtime/single_flight.hpp"

namespace optcore::python {
namespace {

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
