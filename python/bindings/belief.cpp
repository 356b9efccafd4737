#include "optcore/host/belief.hpp"

#include "module.hpp"
#include "numpy_view.hpp"
#include "raise.hpp"

namespace optcore::python {

void bind_belief(py::module_& m) {
  auto sub = m.def_submodule("belief");
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
