#include "optcore/host/gp.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "gp_hyper.hpp"
#include "module.hpp"
#include "numpy_view.hpp"
#include "optcore/host/gp_file.hpp"
#include "raise.hpp"

namespace optcore::python {

namespace {

using host::GaussianProcess;

auto pivot_text(int pivot) {
  return [pivot] { return "pivot of row " + std::to_string(pivot); };
}

void bind_model(py::module_& sub) {
  py::class_<GaussianProcess> model(sub, "Model", "Exact GP; one thread at a time.");
  model
      .def(py::init([](int capacity, int dims, int outputs, bool with_inverse,
                       int kernel_parameters) {
             if (capacity < 0 || dims < 1 || outputs < 1) {
               throw py::value_error("capacity >= 0, dims >= 1 and outputs >= 1 are needed");
             }
             return new GaussianProcess(capacity, dims, outputs, with_inverse, kernel_parameters);
           }),
           py::arg("capacity"), py::arg("dims"), py::arg("outputs"), py::arg("with_inverse"),
           py::arg("kernel_parameters") = 0)
      .def(
          "fit",
          [](GaussianProcess& self, const Array<double>& X, const Array<double>& Y,
             const Hyper& hyper, int threads) {
            const auto x = matrix_view(X, "X"), y = matrix_view(Y, "Y");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.fit(x, y, hyper.values, threads);
            }
            raise_if_failed(status, "gp.fit", pivot_text(self.failing_pivot()));
          },
          py::arg("X").noconvert(), py::arg("Y").noconvert(), py::arg("hyper"),
          py::arg("threads") = 1)
      .def(
          "append",
          [](GaussianProcess& self, const Array<double>& X, const Array<double>& Y) {
            raise_if_failed(self.append(matrix_view(X, "X"), matrix_view(Y, "Y")), "gp.append",
                            pivot_text(self.failing_pivot()));
          },
          py::arg("X").noconvert(), py::arg("Y").noconvert())
      .def("drop",
           [](GaussianProcess& self, int index) { raise_if_failed(self.drop(index), "gp.drop"); })
      .def("refactor",
           [](GaussianProcess& self) {
             raise_if_failed(self.refactor(), "gp.refactor", pivot_text(self.failing_pivot()));
           })
      .def(
          "mean",
          [](const GaussianProcess& self, const Array<double>& X) {
            const auto x = matrix_view(X, "X");
            auto mean = new_array<double>(x.rows, self.outputs());
            raise_if_failed(self.mean(x, mutable_matrix_view(mean, "mean")), "gp.mean");
            return mean;
          },
          py::arg("X").noconvert())
      .def(
          "predict",
          [](GaussianProcess& self, const Array<double>& X, bool flat) {
            const auto x = matrix_view(X, "X");
            const int outputs = self.outputs();
            if (flat && outputs != 1)
              throw py::value_error("flat: the process has several outputs");
            auto mean = flat ? new_array<double>(x.rows) : new_array<double>(x.rows, outputs);
            auto variance = new_array<double>(x.rows);
            raise_if_failed(self.predict(x, {mean.mutable_data(), x.rows, outputs, outputs},
                                         {variance.mutable_data(), x.rows}),
                            "gp.predict");
            return py::make_tuple(std::move(mean), std::move(variance));
          },
          py::arg("X").noconvert(), py::arg("flat") = false,
          "Mean (m, o), or (m,) when flat, and variance (m,).")
      .def(
          "predict_joint",
          [](GaussianProcess& self, const Array<double>& X) {
            const auto x = matrix_view(X, "X");
            auto mean = new_array<double>(x.rows, self.outputs());
            auto covariance = new_array<double>(x.rows, x.rows);
            host::Buffer scratch(self.joint_scratch(x.rows) * sizeof(double));
            const VectorView<double> room{
                static_cast<double*>(scratch.data()),
                to_int(static_cast<py::ssize_t>(scratch.bytes() / 8), "scratch")};
            raise_if_failed(self.predict_joint(x, mutable_matrix_view(mean, "mean"),
                                               mutable_matrix_view(covariance, "covariance"), room),
                            "gp.predict");
            return py::make_tuple(mean, covariance);
          },
          py::arg("X").noconvert())
      .def(
          "gradient",
          [](GaussianProcess& self, const Array<double>& X, bool of_variance) -> py::tuple {
            const auto x = matrix_view(X, "X");
            auto mean = new_array<double>(x.rows, self.outputs());
            auto slopes = new_array<double>(x.rows, self.outputs() * self.dims());
            raise_if_failed(self.mean_gradient(x, mutable_matrix_view(mean, "mean"),
                                               mutable_matrix_view(slopes, "gradient")),
                            "gp.gradient");
            if (!of_variance) return py::make_tuple(slopes, py::none());
            auto variance_slopes = new_array<double>(x.rows, self.dims());
            raise_if_failed(
                self.variance_gradient(x, mutable_matrix_view(variance_slopes, "gradient")),
                "gp.gradient");
            return py::make_tuple(slopes, variance_slopes);
          },
          py::arg("X").noconvert(), py::arg("of_variance"))
      .def(
          "weights",
          [](const GaussianProcess& self) {
            const auto weights = self.weights();
            auto out = new_array<double>(weights.cols, weights.rows);
            auto view = mutable_matrix_view(out, "weights");
            for (int o = 0; o < weights.rows; ++o) {
              for (int i = 0; i < weights.cols; ++i) view(i, o) = weights(o, i);
            }
            return out;
          },
          "(n, o) K^-1 (y - mean)")
      .def("leave_one_out",
           [](GaussianProcess& self) {
             Array<double> residual({self.size(), self.outputs()}), variance(self.size());
             raise_if_failed(self.leave_one_out(mutable_matrix_view(residual, "residual"),
                                                mutable_vector_view(variance, "variance")),
                             "gp.leave_one_out");
             return py::make_tuple(residual, variance);
           })
      .def_property_readonly("size", &GaussianProcess::size)
      .def_property_readonly("capacity", &GaussianProcess::capacity)
      .def_property_readonly("log_marginal_likelihood", &GaussianProcess::log_marginal_likelihood);
  quicken_gp_predict(model);
}

void bind_likelihood(py::module_& sub) {
  py::class_<host::GpLikelihoodEvaluator>(sub, "Likelihood")
      .def(py::init<int, int, int, bool, int>(), py::arg("points"), py::arg("dims"),
           py::arg("outputs"), py::arg("gradient"), py::arg("kernel_parameters") = 0)
      .def(
          "evaluate",
          [](host::GpLikelihoodEvaluator& self, const Array<double>& X, const Array<double>& Y,
             const Hyper& hyper) {
            const auto x = matrix_view(X, "X"), y = matrix_view(Y, "Y");
            const int terms = hyper.values.parameters.size;
            Array<double> scales(terms > 0 ? 0 : x.cols), mean(y.cols), parameters(terms);
            host::GpLikelihood out;
            out.parameters = mutable_vector_view(parameters, "parameters");
            out.log_length_scales = mutable_vector_view(scales, "length_scales");
            out.mean = mutable_vector_view(mean, "mean");
            Status status;
            {
              py::gil_scoped_release without_gil;
              status = self.evaluate(x, y, hyper.values, out);
            }
            raise_if_failed(status, "gp.log_marginal_likelihood", pivot_text(out.failing_pivot));
            return py::make_tuple(out.value, out.log_variance, scales, out.log_noise, mean,
                                  parameters);
          },
          py::arg("X").noconvert(), py::arg("Y").noconvert(), py::arg("hyper"),
          "(value, d/d log variance, d/d log length scales, d/d log noise, d/d mean, d/d each "
          "parameter of a composite kernel)");
}

}  // namespace

void bind_gp(py::module_& m) {
  auto sub = m.def_submodule("gp");
  py::class_<Hyper>(sub, "Hyper")
      .def(py::init<int, double, Array<double>, double, std::optional<Array<double>>,
                    std::optional<Array<double>>, std::optional<Array<int>>,
                    std::optional<Array<double>>>(),
           py::arg("family"), py::arg("variance"), py::arg("length_scales"), py::arg("noise"),
           py::arg("mean") = py::none(), py::arg("point_noise") = py::none(),
           py::arg("nodes") = py::none(), py::arg("parameters") = py::none());
  bind_model(sub);
  bind_likelihood(sub);
  bind_gp_batch(sub);
  sub.def(
      "covariance",
      [](const Array<int>& nodes, const Array<double>& parameters, const Array<double>& X,
         const Array<double>& Z, bool same) {
        const auto x = matrix_view(X, "X"), z = matrix_view(Z, "Z");
        const auto tree = kernel_nodes(nodes);
        Array<double> out({x.rows, z.rows});
        raise_if_failed(host::covariance({tree.data(), static_cast<int>(tree.size())},
                                         vector_view(parameters, "parameters"), x, z, same,
                                         mutable_matrix_view(out, "out")),
                        "gp.covariance");
        return out;
      },
      py::arg("nodes").noconvert(), py::arg("parameters").noconvert(), py::arg("X").noconvert(),
      py::arg("Z").noconvert(), py::arg("same"));
  sub.def(
      "load",
      [](const std::string& path, int spare, bool with_inverse) {
        const host::GpFile file = host::read_gp(path);
        if (!file.reason.empty()) throw py::value_error(file.reason);
        Status status;
        GaussianProcess gp = file.gp.process(spare, with_inverse, status);
        raise_if_failed(status, "gp.load", pivot_text(gp.failing_pivot()));
        return gp;
      },
      py::arg("path"), py::arg("spare"), py::arg("with_inverse"),
      "The process of a saved file, read and fitted without Python.");
  bind_gp_sparse(sub);
  sub.def("cholesky_shape", [](int size) {
    return py::make_tuple(host::cholesky_rows(size), host::cholesky_stride(size),
                          host::cholesky_workspace(size));
  });
  sub.def(
      "cholesky",
      [](Array<double>& a, int size, Array<double>& workspace, int threads) {
        const auto view = mutable_matrix_view(a, "a");
        if (view.rows < host::cholesky_rows(size) ||
            static_cast<std::size_t>(workspace.size()) < host::cholesky_workspace(size)) {
          throw py::value_error("a or workspace: smaller than cholesky_shape(size) says");
        }
        int pivot = -1;
        double* const room = workspace.mutable_data();
        const auto factor = [&] {
          return host::cholesky(view.data, size, view.stride, room, &pivot, threads);
        };
        const auto unlocked = [&] {
          const py::gil_scoped_release without_gil;
          return factor();
        };
        // shorter than it takes another thread to wake up: not worth handing the lock over
        const Status status = size <= 256 ? factor() : unlocked();
        raise_if_failed(status, "gp.cholesky", pivot_text(pivot));
      },
      py::arg("a").noconvert(), py::arg("size"), py::arg("workspace").noconvert(),
      py::arg("threads") = 1,
      "In place on the upper triangle by rows of a (rows, stride) array as cholesky_shape says.");
}

}  // namespace optcore::python
