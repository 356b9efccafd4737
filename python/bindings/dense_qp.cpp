#include "optcore/host/dense_qp.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "module.hpp"
#include "numpy_view.hpp"

namespace optcore::python {
namespace {

using Optional = std::optional<Array<double>>;

const double* data_of(const Optional& array, const char* name, py::ssize_t count) {
  if (!array) return nullptr;
  if (array->size() != count) {
    throw py::value_error(std::string(name) + ": wrong number of values");
  }
  return array->data();
}

py::tuple solve_qp(const Array<double>& P, const Array<double>& q, const Optional& G,
                   const Optional& h, const Optional& A, const Optional& b, const Optional& lb,
                   const Optional& ub, double tolerance, int max_iterations) {
  const int n = vector_view<double>(q, "q").size;
  const int m = h ? vector_view<double>(*h, "h").size : 0;
  const int p = b ? vector_view<double>(*b, "b").size : 0;
  if (P.size() != static_cast<py::ssize_t>(n) * n) throw py::value_error("P: need (n, n)");
  if (lb.has_value() != ub.has_value()) throw py::value_error("lb, ub: need both or none");
  const host::QpProblem problem{.variables = n,
                                .inequalities = m,
                                .equalities = p,
                                .P = P.data(),
                                .q = q.data(),
                                .G = data_of(G, "G", static_cast<py::ssize_t>(m) * n),
                                .h = data_of(h, "h", m),
                                .A = data_of(A, "A", static_cast<py::ssize_t>(p) * n),
                                .b = data_of(b, "b", p),
                                .lb = data_of(lb, "lb", n),
                                .ub = data_of(ub, "ub", n)};
  if ((m > 0 && problem.G == nullptr) || (p > 0 && problem.A == nullptr)) {
    throw py::value_error("a right-hand side without its matrix");
  }
  Array<double> x(n), z(m), y(p), box(lb ? n : 0);
  const host::QpAnswer answer{.x = x.mutable_data(),
                              .z = z.mutable_data(),
                              .y = y.mutable_data(),
                              .z_box = lb ? box.mutable_data() : nullptr};
  host::QpOutcome out;
  {
    const py::gil_scoped_release without_gil;
    out = host::solve_qp(
        problem,
        {.tolerance = tolerance, .dual_tolerance = tolerance, .max_iterations = max_iterations},
        answer);
  }
  return py::make_tuple(to_string(out.info.status), x, z, y, box, out.objective, out.primal,
                        out.dual, out.gap, out.info.iterations, out.seconds);
}

}  // namespace

void bind_dense_qp(py::module_& m) {
  auto sub = m.def_submodule("mpc");
  sub.def("solve_qp", &solve_qp, py::arg("P"), py::arg("q"), py::arg("G"), py::arg("h"),
          py::arg("A"), py::arg("b"), py::arg("lb"), py::arg("ub"), py::arg("tolerance"),
          py::arg("max_iterations"), "See optcore.mpc.solve_qp.");
}

}  // namespace optcore::python
