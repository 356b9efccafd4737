#include "callable.hpp"
#include "optcore/runtime/call_site.hpp"
#include "runtime.hpp"
// after Python.h
#include <structmember.h>

#include <cstddef>

/// `profiled`: a callable around a callable, called by vectorcall. A Python wrapper would cost six
/// times as much when off, since each of its calls makes a frame, a tuple and a dict.
namespace optcore::python {
namespace {

using runtime::Call;
using runtime::CallSite;

struct Profiled {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* callable;
  PyObject* dict;
  PyObject* weak;
  PyObject* on_slow;  // called with (elapsed ns) after a call beyond site->slow_ns, or None
  CallSite* site;
  PyObject* owner;  // the Python CallSite that keeps `site` alive
};

Profiled* self_of(PyObject* object) { return reinterpret_cast<Profiled*>(object); }

PyObject* call_on(Profiled* self, PyObject* const* arguments, std::size_t flags, PyObject* names) {
  CallSite& site = *self->site;
  Call call(site);
  PyObject* result = PyObject_Vectorcall(self->callable, arguments, flags, names);
  const std::int64_t elapsed = call.finish();
  if (result == nullptr) {
    site.errors.fetch_add(1, std::memory_order_relaxed);
  } else if (elapsed > site.slow_ns.load(std::memory_order_relaxed) && self->on_slow != Py_None) {
    PyObject* told = PyObject_CallFunction(self->on_slow, "L", static_cast<long long>(elapsed));
    if (told == nullptr) PyErr_WriteUnraisable(self->on_slow);  // never the caller's trouble
    Py_XDECREF(told);
  }
  return result;
}

PyObject* profiled_vectorcall(PyObject* object, PyObject* const* arguments, std::size_t flags,
                              PyObject* names) {
  Profiled* self = self_of(object);
  if (!self->site->on()) [[likely]] {
    return PyObject_Vectorcall(self->callable, arguments, flags, names);
  }
  return call_on(self, arguments, flags, names);
}

PyObject* profiled_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"callable", "site", "on_slow", nullptr};
  PyObject *callable = nullptr, *owner = nullptr, *on_slow = Py_None;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|O:profiled", const_cast<char**>(names),
                                   &callable, &owner, &on_slow)) {
    return nullptr;
  }
  if (!PyCallable_Check(callable)) {
    PyErr_Format(PyExc_TypeError, "profiled: need a callable, got %R", callable);
    return nullptr;
  }
  CallSite* site = nullptr;
  try {
    site = py::handle(owner).cast<CallSite*>();
  } catch (const py::cast_error&) {
    PyErr_Format(PyExc_TypeError, "profiled: need a CallSite, got %R", owner);
    return nullptr;
  }
  runtime::Clock::instance();  // measured here, not in the first call
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  Profiled* self = self_of(object);
  self->vectorcall = profiled_vectorcall;
  self->callable = Py_NewRef(callable);
  self->on_slow = Py_NewRef(on_slow);
  self->owner = Py_NewRef(owner);
  self->site = site;
  return object;
}

int profiled_traverse(PyObject* object, visitproc visit, void* arg) {
  Profiled* self = self_of(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->callable);
  Py_VISIT(self->dict);
  Py_VISIT(self->on_slow);
  Py_VISIT(self->owner);
  return 0;
}

int profiled_clear(PyObject* object) {
  Profiled* self = self_of(object);
  Py_CLEAR(self->callable);
  Py_CLEAR(self->dict);
  Py_CLEAR(self->on_slow);
  return 0;  // `owner` stays until the end: a call may still be running
}

void profiled_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (self_of(object)->weak != nullptr) PyObject_ClearWeakRefs(object);
  profiled_clear(object);
  Py_CLEAR(self_of(object)->owner);
  type->tp_free(object);
  Py_DECREF(type);
}

/// whatever else the function has: __defaults__, __code__, attributes
PyObject* profiled_getattro(PyObject* object, PyObject* name) {
  return attribute_or_of(object, name, self_of(object)->callable);
}

PyObject* profiled_repr(PyObject* object) {
  return PyUnicode_FromFormat("<profiled %R>", self_of(object)->callable);
}

PyMemberDef profiled_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Profiled, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Profiled, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Profiled, weak), READONLY, nullptr},
    {"__wrapped__", T_OBJECT, offsetof(Profiled, callable), READONLY, nullptr},
    {"site", T_OBJECT, offsetof(Profiled, owner), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef profiled_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

PyType_Slot profiled_slots[] = {{Py_tp_new, slot(profiled_new)},
                                {Py_tp_call, slot(PyVectorcall_Call)},
                                {Py_tp_dealloc, slot(profiled_dealloc)},
                                {Py_tp_traverse, slot(profiled_traverse)},
                                {Py_tp_clear, slot(profiled_clear)},
                                {Py_tp_descr_get, slot(bind_to_instance)},
                                {Py_tp_getattro, slot(profiled_getattro)},
                                {Py_tp_repr, slot(profiled_repr)},
                                {Py_tp_members, profiled_members},
                                {Py_tp_getset, profiled_getset},
                                {0, nullptr}};

PyType_Spec profiled_spec = {"optcore._native.runtime.profiled", sizeof(Profiled), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                 Py_TPFLAGS_METHOD_DESCRIPTOR,
                             profiled_slots};

}  // namespace

void bind_call(py::module_& m) {
  py::class_<CallSite>(m, "CallSite", "What one profiled function has cost.")
      .def(py::init<>())
      .def_property(
          "enabled", [](const CallSite& s) { return s.on(); },
          [](CallSite& s, bool on) { s.enabled.store(on, std::memory_order_relaxed); })
      .def_property(
          "slow_ns", [](const CallSite& s) { return s.slow_ns.load(); },
          [](CallSite& s, std::int64_t ns) { s.slow_ns.store(ns); })
      .def_property_readonly("total_ns", [](const CallSite& s) { return s.total_ns.load(); })
      .def_property_readonly("children_ns", [](const CallSite& s) { return s.children_ns.load(); })
      .def_property_readonly("errors", [](const CallSite& s) { return s.errors.load(); })
      .def_property_readonly(
          "histogram", [](CallSite& s) -> runtime::Histogram& { return s.histogram; },
          py::return_value_policy::reference_internal)
      .def("record", &CallSite::record, py::arg("elapsed_ns"), py::arg("inside_ns") = 0)
      .def("count_error", [](CallSite& s) { s.errors.fetch_add(1); })
      .def("reset", &CallSite::reset);
  PyObject* type = PyType_FromSpec(&profiled_spec);
  if (type == nullptr) throw py::error_already_set();
  m.attr("profiled") = py::reinterpret_steal<py::object>(type);
}

}  // namespace optcore::python
