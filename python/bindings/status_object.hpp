#pragma once

#include "module.hpp"
#include "optcore/core/status.hpp"

/// Status as a Python object without a look-up: a step returns one every call.
namespace optcore::python {

inline constexpr int lowest_status = -12, highest_status = 4;
inline PyObject* status_members[highest_status - lowest_status + 1] = {};

/// Called once, when optcore.Status has been bound.
inline void look_up_statuses(const py::module_& m) {
  for (int value = lowest_status; value <= highest_status; ++value) {
    const py::object member = m.attr("Status").attr(to_string(static_cast<Status>(value)));
    status_members[value - lowest_status] = member.inc_ref().ptr();
  }
}

inline py::handle status_object(Status status) {
  return status_members[static_cast<int>(status) - lowest_status];
}

}  // namespace optcore::python
