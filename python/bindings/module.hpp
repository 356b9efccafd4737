#pragma once

#include <pybind11/pybind11.h>

namespace optcore::python {

namespace py = pybind11;

// One per concept; each fills a submodule of _native.
void bind_device(py::module_& m);
void bind_belief(py::module_& m);
void bind_gp(py::module_& m);
void bind_gp_batch(py::module_& gp);
void bind_gp_sparse(py::module_& gp);
void quicken_gp_predict(py::object model);
void bind_loop(py::module_& m);
void bind_mpc(py::module_& m);
void bind_dense_qp(py::module_& m);
void bind_runtime(py::module_& m);  // before bind_loop, which hands out its histograms
void bind_runtime_cache(py::module_& runtime);
void bind_runtime_key(py::module_& runtime);
void bind_planning(py::module_& m);
void bind_models(py::module_& m);

// Parts of the belief submodule, called by bind_belief().
void bind_belief_models(py::module_& sub);
void bind_kalman(py::module_& sub);
void bind_particles(py::module_& sub);
void bind_sparse_belief(py::module_& sub);

}  // namespace optcore::python
