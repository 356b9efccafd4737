#include "runtime.hpp"

#include <pybind11/numpy.h>

#include <memory>

#include "optcore/runtime/histogram.hpp"

/// Native hot parts of the Python workbench: one file per part, gathered in `_native.runtime`.
namespace optcore::python {
namespace {

using runtime::Histogram;

/// Counts of all buckets up to the last that is not empty; index i as in Histogram::upper_of.
py::array_t<std::int64_t> counts_of(const Histogram& histogram) {
  int last = Histogram::buckets;
  while (last > 0 && histogram.bucket_count(last - 1) == 0) --last;
  py::array_t<std::int64_t> counts(last);
  for (int i = 0; i < last; ++i) counts.mutable_at(i) = histogram.bucket_count(i);
  return counts;
}

void add_counts(Histogram& histogram, const py::array_t<std::int64_t>& counts) {
  if (counts.ndim() != 1 || counts.shape(0) > Histogram::buckets) {
    throw py::value_error("counts must be 1-D with at most " + std::to_string(Histogram::buckets) +
                          " entries");
  }
  for (py::ssize_t i = 0; i < counts.shape(0); ++i) {
    if (counts.at(i) < 0) throw py::value_error("counts must not be negative");
  }
  for (py::ssize_t i = 0; i < counts.shape(0); ++i) {
    histogram.add(static_cast<int>(i), counts.at(i));
  }
}

void bind_histogram(py::module_& m) {
  py::class_<Histogram, std::unique_ptr<Histogram>>(m, "Histogram",
                                                    "Log-linear latency histogram, ns.")
      .def(py::init<>())
      .def("record", &Histogram::record, py::arg("nanoseconds"))
      .def("merge", &Histogram::merge, py::arg("other"))
      .def("reset", &Histogram::reset)
      .def("quantile", &Histogram::quantile, py::arg("q"))
      .def("count_above", &Histogram::count_above, py::arg("nanoseconds"))
      .def("counts", &counts_of, "Counts by bucket index, HdrHistogram's layout of three digits.")
      .def("add_counts", &add_counts, py::arg("counts"), "The inverse of counts().")
      .def_property_readonly("count", &Histogram::count)
      .def_property_readonly("max_ns", &Histogram::max)
      .def(
          "buckets",
          [](const Histogram& histogram) {
            py::list upper, count;
            for (int i = 0; i < Histogram::buckets; ++i) {
              if (const auto n = histogram.bucket_count(i); n > 0) {
                upper.append(Histogram::upper_of(i));
                count.append(n);
              }
            }
            return py::make_tuple(upper, count);
          },
          "(upper ends in ns, counts) of the buckets that are not empty.");
}

}  // namespace

void bind_runtime(py::module_& m) {
  auto sub = m.def_submodule("runtime");
  bind_histogram(sub);
  bind_call(sub);
  bind_pool(sub);
  bind_sampler(sub);
  bind_runtime_key(sub);
  bind_runtime_cache(sub);
  bind_cached(sub);
  bind_frame(sub);
  bind_load(sub);
}

}  // namespace optcore::python
