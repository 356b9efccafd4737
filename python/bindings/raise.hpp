#pragma once

#include <string>
#include <type_traits>

#include "module.hpp"
#include "optcore/core/status.hpp"

namespace optcore::python {

/// Status -> exception of optcore.errors, in one switch.
[[noreturn]] inline void raise(Status status, const char* function, const std::string& detail) {
  const char* type = "OptcoreError";
  switch (status) {
    case Status::shape_mismatch: type = "ShapeError"; break;
    case Status::device_unavailable: type = "DeviceUnavailable"; break;
    case Status::zero_evidence:
    case Status::not_positive_definite:
    case Status::not_finite: type = "InferenceError"; break;
    case Status::max_iterations:
    case Status::primal_infeasible:
    case Status::dual_infeasible: type = "SolverError"; break;
    case Status::invalid_argument:
    case Status::capacity_exceeded: type = "ConfigError"; break;
    case Status::out_of_memory: throw std::bad_alloc();
    default: break;
  }
  std::string text = std::string(function) + ": " + to_string(status);
  if (!detail.empty()) text += " (" + detail + ")";
  const py::object exception = py::module_::import("optcore.errors").attr(type)(text);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw py::error_already_set();
}

/// Returns on success.
inline void raise_if_failed(Status status, const char* function) {
  if (failed(status)) raise(status, function, "");
}

/// @param detail  a text, or a function that makes it when it is needed.
template <class Detail>
void raise_if_failed(Status status, const char* function, const Detail& detail) {
  if (!failed(status)) return;
  if constexpr (std::is_invocable_v<const Detail&>) {
    raise(status, function, detail());
  } else {
    raise(status, function, detail);
  }
}

}  // namespace optcore::python
