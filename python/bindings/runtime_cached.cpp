#include "callable.hpp"
#include "key_encoder.hpp"
#include "memory_cache.hpp"
#include "runtime.hpp"
// after Python.h
#include <structmember.h>

#include <cstddef>
#include <new>
#include <vector>

/// `cached`: a function whose hits are found and handed out without leaving native code. Whatever
/// is not a plain hit goes to its Python controller.
namespace optcore::python {
namespace {

using runtime::Digest;

/// What a cached function does often enough to be counted here; the rest is counted in Python.
struct HitCounters {
  std::int64_t hits = 0;
  std::int64_t hit_ns = 0;
  std::int64_t skip = 0;      // calls that go past the cache
  std::int64_t bypassed = 0;  // calls that went past it
  std::int64_t review_at = INT64_MAX;
};

struct Parameter {
  py::object name;   // interned
  py::object value;  // default, or null
  bool by_position = true, by_name = true, in_key = true;
};

/// C++ parts of the object, made and destroyed in one piece.
struct Plan {
  py::object function, controller, cache, expand, token, counted;
  py::object miss, special, review;  // bound methods of the controller
  py::tuple containers;              // types of stored values that must be unpacked
  MemoryCache* store = nullptr;
  HitCounters* counters = nullptr;
  Digest identity;
  std::uint64_t seed = 0;
  std::vector<Parameter> parameters;
  std::size_t positions = 0;
  std::vector<py::object> cells;
  bool is_method = false;
};

struct Cached {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* dict;
  PyObject* weak;
  Plan* plan;
};

Plan& plan_of(PyObject* object) { return *reinterpret_cast<Cached*>(object)->plan; }

/// The values of all parameters in their order, borrowed; false when the call does not fit, which
/// the function itself explains best.
bool bind_arguments(const Plan& plan, PyObject* const* arguments, std::size_t given,
                    PyObject* names, PyObject** values) {
  const std::size_t count = plan.parameters.size();
  if (given > plan.positions) return false;
  std::copy_n(arguments, given, values);
  std::fill(values + given, values + count, nullptr);
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, k);
    std::size_t i = 0;
    while (i < count && plan.parameters[i].name.ptr() != name) ++i;
    if (i == count) {  // names that were made at run time are not interned
      for (i = 0; i < count; ++i) {
        if (PyUnicode_Compare(plan.parameters[i].name.ptr(), name) == 0) break;
      }
    }
    if (i == count || !plan.parameters[i].by_name || values[i] != nullptr) return false;
    values[i] = arguments[given + static_cast<std::size_t>(k)];
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i] == nullptr) values[i] = plan.parameters[i].value.ptr();
    if (values[i] == nullptr) return false;
  }
  return true;
}

constexpr std::size_t most_parameters = 32;

/// The fingerprint of (identity, value of each parameter, value of each cell), as in function.py.
bool key_of(const Plan& plan, PyObject* const* arguments, std::size_t given, PyObject* names,
            Digest& key) {
  PyObject* values[most_parameters];
  if (!bind_arguments(plan, arguments, given, names, values)) return false;
  std::size_t keyed = 1 + plan.cells.size();
  for (const Parameter& p : plan.parameters) keyed += p.in_key ? 1 : 0;
  KeyEncoder encoder(plan.expand, plan.seed);
  encoder.tuple_of(keyed);
  encoder.content('b', &plan.identity, sizeof plan.identity);
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
    if (!plan.parameters[i].in_key) continue;
    if (i == 0 && plan.is_method) {
      encoder.value(plan.token(py::handle(values[0])).ptr(), 1);
    } else {
      encoder.value(values[i], 1);
    }
  }
  for (const py::object& cell : plan.cells) {
    PyObject* content = PyCell_GET(cell.ptr());
    if (content == nullptr) return false;
    encoder.value(content, 1);
  }
  key = encoder.digest();
  return true;
}

PyObject* slowly(const Plan& plan, const py::object& key, const py::object& hit,
                 PyObject* const* arguments, std::size_t given, PyObject* names) {
  py::tuple positional(given);
  for (std::size_t i = 0; i < given; ++i) {
    positional[i] = py::reinterpret_borrow<py::object>(arguments[i]);
  }
  py::dict named;
  const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t k = 0; k < count; ++k) {
    named[PyTuple_GET_ITEM(names, k)] = py::handle(arguments[given + static_cast<std::size_t>(k)]);
  }
  return plan.miss(key, hit, positional, named).release().ptr();
}

PyObject* call(Plan& plan, PyObject* const* arguments, std::size_t flags, PyObject* names) {
  HitCounters& counters = *plan.counters;
  const auto given = static_cast<std::size_t>(PyVectorcall_NARGS(flags));
  if (counters.skip > 0) {
    --counters.skip;
    ++counters.bypassed;
    return PyObject_Vectorcall(plan.function.ptr(), arguments, flags, names);
  }
  const std::int64_t start = plan.store->now();
  Digest digest;
  bool has_key = false;
  try {
    has_key = key_of(plan, arguments, given, names, digest);
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
  } catch (const py::type_error&) {  // the controller tells which argument it was
  }
  if (!has_key) return slowly(plan, py::none(), py::none(), arguments, given, names);
  MemoryCache::Store::Removed removed;
  MemoryCache::Store::Hit hit = plan.store->find(digest, start, removed);
  const auto text = [](const Digest& d) {
    return py::bytes(reinterpret_cast<const char*>(&d), sizeof d);
  };
  if (hit.found != MemoryCache::Store::Found::yes) {
    const bool due = hit.found == MemoryCache::Store::Found::due;
    const py::object looked = due ? py::object(py::make_tuple(hit.value, true)) : py::none();
    return slowly(plan, text(digest), looked, arguments, given, names);
  }
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(hit.value.ptr()));
  for (const auto& container : plan.containers) {
    if (container.ptr() != type) continue;
    const py::object found = plan.special(hit.value);
    if (found.ptr() == Py_NotImplemented) {  // no longer valid
      return slowly(plan, text(digest), py::none(), arguments, given, names);
    }
    hit.value = found;
    break;
  }
  const std::int64_t taken = plan.store->now() - start;
  plan.store->latency().record(taken);
  ++plan.store->served;
  counters.hit_ns += taken;
  if (++counters.hits >= counters.review_at) plan.review();
  return hit.value.release().ptr();
}

PyObject* cached_vectorcall(PyObject* object, PyObject* const* arguments, std::size_t flags,
                            PyObject* names) {
  try {
    return call(plan_of(object), arguments, flags, names);
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

void fill(Plan& plan, const py::object& controller, const py::list& parameters) {
  plan.controller = controller;
  plan.function = controller.attr("_function");
  plan.miss = controller.attr("_miss");
  plan.special = controller.attr("_special");
  plan.review = controller.attr("_review");
  plan.expand = controller.attr("_expand");
  plan.token = controller.attr("_token");
  plan.containers = controller.attr("_containers");
  plan.counted = controller.attr("_counters");
  plan.counters = plan.counted.cast<HitCounters*>();
  plan.cache = controller.attr("_memory");
  plan.store = plan.cache.cast<MemoryCache*>();
  plan.seed = controller.attr("_seed").cast<std::uint64_t>();
  plan.identity = digest_of(controller.attr("_identity").cast<py::bytes>());
  for (const auto& item : parameters) {
    const auto [name, has_default, value, by_position, by_name, in_key] =
        item.cast<std::tuple<py::str, bool, py::object, bool, bool, bool>>();
    PyObject* interned = name.inc_ref().ptr();
    PyUnicode_InternInPlace(&interned);
    plan.parameters.push_back({py::reinterpret_steal<py::object>(interned),
                               has_default ? value : py::object(), by_position, by_name, in_key});
    plan.positions += by_position ? 1 : 0;
  }
  if (plan.parameters.size() > most_parameters) throw py::value_error("too many parameters");
  for (const auto& cell : controller.attr("_cells").attr("values")()) {
    plan.cells.push_back(py::reinterpret_borrow<py::object>(cell));
  }
}

PyObject* cached_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *controller = nullptr, *parameters = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO!:cached", &controller, &PyList_Type, &parameters)) {
    return nullptr;
  }
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  auto* self = reinterpret_cast<Cached*>(object);
  self->vectorcall = cached_vectorcall;
  try {
    self->plan = new Plan;
    fill(*self->plan, py::reinterpret_borrow<py::object>(controller),
         py::reinterpret_borrow<py::list>(parameters));
    return object;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  }
  Py_DECREF(object);
  return nullptr;
}

int cached_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(reinterpret_cast<Cached*>(object)->dict);
  if (reinterpret_cast<Cached*>(object)->plan != nullptr) {
    const Plan& plan = plan_of(object);
    for (const py::object* held :
         {&plan.function, &plan.controller, &plan.miss, &plan.special, &plan.review, &plan.token}) {
      Py_VISIT(held->ptr());
    }
    for (const Parameter& parameter : plan.parameters) Py_VISIT(parameter.value.ptr());
    for (const py::object& cell : plan.cells) Py_VISIT(cell.ptr());
  }
  return 0;
}

int cached_clear(PyObject* object) {
  auto* self = reinterpret_cast<Cached*>(object);
  Py_CLEAR(self->dict);
  Plan* plan = self->plan;
  self->plan = nullptr;
  delete plan;
  return 0;
}

void cached_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (reinterpret_cast<Cached*>(object)->weak != nullptr) PyObject_ClearWeakRefs(object);
  cached_clear(object);
  type->tp_free(object);
  Py_DECREF(type);
}

/// cache_info, cache_clear, ... are the controller's
PyObject* cached_getattro(PyObject* object, PyObject* name) {
  return attribute_or_of(object, name, plan_of(object).controller.ptr());
}

PyObject* cached_set_name(PyObject* object, PyObject*) {
  plan_of(object).is_method = true;
  const py::object controller = plan_of(object).controller;
  return PyObject_SetAttrString(controller.ptr(), "_is_method", Py_True) == 0 ? Py_NewRef(Py_None)
                                                                              : nullptr;
}

PyObject* cached_set_identity(PyObject* object, PyObject* identity) {
  if (!PyBytes_Check(identity) || PyBytes_GET_SIZE(identity) != sizeof(Digest)) {
    PyErr_SetString(PyExc_ValueError, "identity must be 16 bytes");
    return nullptr;
  }
  std::memcpy(&plan_of(object).identity, PyBytes_AS_STRING(identity), sizeof(Digest));
  Py_RETURN_NONE;
}

PyObject* cached_repr(PyObject* object) {
  return PyUnicode_FromFormat("<cached %R>", plan_of(object).function.ptr());
}

PyMethodDef cached_methods[] = {{"__set_name__", cached_set_name, METH_VARARGS, nullptr},
                                {"_set_identity", cached_set_identity, METH_O, nullptr},
                                {nullptr, nullptr, 0, nullptr}};

PyMemberDef cached_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Cached, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Cached, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Cached, weak), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef cached_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

PyType_Slot cached_slots[] = {
    {Py_tp_new, slot(cached_new)},           {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_dealloc, slot(cached_dealloc)},   {Py_tp_traverse, slot(cached_traverse)},
    {Py_tp_clear, slot(cached_clear)},       {Py_tp_descr_get, slot(bind_to_instance)},
    {Py_tp_getattro, slot(cached_getattro)}, {Py_tp_repr, slot(cached_repr)},
    {Py_tp_methods, cached_methods},         {Py_tp_members, cached_members},
    {Py_tp_getset, cached_getset},           {0, nullptr}};

PyType_Spec cached_spec = {"optcore._native.runtime.cached", sizeof(Cached), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                               Py_TPFLAGS_METHOD_DESCRIPTOR,
                           cached_slots};

}  // namespace

void bind_cached(py::module_& m) {
  py::class_<HitCounters>(m, "HitCounters", "What a cached function counts in native code.")
      .def(py::init<>())
      .def_readwrite("hits", &HitCounters::hits)
      .def_readwrite("hit_ns", &HitCounters::hit_ns)
      .def_readwrite("skip", &HitCounters::skip)
      .def_readwrite("bypassed", &HitCounters::bypassed)
      .def_readwrite("review_at", &HitCounters::review_at);
  PyObject* type = PyType_FromSpec(&cached_spec);
  if (type == nullptr) throw py::error_already_set();
  m.attr("cached") = py::reinterpret_steal<py::object>(type);
}

}  // namespace optcore::python
