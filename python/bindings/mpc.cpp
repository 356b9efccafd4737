#include "optcore/host/mpc.hpp"

#include <chrono>
#include <memory>
#include <string>

#include "module.hpp"
#include "numpy_view.hpp"
#include "status_object.hpp"

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

PyObject* interned(const char* text) {
  PyObject* const made = PyUnicode_InternFromString(text);
  if (made == nullptr) throw py::error_already_set();
  return made;
}

py::handle name_of(OcpMethod method) {
  static PyObject* const names[] = {interned("auto"), interned("active_set"),
                                    interned("interior_point"), interned("condensed")};
  return names[static_cast<int>(method)];
}

/// Text, which a solution compares with: not the member of optcore.Status.
py::handle name_of(Status status) {
  static PyObject* names[highest_status - lowest_status + 1] = {};
  PyObject*& name = names[static_cast<int>(status) - lowest_status];
  if (name == nullptr) name = interned(to_string(status));
  return name;
}

py::dict residuals(const OcpInfo& info) {
  static PyObject* const names[] = {interned("gap"), interned("primal"), interned("dual")};
  const double values[] = {info.gap, info.primal, info.dual};
  py::dict found;
  for (int i = 0; i < 3; ++i) {
    if (PyDict_SetItem(found.ptr(), names[i], py::float_(values[i]).ptr()) != 0) {
      throw py::error_already_set();
    }
  }
  return found;
}

bool is_finite(const double* values, int count) {
  double total = 0;
  for (int i = 0; i < count; ++i) total += 0 * values[i];
  return total == 0;
}

/// The fields of Python's Solution, its multipliers as a tuple; None when x0 is not a plain finite
/// (nx,) array, which the caller then converts or explains.
py::object solve(OcpSolver& solver, const py::handle& x0, bool warm, double tolerance,
                 int max_iterations, int method) {
  const OcpSize s = solver.size();
  const py::ssize_t n = s.nx, m = s.nu, N = s.horizon, g = s.rows;
  const double* const start = plain_vector(x0, n);
  if (start == nullptr || !is_finite(start, s.nx)) return py::none();
  auto x = new_array<double>(N + 1, n), u = new_array<double>(N, m);
  auto bound_x = new_array<double>(N + 1, n), bound_u = new_array<double>(N, m);
  auto rows = new_array<double>(N + 1, g);
  OcpInfo info;
  std::chrono::duration<double> elapsed{};
  {
    double *xs = x.mutable_data(), *us = u.mutable_data();
    double *yx = bound_x.mutable_data(), *yu = bound_u.mutable_data(), *yr = rows.mutable_data();
    const py::gil_scoped_release without_gil;
    const auto begin = std::chrono::steady_clock::now();
    info = solver.solve(start, warm,
                        {.tolerance = tolerance,
                         .max_iterations = max_iterations,
                         .method = static_cast<OcpMethod>(method)});
    elapsed = std::chrono::steady_clock::now() - begin;
    solver.solution(xs, us);
    solver.multipliers(yx, yu, yr);
  }
  return py::make_tuple(name_of(info.status), std::move(u), std::move(x), info.objective,
                        info.iterations, residuals(info), info.max_slack,
                        py::make_tuple(std::move(bound_x), std::move(bound_u), std::move(rows)),
                        name_of(info.method), elapsed.count());
}

}  // namespace

void bind_mpc(py::module_& m) {
  auto sub = m.def_submodule("mpc");
  py::class_<OcpSolver>(sub, "OcpSolver", "See optcore.mpc.QpSolver.")
      .def(py::init([](int nx, int nu, int horizon, int rows) {
             return std::make_unique<OcpSolver>(OcpSize{nx, nu, horizon, rows});
           }),
           py::arg("nx"), py::arg("nu"), py::arg("horizon"), py::arg("rows"))
      .def_property_readonly("bytes", &OcpSolver::bytes)
      .def("set", &set, py::arg("arrays"))
      .def("solve", &solve, py::arg("x0"), py::arg("warm"), py::arg("tolerance"),
           py::arg("max_iterations"), py::arg("method"));
}

}  // namespace optcore::python
