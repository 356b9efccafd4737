#include "optcore/host/belief.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "fast_method.hpp"
#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"
#include "status_object.hpp"

namespace optcore::python {

namespace {

/// A float64 vector of any array-like; no copy when it already is one.
Array<double> as_vector(const py::handle& object, int size, const char* name) {
  auto array = Array<double>::ensure(object);
  if (!array) throw py::error_already_set();
  if (array.ndim() != 1 || array.shape(0) != size) {
    raise_if_failed(Status::shape_mismatch, name, "need (" + std::to_string(size) + ",) float64");
  }
  return array;
}

template <Status (host::DiscreteFilter::*method)(VectorView<const double>) noexcept>
py::handle observe(host::DiscreteFilter& filter, py::handle log_likelihood) {
  if (const double* plain = plain_vector(log_likelihood, filter.states()); plain != nullptr) {
    return status_object((filter.*method)({plain, filter.states()}));
  }
  const Array<double> row = as_vector(log_likelihood, filter.states(), "log_likelihood");
  return status_object((filter.*method)({row.data(), filter.states()}));
}

Array<double> copy(VectorView<const double> values) {
  return Array<double>(values.size, values.data);
}

std::unique_ptr<host::DiscreteFilter> make_filter(const std::optional<Array<double>>& transition,
                                                  const std::optional<Array<double>>& prior,
                                                  int states, double switching, bool rounded,
                                                  bool resets) {
  auto filter = std::make_unique<host::DiscreteFilter>(states, transition.has_value(), rounded);
  filter->reset_when_impossible(resets);
  if (transition.has_value()) {
    raise_if_failed(filter->set_transition(matrix_view(*transition, "transition")),
                    "DiscreteBayesFilter", "transition: need (K, K), rows >= 0 that sum to 1");
  } else {
    raise_if_failed(filter->set_switching(switching), "DiscreteBayesFilter",
                    "switching: need a probability");
  }
  if (prior.has_value()) {
    raise_if_failed(filter->set_prior(vector_view(*prior, "prior")), "DiscreteBayesFilter",
                    "prior: need (K,), >= 0, with a positive sum");
  }
  return filter;
}

py::tuple run_sequence(host::DiscreteFilter& filter, const Array<double>& log_likelihoods,
                       bool predict_first) {
  const auto rows = matrix_view(log_likelihoods, "log_likelihoods");
  Array<double> probabilities({rows.rows, filter.states()});
  Array<double> evidence(rows.rows);
  Array<int> statuses(rows.rows);
  const SequenceOutput<double> out{
      .probabilities = mutable_matrix_view(probabilities, "probabilities"),
      .log_evidence = mutable_vector_view(evidence, "log_evidence"),
      .row_status = {reinterpret_cast<Status*>(statuses.mutable_data()), rows.rows}};
  Status status;
  {
    py::gil_scoped_release without_gil;
    status = filter.sequence(rows, predict_first, out);
  }
  if (status == Status::shape_mismatch) raise_if_failed(status, "DiscreteBayesFilter.filter");
  return py::make_tuple(probabilities, evidence, statuses);
}

void bind_filter(py::module_& m) {
  using Filter = host::DiscreteFilter;
  py::class_<Filter> type(m, "DiscreteFilter");
  def_fast<Filter, 1, &observe<&Filter::step>>(type, "step", "Predict, then update.");
  def_fast<Filter, 1, &observe<&Filter::update>>(type, "update", "Bayes' rule.");
  type.def(py::init(&make_filter), py::arg("transition").none(true), py::arg("prior").none(true),
           py::arg("states"), py::arg("switching"), py::arg("rounded") = false,
           py::arg("resets") = false)
      .def("predict", &Filter::predict)
      .def("forget",
           [](Filter& f, double factor) {
             raise_if_failed(f.forget(factor), "DiscreteBayesFilter.forget",
                             "factor: need a number in [0, 1]");
           })
      .def("reset", &Filter::reset)
      .def("filter", &run_sequence, py::arg("log_likelihoods"), py::arg("predict_first") = true)
      .def_property_readonly("states", &Filter::states)
      .def_property_readonly("probabilities",
                             [](const Filter& f) { return copy(f.probabilities()); })
      .def_property_readonly("log_probabilities",
                             [](const Filter& f) {
                               Array<double> out(f.states());
                               f.log_belief({out.mutable_data(), f.states()});
                               return out;
                             })
      .def_property_readonly("log_evidence", &Filter::log_evidence);
}

void bind_batch(py::module_& m) {
  using Batch = host::DiscreteBatch;
  py::class_<Batch>(m, "DiscreteBatch", "See DiscreteBayesBatch.")
      .def(py::init([](int beliefs, const Array<double>& transition,
                       const std::optional<Array<double>>& prior) {
             const auto matrix = matrix_view(transition, "transition");
             auto batch = std::make_unique<Batch>(beliefs, matrix.rows);
             VectorView<const double> start;
             if (prior.has_value()) start = vector_view(*prior, "prior");
             raise_if_failed(batch->set(matrix, start), "DiscreteBayesBatch",
                             "transition: need (K, K), rows >= 0 that sum to 1; prior: need (K,) "
                             ">= 0 with a positive sum");
             return batch;
           }),
           py::arg("beliefs"), py::arg("transition"), py::arg("prior").none(true))
      .def("step",
           [](Batch& b, const Array<double>& log_likelihoods) {
             const auto rows = matrix_view(log_likelihoods, "log_likelihoods");
             Status status;
             {
               const py::gil_scoped_release without_gil;
               status = b.step(rows);
             }
             raise_if_failed(status, "DiscreteBayesBatch.step",
                             "log_likelihoods: need (beliefs, K)");
             const auto rows_status = b.row_status();
             Array<int> out(rows_status.size);
             int* const into = out.mutable_data();
             for (int i = 0; i < rows_status.size; ++i) into[i] = static_cast<int>(rows_status[i]);
             return out;
           })
      .def("reset", &Batch::reset)
      .def_property_readonly("probabilities",
                             [](const Batch& b) {
                               const auto from = b.probabilities();
                               Array<double> out({from.rows, from.cols});
                               auto into = mutable_matrix_view(out, "out");
                               for (int i = 0; i < from.rows; ++i) {
                                 for (int j = 0; j < from.cols; ++j) into(i, j) = from(i, j);
                               }
                               return out;
                             })
      .def_property_readonly("log_evidence", [](const Batch& b) { return copy(b.log_evidence()); });
}

void bind_goal_belief(py::module_& m) {
  using Goals = host::GoalBelief;
  py::class_<Goals>(m, "GoalBelief")
      .def(py::init([](const Array<double>& goals, const Array<double>& betas,
                       const Array<double>& prior, double switching) {
             auto belief =
                 std::make_unique<Goals>(matrix_view(goals, "goals"), vector_view(betas, "betas"));
             raise_if_failed(belief->set_switching(switching), "GoalBelief",
                             "switching: need a probability");
             raise_if_failed(belief->set_prior(vector_view(prior, "prior")), "GoalBelief",
                             "prior: need weights >= 0 with a positive sum");
             return belief;
           }),
           py::arg("goals"), py::arg("betas"), py::arg("prior"), py::arg("switching"))
      .def("step",
           [](Goals& g, const py::handle& from, const py::handle& to) {
             const auto a = as_vector(from, 2, "from"), b = as_vector(to, 2, "to");
             return status_object(g.step(a.data(), b.data()));
           })
      .def("reset", &Goals::reset)
      .def_property_readonly(
          "joint",
          [](const Goals& g) { return Array<double>({g.goals(), g.betas()}, g.joint().data); })
      .def_property_readonly("log_evidence", &Goals::log_evidence);
}

}  // namespace

void bind_belief(py::module_& m) {
  look_up_statuses(m);
  auto sub = m.def_submodule("belief");
  bind_filter(sub);
  bind_batch(sub);
  bind_goal_belief(sub);
  bind_belief_models(sub);
  bind_kalman(sub);
  bind_particles(sub);
  bind_sparse_belief(sub);
  sub.def(
      "update",
      [](Array<double> log_beliefs, const Array<double>& log_likelihoods, host::Device device) {
        const auto beliefs = mutable_matrix_view(log_beliefs, "log_beliefs");
        const auto likelihoods = matrix_view(log_likelihoods, "log_likelihoods");
        Array<double> evidence(beliefs.rows);
        Array<int> statuses(beliefs.rows);
        auto evidence_view = mutable_vector_view(evidence, "log_evidence");
        VectorView<Status> status_view{reinterpret_cast<Status*>(statuses.mutable_data()),
                                       beliefs.rows};
        Status status;
        {
          py::gil_scoped_release without_gil;
          status = host::update_beliefs(device, beliefs, likelihoods, evidence_view, status_view);
        }
        raise_if_failed(status, "belief.update");
        return py::make_tuple(evidence, statuses);
      },
      py::arg("log_beliefs").noconvert(), py::arg("log_likelihoods").noconvert(), py::kw_only(),
      py::arg("device") = host::Device::cpu(),
      "In place. Both (batch, K) float64 C-contiguous; returns (log evidence, status) per row.");
}

}  // namespace optcore::python
