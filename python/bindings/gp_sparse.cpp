#include "optcore/host/gp_sparse.hpp"

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"

namespace optcore::python {

namespace {

using host::SparseGaussianProcess;

std::string pivot_text(const SparseGaussianProcess& model) {
  return "pivot of inducing input " + std::to_string(model.failing_pivot());
}

/// add() and add_gradient(): a block of rows, without the GIL.
template <Status (SparseGaussianProcess::*Take)(MatrixView<const double>,
                                                MatrixView<const double>) noexcept>
void take_rows(SparseGaussianProcess& self, const Array<double>& X, const Array<double>& Y) {
  const auto x = matrix_view(X, "X"), y = matrix_view(Y, "Y");
  Status status;
  {
    py::gil_scoped_release without_gil;
    status = (self.*Take)(x, y);
  }
  raise_if_failed(status, "gp.Sparse.add");
}

}  // namespace

void bind_gp_sparse(py::module_& sub) {
  py::class_<SparseGaussianProcess>(sub, "Sparse",
                                    "GP through inducing inputs; one thread at a time.")
      .def(py::init([](int inducing, int dims, int outputs) {
             if (inducing < 1 || dims < 1 || outputs < 1) {
               throw py::value_error("inducing, dims and outputs must be >= 1");
             }
             return new SparseGaussianProcess(inducing, dims, outputs);
           }),
           py::arg("inducing"), py::arg("dims"), py::arg("outputs"))
      .def(
          "begin",
          [](SparseGaussianProcess& self, const Array<double>& Z, int family, double variance,
             const Array<double>& length_scales, double noise, const Array<double>& mean,
             double jitter) {
            const host::GpHyperparameters hyper = {
                .family = static_cast<host::GpFamily>(family),
                .variance = variance,
                .length_scales = vector_view(length_scales, "length_scales"),
                .noise = noise,
                .mean = vector_view(mean, "mean")};
            const auto z = matrix_view(Z, "Z");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.begin(z, hyper, jitter);
            }
            raise_if_failed(status, "gp.Sparse.begin", pivot_text(self));
          },
          py::arg("Z").noconvert(), py::arg("family"), py::arg("variance"),
          py::arg("length_scales").noconvert(), py::arg("noise"), py::arg("mean").noconvert(),
          py::arg("jitter"))
      .def("add", take_rows<&SparseGaussianProcess::add>, py::arg("X").noconvert(),
           py::arg("Y").noconvert())
      .def("finish",
           [](SparseGaussianProcess& self) {
             Status status;
             {
               py::gil_scoped_release without_gil;
               status = self.finish();
             }
             raise_if_failed(status, "gp.Sparse.finish", pivot_text(self));
           })
      .def("begin_gradient",
           [](SparseGaussianProcess& self) {
             raise_if_failed(self.begin_gradient(), "gp.Sparse.begin_gradient");
           })
      .def("add_gradient", take_rows<&SparseGaussianProcess::add_gradient>,
           py::arg("X").noconvert(), py::arg("Y").noconvert())
      .def(
          "finish_gradient",
          [](SparseGaussianProcess& self) {
            Array<double> scales(self.dims());
            host::GpBoundGradient out;
            out.log_length_scales = mutable_vector_view(scales, "length_scales");
            raise_if_failed(self.finish_gradient(out), "gp.Sparse.finish_gradient");
            return py::make_tuple(out.log_variance, scales, out.log_noise);
          },
          "(d/d log variance, d/d log length scales, d/d log noise)")
      .def(
          "predict",
          [](SparseGaussianProcess& self, const Array<double>& X) {
            const auto x = matrix_view(X, "X");
            Array<double> mean({x.rows, self.outputs()}), variance(x.rows);
            const auto mu = mutable_matrix_view(mean, "mean");
            const auto var = mutable_vector_view(variance, "variance");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.predict(x, mu, var);
            }
            raise_if_failed(status, "gp.Sparse.predict");
            return py::make_tuple(mean, variance);
          },
          py::arg("X").noconvert())
      .def_property_readonly("bound", &SparseGaussianProcess::bound);
  sub.def(
      "choose_inducing",
      [](const Array<double>& X, int family, const Array<double>& length_scales, int most,
         double tolerance) {
        if (most < 1) throw py::value_error("most must be >= 1");
        const host::GpHyperparameters hyper = {
            .family = static_cast<host::GpFamily>(family),
            .length_scales = vector_view(length_scales, "length_scales")};
        const auto x = matrix_view(X, "X");
        Array<int> chosen(most);
        const auto indices = mutable_vector_view(chosen, "chosen");
        int count = 0;
        Status status;
        {
          py::gil_scoped_release without_gil;
          status = host::choose_inducing(x, hyper, tolerance, indices, count);
        }
        raise_if_failed(status, "gp.choose_inducing");
        return Array<int>(count, chosen.data());
      },
      py::arg("X").noconvert(), py::arg("family"), py::arg("length_scales").noconvert(),
      py::arg("most"), py::arg("tolerance"), "Indices of rows of X, best first.");
}

}  // namespace optcore::python
