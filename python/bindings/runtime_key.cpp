/// Fingerprints of Python values: canonical bytes by type, hashed; large arrays without a copy.

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "key_encoder.hpp"

namespace optcore::python {
namespace {

using runtime::Digest;

constexpr int max_depth = 64;
constexpr std::size_t inline_bytes = 256;  // longer content enters as its own fingerprint

bool before(const Digest& a, const Digest& b) {
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/// Exactly an ndarray: subclasses (masked arrays, quantities) hold more than their buffer.
bool is_array(PyObject* o) { return Py_TYPE(o) == py::detail::npy_api::get().PyArray_Type_; }

}  // namespace

void KeyBuffer::append(const void* data, std::size_t n) {
  const auto* from = static_cast<const unsigned char*>(data);
  if (heap_.empty() && size_ + n <= sizeof stack_) {
    std::memcpy(stack_ + size_, from, n);
  } else {
    if (heap_.empty()) {
      heap_.reserve(4 * sizeof stack_);
      heap_.assign(stack_, stack_ + size_);
    }
    heap_.resize(size_);
    heap_.insert(heap_.end(), from, from + n);
  }
  size_ += n;
}

void KeyEncoder::value(PyObject* o, int depth) {
  if (depth > max_depth) throw py::type_error("nested deeper than 64 levels (or in a circle)");
  PyTypeObject* type = Py_TYPE(o);
  if (o == Py_None) return tag('N');
  if (type == &PyBool_Type) return tag(o == Py_True ? 'T' : 'F');
  if (type == &PyLong_Type) return integer(o);
  if (type == &PyFloat_Type) return plain('f', PyFloat_AS_DOUBLE(o));
  if (type == &PyComplex_Type) return plain('c', PyComplex_AsCComplex(o));
  if (type == &PyUnicode_Type) return text(o);
  if (type == &PyBytes_Type) {
    return content('b', PyBytes_AS_STRING(o), static_cast<std::size_t>(PyBytes_GET_SIZE(o)));
  }
  if (type == &PyTuple_Type || type == &PyList_Type) return sequence(o, depth);
  if (type == &PyDict_Type) return mapping(o, depth);
  if (type == &PySet_Type || type == &PyFrozenSet_Type) return set(o, depth);
  if (is_array(o)) return array(py::reinterpret_borrow<py::array>(o), depth);
  expanded(o, depth);
}

void KeyEncoder::content(char c, const void* data, std::size_t n) {
  tag(c);
  size(n);
  if (n <= inline_bytes) return raw(data, n);
  const Digest d = runtime::hash(data, n, seed_);
  raw(&d, sizeof d);
}

void KeyEncoder::integer(PyObject* o) {
  int overflow = 0;
  const long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow == 0) return plain('i', n);
  const auto hex = py::reinterpret_steal<py::object>(PyNumber_ToBase(o, 16));
  if (!hex) throw py::error_already_set();
  tag('I');
  text(hex.ptr());
}

void KeyEncoder::text(PyObject* o) {
  Py_ssize_t n = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(o, &n)) {
    return content('s', utf8, static_cast<std::size_t>(n));
  }
  PyErr_Clear();  // lone surrogates
  const auto bytes =
      py::reinterpret_steal<py::object>(PyUnicode_AsEncodedString(o, "utf-8", "surrogatepass"));
  if (!bytes) throw py::error_already_set();
  content('S', PyBytes_AS_STRING(bytes.ptr()),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
}

void KeyEncoder::sequence(PyObject* o, int depth) {
  tag(PyTuple_CheckExact(o) ? '(' : '[');
  const auto items = py::reinterpret_steal<py::object>(PySequence_Tuple(o));
  if (!items) throw py::error_already_set();
  const Py_ssize_t n = PyTuple_GET_SIZE(items.ptr());
  size(static_cast<std::size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) value(PyTuple_GET_ITEM(items.ptr(), i), depth + 1);
}

/// What an element adds, as a fingerprint; the buffer is left as it was.
Digest KeyEncoder::part(PyObject* o, int depth) {
  const std::size_t from = buffer_.size();
  value(o, depth + 1);
  const Digest d = digest(from);
  buffer_.shrink(from);
  return d;
}

void KeyEncoder::mapping(PyObject* o, int depth) {
  std::vector<std::pair<Digest, Digest>> items;
  const auto copy = py::reinterpret_steal<py::object>(PyDict_Items(o));
  if (!copy) throw py::error_already_set();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(copy.ptr()); ++i) {
    PyObject* pair = PyList_GET_ITEM(copy.ptr(), i);
    items.emplace_back(part(PyTuple_GET_ITEM(pair, 0), depth),
                       part(PyTuple_GET_ITEM(pair, 1), depth));
  }
  std::sort(items.begin(), items.end(),
            [](const auto& a, const auto& b) { return before(a.first, b.first); });
  tag('{');
  size(items.size());
  for (const auto& item : items) raw(&item, sizeof item);
}

void KeyEncoder::set(PyObject* o, int depth) {
  std::vector<Digest> items;
  const auto copy = py::reinterpret_steal<py::object>(PySequence_Tuple(o));
  if (!copy) throw py::error_already_set();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(copy.ptr()); ++i) {
    items.push_back(part(PyTuple_GET_ITEM(copy.ptr(), i), depth));
  }
  std::sort(items.begin(), items.end(), before);
  tag(PySet_CheckExact(o) ? '<' : '>');
  size(items.size());
  for (const Digest& item : items) raw(&item, sizeof item);
}

void KeyEncoder::array(const py::array& a, int depth) {
  const py::dtype type = a.dtype();
  const char kind = type.kind();
  if (std::strchr("biufcSUMm", kind) == nullptr) {
    throw py::type_error("an array of dtype " + py::str(type).cast<std::string>() +
                         " has no canonical bytes");
  }
  tag('a');
  if (kind == 'M' || kind == 'm') {
    value(type.attr("str").ptr(), depth + 1);  // with its unit
  } else {
    tag(kind);
    tag(type.byteorder() == '>' ? '>' : '<');
    size(static_cast<std::size_t>(type.itemsize()));
  }
  const auto ndim = static_cast<int>(a.ndim());
  tag(static_cast<char>(ndim));
  for (int i = 0; i < ndim; ++i) size(static_cast<std::size_t>(a.shape(i)));
  const auto bytes = static_cast<std::size_t>(a.nbytes());
  if ((a.flags() & py::array::c_style) != 0) {
    if (bytes <= inline_bytes) return raw(a.data(), bytes);
    const Digest d = runtime::hash(a.data(), bytes, seed_);
    return raw(&d, sizeof d);
  }
  if (bytes <= inline_bytes) {
    const auto copy = py::array::ensure(a, py::array::c_style);
    return raw(copy.data(), bytes);
  }
  const Digest d = runtime::hash_strided(a.data(), ndim, a.shape(), a.strides(),
                                         static_cast<std::size_t>(a.itemsize()), seed_);
  raw(&d, sizeof d);
}

/// Rarer types: Python says which plain values stand for the object.
void KeyEncoder::expanded(PyObject* o, int depth) {
  const py::object parts = expand_(py::handle(o));
  tag('x');
  value(parts.ptr(), depth + 1);
}

namespace {

py::bytes fingerprint(const py::object& value, const py::function& expand, std::uint64_t seed) {
  KeyEncoder encoder(expand, seed);
  encoder.value(value.ptr());
  const Digest d = encoder.digest();
  return {reinterpret_cast<const char*>(&d), sizeof d};
}

py::bytes checksum(const py::buffer& data) {
  const py::buffer_info info = data.request();
  if (info.ndim > 1 || (info.ndim == 1 && info.strides[0] != info.itemsize)) {
    throw py::type_error("data must be contiguous bytes");
  }
  const Digest d = runtime::hash(info.ptr, static_cast<std::size_t>(info.size * info.itemsize));
  return {reinterpret_cast<const char*>(&d), sizeof d};
}

}  // namespace

void bind_runtime_key(py::module_& m) {
  m.def("fingerprint", &fingerprint, py::arg("value"), py::arg("expand"), py::arg("seed") = 0,
        "XXH3-128 of the value's canonical bytes, 16 bytes. `expand(object)` gives plain values\n"
        "that stand for an object of another type, or raises TypeError.");
  m.def("checksum", &checksum, py::arg("data"), "XXH3-128 of contiguous bytes, 16 bytes.");
}

}  // namespace optcore::python
