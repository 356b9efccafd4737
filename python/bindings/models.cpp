#include "optcore/host/models.hpp"

#include "module.hpp"
#include "numpy_view.hpp"

namespace optcore::python {
namespace {

using host::Model;

Model model_of(int kind) {
  if (kind < 0 || kind > static_cast<int>(Model::arm7)) throw py::value_error("unknown model");
  return static_cast<Model>(kind);
}

py::tuple size_of(int kind) {
  const auto size = host::model_size(model_of(kind));
  return py::make_tuple(size.nx, size.nu, size.parameters);
}

py::tuple linearise(int kind, const Array<double>& parameters, const Array<double>& x,
                    const Array<double>& u, double h, int steps) {
  const auto size = host::model_size(model_of(kind));
  const auto states = matrix_view<double>(x, "x"), inputs = matrix_view<double>(u, "u");
  if (states.cols != size.nx) throw py::value_error("x: need (count, nx)");
  if (inputs.cols != size.nu || inputs.rows != states.rows) {
    throw py::value_error("u: need (count, nu)");
  }
  if (parameters.size() != size.parameters) throw py::value_error("parameters: wrong number");
  if (steps < 1) throw py::value_error("steps: need at least 1");
  const py::ssize_t count = states.rows, n = size.nx, m = size.nu;
  Array<double> next({count, n}), A({count, n, n}), B({count, n, m});
  host::linearise(model_of(kind), parameters.data(), states.rows, states.data, inputs.data, h,
                  steps, next.mutable_data(), A.mutable_data(), B.mutable_data());
  return py::make_tuple(next, A, B);
}

}  // namespace

void bind_models(py::module_& m) {
  auto sub = m.def_submodule("mpc");
  sub.def("model_size", &size_of, py::arg("kind"), "nx, nu and number of parameters.");
  sub.def("linearise", &linearise, py::arg("kind"), py::arg("parameters"), py::arg("x"),
          py::arg("u"), py::arg("h"), py::arg("steps"), "See optcore.mpc.models.");
}

}  // namespace optcore::python
