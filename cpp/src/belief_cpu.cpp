/// CPU back-end of the belief kernels; compiled once per instruction set.

#include "backend.hpp"
#include "optcore/belief/categorical.hpp"

namespace optcore::cpu {
namespace {

Status update_rows(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                   VectorView<double> log_evidence, VectorView<Status> row_status) noexcept {
  for (int row = 0; row < log_beliefs.rows; ++row) {
    double* evidence = log_evidence.size > 0 ? &log_evidence[row] : nullptr;
    row_status[row] =
        belief::update<double>(log_beliefs.row(row), log_likelihoods.row(row), evidence);
  }
  return Status::ok;
}

constexpr BeliefKernels table = {.update = update_rows};

}  // namespace

template <>
const BeliefKernels& belief_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
