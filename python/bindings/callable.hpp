#pragma once

#include "module.hpp"

/// What objects that stand for a function share, as slots of their types.
namespace optcore::python {

/// tp_descr_get: looked up in an instance, the object becomes its method.
inline PyObject* bind_to_instance(PyObject* object, PyObject* instance, PyObject*) {
  if (instance == nullptr || instance == Py_None) return Py_NewRef(object);
  return PyMethod_New(object, instance);
}

/// The object's own attribute, or else that of what it stands for.
inline PyObject* attribute_or_of(PyObject* object, PyObject* name, PyObject* other) {
  PyObject* found = PyObject_GenericGetAttr(object, name);
  if (found != nullptr || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  PyErr_Clear();
  return PyObject_GetAttr(other, name);
}

}  // namespace optcore::python
