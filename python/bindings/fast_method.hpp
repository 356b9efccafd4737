#pragma once

#include <pybind11/detail/exception_translation.h>

#include "module.hpp"

/// Methods of a bound class without pybind11's dispatch, for calls that cost less than it does: a
/// step of a small filter takes 50 ns, finding its overload and loading its arguments 100.
namespace optcore::python {

/// The C++ object of an instance of a class bound with py::class_<T>, which has no bound bases.
template <class T>
T& object_of(PyObject* self) {
  auto* const instance = reinterpret_cast<py::detail::instance*>(self);
  if (!instance->simple_layout) return py::cast<T&>(py::handle(self));  // several bound bases
  if (instance->simple_value_holder[0] == nullptr) throw py::type_error("__init__ was not called");
  return *static_cast<T*>(instance->simple_value_holder[0]);
}

namespace detail {

template <class T, int count, class Function, Function function>
PyObject* call_fast(PyObject* self, PyObject* const* arguments, Py_ssize_t given) noexcept {
  if (given != count) {
    PyErr_Format(PyExc_TypeError, "need %d positional arguments, got %zd", count, given);
    return nullptr;
  }
  try {
    T& object = object_of<T>(self);
    py::handle result;
    if constexpr (count == 1) {
      result = function(object, py::handle(arguments[0]));
    } else {
      static_assert(count == 2);
      result = function(object, py::handle(arguments[0]), py::handle(arguments[1]));
    }
    return result.inc_ref().ptr();
  } catch (...) {
    py::detail::try_translate_exceptions();
    return nullptr;
  }
}

}  // namespace detail

/// Adds a method of `count` (1 or 2) positional arguments to a bound class.
/// @tparam function  py::handle (T&, py::handle...); what it returns is borrowed
/// @param name, text  string literals: kept as they are
template <class T, int count, auto function>
void def_fast(py::handle type, const char* name, const char* text) {
  static PyMethodDef method = {name,
                               reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(
                                   &detail::call_fast<T, count, decltype(function), function>)),
                               METH_FASTCALL, text};
  const auto descriptor = py::reinterpret_steal<py::object>(
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &method));
  if (!descriptor) throw py::error_already_set();
  py::setattr(type, name, descriptor);
}

}  // namespace optcore::python
