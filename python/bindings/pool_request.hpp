#pragma once

#include <pybind11/numpy.h>

#include <cstddef>

#include "module.hpp"

namespace optcore::python {

/// An array that somebody asks the pool for.
struct Request {
  Py_ssize_t shape[32];
  int dimensions = 0;
  PyObject* dtype = nullptr;  // owned
  PyObject* fill = nullptr;   // borrowed
  bool fortran = false;
  std::size_t bytes = 0;

  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { Py_XDECREF(dtype); }
};

/// Reads (shape, dtype=float64, *, order="C", fill=None) of a vectorcall.
///
/// @param otherwise  the descriptor where no dtype is given
/// @return false with an exception that names the argument
bool read_request(PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                  PyObject* otherwise, Request& request);

}  // namespace optcore::python
