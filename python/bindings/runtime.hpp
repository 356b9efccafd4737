#pragma once

#include "module.hpp"

namespace optcore::python {

// Parts of the runtime submodule, called by bind_runtime().
void bind_call(py::module_& runtime);
void bind_cached(py::module_& runtime);
void bind_frame(py::module_& runtime);
void bind_load(py::module_& runtime);
void bind_pool(py::module_& runtime);
void bind_sampler(py::module_& runtime);

}  // namespace optcore::python
