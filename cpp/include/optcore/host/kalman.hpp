#pragma once

#include "optcore/belief/kalman_state.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"

namespace optcore::host {

/// Kalman filters of run-time size, 1 to 8 of them, each with a model of its own; with a switching
/// matrix, an IMM. See optcore/belief/kalman.hpp and imm.hpp. All memory is taken by the
/// constructor; a step that fails leaves everything as it was.
class KalmanFilters {
 public:
  /// @param size 1 .. 16  @param measured 1 .. 8  @param filters 1 .. 8. @throws std::bad_alloc.
  /// Starts with zeros but for unit R, and an even probability of each filter that never switches.
  KalmanFilters(int size, int measured, int filters);

  /// Model and belief of one filter; Q, R and P are symmetric, their lower triangle is read.
  /// @return shape_mismatch, invalid_argument (no such filter) or not_finite; nothing is changed.
  [[nodiscard]] Status set(int filter, MatrixView<const double> F, MatrixView<const double> Q,
                           MatrixView<const double> H, MatrixView<const double> R,
                           VectorView<const double> x, MatrixView<const double> P) noexcept;
  /// @param switching (filters, filters) row-stochastic  @param probability (filters,)
  [[nodiscard]] Status set_switching(MatrixView<const double> switching,
                                     VectorView<const double> probability) noexcept;

  [[nodiscard]] Status predict() noexcept;
  /// Each filter by itself; `predict_first` fuses a prediction. @param z (measured,)
  [[nodiscard]] Status update(VectorView<const double> z, bool predict_first) noexcept;
  /// Each filter with the innovation given. @param innovation (measured,)
  [[nodiscard]] Status update_with_innovation(VectorView<const double> innovation) noexcept;
  /// One period of the IMM.
  [[nodiscard]] Status step(VectorView<const double> z) noexcept;

  void mean(int filter, VectorView<double> out) const noexcept;
  void covariance(int filter, MatrixView<double> out) const noexcept;
  /// Of the mixture.
  void combine(VectorView<double> mean, MatrixView<double> covariance) const noexcept;
  [[nodiscard]] int size() const noexcept { return state_.filters.size; }
  [[nodiscard]] int measured() const noexcept { return state_.filters.measured; }
  [[nodiscard]] int filters() const noexcept { return state_.models; }
  [[nodiscard]] VectorView<const double> probabilities() const noexcept {
    return {state_.probability, state_.models};
  }
  [[nodiscard]] VectorView<const double> log_likelihoods() const noexcept {
    return {state_.filters.log_likelihood, state_.models};
  }
  [[nodiscard]] double log_evidence() const noexcept { return state_.log_evidence; }

 private:
  Buffer buffer_;
  ImmState<double> state_;
  double* shared_ = nullptr;  // (m, W) an innovation for every lane
};

}  // namespace optcore::host
