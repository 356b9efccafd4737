#include "optcore/host/sparse_belief.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"
#include "status_object.hpp"

namespace optcore::python {
namespace {

using host::SparseBelief;
using host::SparseTables;

void set_action(SparseTables& tables, int action, const Array<int>& begin, const Array<int>& column,
                const Array<double>& value, const Array<double>& observation) {
  if (begin.ndim() != 1 || begin.shape(0) != tables.states() + 1 || column.ndim() != 1 ||
      value.ndim() != 1 || column.shape(0) != value.shape(0) ||
      begin.at(tables.states()) != column.shape(0)) {
    raise_if_failed(Status::shape_mismatch, "SparseTables.set_action",
                    "need CSR arrays: (S + 1,), (nnz,), (nnz,)");
  }
  const CsrView<double> transition{tables.states(), tables.states(), begin.data(), column.data(),
                                   value.data()};
  const auto table = matrix_view(observation, "observation");
  Status status;
  {
    const py::gil_scoped_release without_gil;
    status = tables.set_action(action, transition, table);
  }
  raise_if_failed(status, "SparseTables.set_action",
                  "need ascending columns, entries >= 0, rows that sum to 1");
}

/// The belief padded to whole slices; `room` holds it when its size is not a whole number of them.
VectorView<const double> padded(const SparseTables& tables, const Array<double>& belief,
                                std::vector<double>& room) {
  const int states = tables.states(), size = tables.padded();
  if (belief.ndim() != 1 || belief.shape(0) != states) {
    raise_if_failed(Status::shape_mismatch, "belief",
                    "need (" + std::to_string(states) + ",) float64");
  }
  if (size == states) return {belief.data(), size};
  room.assign(static_cast<std::size_t>(size), 0.0);
  std::copy_n(belief.data(), states, room.data());
  return {room.data(), size};
}

py::tuple update(const SparseTables& tables, const Array<double>& belief, int action,
                 int observation) {
  static thread_local std::vector<double> in, out;
  const int states = tables.states(), size = tables.padded();
  const VectorView<const double> prior = padded(tables, belief, in);
  Array<double> posterior(states);
  double* result = posterior.mutable_data();
  if (size != states) {
    out.resize(static_cast<std::size_t>(size));
    result = out.data();
  }
  double log_evidence = -std::numeric_limits<double>::infinity();
  const Status status =
      host::update_belief(tables, prior, action, observation, {result, size}, log_evidence);
  if (failed(status)) {
    std::copy_n(belief.data(), states, posterior.mutable_data());
  } else if (size != states) {
    std::copy_n(result, states, posterior.mutable_data());
  }
  return py::make_tuple(posterior, log_evidence, status_object(status));
}

Array<double> observation_probabilities(const SparseTables& tables, const Array<double>& belief,
                                        int action) {
  static thread_local std::vector<double> in, predicted;
  predicted.resize(static_cast<std::size_t>(tables.padded()));
  Array<double> out(tables.observations());
  raise_if_failed(host::observation_probabilities(tables, padded(tables, belief, in), action,
                                                  {predicted.data(), tables.padded()},
                                                  mutable_vector_view(out, "out")),
                  "SparseTables.observation_probabilities",
                  "need a belief with a positive sum, a known action");
  return out;
}

void reset(SparseBelief& belief, const std::optional<Array<double>>& prior) {
  const VectorView<const double> start =
      prior.has_value() ? vector_view(*prior, "prior") : VectorView<const double>{};
  raise_if_failed(belief.reset(start), "SparseBelief",
                  "prior: need (S,), >= 0, with a positive sum");
}

}  // namespace

void bind_sparse_belief(py::module_& sub) {
  py::class_<SparseTables, std::shared_ptr<SparseTables>>(
      sub, "SparseTables", "Transition and observation tables by action, built once and shared.")
      .def(py::init([](int states, int actions, int observations, bool single) {
             if (states < 1 || actions < 1 || observations < 1) {
               raise_if_failed(Status::invalid_argument, "SparseTables",
                               "need at least one state, action and observation");
             }
             return std::make_shared<SparseTables>(
                 states, actions, observations,
                 single ? SparseTables::Precision::single : SparseTables::Precision::twice);
           }),
           py::arg("states"), py::arg("actions"), py::arg("observations"), py::kw_only(),
           py::arg("single") = true)
      .def("set_action", &set_action, py::arg("action"), py::arg("begin"), py::arg("column"),
           py::arg("value"), py::arg("observation"),
           "CSR arrays (int32, int32, float64) of T(s' | s, a), and O(z | a, s') as (S, Z).")
      .def("update", &update, py::arg("belief"), py::arg("action"), py::arg("observation"),
           "(posterior, log evidence, Status) of a belief (S,); observation -1 sees nothing. When "
           "it fails the posterior is the belief and the log evidence is -inf.")
      .def("observation_probabilities", &observation_probabilities, py::arg("belief"),
           py::arg("action"), "(Z,) p(z | belief, action)")
      .def("sliced", &SparseTables::sliced, py::arg("action"),
           "Whether the transitions are stored in slices for vector registers.")
      .def_property_readonly("states", &SparseTables::states)
      .def_property_readonly("actions", &SparseTables::actions)
      .def_property_readonly("observations", &SparseTables::observations)
      .def_property_readonly(
          "single",
          [](const SparseTables& t) { return t.precision() == SparseTables::Precision::single; })
      .def_property_readonly("bytes", &SparseTables::bytes);

  py::class_<SparseBelief>(sub, "SparseBelief", "A belief that updates in place.")
      .def(py::init(
               [](std::shared_ptr<SparseTables> tables, const std::optional<Array<double>>& prior) {
                 auto belief = std::make_unique<SparseBelief>(std::move(tables));
                 reset(*belief, prior);
                 return belief;
               }),
           py::arg("tables"), py::arg("prior") = py::none())
      .def("update", [](SparseBelief& b, int action,
                        int observation) { return status_object(b.update(action, observation)); })
      .def("reset", &reset, py::arg("prior") = py::none())
      .def_property_readonly("probabilities",
                             [](const SparseBelief& b) {
                               Array<double> out(b.tables().states());
                               b.probabilities(mutable_vector_view(out, "out"));
                               return out;
                             })
      .def_property_readonly("support", &SparseBelief::support)
      .def_property_readonly("listed", &SparseBelief::listed)
      .def_property_readonly("log_evidence", &SparseBelief::log_evidence);
}

}  // namespace optcore::python
