/// Reads the frames of the cache (frame.py writes them). Every step checks what is left before it
/// takes or allocates anything; what does not fit raises ValueError.

#include <pybind11/numpy.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "optcore/runtime/hash.hpp"
#include "runtime.hpp"

namespace optcore::python {
namespace {

constexpr std::string_view magic("OPCORE\0\2", 8);
constexpr std::size_t checked_from = 24;  // the checksum covers what follows it
constexpr std::size_t header = 64;
constexpr std::size_t alignment = 64;
constexpr int max_depth = 64;
constexpr int max_dimensions = 32;

[[noreturn]] void bad(const char* why) { throw py::value_error(why); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool all_digits(std::string_view s, std::size_t most) {
  if (s.empty() || s.size() > most) return false;
  for (const char c : s) {
    if (!is_digit(c)) return false;
  }
  return true;
}

/// Plain numbers, fixed strings and times; no objects, no records.
bool is_allowed(std::string_view dtype) {
  if (dtype.size() < 3 || std::string_view("<>|=").find(dtype[0]) == std::string_view::npos) {
    return false;
  }
  const std::string_view rest = dtype.substr(2);
  switch (dtype[1]) {
    case 'b':
    case 'i':
    case 'u':
    case 'f':
    case 'c': return all_digits(rest, 2);
    case 'S':
    case 'U': return all_digits(rest, 9);
    case 'm':
    case 'M': {
      if (rest.size() < 4 || rest.size() > 11 || rest.substr(0, 2) != "8[" || rest.back() != ']') {
        return false;
      }
      for (const char c : rest.substr(2, rest.size() - 3)) {
        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) return false;
      }
      return true;
    }
    default: return false;
  }
}

class Reader {
 public:
  /// @param owner  a buffer that lives as long as the arrays that lie in it.
  Reader(const unsigned char* data, std::size_t size, py::object owner)
      : data_(data), size_(size), at_(header), owner_(std::move(owner)) {}

  [[nodiscard]] bool at_end() const { return at_ == size_; }

  template <class T>
  T plain() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }

  /// How many items or bytes follow; each needs at least one byte.
  std::size_t length() {
    const auto n = plain<std::uint64_t>();
    if (n > size_ - at_) bad("truncated");
    return static_cast<std::size_t>(n);
  }

  py::object value(int depth) {
    if (depth > max_depth) bad("nested deeper than 64 levels");
    const char tag = *text(1);
    switch (tag) {
      case 'N': return py::none();
      case 'T': return py::bool_(true);
      case 'F': return py::bool_(false);
      case 'f': return py::float_(plain<double>());
      case 'c': {
        const auto real = plain<double>();
        const auto imaginary = plain<double>();
        return owned(PyComplex_FromDoubles(real, imaginary));
      }
      case 'i': return integer();
      case 's': {
        const std::size_t n = length();
        return owned(PyUnicode_DecodeUTF8(text(n), static_cast<Py_ssize_t>(n), "surrogatepass"));
      }
      case 'b': {
        const std::size_t n = length();
        return py::bytes(text(n), n);
      }
      case '[': return items(depth);
      case '(': return py::tuple(items(depth));
      case '<': return owned(PySet_New(items(depth).ptr()));
      case '>': return owned(PyFrozenSet_New(items(depth).ptr()));
      case '{': {
        const std::size_t n = length();
        py::dict result;
        for (std::size_t i = 0; i < n; ++i) {
          const py::object name = value(depth + 1);
          result[name] = value(depth + 1);
        }
        return result;
      }
      case 'a': return array();
      case 'g': return py::object(array()[py::tuple()]);
      case 'D': return time();
      default: bad("unknown tag");
    }
  }

 private:
  static py::object owned(PyObject* o) {
    if (o == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(o);
  }

  const unsigned char* take(std::size_t n) {
    if (n > size_ - at_) bad("truncated");
    at_ += n;
    return data_ + at_ - n;
  }

  const char* text(std::size_t n) { return reinterpret_cast<const char*>(take(n)); }

  py::object integer() {
    const std::size_t n = length();
    const unsigned char* bytes = take(n);
    if (n == 0 || n > 8) {
      const py::bytes all(reinterpret_cast<const char*>(bytes), n);
      const py::handle type(reinterpret_cast<PyObject*>(&PyLong_Type));
      return type.attr("from_bytes")(all, "little", py::arg("signed") = true);
    }
    std::uint64_t wide = (bytes[n - 1] & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&wide, bytes, n);
    return py::int_(static_cast<std::int64_t>(wide));
  }

  py::list items(int depth) {
    const std::size_t n = length();
    py::list result;  // grows with what is really there
    for (std::size_t i = 0; i < n; ++i) result.append(value(depth + 1));
    return result;
  }

  py::array array() {
    const std::size_t n = length();
    const std::string_view name(text(n), n);
    if (!is_allowed(name)) bad("dtype is not allowed");
    const py::dtype type = name == "<f8" ? py::dtype::of<double>() : py::dtype(std::string(name));
    const auto item = static_cast<std::size_t>(type.itemsize());
    const int ndim = *take(1);
    if (ndim > max_dimensions) bad("too many dimensions");
    std::vector<py::ssize_t> shape(static_cast<std::size_t>(ndim));
    std::size_t bytes = item;
    bool empty = item == 0;
    for (auto& length : shape) {
      const auto wide = plain<std::uint64_t>();
      if (wide > static_cast<std::uint64_t>(PTRDIFF_MAX)) bad("an axis is too long");
      length = static_cast<py::ssize_t>(wide);
      empty |= wide == 0;
    }
    for (const auto length : shape) {
      if (!empty && __builtin_mul_overflow(bytes, static_cast<std::size_t>(length), &bytes)) {
        bad("an array is too large");
      }
    }
    take((alignment - at_ % alignment) % alignment);
    py::array result = empty ? py::array(type, shape) : over(type, shape, take(bytes));
    py::detail::array_proxy(result.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
    return result;
  }

  py::array over(const py::dtype& type, const std::vector<py::ssize_t>& shape,
                 const unsigned char* data) {
    return {type, shape, data, owner_};
  }

  py::object time() {
    const std::size_t n = length();
    const std::string_view all(text(n), n);
    if (n < 2 || (all.back() != '0' && all.back() != '1')) bad("not a time");
    const py::object type = py::module_::import("datetime").attr("datetime");
    const py::object when = type.attr("fromisoformat")(py::str(all.data(), n - 1));
    return when.attr("replace")(py::arg("fold") = all.back() - '0');
  }

  const unsigned char* data_;
  std::size_t size_;
  std::size_t at_;
  py::object owner_;
};

py::tuple decode(const py::bytes& key, const py::buffer& frame, bool verify) {
  const py::buffer_info info = frame.request();
  const auto size = static_cast<std::size_t>(info.size * info.itemsize);
  if (info.ndim != 1 || !info.readonly) bad("need read-only bytes");
  if (size < header) bad("shorter than a header");
  const auto* data = static_cast<const unsigned char*>(info.ptr);
  const auto name = static_cast<std::string_view>(key);
  std::uint64_t length = 0;
  std::memcpy(&length, data + header - 8, 8);
  if (std::memcmp(data, magic.data(), magic.size()) != 0 || name.size() != 16 ||
      std::memcmp(data + checked_from, name.data(), 16) != 0 || length != size - header) {
    bad("another format, key or length");
  }
  if (verify) {
    const runtime::Digest d = runtime::hash(data + checked_from, size - checked_from);
    if (std::memcmp(&d, data + 8, sizeof d) != 0) bad("checksum differs");
  }
  double stored = 0, ttl = 0;
  std::memcpy(&stored, data + 40, 8);
  std::memcpy(&ttl, data + 48, 8);
  Reader reader(data, size, frame);
  const std::size_t count = reader.length();
  py::tuple stamps;
  if (count > 0) {
    py::list list;
    for (std::size_t i = 0; i < count; ++i) {
      const auto slot = reader.plain<std::uint64_t>();
      list.append(py::make_tuple(slot, reader.plain<std::uint64_t>()));
    }
    stamps = py::tuple(list);
  }
  const py::object value = reader.value(0);
  if (!reader.at_end()) bad("bytes left over");
  return py::make_tuple(value, stored, ttl, stamps);
}

}  // namespace

void bind_frame(py::module_& m) {
  m.def("decode_frame", &decode, py::arg("key"), py::arg("frame"), py::arg("verify") = true,
        "(value, time of writing, time to live, stamps) of a frame; arrays are read-only and lie\n"
        "in `frame`. Raises ValueError, TypeError or OverflowError for what is not a frame.");
}

}  // namespace optcore::python
