#pragma once

#include "optcore/belief/discrete_state.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"
#include "optcore/host/device.hpp"

namespace optcore::host {

/// Bayes' rule for a batch of categorical beliefs, in place; row by row as belief::update().
///
/// @param log_beliefs      (batch, K) log priors, posteriors on return; rows that fail are kept.
/// @param log_likelihoods  (batch, K)
/// @param log_evidence     (batch,) or empty
/// @param row_status       (batch,)
/// @return shape_mismatch or device_unavailable; ok otherwise, whatever single rows say.
[[nodiscard]] Status update_beliefs(Device device, MatrixView<double> log_beliefs,
                                    MatrixView<const double> log_likelihoods,
                                    VectorView<double> log_evidence,
                                    VectorView<Status> row_status) noexcept;

/// Smoothed beliefs and the most probable path; see optcore/belief/discrete_smoother.hpp.
[[nodiscard]] Status smooth(MatrixView<const double> transition, MatrixView<const double> filtered,
                            int lag, MatrixView<double> smoothed,
                            VectorView<double> scratch) noexcept;
[[nodiscard]] Status viterbi(VectorView<const double> log_prior,
                             MatrixView<const double> log_transition,
                             MatrixView<const double> log_likelihoods, VectorView<int> path,
                             MatrixView<int> back, VectorView<double> scratch,
                             double& log_probability) noexcept;

/// Discrete Bayes filter of run-time size; see optcore/belief/discrete.hpp for each argument.
/// All memory is taken by the constructor; a call that fails leaves the belief as it was.
///
/// ```cpp
/// optcore::host::DiscreteFilter filter(/*states=*/2, /*with_transition=*/false);
/// assert(!failed(filter.set_switching(0.1)));
/// const double seen[] = {std::log(0.9), std::log(0.3)};
/// assert(!failed(filter.step({seen, 2})));
/// assert(std::abs(filter.probabilities()[0] - 0.75) < 1e-12);
/// ```
class DiscreteFilter {
 public:
  /// @throws std::bad_alloc. Starts from a uniform belief; `with_transition` makes room for a
  /// matrix, which must be set before the first step; `rounded` keeps a large one in single
  /// precision, the belief stays double. @param states at least 1.
  DiscreteFilter(int states, bool with_transition, bool rounded = false);

  [[nodiscard]] Status set_prior(VectorView<const double> prior) noexcept;
  [[nodiscard]] Status set_transition(MatrixView<const double> transition) noexcept;
  [[nodiscard]] Status set_switching(double probability) noexcept;

  /// When no state explains an observation, step() and update() start again: the belief is the
  /// prior, with the observation taken in where the prior can explain it, and the answer is
  /// reset_to_prior. Without this they return zero_evidence and leave the belief as it was.
  void reset_when_impossible(bool resets) noexcept { resets_ = resets; }

  [[nodiscard]] Status step(VectorView<const double> log_likelihood) noexcept;
  [[nodiscard]] Status update(VectorView<const double> log_likelihood) noexcept;
  [[nodiscard]] Status sequence(MatrixView<const double> log_likelihoods, bool predict_first,
                                const SequenceOutput<double>& out) noexcept;
  [[nodiscard]] Status forget(double factor) noexcept;
  void predict() noexcept;
  void reset() noexcept;

  [[nodiscard]] int states() const noexcept { return state_.states; }
  [[nodiscard]] VectorView<const double> probabilities() const noexcept {
    return {state_.probability, state_.states};
  }
  void log_belief(VectorView<double> out) const noexcept;
  [[nodiscard]] double log_evidence() const noexcept { return state_.log_evidence; }

 private:
  [[nodiscard]] Status observe(VectorView<const double> log_likelihood, bool predict) noexcept;

  Buffer buffer_;
  DiscreteState<double> state_;
  bool resets_ = false;
};

/// Many independent beliefs over one hidden Markov model; see optcore/belief/discrete_batch.hpp.
/// They are kept as probabilities: a state that falls below the smallest number is lost.
class DiscreteBatch {
 public:
  /// @throws std::bad_alloc. set() must follow. @param beliefs, states at least 1
  DiscreteBatch(int beliefs, int states);

  /// @param transition (K, K), rows sum to 1  @param prior (K,) of every belief; empty: uniform
  [[nodiscard]] Status set(MatrixView<const double> transition,
                           VectorView<const double> prior) noexcept;
  /// Predict and update each belief. @param log_likelihoods (beliefs, K)
  /// @return shape_mismatch; else ok, and row_status() says what became of each.
  [[nodiscard]] Status step(MatrixView<const double> log_likelihoods) noexcept;
  void reset() noexcept;

  /// (beliefs, K), each row sums to 1
  [[nodiscard]] MatrixView<const double> probabilities() const noexcept {
    return {beliefs_.data, beliefs_.rows, single_.states, beliefs_.stride};
  }
  [[nodiscard]] VectorView<const double> log_evidence() const noexcept {
    return {log_evidence_.data, log_evidence_.size};
  }
  [[nodiscard]] VectorView<const Status> row_status() const noexcept {
    return {row_status_.data, row_status_.size};
  }

 private:
  Buffer buffer_;
  DiscreteState<double> single_;
  MatrixView<double> beliefs_;  // (beliefs, padded)
  VectorView<double> log_evidence_;
  VectorView<Status> row_status_;
  double* scratch_ = nullptr;
};

/// Joint belief over the goal of a walking person and how rationally they pursue it.
/// Source: Fisac et al., RSS 2018; see optcore/belief/goal.hpp.
class GoalBelief {
 public:
  /// @param goals (G, 2) m  @param betas (B,) 1/m, >= 0  @param switching probability per step that
  /// goal and rationality are drawn afresh. @throws std::bad_alloc.
  GoalBelief(MatrixView<const double> goals, VectorView<const double> betas);

  [[nodiscard]] Status set_prior(VectorView<const double> joint) noexcept {
    return filter_.set_prior(joint);
  }
  [[nodiscard]] Status set_switching(double probability) noexcept {
    return filter_.set_switching(probability);
  }
  /// One step of the person, positions in m.
  [[nodiscard]] Status step(const double from[2], const double to[2]) noexcept;
  void reset() noexcept { filter_.reset(); }

  /// (G * B,), element g * B + b.
  [[nodiscard]] VectorView<const double> joint() const noexcept { return filter_.probabilities(); }
  [[nodiscard]] double log_evidence() const noexcept { return filter_.log_evidence(); }
  [[nodiscard]] int goals() const noexcept { return goals_.rows; }
  [[nodiscard]] int betas() const noexcept { return betas_.size; }

 private:
  DiscreteFilter filter_;
  Buffer buffer_;
  MatrixView<double> goals_;
  VectorView<double> betas_;
  VectorView<double> log_likelihood_;
};

}  // namespace optcore::host
