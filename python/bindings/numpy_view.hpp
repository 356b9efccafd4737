#pragma once

#include <pybind11/numpy.h>

#include <limits>
#include <string>

#include "module.hpp"
#include "optcore/core/view.hpp"

/// NumPy arrays as views, without a copy. A wrong shape, dtype or order is a TypeError/ValueError
/// here; the Python faces convert and explain before they call.
namespace optcore::python {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline int to_int(py::ssize_t size, const char* name) {
  if (size > std::numeric_limits<int>::max()) {
    throw py::value_error(std::string(name) + ": dimension too large");
  }
  return static_cast<int>(size);
}

/// A new uninitialised array; several times quicker than py::array_t's own constructors, whose cost
/// shows beside a call of two microseconds.
template <class T, class... Sizes>
Array<T> new_array(Sizes... sizes) {
  static PyObject* const type = py::dtype::of<T>().release().ptr();
  static const py::detail::npy_api& numpy = py::detail::npy_api::get();
  Py_intptr_t shape[] = {static_cast<Py_intptr_t>(sizes)...};
  Py_INCREF(type);
  PyObject* const array = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, type, sizeof...(Sizes),
                                                      shape, nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<Array<T>>(array);
}

/// The numbers of a float64 array that is (size,) and contiguous already, else null: the quick way
/// in for calls that cost less than a conversion.
inline const double* plain_vector(const py::handle& object, py::ssize_t size) {
  static PyObject* const type = py::dtype::of<double>().release().ptr();
  static const py::detail::npy_api& numpy = py::detail::npy_api::get();
  constexpr int wanted =
      py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (Py_TYPE(object.ptr()) != numpy.PyArray_Type_) return nullptr;
  const auto* const array = py::detail::array_proxy(object.ptr());
  const bool fits = array->descr == type && array->nd == 1 && array->dimensions[0] == size &&
                    (array->flags & wanted) == wanted;
  return fits ? reinterpret_cast<const double*>(array->data) : nullptr;
}

/// The same of an array (m, cols); null where it is none.
inline MatrixView<const double> plain_matrix(const py::handle& object, int cols) {
  static PyObject* const type = py::dtype::of<double>().release().ptr();
  static const py::detail::npy_api& numpy = py::detail::npy_api::get();
  constexpr int wanted =
      py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (Py_TYPE(object.ptr()) != numpy.PyArray_Type_) return {};
  const auto* const array = py::detail::array_proxy(object.ptr());
  const bool fits = array->descr == type && array->nd == 2 && array->dimensions[1] == cols &&
                    array->dimensions[0] <= std::numeric_limits<int>::max() &&
                    (array->flags & wanted) == wanted;
  if (!fits) return {};
  return {reinterpret_cast<const double*>(array->data), static_cast<int>(array->dimensions[0]),
          cols, cols};
}

template <class T>
VectorView<const T> vector_view(const Array<T>& a, const char* name) {
  if (a.ndim() != 1) throw py::value_error(std::string(name) + ": need a 1-D array");
  return {a.data(), to_int(a.shape(0), name)};
}

template <class T>
VectorView<T> mutable_vector_view(Array<T>& a, const char* name) {
  if (a.ndim() != 1) throw py::value_error(std::string(name) + ": need a 1-D array");
  return {a.mutable_data(), to_int(a.shape(0), name)};
}

template <class T>
MatrixView<const T> matrix_view(const Array<T>& a, const char* name) {
  if (a.ndim() != 2) throw py::value_error(std::string(name) + ": need a 2-D array");
  const int cols = to_int(a.shape(1), name);
  return {a.data(), to_int(a.shape(0), name), cols, cols};
}

template <class T>
MatrixView<T> mutable_matrix_view(Array<T>& a, const char* name) {
  if (a.ndim() != 2) throw py::value_error(std::string(name) + ": need a 2-D array");
  const int cols = to_int(a.shape(1), name);
  return {a.mutable_data(), to_int(a.shape(0), name), cols, cols};
}

}  // namespace optcore::python
