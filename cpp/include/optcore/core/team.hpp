#pragma once

#include "optcore/core/config.hpp"

namespace optcore {

/// Who does the parts of a piece of work: the caller alone, or threads that the caller brings.
/// Everything here is firmware: the threads, if any, live behind `run`.
struct Team {
  /// Calls part(work, 0) ... part(work, size - 1), perhaps at the same time; all have returned when
  /// it does.
  using Run = void (*)(void* self, void (*part)(void* work, int index), void* work);

  int size = 1;
  Run run = nullptr;
  void* self = nullptr;

  /// body(index) for all parts.
  template <class Body>
  OPTCORE_HD void operator()(Body body) const noexcept {
    if (size <= 1 || run == nullptr) {
      for (int i = 0; i < size; ++i) body(i);
      return;
    }
    run(self, call<Body>, &body);
  }

 private:
  // Not a lambda: its name tells whose instruction set it is compiled for.
  template <class Body>
  OPTCORE_HD static void call(void* work, int index) noexcept {
    (*static_cast<Body*>(work))(index);
  }
};

}  // namespace optcore
