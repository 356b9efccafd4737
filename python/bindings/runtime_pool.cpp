#include <pybind11/numpy.h>

#include <cstddef>
#include <cstring>

#include "optcore/runtime/block_pool.hpp"
#include "pool_request.hpp"
#include "runtime.hpp"

/// `ArrayPool`: NumPy arrays over pooled memory, written against the C API since a pybind11 call
/// alone costs more than handing out an array.
///
/// An array's base is a Lease on its block. Views, memoryviews and DLPack capsules all hold a
/// reference on the array, so its reference count says whether something of it lives on: then the
/// block is not recycled (`escaped`) before the last of them dies. A recycled array is blinded: it
/// reads all-ones bytes (NaN), refuses writes, and never shows what the next owner does.
namespace optcore::python {
namespace {

using runtime::BlockPool;

struct Lease;

struct Pool {
  PyObject_HEAD BlockPool* blocks;
  PyObject* double_type;
  Lease* live;  // all that are out, newest first
  long long outstanding, outstanding_bytes, leaked, escaped, ignored;
  bool pooling, reclaim, poison, tracking;
};

struct Lease {
  PyObject_HEAD Pool* pool;
  BlockPool::Block* block;  // nullptr once returned
  PyObject* array;          // borrowed: the one array handed out, which holds this lease
  PyObject* code;           // who asked, when the pool is tracking
  Lease *newer, *older;
  long long bytes;
  int line;
  bool forgiven;  // its end is not a leak: it escaped from a context manager, counted already
};

struct Temporary {
  PyObject_HEAD PyObject* array;
  bool entered;
};

PyTypeObject* pool_type = nullptr;
PyTypeObject* lease_type = nullptr;
PyTypeObject* temporary_type = nullptr;

// What a recycled array reads: NaN in every floating type, -1 in the integers.
constexpr std::size_t blind_bytes = 4096;
alignas(64) unsigned char blind[blind_bytes];

// References on an array that only its holder's variable has: that one, and the argument's own
// where the interpreter does not borrow it.
constexpr Py_ssize_t argument_references = PY_VERSION_HEX >= 0x030E0000 ? 1 : 2;

template <class T>
T* as(PyObject* object) {
  return reinterpret_cast<T*>(object);
}
template <class Function>
void* slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

void unlink(Lease* lease) {
  Pool* pool = lease->pool;
  (lease->newer != nullptr ? lease->newer->older : pool->live) = lease->older;
  if (lease->older != nullptr) lease->older->newer = lease->newer;
  --pool->outstanding;
  pool->outstanding_bytes -= lease->bytes;
}

void give_block_back(Lease* lease, bool keep) {
  BlockPool::Block* block = std::exchange(lease->block, nullptr);
  unlink(lease);
  if (keep && lease->pool->pooling) {
    lease->pool->blocks->release(block);
  } else {
    lease->pool->blocks->discard(block);
  }
}

void lease_dealloc(PyObject* object) {
  auto* lease = as<Lease>(object);
  if (lease->block != nullptr) {
    if (lease->pool->reclaim && !lease->forgiven) ++lease->pool->leaked;
    give_block_back(lease, lease->pool->reclaim || lease->forgiven);
  }
  Py_XDECREF(lease->code);
  Py_DECREF(lease->pool);
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

/// The array's lease if it is one that this pool handed out and has not taken back.
Lease* lease_of(Pool* pool, PyObject* array) {
  if (!py::detail::npy_api::get().PyArray_Check_(array)) return nullptr;
  PyObject* base = py::detail::array_proxy(array)->base;
  if (base == nullptr || Py_TYPE(base) != lease_type) return nullptr;
  auto* lease = as<Lease>(base);
  return lease->array == array && lease->block != nullptr && lease->pool == pool ? lease : nullptr;
}

/// Takes the block from under the array; false when something else may still read it.
bool recycle(Lease* lease, PyObject* array, Py_ssize_t expected) {
  auto* fields = py::detail::array_proxy(array);
  const py::ssize_t item = py::reinterpret_borrow<py::dtype>(fields->descr).itemsize();
  if (Py_REFCNT(array) > expected || item > static_cast<py::ssize_t>(blind_bytes)) return false;
  fields->data = reinterpret_cast<char*>(blind);
  for (int i = 0; i < fields->nd; ++i) fields->strides[i] = 0;
  fields->flags &=
      ~(py::detail::npy_api::NPY_ARRAY_WRITEABLE_ | py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ |
        py::detail::npy_api::NPY_ARRAY_F_CONTIGUOUS_);
  give_block_back(lease, true);
  return true;
}

void note_caller(Lease* lease) {
  PyFrameObject* frame = PyEval_GetFrame();
  if (frame == nullptr) return;
  lease->code = reinterpret_cast<PyObject*>(PyFrame_GetCode(frame));
  lease->line = PyFrame_GetLineNumber(frame);
}

PyObject* make_array(Pool* pool, Request& request) {
  BlockPool::Block* block = pool->blocks->acquire(request.bytes);
  if (block == nullptr) {
    PyErr_Format(PyExc_MemoryError, "no memory for %zu bytes, idle blocks given back",
                 request.bytes);
    return nullptr;
  }
  auto* lease = as<Lease>(lease_type->tp_alloc(lease_type, 0));
  if (lease == nullptr) {
    pool->blocks->release(block);
    return nullptr;
  }
  lease->pool = as<Pool>(Py_NewRef(as<PyObject>(reinterpret_cast<PyObject*>(pool))));
  lease->block = block;
  lease->bytes = static_cast<long long>(block->bytes);
  lease->older = pool->live;
  if (pool->live != nullptr) pool->live->newer = lease;
  pool->live = lease;
  ++pool->outstanding;
  pool->outstanding_bytes += lease->bytes;
  lease->forgiven = true;  // until the array exists, its end is nobody's leak
  if (pool->tracking) note_caller(lease);

  using Api = py::detail::npy_api;
  const Api& api = Api::get();
  int flags = Api::NPY_ARRAY_WRITEABLE_ | Api::NPY_ARRAY_ALIGNED_;
  if (request.fortran) flags |= Api::NPY_ARRAY_F_CONTIGUOUS_;
  PyObject* array = api.PyArray_NewFromDescr_(
      api.PyArray_Type_, std::exchange(request.dtype, nullptr), request.dimensions, request.shape,
      nullptr, block->data, flags, nullptr);
  if (array == nullptr) {
    Py_DECREF(reinterpret_cast<PyObject*>(lease));
    return nullptr;
  }
  lease->forgiven = false;
  lease->array = array;
  py::detail::array_proxy(array)->base = reinterpret_cast<PyObject*>(lease);
  if (pool->poison) std::memset(block->data, 0xff, request.bytes);
  if (request.fill != nullptr) {
    PyObject* done = PyObject_CallMethod(array, "fill", "O", request.fill);
    if (done == nullptr) {
      lease->forgiven = true;
      Py_DECREF(array);
      return nullptr;
    }
    Py_DECREF(done);
  }
  return array;
}

PyObject* pool_get(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Request request;
  if (!read_request(arguments, count, names, as<Pool>(self)->double_type, request)) return nullptr;
  return make_array(as<Pool>(self), request);
}

PyObject* pool_give_back(PyObject* self, PyObject* array) {
  auto* pool = as<Pool>(self);
  Lease* lease = lease_of(pool, array);
  if (lease == nullptr) {
    ++pool->ignored;  // returned before, somebody else's, or a view
  } else if (!recycle(lease, array, argument_references)) {
    if (!lease->forgiven) ++pool->escaped;
    lease->forgiven = true;
  }
  Py_RETURN_NONE;
}

PyObject* pool_temporary(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* names) {
  PyObject* array = pool_get(self, arguments, count, names);
  if (array == nullptr) return nullptr;
  auto* temporary = as<Temporary>(temporary_type->tp_alloc(temporary_type, 0));
  if (temporary == nullptr) {
    Py_DECREF(array);
    return nullptr;
  }
  temporary->array = array;
  return reinterpret_cast<PyObject*>(temporary);
}

void close_temporary(Temporary* temporary) {
  PyObject* array = std::exchange(temporary->array, nullptr);
  if (array == nullptr) return;
  auto* lease = as<Lease>(py::detail::array_proxy(array)->base);
  if (lease->block != nullptr && !lease->forgiven) {  // else returned by hand inside the block
    // ours, and the variable of the `with`
    if (!recycle(lease, array, 2)) {
      ++lease->pool->escaped;
      lease->forgiven = true;
    }
  }
  Py_DECREF(array);
}

PyObject* temporary_enter(PyObject* self, PyObject*) {
  auto* temporary = as<Temporary>(self);
  if (temporary->array == nullptr || temporary->entered) {
    PyErr_SetString(PyExc_RuntimeError, "temporary_array: a context manager serves once");
    return nullptr;
  }
  temporary->entered = true;
  return Py_NewRef(temporary->array);
}

PyObject* temporary_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
  close_temporary(as<Temporary>(self));
  Py_RETURN_FALSE;
}

void temporary_dealloc(PyObject* self) {
  close_temporary(as<Temporary>(self));
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* pool_trim(PyObject* self, PyObject*) {
  return PyLong_FromLongLong(as<Pool>(self)->blocks->trim());
}

PyObject* pool_statistics(PyObject* self, PyObject*) {
  auto* pool = as<Pool>(self);
  const auto s = pool->blocks->statistics();
  return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L}", "idle_blocks",
                       static_cast<long long>(s.idle_blocks), "idle_bytes",
                       static_cast<long long>(s.idle_bytes), "hits", static_cast<long long>(s.hits),
                       "misses", static_cast<long long>(s.misses), "unlocked",
                       static_cast<long long>(s.unlocked), "outstanding", pool->outstanding,
                       "outstanding_bytes", pool->outstanding_bytes, "leaked", pool->leaked,
                       "escaped", pool->escaped, "ignored", pool->ignored);
}

/// [(bytes, file or None, line)] of what is out, newest first.
PyObject* pool_live(PyObject* self, PyObject*) {
  py::list rows;
  for (const Lease* lease = as<Pool>(self)->live; lease != nullptr; lease = lease->older) {
    py::object file = py::none();
    if (lease->code != nullptr) file = py::handle(lease->code).attr("co_filename");
    rows.append(py::make_tuple(lease->bytes, file, lease->line));
  }
  return rows.release().ptr();
}

PyObject* pool_track(PyObject* self, PyObject* on) {
  as<Pool>(self)->tracking = PyObject_IsTrue(on) == 1;
  Py_RETURN_NONE;
}

PyObject* pool_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"max_idle", "max_idle_bytes", "huge_pages", "lock", "prefault",
                                "poison",   "pooling",        "reclaim",    nullptr};
  long long max_idle = 1000, max_idle_bytes = 500LL << 20;
  int huge_pages = 1, lock = 0, prefault = 0, poison = 0, pooling = 1, reclaim = 1;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$LLpppppp:ArrayPool",
                                   const_cast<char**>(names), &max_idle, &max_idle_bytes,
                                   &huge_pages, &lock, &prefault, &poison, &pooling, &reclaim)) {
    return nullptr;
  }
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  auto* pool = as<Pool>(object);
  pool->poison = poison != 0;
  pool->pooling = pooling != 0;
  pool->reclaim = reclaim != 0;
  pool->double_type = py::dtype::of<double>().release().ptr();
  pool->blocks = new (std::nothrow) BlockPool({.max_idle_blocks = max_idle,
                                               .max_idle_bytes = max_idle_bytes,
                                               .huge_pages = huge_pages != 0,
                                               .lock = lock != 0,
                                               .prefault = prefault != 0});
  if (pool->blocks == nullptr) {
    Py_DECREF(object);
    return PyErr_NoMemory();
  }
  return object;
}

void pool_dealloc(PyObject* object) {
  delete as<Pool>(object)->blocks;  // every lease holds a reference on the pool: none is out
  Py_XDECREF(as<Pool>(object)->double_type);
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

template <class Function>
PyCFunction method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef pool_methods[] = {
    {"get", method(pool_get), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"give_back", pool_give_back, METH_O, nullptr},
    {"temporary", method(pool_temporary), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"trim", pool_trim, METH_NOARGS, nullptr},
    {"statistics", pool_statistics, METH_NOARGS, nullptr},
    {"live", pool_live, METH_NOARGS, nullptr},
    {"track", pool_track, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot pool_slots[] = {{Py_tp_new, slot(pool_new)},
                            {Py_tp_dealloc, slot(pool_dealloc)},
                            {Py_tp_methods, pool_methods},
                            {0, nullptr}};
PyType_Spec pool_spec = {"optcore._native.runtime.ArrayPool", sizeof(Pool), 0, Py_TPFLAGS_DEFAULT,
                         pool_slots};

PyType_Slot lease_slots[] = {{Py_tp_dealloc, slot(lease_dealloc)}, {0, nullptr}};
PyType_Spec lease_spec = {"optcore._native.runtime.Lease", sizeof(Lease), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, lease_slots};

PyMethodDef temporary_methods[] = {{"__enter__", temporary_enter, METH_NOARGS, nullptr},
                                   {"__exit__", method(temporary_exit), METH_FASTCALL, nullptr},
                                   {nullptr, nullptr, 0, nullptr}};
PyType_Slot temporary_slots[] = {
    {Py_tp_dealloc, slot(temporary_dealloc)}, {Py_tp_methods, temporary_methods}, {0, nullptr}};
PyType_Spec temporary_spec = {"optcore._native.runtime.TemporaryArray", sizeof(Temporary), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                              temporary_slots};

PyTypeObject* make_type(py::module_& m, const char* name, PyType_Spec& spec) {
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  m.attr(name) = py::reinterpret_borrow<py::object>(type);
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace

void bind_pool(py::module_& m) {
  std::memset(blind, 0xff, blind_bytes);
  pool_type = make_type(m, "ArrayPool", pool_spec);
  lease_type = make_type(m, "Lease", lease_spec);
  temporary_type = make_type(m, "TemporaryArray", temporary_spec);
}

}  // namespace optcore::python
