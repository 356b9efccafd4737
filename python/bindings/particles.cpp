#include "optcore/host/particles.hpp"

#include <memory>
#include <string>

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"
#include "status_object.hpp"

namespace optcore::python {
namespace {

using host::ParticleFilter;

Resampling scheme_of(const std::string& name) {
  if (name != "systematic" && name != "stratified") {
    raise_if_failed(Status::invalid_argument, "resampling", "need 'systematic' or 'stratified'");
  }
  return name == "systematic" ? Resampling::systematic : Resampling::stratified;
}

std::unique_ptr<ParticleFilter> make(const Array<double>& states, const std::string& resampling,
                                     double ess_threshold, double roughening,
                                     const RandomKey& key) {
  const auto rows = matrix_view(states, "states");
  if (rows.rows < 1 || rows.cols < 1 || !(ess_threshold >= 0) || !(roughening >= 0)) {
    raise_if_failed(Status::invalid_argument, "ParticleFilter",
                    "need at least one particle and dimension, ess_threshold, roughening >= 0");
  }
  const ParticleSettings settings{.resampling = scheme_of(resampling),
                                  .ess_threshold = ess_threshold,
                                  .roughening = roughening};
  auto filter = std::make_unique<ParticleFilter>(rows.rows, rows.cols, settings, key);
  raise_if_failed(filter->set(rows), "ParticleFilter", "states: need finite numbers");
  return filter;
}

void bind_filter(py::module_& sub) {
  py::class_<ParticleFilter>(sub, "ParticleCloud", "See ParticleFilter.")
      .def(py::init(&make), py::arg("states"), py::arg("resampling"), py::arg("ess_threshold"),
           py::arg("roughening"), py::arg("key"))
      .def("move",
           [](ParticleFilter& f, const Array<double>& states) {
             const Status status = f.move(matrix_view(states, "states"));
             if (status == Status::shape_mismatch) raise_if_failed(status, "states", "need (n, d)");
             return status_object(status);
           })
      .def("weigh",
           [](ParticleFilter& f, const Array<double>& log_likelihood) {
             const Status status = f.weigh(vector_view(log_likelihood, "log_likelihood"));
             if (status == Status::shape_mismatch) {
               raise_if_failed(status, "log_likelihood", "need (n,)");
             }
             return status_object(status);
           })
      .def("step",
           [](ParticleFilter& f, const Array<double>& z, double period, double position_noise,
              double velocity_noise, double measurement_noise) {
             const auto measured = vector_view(z, "z");
             Status status;
             {
               const py::gil_scoped_release without_gil;
               status =
                   f.step({period, position_noise, velocity_noise, measurement_noise}, measured);
             }
             if (status == Status::shape_mismatch || status == Status::invalid_argument) {
               raise_if_failed(status, "ParticleCloud.step",
                               "need d = 4, z (2,), measurement noise > 0");
             }
             return status_object(status);
           })
      .def_property_readonly("states",
                             [](const ParticleFilter& f) {
                               Array<double> out({f.state().particles, f.state().size});
                               f.states(mutable_matrix_view(out, "out"));
                               return out;
                             })
      .def_property_readonly("weights",
                             [](const ParticleFilter& f) {
                               Array<double> out(f.state().particles);
                               f.weights(mutable_vector_view(out, "out"));
                               return out;
                             })
      .def_property_readonly("ess", [](const ParticleFilter& f) { return f.state().ess; })
      .def_property_readonly("log_evidence",
                             [](const ParticleFilter& f) { return f.state().log_evidence; });
}

Array<int> resample(const Array<double>& weights, const std::string& resampling,
                    const RandomKey& key) {
  const auto w = vector_view(weights, "weights");
  Array<int> ancestor(w.size);
  raise_if_failed(
      host::resample(w, scheme_of(resampling), key, mutable_vector_view(ancestor, "ancestor")),
      "resample", "weights: need (n,) >= 0 with a positive, finite sum");
  return ancestor;
}

}  // namespace

void bind_particles(py::module_& sub) {
  bind_filter(sub);
  sub.def("resample", &resample, py::arg("weights"), py::arg("resampling"), py::arg("key"));
}

}  // namespace optcore::python
