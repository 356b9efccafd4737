#pragma once

#include "optcore/belief/regression_state.hpp"
#include "optcore/belief/value_iteration_types.hpp"
#include "optcore/core/random_key.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"

namespace optcore::host {

/// A sample of each row's Dirichlet posterior; see optcore/belief/dirichlet.hpp.
[[nodiscard]] Status dirichlet_sample(const RandomKey& key, MatrixView<const double> counts,
                                      MatrixView<float> out) noexcept;
[[nodiscard]] Status dirichlet_sample(const RandomKey& key, MatrixView<const double> counts,
                                      MatrixView<double> out) noexcept;

/// Optimal values and policy of a Markov decision process; see optcore/belief/value_iteration.hpp.
/// @param scratch (S * (A + 1),)
[[nodiscard]] ValueIterationInfo value_iteration(MatrixView<const float> transition,
                                                 MatrixView<const double> reward,
                                                 const ValueIterationSettings& settings,
                                                 VectorView<double> value, VectorView<int> policy,
                                                 VectorView<double> scratch) noexcept;
[[nodiscard]] ValueIterationInfo value_iteration(MatrixView<const double> transition,
                                                 MatrixView<const double> reward,
                                                 const ValueIterationSettings& settings,
                                                 VectorView<double> value, VectorView<int> policy,
                                                 VectorView<double> scratch) noexcept;

/// Bayesian linear regression of run-time size; see optcore/belief/linear_regression.hpp. All
/// memory is taken by the constructor; a call that fails leaves the belief as it was.
class LinearRegression {
 public:
  /// @param inputs, outputs at least 1. @throws std::bad_alloc. set_prior() must follow.
  LinearRegression(int inputs, int outputs);

  [[nodiscard]] Status set_prior(double variance, double scatter, double degrees) noexcept;
  /// @param x (inputs,)  @param y (outputs,)
  [[nodiscard]] Status update(VectorView<const double> x, VectorView<const double> y) noexcept;
  [[nodiscard]] Status downdate(VectorView<const double> x, VectorView<const double> y) noexcept;
  /// Mean (outputs,) of the prediction; returns 1 + x'Vx.
  double predict(VectorView<const double> x, VectorView<double> mean) noexcept;
  [[nodiscard]] Status sample(const RandomKey& key, MatrixView<double> coefficients,
                              MatrixView<double> noise) const noexcept;
  [[nodiscard]] double log_evidence() const noexcept;

  [[nodiscard]] const RegressionState<double>& state() const noexcept { return state_; }

 private:
  const double* padded(VectorView<const double> x) noexcept;

  Buffer buffer_;
  RegressionState<double> state_;
  double* input_ = nullptr;  // (stride,) zero beyond the inputs
};

}  // namespace optcore::host
