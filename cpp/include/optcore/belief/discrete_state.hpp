#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore {

/// What a discrete Bayes filter remembers: plain data over somebody else's memory.
///
/// The belief is kept as probabilities while they span fewer decades than T can hold, and as
/// logarithms otherwise (`in_logs`), so no hypothesis is ever lost to underflow.
template <class T>
struct DiscreteState {
  /// All rows are padded with zeros to a multiple of this.
  static constexpr int lanes = row_lanes<T>;

  int states = 0;
  int padded = 0;
  T* transition = nullptr;   ///< (padded, padded) row-stochastic, or null: `keep` and `prior`
  float* rounded = nullptr;  ///< in place of `transition`: half the traffic of a large matrix
  T* prior = nullptr;        ///< (padded,) sums to 1
  T* probability = nullptr;  ///< (padded,) always valid; underflows to 0 while in_logs
  T* log_belief = nullptr;   ///< (padded,) valid while in_logs
  T* scratch = nullptr;      ///< (3 * padded,)
  T keep = T(1);             ///< without a matrix: probability to stay, else redraw from the prior
  T log_evidence = T(0);     ///< of the last successful update
  bool in_logs = false;
  bool tiny_transitions = false;  ///< some are so small that only logarithms are safe

  [[nodiscard]] OPTCORE_HD bool moves() const noexcept {
    return transition != nullptr || rounded != nullptr;
  }
  [[nodiscard]] OPTCORE_HD T transition_at(int i, int j) const noexcept {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(i) * padded + j;
    return transition != nullptr ? transition[at] : static_cast<T>(rounded[at]);
  }

  /// Cuts a state from the arena; a measuring arena says how large a buffer must be. Rounding to
  /// single precision is for more than two registers of states; fewer keep T.
  [[nodiscard]] OPTCORE_HD static constexpr DiscreteState make(Arena& arena, int states,
                                                               bool with_transition,
                                                               bool rounded = false) noexcept {
    DiscreteState s;
    s.states = states;
    s.padded = (states + lanes - 1) / lanes * lanes;
    const auto size = static_cast<std::size_t>(s.padded);
    s.prior = arena.array<T>(size);
    s.probability = arena.array<T>(size);
    s.log_belief = arena.array<T>(size);
    s.scratch = arena.array<T>(3 * size);
    if (with_transition && rounded && s.padded > 2 * lanes) {
      s.rounded = arena.array<float>(size * size);
    } else if (with_transition) {
      s.transition = arena.array<T>(size * size);
    }
    return s;
  }
};

/// Where the answers of filter_sequence() go; each may be empty.
template <class T>
struct SequenceOutput {
  MatrixView<T> probabilities{};    ///< (steps, states) belief after each observation
  VectorView<T> log_evidence{};     ///< (steps,) log p(z_t | z_1 .. z_{t-1}); NaN where it failed
  VectorView<Status> row_status{};  ///< (steps,)
};

}  // namespace optcore
