#pragma once

#include "optcore/belief/discrete.hpp"

namespace optcore::inline OPTCORE_ISA::belief {

/// Discrete Bayes filter over at most `Capacity` states with everything inside the object.
/// A step that fails leaves the belief as it was; a setup() that fails leaves a filter without
/// states. See discrete.hpp for the arguments.
///
/// ```cpp
/// optcore::belief::DiscreteBayesFilter<float, 4> filter;
/// const float moves[] = {0.9f, 0.1f, 0.2f, 0.8f};  // p(next = j | now = i)
/// assert(!failed(filter.setup({moves, 2, 2, 2})));
/// const float seen[] = {std::log(0.5f), std::log(0.25f)};  // of the observation under each
/// assert(!failed(filter.step({seen, 2})));
/// assert(std::abs(filter.probabilities()[0] - 0.275f / 0.3875f) < 1e-6f);
/// ```
template <class T, int Capacity>
class DiscreteBayesFilter {
 public:
  DiscreteBayesFilter() noexcept = default;
  DiscreteBayesFilter(const DiscreteBayesFilter&) = delete;
  DiscreteBayesFilter& operator=(const DiscreteBayesFilter&) = delete;

  /// A state that never changes of itself, or is redrawn from the prior with probability
  /// `switching`. @param prior (states,), empty: uniform.
  [[nodiscard]] OPTCORE_HD Status setup(int states, VectorView<const T> prior = {},
                                        T switching = T(0)) noexcept {
    if (states < 1 || states > Capacity || !(switching >= T(0) && switching <= T(1))) {
      return Status::invalid_argument;
    }
    return begin(states, prior, false,
                 [&](DiscreteState<T>& s) { return belief::set_switching(s, switching); });
  }

  /// A state that moves by a transition matrix, element (i, j) = p(next = j | now = i).
  [[nodiscard]] OPTCORE_HD Status setup(MatrixView<const T> transition,
                                        VectorView<const T> prior = {}) noexcept {
    if (transition.rows < 1 || transition.rows > Capacity) return Status::invalid_argument;
    return begin(transition.rows, prior, true,
                 [&](DiscreteState<T>& s) { return belief::set_transition(s, transition); });
  }

  [[nodiscard]] OPTCORE_HD Status step(VectorView<const T> log_likelihood) noexcept {
    return weigh(log_likelihood, true);
  }
  [[nodiscard]] OPTCORE_HD Status update(VectorView<const T> log_likelihood) noexcept {
    return weigh(log_likelihood, false);
  }
  OPTCORE_HD void predict() noexcept { belief::predict(state_); }
  [[nodiscard]] OPTCORE_HD Status forget(T factor) noexcept {
    return belief::forget(state_, factor);
  }
  OPTCORE_HD void reset() noexcept { belief::reset(state_); }

  /// (states,), sums to 1.
  [[nodiscard]] OPTCORE_HD VectorView<const T> probabilities() const noexcept {
    return {state_.probability, state_.states};
  }
  [[nodiscard]] OPTCORE_HD T log_evidence() const noexcept { return state_.log_evidence; }
  [[nodiscard]] OPTCORE_HD DiscreteState<T>& state() noexcept { return state_; }

 private:
  static constexpr std::size_t bytes() noexcept {
    Arena arena = Arena::measure();
    static_cast<void>(DiscreteState<T>::make(arena, Capacity, true));
    return arena.used();
  }

  OPTCORE_HD Status weigh(VectorView<const T> log_likelihood, bool predict) noexcept {
    if (log_likelihood.size != state_.states) return Status::shape_mismatch;
    if (state_.states == 0) return Status::not_ready;
    return detail::step_any<Capacity>(state_, log_likelihood.data, predict);
  }

  template <class Finish>
  OPTCORE_HD Status begin(int states, VectorView<const T> prior, bool matrix,
                          Finish finish) noexcept {
    if (prior.size != 0 && prior.size != states) return Status::shape_mismatch;
    for (auto& x : memory_) x = 0;
    Arena arena(memory_, sizeof memory_);
    state_ = DiscreteState<T>::make(arena, states, matrix);
    Status status = belief::set_prior(state_, prior);
    if (!failed(status)) status = finish(state_);
    if (failed(status)) state_ = {};
    return status;
  }

  DiscreteState<T> state_{};
  alignas(64) unsigned char memory_[bytes()] = {};
};

}  // namespace optcore::inline OPTCORE_ISA::belief
