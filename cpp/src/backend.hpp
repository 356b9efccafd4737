#pragma once

#include "optcore/belief/discrete_state.hpp"
#include "optcore/belief/kalman_state.hpp"
#include "optcore/belief/particle_state.hpp"
#include "optcore/belief/regression_state.hpp"
#include "optcore/belief/sparse_state.hpp"
#include "optcore/belief/value_iteration_types.hpp"
#include "optcore/core/random_key.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/team.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/gp.hpp"
#include "optcore/host/gp_batch.hpp"
#include "optcore/host/gp_sparse.hpp"
#include "optcore/host/loop.hpp"
#include "optcore/host/mpc.hpp"
#include "optcore/mpc/dense_types.hpp"

/// Private: what each back-end defines. The CPU has one table of functions per kernel and
/// instruction set; CUDA has the same functions in namespace cuda (no_cuda.cpp when it is off).
namespace optcore {

namespace cpu {

/// Updates of beliefs over sparse processes; a null likelihood observes nothing.
template <class Table>
struct SparseTableKernels {
  Status (*update)(SparseBeliefState<double>& state, const SparseAction<Table>& action,
                   const Table* likelihood) noexcept;
  double (*weigh)(const SparseAction<Table>& action, VectorView<const double> belief,
                  const Table* likelihood, VectorView<double> out) noexcept;
  void (*observe)(MatrixView<const Table> likelihood, VectorView<const double> predicted,
                  VectorView<double> out) noexcept;
};

struct SparseKernels {
  SparseTableKernels<float> single;
  SparseTableKernels<double> twice;
};

/// Beliefs over models, and planning with them.
template <class T>
struct DirichletKernels {
  Status (*sample)(const RandomKey& key, MatrixView<const double> counts,
                   MatrixView<T> out) noexcept;
  ValueIterationInfo (*value_iteration)(MatrixView<const T> transition,
                                        MatrixView<const double> reward,
                                        const ValueIterationSettings& settings,
                                        VectorView<double> value, VectorView<int> policy,
                                        VectorView<double> scratch) noexcept;
};

struct RegressionKernels {
  Status (*update)(RegressionState<double>& state, const double* x, const double* y) noexcept;
  Status (*downdate)(RegressionState<double>& state, const double* x, const double* y) noexcept;
  double (*predict)(const RegressionState<double>& state, const double* x, double* mean) noexcept;
  Status (*sample)(const RegressionState<double>& state, const RandomKey& key,
                   MatrixView<double> coefficients, MatrixView<double> noise) noexcept;
};

struct KalmanKernels {
  Status (*predict)(KalmanState<double>& state, int filters) noexcept;
  Status (*update)(KalmanState<double>& state, const double* z, bool predict_first,
                   int filters) noexcept;
  Status (*update_with_innovation)(KalmanState<double>& state, const double* innovation,
                                   int filters) noexcept;
  Status (*imm_step)(ImmState<double>& state, const double* z) noexcept;
};

struct ParticleKernels {
  Status (*step)(ParticleState<double>& state, const ConstantVelocity<double>& model,
                 const ParticleSettings& settings, const double* z) noexcept;
  Status (*weigh)(ParticleState<double>& state, const ParticleSettings& settings,
                  VectorView<const double> log_likelihood) noexcept;
  void (*resample)(VectorView<const double> weight, double total, Resampling scheme,
                   const RandomKey& key, int* ancestor) noexcept;
};

/// What a whole sequence of observations says.
struct SequenceKernels {
  Status (*smooth)(MatrixView<const double> transition, MatrixView<const double> filtered, int lag,
                   MatrixView<double> smoothed, VectorView<double> scratch) noexcept;
  Status (*viterbi)(VectorView<const double> log_prior, MatrixView<const double> log_transition,
                    MatrixView<const double> log_likelihoods, VectorView<int> path,
                    MatrixView<int> back, VectorView<double> scratch,
                    double& log_probability) noexcept;
};

struct BeliefKernels {
  Status (*update)(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                   VectorView<double> log_evidence, VectorView<Status> row_status) noexcept;
  Status (*discrete_step)(DiscreteState<double>& state, VectorView<const double> log_likelihood,
                          bool predict) noexcept;
  Status (*discrete_sequence)(DiscreteState<double>& state,
                              MatrixView<const double> log_likelihoods, bool predict_first,
                              const SequenceOutput<double>& out) noexcept;
  void (*discrete_batch)(DiscreteState<double>& single, MatrixView<double> beliefs,
                         MatrixView<const double> log_likelihoods, VectorView<double> log_evidence,
                         VectorView<Status> row_status, double* scratch) noexcept;
  Status (*boltzmann)(const double* from, const double* to, MatrixView<const double> goals,
                      VectorView<const double> betas, VectorView<double> log_likelihood) noexcept;
  SparseKernels sparse;
  DirichletKernels<float> dirichlet_single;
  DirichletKernels<double> dirichlet;
  RegressionKernels regression;
  KalmanKernels kalman;
  SequenceKernels sequence;
  ParticleKernels particle;
};

/// The control loop of one instruction set; `loop` lies in the caller's memory.
struct LoopKernels {
  std::size_t (*bytes)(const loop::LoopConfig&, const loop::MotionModel&) noexcept;
  Status (*create)(void* memory, std::size_t bytes, const loop::LoopConfig&,
                   const loop::MotionModel&, void** loop) noexcept;
  loop::LoopResult (*step)(void* loop, const loop::Observation&, const double* state,
                           const double* goal, loop::Clock,
                           MatrixView<const double> oracle) noexcept;
  void (*reset)(void* loop) noexcept;
  MatrixView<const double> (*plan)(const void* loop) noexcept;
  int (*people)(const void* loop) noexcept;
  host::ControlLoop::Person (*person)(const void* loop, int index, VectorView<double> weight,
                                      MatrixView<double> mean,
                                      MatrixView<double> covariance) noexcept;

  std::size_t (*forecaster_bytes)(const loop::MotionModel&, int max_steps) noexcept;
  Status (*forecaster_create)(void* memory, std::size_t bytes, const loop::MotionModel&,
                              int max_steps, void** forecaster) noexcept;
  void (*posteriors)(void* forecaster, MatrixView<const double> positions, double belief_period,
                     MatrixView<double> posterior) noexcept;
  void (*forecast)(void* forecaster, const double* position, const double* velocity, int steps,
                   double step, MatrixView<double> mean, MatrixView<double> covariance) noexcept;
};

/// The MPC solver of one problem size; `solver` lies in the caller's memory.
struct OcpKernels {
  std::size_t (*bytes)(OcpSize) noexcept;
  void* (*create)(void* memory, std::size_t bytes, OcpSize) noexcept;
  void (*set)(void* solver, OcpSize, const host::OcpSolver::Problem&) noexcept;
  OcpInfo (*solve)(void* solver, OcpSize, const double* x0, bool warm, const OcpSettings&) noexcept;
  void (*solution)(const void* solver, OcpSize, double* x, double* u) noexcept;
  void (*multipliers)(const void* solver, OcpSize, double* x, double* u, double* rows) noexcept;
};

/// Size of a Gaussian process: of a model, of a likelihood at `points`, or of a sparse model with
/// so many inducing inputs.
struct GpSize {
  int points, dims, outputs;
  bool more = false;  ///< model: L^-1 too; likelihood: gradients too
  int kernel_parameters = 0;
};

/// Dense quadratic programmes; `solver` lies in the caller's memory.
struct DenseQpKernels {
  std::size_t (*bytes)(DenseQpSize) noexcept;
  void* (*create)(void* memory, std::size_t bytes, DenseQpSize) noexcept;
  Status (*factor)(void* solver, const double* P, const double* G) noexcept;
  void (*bounds)(void* solver, const double* q, const double* lb, const double* ub, const double* h,
                 int inequalities, const double* b, int equalities) noexcept;
  DenseQpInfo (*solve)(void* solver, bool warm, const DenseQpSettings&) noexcept;
  void (*solution)(const void* solver, double* x) noexcept;
  void (*multipliers)(const void* solver, double* box, double* rows) noexcept;
};

/// Exact Gaussian processes of one instruction set; model and evaluator lie in the caller's memory.
struct GpKernels {
  std::size_t (*model_bytes)(GpSize) noexcept;
  void* (*model_create)(void* memory, std::size_t bytes, GpSize) noexcept;
  Status (*fit)(void* model, MatrixView<const double> X, MatrixView<const double> Y,
                const host::GpHyperparameters& hyper, Team team) noexcept;
  Status (*append)(void* model, VectorView<const double> x, VectorView<const double> y) noexcept;
  Status (*drop)(void* model, int index) noexcept;
  Status (*refactor)(void* model) noexcept;
  MatrixView<const double> (*weights)(const void* model) noexcept;
  void (*leave_one_out)(void* model, MatrixView<double> residual,
                        VectorView<double> variance) noexcept;
  void (*mean)(const void* model, MatrixView<const double> queries,
               MatrixView<double> mean) noexcept;
  void (*predict)(void* model, MatrixView<const double> queries, MatrixView<double> mean,
                  VectorView<double> variance) noexcept;
  void (*mean_gradient)(const void* model, MatrixView<const double> queries,
                        MatrixView<double> mean, MatrixView<double> gradient) noexcept;
  void (*variance_gradient)(void* model, MatrixView<const double> queries,
                            MatrixView<double> gradient) noexcept;
  void (*predict_joint)(void* model, MatrixView<const double> queries, MatrixView<double> mean,
                        MatrixView<double> covariance, double* scratch) noexcept;
  std::size_t (*joint_scratch)(const void* model, int queries) noexcept;
  int (*size)(const void* model) noexcept;
  int (*failing_pivot)(const void* model) noexcept;
  double (*log_marginal_likelihood)(const void* model) noexcept;
  std::size_t (*compact_size)(GpSize) noexcept;  ///< numbers that store() writes
  void (*store)(const void* model, double* compact) noexcept;
  void (*restore)(void* model, int points, const double* compact) noexcept;
  std::size_t (*likelihood_bytes)(GpSize) noexcept;
  void* (*likelihood_create)(void* memory, std::size_t bytes, GpSize) noexcept;
  Status (*likelihood)(void* evaluator, MatrixView<const double> X, MatrixView<const double> Y,
                       const host::GpHyperparameters& hyper, bool gradient,
                       host::GpLikelihood& out) noexcept;
  std::size_t (*covariance_bytes)(int points, int dims, int parameters) noexcept;
  Status (*covariance)(Arena arena, VectorView<const KernelNode> nodes,
                       VectorView<const double> parameters, MatrixView<const double> X,
                       MatrixView<const double> Z, bool same, MatrixView<double> out) noexcept;
  Status (*cholesky)(double* a, int size, int stride, double* workspace, int* failing_pivot,
                     Team team) noexcept;
  int (*cholesky_rows)(int size) noexcept;
  int (*cholesky_stride)(int size) noexcept;
  std::size_t (*cholesky_workspace)(int size) noexcept;
};

/// Gaussian processes through inducing inputs; the model lies in the caller's memory.
struct GpSparseKernels {
  std::size_t (*bytes)(GpSize) noexcept;
  void* (*create)(void* memory, std::size_t bytes, GpSize) noexcept;
  Status (*begin)(void* model, MatrixView<const double> Z, const host::GpHyperparameters& hyper,
                  double jitter) noexcept;
  Status (*add)(void* model, MatrixView<const double> X, MatrixView<const double> Y) noexcept;
  Status (*finish)(void* model) noexcept;
  Status (*predict)(void* model, MatrixView<const double> queries, MatrixView<double> mean,
                    VectorView<double> variance) noexcept;
  void (*begin_gradient)(void* model) noexcept;
  Status (*add_gradient)(void* model, MatrixView<const double> X,
                         MatrixView<const double> Y) noexcept;
  void (*finish_gradient)(void* model, host::GpBoundGradient& out) noexcept;
  void (*statistics)(const void* model, host::GpSparseStatistics<double>& out) noexcept;
  Status (*restore)(void* model, const host::GpSparseStatistics<const double>& saved) noexcept;
  double (*bound)(const void* model) noexcept;
  int (*failing_pivot)(const void* model) noexcept;
  std::size_t (*choose_bytes)(int candidates, int dims, int most, int kernel_parameters) noexcept;
  Status (*choose)(void* memory, std::size_t bytes, MatrixView<const double> candidates,
                   const host::GpHyperparameters& hyper, double tolerance, VectorView<int> chosen,
                   int& count) noexcept;
};

/// Inner loops of point-based planning; see planning/bounds.hpp.
struct PlanningKernels {
  int (*best_vector)(MatrixView<const double> rows, const double* belief, double* value) noexcept;
  double (*sawtooth)(MatrixView<const double> beliefs, MatrixView<const double> base,
                     const double* value, const double* gain, VectorView<const double> base_at_b,
                     const double* inverse_b) noexcept;
};

/// Each defined once per instruction set by <kernel>_cpu.cpp.
template <Isa>
const BeliefKernels& belief_kernels() noexcept;
template <Isa>
const GpKernels& gp_kernels() noexcept;
template <Isa>
const GpSparseKernels& gp_sparse_kernels() noexcept;
template <Isa>
const LoopKernels& loop_kernels() noexcept;
template <Isa>
const DenseQpKernels& dense_qp_kernels() noexcept;
template <Isa>
const PlanningKernels& planning_kernels() noexcept;
template <Isa>
const OcpKernels& ocp_kernels(OcpSize size) noexcept;

/// The tables for this machine.
struct Kernels {
  Isa isa;
  const BeliefKernels* belief;
  const GpKernels* gp;
  const GpSparseKernels* gp_sparse;
  const LoopKernels* loop;
  const PlanningKernels* planning;
  const OcpKernels& (*ocp)(OcpSize size) noexcept;
  const DenseQpKernels* dense_qp;
};

const Kernels& kernels() noexcept;

}  // namespace cpu

namespace cuda {

Status update_beliefs(MatrixView<double> log_beliefs, MatrixView<const double> log_likelihoods,
                      VectorView<double> log_evidence, VectorView<Status> row_status) noexcept;

/// Fits and predicts; shapes are checked and every process has at most gp_batch_points.
inline constexpr int gp_batch_points = 256;
Status fit_predict(const host::GpBatchData& data, const host::GpBatchAnswer& answer) noexcept;

/// Solves; everything is checked.
Status solve_batch(const host::OcpBatchData& data, const OcpSettings& settings,
                   const host::OcpBatchAnswer& answer) noexcept;

/// Makes the device the calling thread's own.
Status select_device(int index) noexcept;
/// Number of usable devices; 0 with a reason when there is none.
int device_count(const char** reason) noexcept;
Status device_info(int index, char* name, int name_size, double* memory_bytes) noexcept;

}  // namespace cuda

}  // namespace optcore
