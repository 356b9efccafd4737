/// CPU back-end of the belief kernels; compiled once per instruction set.

#include "backend.hpp"
#include "optcore/belief/categorical.hpp"
#include "optcore/belief/dirichlet.hpp"
#include "optcore/belief/discrete.hpp"
#include "optcore/belief/discrete_batch.hpp"
#include "optcore/belief/discrete_sequence.hpp"
#include "optcore/belief/discrete_smoother.hpp"
#include "optcore/belief/goal.hpp"
#include "optcore/belief/imm.hpp"
#include "optcore/belief/linear_regression.hpp"
#include "optcore/belief/particle.hpp"
#include "optcore/belief/sparse.hpp"
#include "optcore/belief/value_iteration.hpp"

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

Status discrete_step(DiscreteState<double>& state, VectorView<const double> log_likelihood,
                     bool predict) noexcept {
  return predict ? belief::step(state, log_likelihood) : belief::update(state, log_likelihood);
}

Status discrete_sequence(DiscreteState<double>& state, MatrixView<const double> log_likelihoods,
                         bool predict_first, const SequenceOutput<double>& out) noexcept {
  return belief::filter_sequence(state, log_likelihoods, predict_first, out);
}

void discrete_batch(DiscreteState<double>& single, MatrixView<double> beliefs,
                    MatrixView<const double> log_likelihoods, VectorView<double> log_evidence,
                    VectorView<Status> row_status, double* scratch) noexcept {
  belief::step_batch(single, beliefs, log_likelihoods, log_evidence, row_status, scratch);
}

Status boltzmann(const double* from, const double* to, MatrixView<const double> goals,
                 VectorView<const double> betas, VectorView<double> log_likelihood) noexcept {
  return belief::boltzmann_log_likelihood<double>(from, to, goals, betas, log_likelihood);
}

template <class Table>
Status sparse_update(SparseBeliefState<double>& state, const SparseAction<Table>& action,
                     const Table* likelihood) noexcept {
  return belief::update(state, action, likelihood);
}

template <class Table>
double sparse_weigh(const SparseAction<Table>& action, VectorView<const double> belief,
                    const Table* likelihood, VectorView<double> out) noexcept {
  return belief::weigh(action, belief.data, 1.0, likelihood, out.data, out.size).mass;
}

template <class Table>
void sparse_observe(MatrixView<const Table> likelihood, VectorView<const double> predicted,
                    VectorView<double> out) noexcept {
  belief::observe(likelihood, predicted, out);
}

template <class Table>
constexpr SparseTableKernels<Table> sparse_table = {
    .update = sparse_update<Table>, .weigh = sparse_weigh<Table>, .observe = sparse_observe<Table>};

template <class T>
Status dirichlet_sample(const RandomKey& key, MatrixView<const double> counts,
                        MatrixView<T> out) noexcept {
  return belief::dirichlet_sample(key, counts, out);
}

template <class T>
ValueIterationInfo value_iteration(MatrixView<const T> transition, MatrixView<const double> reward,
                                   const ValueIterationSettings& settings, VectorView<double> value,
                                   VectorView<int> policy, VectorView<double> scratch) noexcept {
  return belief::value_iteration<double, T>(transition, reward, settings, value, policy, scratch);
}

template <class T>
constexpr DirichletKernels<T> dirichlet_table = {.sample = dirichlet_sample<T>,
                                                 .value_iteration = value_iteration<T>};

Status regression_update(RegressionState<double>& state, const double* x,
                         const double* y) noexcept {
  return belief::update(state, x, y);
}

Status regression_downdate(RegressionState<double>& state, const double* x,
                           const double* y) noexcept {
  return belief::downdate(state, x, y);
}

double regression_predict(const RegressionState<double>& state, const double* x,
                          double* mean) noexcept {
  return belief::predict(state, x, mean);
}

Status regression_sample(const RegressionState<double>& state, const RandomKey& key,
                         MatrixView<double> coefficients, MatrixView<double> noise) noexcept {
  return belief::sample(state, key, coefficients, noise);
}

Status kalman_predict(KalmanState<double>& state, int filters) noexcept {
  return belief::predict(state, filters);
}

Status kalman_update(KalmanState<double>& state, const double* z, bool predict_first,
                     int filters) noexcept {
  return belief::update(state, z, predict_first, filters);
}

Status kalman_update_with_innovation(KalmanState<double>& state, const double* innovation,
                                     int filters) noexcept {
  return belief::update_with_innovation(state, innovation, filters);
}

Status imm_step(ImmState<double>& state, const double* z) noexcept {
  return belief::step(state, z);
}

Status smooth(MatrixView<const double> transition, MatrixView<const double> filtered, int lag,
              MatrixView<double> smoothed, VectorView<double> scratch) noexcept {
  return belief::smooth(transition, filtered, lag, smoothed, scratch);
}

Status viterbi(VectorView<const double> log_prior, MatrixView<const double> log_transition,
               MatrixView<const double> log_likelihoods, VectorView<int> path, MatrixView<int> back,
               VectorView<double> scratch, double& log_probability) noexcept {
  return belief::viterbi(log_prior, log_transition, log_likelihoods, path, back, scratch,
                         log_probability);
}

Status particle_step(ParticleState<double>& state, const ConstantVelocity<double>& model,
                     const ParticleSettings& settings, const double* z) noexcept {
  return belief::step(state, model, settings, z);
}

Status particle_weigh(ParticleState<double>& state, const ParticleSettings& settings,
                      VectorView<const double> log_likelihood) noexcept {
  return belief::weigh(state, settings, log_likelihood);
}

void particle_resample(VectorView<const double> weight, double total, Resampling scheme,
                       const RandomKey& key, int* ancestor) noexcept {
  belief::resample(weight, total, scheme, key, ancestor);
}

constexpr BeliefKernels table = {
    .update = update_rows,
    .discrete_step = discrete_step,
    .discrete_sequence = discrete_sequence,
    .discrete_batch = discrete_batch,
    .boltzmann = boltzmann,
    .sparse = {sparse_table<float>, sparse_table<double>},
    .dirichlet_single = dirichlet_table<float>,
    .dirichlet = dirichlet_table<double>,
    .regression = {.update = regression_update,
                   .downdate = regression_downdate,
                   .predict = regression_predict,
                   .sample = regression_sample},
    .kalman = {.predict = kalman_predict,
               .update = kalman_update,
               .update_with_innovation = kalman_update_with_innovation,
               .imm_step = imm_step},
    .sequence = {.smooth = smooth, .viterbi = viterbi},
    .particle = {.step = particle_step, .weigh = particle_weigh, .resample = particle_resample}};

}  // namespace

template <>
const BeliefKernels& belief_kernels<this_isa>() noexcept {
  return table;
}

}  // namespace optcore::cpu
