#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "module.hpp"
#include "optcore/runtime/hash.hpp"

namespace optcore::python {

/// Bytes that stay on the stack while they are few: most keys are.
class KeyBuffer {
 public:
  void push(unsigned char c) { append(&c, 1); }
  void append(const void* data, std::size_t n);
  void shrink(std::size_t n) { size_ = n; }
  [[nodiscard]] const unsigned char* data() const { return heap_.empty() ? stack_ : heap_.data(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
  std::vector<unsigned char> heap_;
  unsigned char stack_[512];
};

/// Canonical bytes of Python values, by type; large content enters as its own fingerprint, without
/// a copy. Throws TypeError for what has no canonical bytes.
class KeyEncoder {
 public:
  /// @param expand  gives plain values for an object of a type unknown here, or raises.
  KeyEncoder(py::handle expand, std::uint64_t seed) : expand_(expand), seed_(seed) {}

  void value(PyObject* o, int depth = 0);

  /// The head of a tuple of n items, whose values follow.
  void tuple_of(std::size_t n) {
    tag('(');
    size(n);
  }

  void content(char c, const void* data, std::size_t n);

  [[nodiscard]] runtime::Digest digest(std::size_t from = 0) const {
    return runtime::hash(buffer_.data() + from, buffer_.size() - from, seed_);
  }

 private:
  void tag(char c) { buffer_.push(static_cast<unsigned char>(c)); }
  void raw(const void* data, std::size_t n) { buffer_.append(data, n); }

  template <class T>
  void plain(char c, const T& x) {
    tag(c);
    raw(&x, sizeof x);
  }

  void size(std::size_t n) {
    const auto wide = static_cast<std::uint64_t>(n);
    raw(&wide, sizeof wide);
  }

  void integer(PyObject* o);
  void text(PyObject* o);
  void sequence(PyObject* o, int depth);
  runtime::Digest part(PyObject* o, int depth);
  void mapping(PyObject* o, int depth);
  void set(PyObject* o, int depth);
  void array(const py::array& a, int depth);
  void expanded(PyObject* o, int depth);

  py::handle expand_;
  std::uint64_t seed_;
  KeyBuffer buffer_;
};

}  // namespace optcore::python
