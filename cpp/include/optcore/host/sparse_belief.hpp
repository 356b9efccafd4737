#pragma once

#include <memory>
#include <vector>

#include "optcore/belief/sparse_state.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"

namespace optcore::host {

/// Transition and observation tables of a partially observable Markov decision process, by action.
/// Filled once, then shared by any number of beliefs and threads.
class SparseTables {
 public:
  enum class Precision { single, twice };  ///< float or double tables; beliefs are double

  /// @param states, actions, observations  each at least 1. @throws std::bad_alloc
  SparseTables(int states, int actions, int observations, Precision precision);

  /// Sets the tables of one action and chooses how they are stored.
  /// @param transition   (states, states) row s: T(. | s, a); rows sum to 1 within 1e-5
  /// @param observation  (states, observations) row s': O(. | a, s'); rows sum to 1 within 1e-5
  /// @return shape_mismatch or invalid_argument; the tables are then as they were.
  /// @throws std::bad_alloc
  [[nodiscard]] Status set_action(int action, const CsrView<double>& transition,
                                  MatrixView<const double> observation);

  [[nodiscard]] int states() const noexcept { return states_; }
  [[nodiscard]] int actions() const noexcept { return static_cast<int>(storage_.size()); }
  [[nodiscard]] int observations() const noexcept { return observations_; }
  [[nodiscard]] Precision precision() const noexcept { return precision_; }
  /// States rounded up to whole slices of eight.
  [[nodiscard]] int padded() const noexcept { return padded_; }
  /// Whether the action's transitions are stored in slices too (see SlicedMatrix).
  [[nodiscard]] bool sliced(int action) const noexcept;
  [[nodiscard]] bool ready(int action) const noexcept;
  /// Memory of all tables.
  [[nodiscard]] std::size_t bytes() const noexcept;

  [[nodiscard]] const SparseAction<float>& single(int action) const noexcept {
    return single_[static_cast<std::size_t>(action)];
  }
  [[nodiscard]] const SparseAction<double>& twice(int action) const noexcept {
    return twice_[static_cast<std::size_t>(action)];
  }

 private:
  template <class Table>
  Status store(int action, const CsrView<double>& transition, MatrixView<const double> observation,
               SparseAction<Table>& target);

  int states_, padded_, observations_;
  Precision precision_;
  std::vector<Buffer> storage_;
  std::vector<SparseAction<float>> single_;
  std::vector<SparseAction<double>> twice_;
};

/// A belief over the states of such a process. All memory is taken by the constructor; a call that
/// fails leaves the belief as it was.
class SparseBelief {
 public:
  /// Starts uniform. @throws std::bad_alloc
  explicit SparseBelief(std::shared_ptr<const SparseTables> tables);

  /// @param prior (states,) >= 0, any scale; empty: uniform.
  [[nodiscard]] Status reset(VectorView<const double> prior) noexcept;
  /// Acts and observes; `observation` -1: nothing is seen.
  /// @return zero_evidence, invalid_argument (no such action or observation), not_ready (the action
  ///         has no tables).
  [[nodiscard]] Status update(int action, int observation) noexcept;

  void probabilities(VectorView<double> out) const noexcept;
  /// How many states are possible.
  [[nodiscard]] int support() const noexcept { return state_.count; }
  /// Whether only the possible states are held and visited.
  [[nodiscard]] bool listed() const noexcept { return state_.listed; }
  [[nodiscard]] double log_evidence() const noexcept { return state_.log_evidence; }
  [[nodiscard]] const SparseTables& tables() const noexcept { return *tables_; }

 private:
  std::shared_ptr<const SparseTables> tables_;
  Buffer buffer_;
  SparseBeliefState<double> state_;
};

/// One update of a belief that the caller holds.
/// @param belief, posterior  (tables.padded(),) zero beyond the states, not the same memory; the
///                           posterior sums to 1, and is unspecified when the call fails
/// @param log_evidence       natural log of p(observation | belief, action)
[[nodiscard]] Status update_belief(const SparseTables& tables, VectorView<const double> belief,
                                   int action, int observation, VectorView<double> posterior,
                                   double& log_evidence) noexcept;

/// p(observation | belief, action) of every observation.
/// @param belief, predicted  (tables.padded(),) as above; `predicted` is the belief after the
/// action
/// @param out                (observations,)
[[nodiscard]] Status observation_probabilities(const SparseTables& tables,
                                               VectorView<const double> belief, int action,
                                               VectorView<double> predicted,
                                               VectorView<double> out) noexcept;

}  // namespace optcore::host
