#include "module.hpp"
#include "numpy_view.hpp"
#include "optcore/host/gp.hpp"

/// `Model.predict` of arrays that the core takes as they are, written against the C API since a
/// pybind11 call costs half of what one answer does. All else goes to the bound function, which
/// also explains what is wrong.
namespace optcore::python {

namespace {

using host::GaussianProcess;

PyObject* bound_predict = nullptr;  // of the class, for the life of the module

PyObject* predict(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  auto holder = reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder();
  auto* const gp = static_cast<GaussianProcess*>(holder.value_ptr());
  if (gp != nullptr && count == 2) {
    const auto x = plain_matrix(arguments[0], gp->dims());
    const int outputs = gp->outputs();
    const bool flat = arguments[1] == Py_True;
    if (x.data != nullptr && (!flat || outputs == 1)) {
      try {
        auto mean = flat ? new_array<double>(x.rows) : new_array<double>(x.rows, outputs);
        auto variance = new_array<double>(x.rows);
        const Status status = gp->predict(x, {mean.mutable_data(), x.rows, outputs, outputs},
                                          {variance.mutable_data(), x.rows});
        if (!failed(status)) {
          PyObject* const answer = PyTuple_New(2);
          if (answer == nullptr) return nullptr;
          PyTuple_SET_ITEM(answer, 0, mean.release().ptr());
          PyTuple_SET_ITEM(answer, 1, variance.release().ptr());
          return answer;
        }
      } catch (py::error_already_set& error) {
        error.restore();
        return nullptr;
      }
    }
  }
  PyObject* all[3] = {self, nullptr, nullptr};
  if (count > 2) {
    PyErr_SetString(PyExc_TypeError, "predict: takes X and flat");
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < count; ++i) all[i + 1] = arguments[i];
  return PyObject_Vectorcall(bound_predict, all, static_cast<std::size_t>(count + 1), nullptr);
}

PyMethodDef definition = {"predict",
                          reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(predict)),
                          METH_FASTCALL, "Mean (m, o), or (m,) when flat, and variance (m,)."};

}  // namespace

void quicken_gp_predict(py::object model) {
  bound_predict = py::object(model.attr("predict")).release().ptr();
  PyObject* const method =
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(model.ptr()), &definition);
  if (method == nullptr) throw py::error_already_set();
  model.attr("predict") = py::reinterpret_steal<py::object>(method);
}

}  // namespace optcore::python
