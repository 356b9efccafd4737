#include "optcore/host/planning.hpp"

#include <memory>

#include "module.hpp"
#include "numpy_view.hpp"

namespace optcore::python {

namespace {

using host::PointBasedPlanner;

/// The caller (optcore.belief.planning) builds the arrays from a checked model; only their sizes
/// are looked at here.
std::unique_ptr<PointBasedPlanner> make_planner(
    double discount, const Array<int>& class_begin, const Array<int>& class_states,
    const Array<int>& pair_begin, const Array<int>& branch_target, const Array<int>& branch_rows,
    const Array<int>& row_begin, const Array<int>& column, const Array<double>& value,
    const Array<double>& reward, const Array<double>& lower, const Array<int>& lower_action,
    const Array<double>& upper, int root_class, const Array<double>& root) {
  host::PlanningModel m;
  m.reward = matrix_view(reward, "reward");
  m.lower = matrix_view(lower, "lower");
  m.upper = matrix_view(upper, "upper");
  m.classes = to_int(class_begin.size(), "class_begin") - 1;
  m.actions = m.reward.rows;
  m.discount = discount;
  const auto pairs = static_cast<py::ssize_t>(m.classes) * m.actions + 1;
  if (m.classes < 1 || pair_begin.size() != pairs || root_class < 0 || root_class >= m.classes ||
      class_begin.at(m.classes) != class_states.size() ||
      pair_begin.at(pairs - 1) != branch_target.size() ||
      branch_target.size() != branch_rows.size() || column.size() != value.size() ||
      m.lower.rows < 1 || lower_action.size() != m.lower.rows || m.upper.rows != m.actions ||
      root.size() != class_begin.at(root_class + 1) - class_begin.at(root_class)) {
    throw py::value_error("PointBasedPlanner: arrays of sizes that do not belong together");
  }
  m.class_begin = class_begin.data();
  m.class_states = class_states.data();
  m.pair_begin = pair_begin.data();
  m.branch_target = branch_target.data();
  m.branch_rows = branch_rows.data();
  m.row_begin = row_begin.data();
  m.row_begins = row_begin.size();
  m.column = column.data();
  m.value = value.data();
  m.entries = column.size();
  m.lower_action = lower_action.data();
  m.root_class = root_class;
  m.root = root.data();
  return std::make_unique<PointBasedPlanner>(m);
}

}  // namespace

void bind_planning(py::module_& m) {
  auto sub = m.def_submodule("planning");
  py::class_<PointBasedPlanner>(sub, "PointBasedPlanner")
      .def(py::init(&make_planner), py::kw_only(), py::arg("discount"), py::arg("class_begin"),
           py::arg("class_states"), py::arg("pair_begin"), py::arg("branch_target"),
           py::arg("branch_rows"), py::arg("row_begin"), py::arg("column"), py::arg("value"),
           py::arg("reward"), py::arg("lower"), py::arg("lower_action"), py::arg("upper"),
           py::arg("root_class"), py::arg("root"))
      .def("improve", &PointBasedPlanner::improve, py::arg("gap"), py::arg("seconds"),
           py::arg("max_bytes"), py::call_guard<py::gil_scoped_release>())
      .def("progress",
           [](const PointBasedPlanner& planner) {
             const auto p = planner.progress();
             return py::make_tuple(p.lower, p.upper, p.trials, p.backups, p.nodes, p.vectors,
                                   p.points, p.bytes);
           })
      .def("vectors",
           [](const PointBasedPlanner& planner, int cls, int size) {
             const int count = planner.vectors(cls);
             Array<double> alpha({count, size});
             Array<int> action(count);
             planner.copy_vectors(cls, alpha.mutable_data(), action.mutable_data());
             return py::make_tuple(alpha, action);
           })
      .def("bounds", [](PointBasedPlanner& planner, int cls, const Array<double>& belief) {
        double lower, upper;
        int action;
        planner.bounds(cls, belief.data(), &lower, &upper, &action);
        return py::make_tuple(lower, upper, action);
      });
}

}  // namespace optcore::python
