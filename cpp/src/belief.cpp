#include "optcore/host/belief.hpp"

#include "backend.hpp"
#include "optcore/belief/discrete.hpp"

namespace optcore::host {

Status update_beliefs(Device device, MatrixView<double> log_beliefs,
                      MatrixView<const double> log_likelihoods, VectorView<double> log_evidence,
                      VectorView<Status> row_status) noexcept {
  if (log_likelihoods.rows != log_beliefs.rows || log_likelihoods.cols != log_beliefs.cols ||
      row_status.size != log_beliefs.rows ||
      (log_evidence.size != 0 && log_evidence.size != log_beliefs.rows)) {
    return Status::shape_mismatch;
  }
  if (device.kind == Device::Kind::cuda) {
    const Status chosen = cuda::select_device(device.index);
    if (failed(chosen)) return chosen;
    return cuda::update_beliefs(log_beliefs, log_likelihoods, log_evidence, row_status);
  }
  return cpu::kernels().belief->update(log_beliefs, log_likelihoods, log_evidence, row_status);
}

Status smooth(MatrixView<const double> transition, MatrixView<const double> filtered, int lag,
              MatrixView<double> smoothed, VectorView<double> scratch) noexcept {
  return cpu::kernels().belief->sequence.smooth(transition, filtered, lag, smoothed, scratch);
}

Status viterbi(VectorView<const double> log_prior, MatrixView<const double> log_transition,
               MatrixView<const double> log_likelihoods, VectorView<int> path, MatrixView<int> back,
               VectorView<double> scratch, double& log_probability) noexcept {
  return cpu::kernels().belief->sequence.viterbi(log_prior, log_transition, log_likelihoods, path,
                                                 back, scratch, log_probability);
}

namespace {

std::size_t discrete_bytes(int states, bool with_transition, bool rounded) {
  Arena arena = Arena::measure();
  (void)DiscreteState<double>::make(arena, states, with_transition, rounded);
  return arena.used();
}

}  // namespace

DiscreteFilter::DiscreteFilter(int states, bool with_transition, bool rounded)
    : buffer_(discrete_bytes(states, with_transition, rounded)) {
  Arena arena = buffer_.arena();
  state_ = DiscreteState<double>::make(arena, states, with_transition, rounded);
  (void)belief::set_prior<double>(state_, {});
}

Status DiscreteFilter::set_prior(VectorView<const double> prior) noexcept {
  return belief::set_prior(state_, prior);
}

Status DiscreteFilter::set_transition(MatrixView<const double> transition) noexcept {
  return belief::set_transition(state_, transition);
}

Status DiscreteFilter::set_switching(double probability) noexcept {
  return belief::set_switching(state_, probability);
}

Status DiscreteFilter::observe(VectorView<const double> log_likelihood, bool predict) noexcept {
  const auto& kernels = *cpu::kernels().belief;
  const Status status = kernels.discrete_step(state_, log_likelihood, predict);
  if (status != Status::zero_evidence || !resets_) return status;
  belief::reset(state_);
  (void)kernels.discrete_step(state_, log_likelihood,
                              false);  // fails where the prior cannot either
  return Status::reset_to_prior;
}

Status DiscreteFilter::step(VectorView<const double> log_likelihood) noexcept {
  return observe(log_likelihood, true);
}

Status DiscreteFilter::update(VectorView<const double> log_likelihood) noexcept {
  return observe(log_likelihood, false);
}

Status DiscreteFilter::sequence(MatrixView<const double> log_likelihoods, bool predict_first,
                                const SequenceOutput<double>& out) noexcept {
  return cpu::kernels().belief->discrete_sequence(state_, log_likelihoods, predict_first, out);
}

Status DiscreteFilter::forget(double factor) noexcept { return belief::forget(state_, factor); }

void DiscreteFilter::predict() noexcept { belief::predict(state_); }

void DiscreteFilter::reset() noexcept { belief::reset(state_); }

void DiscreteFilter::log_belief(VectorView<double> out) const noexcept {
  belief::log_belief(state_, out);
}

DiscreteBatch::DiscreteBatch(int beliefs, int states) {
  const auto cut = [&](Arena& arena) {
    single_ = DiscreteState<double>::make(arena, states, true);
    beliefs_ = arena.matrix<double>(beliefs, single_.padded);
    log_evidence_ = arena.vector<double>(beliefs);
    row_status_ = arena.vector<Status>(beliefs);
    scratch_ = arena.array<double>(10 * static_cast<std::size_t>(single_.padded));
  };
  Arena measure = Arena::measure();
  cut(measure);
  buffer_ = Buffer(measure.used());
  Arena arena = buffer_.arena();
  cut(arena);
  (void)belief::set_prior<double>(single_, {});
  reset();
}

Status DiscreteBatch::set(MatrixView<const double> transition,
                          VectorView<const double> prior) noexcept {
  Status status = belief::set_prior(single_, prior);
  if (!failed(status)) status = belief::set_transition(single_, transition);
  if (!failed(status)) reset();
  return status;
}

Status DiscreteBatch::step(MatrixView<const double> log_likelihoods) noexcept {
  if (log_likelihoods.rows != beliefs_.rows || log_likelihoods.cols != single_.states) {
    return Status::shape_mismatch;
  }
  cpu::kernels().belief->discrete_batch(single_, beliefs_, log_likelihoods, log_evidence_,
                                        row_status_, scratch_);
  return Status::ok;
}

void DiscreteBatch::reset() noexcept {
  for (int r = 0; r < beliefs_.rows; ++r) {
    for (int j = 0; j < single_.padded; ++j) beliefs_(r, j) = single_.prior[j];
    log_evidence_[r] = 0;
    row_status_[r] = Status::ok;
  }
}

GoalBelief::GoalBelief(MatrixView<const double> goals, VectorView<const double> betas)
    : filter_(goals.rows * betas.size, false) {
  const auto cut = [&](Arena& arena) {
    goals_ = arena.matrix<double>(goals.rows, 2);
    betas_ = arena.vector<double>(betas.size);
    log_likelihood_ = arena.vector<double>(goals.rows * betas.size);
  };
  Arena measure = Arena::measure();
  cut(measure);
  buffer_ = Buffer(measure.used());
  Arena arena = buffer_.arena();
  cut(arena);
  for (int g = 0; g < goals.rows; ++g) {
    goals_(g, 0) = goals(g, 0);
    goals_(g, 1) = goals(g, 1);
  }
  for (int b = 0; b < betas.size; ++b) betas_[b] = betas[b];
}

Status GoalBelief::step(const double from[2], const double to[2]) noexcept {
  const Status status = cpu::kernels().belief->boltzmann(from, to, goals_, betas_, log_likelihood_);
  return failed(status) ? status : filter_.step(log_likelihood_);
}

}  // namespace optcore::host
