#include "pool_request.hpp"

namespace optcore::python {
namespace {

bool read_extent(PyObject* value, Request& request) {
  const Py_ssize_t n = PyNumber_AsSsize_t(value, PyExc_OverflowError);
  if (n == -1 && PyErr_Occurred() != nullptr) return false;
  if (n < 0) {
    PyErr_Format(PyExc_ValueError, "shape: extents must not be negative, got %zd", n);
    return false;
  }
  request.shape[request.dimensions++] = n;
  return true;
}

bool read_shape(PyObject* shape, Request& request) {
  if (PyIndex_Check(shape)) return read_extent(shape, request);
  PyObject* items = PySequence_Fast(shape, "shape: need a whole number or a sequence of them");
  if (items == nullptr) return false;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  bool good = count <= 32;
  if (!good) PyErr_Format(PyExc_ValueError, "shape: at most 32 dimensions, got %zd", count);
  for (Py_ssize_t i = 0; good && i < count; ++i) {
    good = read_extent(PySequence_Fast_GET_ITEM(items, i), request);
  }
  Py_DECREF(items);
  return good;
}

bool read_dtype(PyObject* dtype, PyObject* otherwise, Request& request) {
  if (dtype == nullptr) {
    request.dtype = Py_NewRef(otherwise);
    return true;
  }
  PyObject* descriptor = nullptr;
  if (py::detail::npy_api::get().PyArray_DescrConverter_(dtype, &descriptor) == 0) return false;
  request.dtype = descriptor;
  PyObject* has_objects = PyObject_GetAttrString(descriptor, "hasobject");
  const bool refused = has_objects == Py_True;
  Py_XDECREF(has_objects);
  if (refused) PyErr_SetString(PyExc_TypeError, "dtype: arrays of objects cannot be pooled");
  return !refused;
}

bool size_up(Request& request) {
  const auto item =
      static_cast<std::size_t>(py::reinterpret_borrow<py::dtype>(request.dtype).itemsize());
  std::size_t bytes = item;
  for (int i = 0; i < request.dimensions; ++i) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(request.shape[i]), &bytes)) {
      PyErr_SetString(PyExc_MemoryError, "shape: more bytes than there are addresses");
      return false;
    }
  }
  request.bytes = bytes;
  return true;
}

}  // namespace

bool read_request(PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                  PyObject* otherwise, Request& request) {
  PyObject *shape = count > 0 ? arguments[0] : nullptr, *dtype = count > 1 ? arguments[1] : nullptr;
  if (count > 2) {
    PyErr_Format(PyExc_TypeError, "need shape and dtype, got %zd positional arguments", count);
    return false;
  }
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject *name = PyTuple_GET_ITEM(names, i), *value = arguments[count + i];
    if (PyUnicode_CompareWithASCIIString(name, "shape") == 0 && shape == nullptr) {
      shape = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "dtype") == 0 && dtype == nullptr) {
      dtype = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "fill") == 0) {
      request.fill = value == Py_None ? nullptr : value;
    } else if (PyUnicode_CompareWithASCIIString(name, "order") == 0) {
      const bool c = PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, "C") == 0;
      request.fortran = PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, "F") == 0;
      if (!c && !request.fortran) {
        PyErr_Format(PyExc_ValueError, "order: need 'C' or 'F', got %R", value);
        return false;
      }
    } else {
      PyErr_Format(PyExc_TypeError, "unexpected argument %R; there are shape, dtype, order, fill",
                   name);
      return false;
    }
  }
  if (shape == nullptr) {
    PyErr_SetString(PyExc_TypeError, "shape is missing");
    return false;
  }
  return read_shape(shape, request) && read_dtype(dtype, otherwise, request) && size_up(request);
}

}  // namespace optcore::python
