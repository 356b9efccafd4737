#include "optcore/host/mpc.hpp"

#include <memory>
#include <string>

#include "module.hpp"
#include "numpy_view.hpp"

namespace optcore::python {
namespace {

using host::OcpSolver;

/// Pointer to an array of exactly `count` numbers.
const double* data_of(const py::dict& arrays, const char* name, py::ssize_t count) {
  const auto array = arrays[name].cast<Array<double>>();
  if (array.size() != count) throw py::value_error(std::string(name) + ": wrong number of values");
  return array.data();  // the dictionary keeps it alive
}

void set(OcpSolver& solver, const py::dict& a) {
  const OcpSize s = solver.size();
  const py::ssize_t n = s.nx, m = s.nu, N = s.horizon, g = s.rows;
  solver.set({.A = data_of(a, "A", N * n * n),
              .B = data_of(a, "B", N * n * m),
              .b = data_of(a, "b", N * n),
              .Q = data_of(a, "Q", (N + 1) * n * n),
              .R = data_of(a, "R", N * m * m),
              .S = data_of(a, "S", N * m * n),
              .q = data_of(a, "q", (N + 1) * n),
              .r = data_of(a, "r", N * m),
              .lbx = data_of(a, "lbx", (N + 1) * n),
              .ubx = data_of(a, "ubx", (N + 1) * n),
              .lbu = data_of(a, "lbu", N * m),
              .ubu = data_of(a, "ubu", N * m),
              .C = data_of(a, "C", (N + 1) * g * n),
              .D = data_of(a, "D", N * g * m),
              .lg = data_of(a, "lg", (N + 1) * g),
              .ug = data_of(a, "ug", (N + 1) * g),
              .l1 = data_of(a, "l1", (N + 1) * g),
              .l2 = data_of(a, "l2", (N + 1) * g)});
}

const char* name_of(OcpMethod method) {
  return method == OcpMethod::interior_point ? "interior_point" : "active_set";
}

py::tuple solve(OcpSolver& solver, const Array<double>& x0, bool warm, double tolerance,
                int max_iterations, int method) {
  const OcpSize s = solver.size();
  if (vector_view<double>(x0, "x0").size != s.nx) throw py::value_error("x0: need (nx,)");
  const py::ssize_t n = s.nx, m = s.nu, N = s.horizon, g = s.rows;
  Array<double> x({N + 1, n}), u({N, m}), bound_x({N + 1, n}), bound_u({N, m}), rows({N + 1, g});
  OcpInfo info;
  {
    const double* start = x0.data();
    double *xs = x.mutable_data(), *us = u.mutable_data();
    double *yx = bound_x.mutable_data(), *yu = bound_u.mutable_data(), *yr = rows.mutable_data();
    py::gil_scoped_release without_gil;
    info = solver.solve(start, warm,
                        {.tolerance = tolerance,
                         .max_iterations = max_iterations,
                         .method = static_cast<OcpMethod>(method)});
    solver.solution(xs, us);
    solver.multipliers(yx, yu, yr);
  }
  return py::make_tuple(to_string(info.status), name_of(info.method), x, u, info.objective,
                        info.iterations, info.gap, info.primal, info.dual, info.max_slack,
                        py::make_tuple(bound_x, bound_u, rows));
}

}  // namespace

void bind_mpc(py::module_& m) {
  auto sub = m.def_submodule("mpc");
  py::class_<OcpSolver>(sub, "OcpSolver", "See optcore.mpc.QpSolver.")
      .def(py::init([](int nx, int nu, int horizon, int rows) {
             return std::make_unique<OcpSolver>(OcpSize{nx, nu, horizon, rows});
           }),
           py::arg("nx"), py::arg("nu"), py::arg("horizon"), py::arg("rows"))
      .def("set", &set, py::arg("arrays"))
      .def("solve", &solve, py::arg("x0"), py::arg("warm"), py::arg("tolerance"),
           py::arg("max_iterations"), py::arg("method"));
}

}  // namespace optcore::python
