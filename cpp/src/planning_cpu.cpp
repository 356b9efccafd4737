/// CPU back-end of the planning kernels; compiled once per instruction set.

#include "backend.hpp"
#include "optcore/planning/bounds.hpp"

namespace optcore::cpu {
namespace {

int best_vector(MatrixView<const double> rows, const double* belief, double* value) noexcept {
  const planning::BestVector<double> best = planning::best_vector(rows, belief);
  *value = best.value;
  return best.index;
}

double sawtooth(MatrixView<const double> beliefs, MatrixView<const double> base,
                const double* value, const double* gain, VectorView<const double> base_at_b,
                const double* inverse_b) noexcept {
  return planning::sawtooth<double>({beliefs, base, value, gain}, base_at_b, inverse_b);
}

constexpr PlanningKernels table = {.best_vector = best_vector, .sawtooth = sawtooth};

}  // namespace

template <>
const PlanningKernels& planning_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
