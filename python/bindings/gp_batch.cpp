#include "optcore/host/gp_batch.hpp"

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"

namespace optcore::python {

void bind_gp_batch(py::module_& sub) {
  using host::GaussianProcessBatch;
  py::class_<GaussianProcessBatch>(sub, "Batch", "Many small GPs; one thread at a time.")
      .def(py::init([](const Array<int>& sizes, int dims, int outputs) {
             const auto view = vector_view(sizes, "sizes");
             for (int i = 0; i < view.size; ++i) {
               if (view[i] < 0) throw py::value_error("sizes: must be >= 0");
             }
             if (dims < 1 || outputs < 1) throw py::value_error("dims and outputs must be >= 1");
             return new GaussianProcessBatch(view, dims, outputs);
           }),
           py::arg("sizes").noconvert(), py::arg("dims"), py::arg("outputs"))
      .def(
          "fit",
          [](GaussianProcessBatch& self, const Array<double>& X, const Array<double>& Y, int family,
             const Array<double>& variance, const Array<double>& length_scales,
             const Array<double>& noise, const Array<double>& mean) {
            const host::GpBatchHyperparameters hyper = {
                .family = static_cast<host::GpFamily>(family),
                .variance = vector_view(variance, "variance"),
                .length_scales = matrix_view(length_scales, "length_scales"),
                .noise = vector_view(noise, "noise"),
                .mean = vector_view(mean, "mean")};
            const auto x = matrix_view(X, "X"), y = matrix_view(Y, "Y");
            Array<int> codes(self.size());
            const VectorView<Status> rows{reinterpret_cast<Status*>(codes.mutable_data()),
                                          self.size()};
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.fit(x, y, hyper, rows);
            }
            raise_if_failed(status, "gp.Batch.fit");
            return codes;
          },
          py::arg("X").noconvert(), py::arg("Y").noconvert(), py::arg("family"),
          py::arg("variance").noconvert(), py::arg("length_scales").noconvert(),
          py::arg("noise").noconvert(), py::arg("mean").noconvert(), "Status code of each process.")
      .def(
          "predict",
          [](GaussianProcessBatch& self, const Array<double>& X, bool shared) {
            const auto x = matrix_view(X, "X");
            const int rows = shared ? x.rows * self.size() : x.rows;
            Array<double> mean({rows, self.outputs()}), variance(rows);
            const auto mu = mutable_matrix_view(mean, "mean");
            const auto var = mutable_vector_view(variance, "variance");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.predict(x, mu, var);
            }
            raise_if_failed(status, "gp.Batch.predict");
            return py::make_tuple(mean, variance);
          },
          py::arg("X").noconvert(), py::arg("shared"))
      .def("log_marginal_likelihood", [](GaussianProcessBatch& self) {
        Array<double> values(self.size());
        raise_if_failed(self.log_marginal_likelihood(mutable_vector_view(values, "values")),
                        "gp.Batch.log_marginal_likelihood");
        return values;
      });
  sub.def("status_name", [](int code) { return to_string(static_cast<Status>(code)); });
}

}  // namespace optcore::python
