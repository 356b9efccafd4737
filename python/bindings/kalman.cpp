#include "optcore/host/kalman.hpp"

#include <memory>
#include <string>

#include "fast_method.hpp"
#include "module.hpp"
#include "numpy_view.hpp"
#include "optcore/host/belief.hpp"
#include "raise.hpp"
#include "status_object.hpp"

namespace optcore::python {
namespace {

using host::KalmanFilters;

Array<double> measurement(const KalmanFilters& f, const py::handle& object) {
  auto array = Array<double>::ensure(object);
  if (!array) throw py::error_already_set();
  if (array.ndim() != 1 || array.shape(0) != f.measured()) {
    raise_if_failed(Status::shape_mismatch, "z",
                    "need (" + std::to_string(f.measured()) + ",) float64");
  }
  return array;
}

VectorView<const double> view(const Array<double>& z) {
  return {z.data(), static_cast<int>(z.shape(0))};
}

int checked(const KalmanFilters& f, int filter) {
  if (filter < 0 || filter >= f.filters()) throw py::index_error("no such filter");
  return filter;
}

std::unique_ptr<KalmanFilters> make(int size, int measured, int filters) {
  if (size < 1 || size > max_filter_states || measured < 1 || measured > max_filter_measurements ||
      filters < 1 || filters > filter_lanes) {
    raise_if_failed(Status::invalid_argument, "KalmanFilters",
                    "need 1 to 16 states, 1 to 8 measurements, 1 to 8 filters");
  }
  return std::make_unique<KalmanFilters>(size, measured, filters);
}

py::handle imm_step(KalmanFilters& f, py::handle z) {
  if (const double* plain = plain_vector(z, f.measured()); plain != nullptr) {
    return status_object(f.step({plain, f.measured()}));
  }
  const Array<double> measured = measurement(f, z);
  return status_object(f.step(view(measured)));
}

void bind_filters(py::module_& sub) {
  py::class_<KalmanFilters> type(sub, "KalmanFilters", "Up to eight Kalman filters; an IMM.");
  def_fast<KalmanFilters, 1, &imm_step>(type, "step", "One period with a measurement (m,).");
  type.def(py::init(&make), py::arg("size"), py::arg("measured"), py::arg("filters"))
      .def("set",
           [](KalmanFilters& f, int filter, const Array<double>& F, const Array<double>& Q,
              const Array<double>& H, const Array<double>& R, const Array<double>& x,
              const Array<double>& P) {
             raise_if_failed(
                 f.set(filter, matrix_view(F, "F"), matrix_view(Q, "Q"), matrix_view(H, "H"),
                       matrix_view(R, "R"), vector_view(x, "x"), matrix_view(P, "P")),
                 "KalmanFilters.set", "need finite F, Q, P (d, d), H (m, d), R (m, m), x (d,)");
           })
      .def("set_switching",
           [](KalmanFilters& f, const Array<double>& switching, const Array<double>& probability) {
             raise_if_failed(f.set_switching(matrix_view(switching, "switching"),
                                             vector_view(probability, "probability")),
                             "KalmanFilters.set_switching",
                             "need (N, N) rows that sum to 1 and (N,) weights >= 0");
           })
      .def("predict", [](KalmanFilters& f) { return status_object(f.predict()); })
      .def("update",
           [](KalmanFilters& f, const py::handle& z) {
             return status_object(f.update(view(measurement(f, z)), false));
           })
      .def("predict_update",
           [](KalmanFilters& f, const py::handle& z) {
             return status_object(f.update(view(measurement(f, z)), true));
           })
      .def("update_with_innovation",
           [](KalmanFilters& f, const py::handle& innovation) {
             return status_object(f.update_with_innovation(view(measurement(f, innovation))));
           })
      .def("mean",
           [](const KalmanFilters& f, int filter) {
             Array<double> out(f.size());
             f.mean(checked(f, filter), mutable_vector_view(out, "out"));
             return out;
           })
      .def("covariance",
           [](const KalmanFilters& f, int filter) {
             Array<double> out({f.size(), f.size()});
             f.covariance(checked(f, filter), mutable_matrix_view(out, "out"));
             return out;
           })
      .def("combined",
           [](const KalmanFilters& f) {
             Array<double> mean(f.size()), covariance({f.size(), f.size()});
             f.combine(mutable_vector_view(mean, "mean"),
                       mutable_matrix_view(covariance, "covariance"));
             return py::make_tuple(mean, covariance);
           })
      .def_property_readonly(
          "probabilities",
          [](const KalmanFilters& f) { return Array<double>(f.filters(), f.probabilities().data); })
      .def_property_readonly("log_likelihoods",
                             [](const KalmanFilters& f) {
                               return Array<double>(f.filters(), f.log_likelihoods().data);
                             })
      .def_property_readonly("log_evidence", &KalmanFilters::log_evidence)
      .def_property_readonly("size", &KalmanFilters::size)
      .def_property_readonly("measured", &KalmanFilters::measured)
      .def_property_readonly("filters", &KalmanFilters::filters);
}

Array<double> smooth(const Array<double>& transition, const Array<double>& filtered, int lag) {
  const auto rows = matrix_view(filtered, "filtered");
  Array<double> out({rows.rows, rows.cols});
  Array<double> scratch(2 * static_cast<py::ssize_t>(rows.cols));
  raise_if_failed(
      host::smooth(matrix_view(transition, "transition"), rows, lag,
                   mutable_matrix_view(out, "out"), mutable_vector_view(scratch, "scratch")),
      "hmm_smoother", "need transmat (K, K), beliefs (T, K), lag >= 0");
  return out;
}

py::tuple viterbi(const Array<double>& log_prior, const Array<double>& log_transition,
                  const Array<double>& log_likelihoods) {
  const auto rows = matrix_view(log_likelihoods, "log_likelihoods");
  Array<int> path(rows.rows), back({rows.rows, rows.cols});
  Array<double> scratch(2 * static_cast<py::ssize_t>(rows.cols));
  double log_probability = 0;
  raise_if_failed(
      host::viterbi(vector_view(log_prior, "log_prior"), matrix_view(log_transition, "transition"),
                    rows, mutable_vector_view(path, "path"), mutable_matrix_view(back, "back"),
                    mutable_vector_view(scratch, "scratch"), log_probability),
      "hmm_viterbi", "need (K,), (K, K), (T, K) without NaN and a path that is possible");
  return py::make_tuple(path, log_probability);
}

}  // namespace

void bind_kalman(py::module_& sub) {
  bind_filters(sub);
  sub.def("smooth", &smooth, py::arg("transition"), py::arg("filtered"), py::arg("lag"));
  sub.def("viterbi", &viterbi, py::arg("log_prior"), py::arg("log_transition"),
          py::arg("log_likelihoods"));
}

}  // namespace optcore::python
