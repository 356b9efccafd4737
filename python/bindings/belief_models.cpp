#include "optcore/host/belief_models.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "fast_method.hpp"
#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"
#include "status_object.hpp"

namespace optcore::python {
namespace {

using host::LinearRegression;

template <class T>
Array<T> dirichlet_sample(const Array<double>& counts, const RandomKey& key) {
  const auto rows = matrix_view(counts, "counts");
  Array<T> out({rows.rows, rows.cols});
  const auto target = mutable_matrix_view(out, "out");
  Status status;
  {
    const py::gil_scoped_release without_gil;
    status = host::dirichlet_sample(key, rows, target);
  }
  raise_if_failed(status, "dirichlet_sample",
                  "counts: need finite numbers >= 0 with a positive one in each row");
  return out;
}

template <class T>
py::tuple value_iteration(const Array<T>& transition, const Array<double>& reward, double discount,
                          double tolerance, int max_sweeps, Array<double> value) {
  const auto rewards = matrix_view(reward, "reward");
  const auto rows = matrix_view(transition, "transition");
  const auto values = mutable_vector_view(value, "value");
  Array<int> policy(rewards.rows);
  Array<double> scratch(static_cast<py::ssize_t>(rewards.rows) * (rewards.cols + 1));
  const auto actions = mutable_vector_view(policy, "policy");
  const auto room = mutable_vector_view(scratch, "scratch");
  ValueIterationInfo info;
  {
    const py::gil_scoped_release without_gil;
    info = host::value_iteration(
        rows, rewards, {.discount = discount, .tolerance = tolerance, .max_sweeps = max_sweeps},
        values, actions, room);
  }
  if (info.status != Status::max_iterations) {
    raise_if_failed(info.status, "value_iteration",
                    "need (S * A, S) transitions, (S, A) finite rewards, (S,) values, "
                    "0 <= discount < 1, tolerance > 0");
  }
  return py::make_tuple(policy, info.sweeps, info.error, status_object(info.status));
}

/// A float64 vector of `size`; a scalar will do for one number.
Array<double> vector_of(const py::handle& object, int size, const char* name) {
  auto array = Array<double>::ensure(object);
  if (!array) throw py::error_already_set();
  if (array.size() != size || array.ndim() > 1) {
    raise_if_failed(Status::shape_mismatch, name, "need (" + std::to_string(size) + ",) float64");
  }
  return array;
}

template <Status (LinearRegression::*method)(VectorView<const double>,
                                             VectorView<const double>) noexcept>
py::handle revise(LinearRegression& model, py::handle x, py::handle y) {
  const auto& s = model.state();
  const double* const plain = plain_vector(x, s.inputs);
  if (plain != nullptr && s.outputs == 1 && PyFloat_Check(y.ptr())) {  // NumPy's float64 is one
    const double value = PyFloat_AS_DOUBLE(y.ptr());
    return status_object((model.*method)({plain, s.inputs}, {&value, 1}));
  }
  const auto in = vector_of(x, s.inputs, "x"), out = vector_of(y, s.outputs, "y");
  return status_object((model.*method)({in.data(), s.inputs}, {out.data(), s.outputs}));
}

void bind_regression(py::module_& sub) {
  py::class_<LinearRegression> type(sub, "LinearRegression", "See BayesianLinearRegression.");
  def_fast<LinearRegression, 2, &revise<&LinearRegression::update>>(type, "update",
                                                                    "Take in (x, y).");
  def_fast<LinearRegression, 2, &revise<&LinearRegression::downdate>>(type, "downdate",
                                                                      "Take (x, y) out again.");
  type.def(py::init([](int inputs, int outputs, double variance, double scatter, double degrees) {
             if (inputs < 1 || outputs < 1) {
               raise_if_failed(Status::invalid_argument, "BayesianLinearRegression",
                               "inputs, outputs: need at least 1");
             }
             auto model = std::make_unique<LinearRegression>(inputs, outputs);
             raise_if_failed(model->set_prior(variance, scatter, degrees),
                             "BayesianLinearRegression",
                             "need variance > 0, scatter > 0, degrees > outputs - 1");
             return model;
           }),
           py::arg("inputs"), py::arg("outputs"), py::arg("variance"), py::arg("scatter"),
           py::arg("degrees"))
      .def("predict",
           [](LinearRegression& m, const py::handle& x) {
             const auto in = vector_of(x, m.state().inputs, "x");
             Array<double> mean(m.state().outputs);
             const double factor =
                 m.predict({in.data(), m.state().inputs}, {mean.mutable_data(), m.state().outputs});
             return py::make_tuple(mean, factor);
           })
      .def("sample",
           [](const LinearRegression& m, const RandomKey& key) {
             const int d = m.state().inputs, p = m.state().outputs;
             Array<double> coefficients({d, p}), noise({p, p});
             raise_if_failed(m.sample(key, mutable_matrix_view(coefficients, "coefficients"),
                                      mutable_matrix_view(noise, "noise")),
                             "BayesianLinearRegression.sample",
                             "the posterior has lost its factor");
             return py::make_tuple(coefficients, noise);
           })
      .def_property_readonly("coefficients",
                             [](const LinearRegression& m) {
                               const auto& s = m.state();
                               Array<double> out({s.inputs, s.outputs});
                               auto view = mutable_matrix_view(out, "out");
                               for (int i = 0; i < s.inputs; ++i) {
                                 for (int q = 0; q < s.outputs; ++q) {
                                   view(i, q) = s.mean[q * s.stride + i];
                                 }
                               }
                               return out;
                             })
      .def_property_readonly("covariance",
                             [](const LinearRegression& m) {
                               const auto& s = m.state();
                               Array<double> out({s.inputs, s.inputs});
                               auto view = mutable_matrix_view(out, "out");
                               for (int i = 0; i < s.inputs; ++i) {
                                 for (int j = 0; j < s.inputs; ++j) {
                                   view(i, j) =
                                       s.covariance[std::max(i, j) * s.stride + std::min(i, j)];
                                 }
                               }
                               return out;
                             })
      .def_property_readonly("scatter",
                             [](const LinearRegression& m) {
                               const int p = m.state().outputs;
                               return Array<double>({p, p}, m.state().scatter);
                             })
      .def_property_readonly("degrees", [](const LinearRegression& m) { return m.state().degrees; })
      .def_property_readonly("inputs", [](const LinearRegression& m) { return m.state().inputs; })
      .def_property_readonly("outputs", [](const LinearRegression& m) { return m.state().outputs; })
      .def_property_readonly("log_evidence", &LinearRegression::log_evidence);
}

}  // namespace

void bind_belief_models(py::module_& sub) {
  py::class_<RandomKey>(sub, "RandomKey", "Names a sequence of random numbers.")
      .def(py::init([](std::uint64_t seed, std::uint32_t stream, std::uint32_t step) {
             return RandomKey{.seed = seed, .stream = stream, .step = step};
           }),
           py::arg("seed"), py::arg("stream") = 0, py::arg("step") = 0)
      .def_readwrite("step", &RandomKey::step)
      .def_readonly("stream", &RandomKey::stream)
      .def_readonly("seed", &RandomKey::seed);
  bind_regression(sub);
  sub.def("dirichlet_sample", &dirichlet_sample<double>, py::arg("counts"), py::arg("key"));
  sub.def("dirichlet_sample_single", &dirichlet_sample<float>, py::arg("counts"), py::arg("key"));
  // `value` is written: no conversion, which would write to a copy
  sub.def("value_iteration", &value_iteration<double>, py::arg("transition").noconvert(),
          py::arg("reward"), py::arg("discount"), py::arg("tolerance"), py::arg("max_sweeps"),
          py::arg("value").noconvert(),
          "Writes `value` (S,), which is also the start; (policy, sweeps, error, Status).");
  sub.def("value_iteration", &value_iteration<float>, py::arg("transition").noconvert(),
          py::arg("reward"), py::arg("discount"), py::arg("tolerance"), py::arg("max_sweeps"),
          py::arg("value").noconvert());
}

}  // namespace optcore::python
