#include "optcore/host/gp_sparse.hpp"

#include <algorithm>

#include "gp_hyper.hpp"
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
      .def(py::init([](int inducing, int dims, int outputs, int kernel_parameters) {
             if (inducing < 1 || dims < 1 || outputs < 1) {
               throw py::value_error("inducing, dims and outputs must be >= 1");
             }
             return new SparseGaussianProcess(inducing, dims, outputs, kernel_parameters);
           }),
           py::arg("inducing"), py::arg("dims"), py::arg("outputs"), py::arg("kernel_parameters"))
      .def(
          "begin",
          [](SparseGaussianProcess& self, const Array<double>& Z, const Hyper& hyper,
             double jitter) {
            const auto z = matrix_view(Z, "Z");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.begin(z, hyper.values, jitter);
            }
            raise_if_failed(status, "gp.Sparse.begin", pivot_text(self));
          },
          py::arg("Z").noconvert(), py::arg("hyper"), py::arg("jitter"))
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
            const int terms = self.kernel_parameters();
            Array<double> scales(terms > 0 ? 0 : self.dims()), parameters(terms);
            host::GpBoundGradient out;
            out.log_length_scales = mutable_vector_view(scales, "length_scales");
            out.parameters = mutable_vector_view(parameters, "parameters");
            raise_if_failed(self.finish_gradient(out), "gp.Sparse.finish_gradient");
            return py::make_tuple(out.log_variance, scales, out.log_noise, parameters);
          },
          "(d/d log variance, d/d log length scales, d/d log noise, d/d each parameter of a "
          "composite kernel)")
      .def(
          "statistics",
          [](const SparseGaussianProcess& self) {
            const int m = self.inducing();
            Array<double> gram({m, m}), moments({self.outputs(), m});
            std::fill_n(gram.mutable_data(), gram.size(), 0.0);
            host::GpSparseStatistics<double> out;
            out.gram = mutable_matrix_view(gram, "gram");
            out.moments = mutable_matrix_view(moments, "moments");
            raise_if_failed(self.statistics(out), "gp.Sparse.statistics");
            return py::make_tuple(gram, moments, out.squares, out.prior, out.rows);
          },
          "(A A' (m, m), A y (o, m), sum y^2, sum k(x, x), rows)")
      .def(
          "restore",
          [](SparseGaussianProcess& self, const Array<double>& gram, const Array<double>& moments,
             double squares, double prior, long long rows) {
            raise_if_failed(self.restore({matrix_view(gram, "gram"),
                                          matrix_view(moments, "moments"), squares, prior, rows}),
                            "gp.Sparse.restore");
          },
          py::arg("gram").noconvert(), py::arg("moments").noconvert(), py::arg("squares"),
          py::arg("prior"), py::arg("rows"))
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
      [](const Array<double>& X, const Hyper& hyper, int most, double tolerance) {
        if (most < 1) throw py::value_error("most must be >= 1");
        const auto x = matrix_view(X, "X");
        Array<int> chosen(most);
        const auto indices = mutable_vector_view(chosen, "chosen");
        int count = 0;
        Status status;
        {
          py::gil_scoped_release without_gil;
          status = host::choose_inducing(x, hyper.values, tolerance, indices, count);
        }
        raise_if_failed(status, "gp.choose_inducing");
        return Array<int>(count, chosen.data());
      },
      py::arg("X").noconvert(), py::arg("hyper"), py::arg("most"), py::arg("tolerance"),
      "Indices of rows of X, best first.");
}

}  // namespace optcore::python
