#include "optcore/host/belief_models.hpp"

#include "backend.hpp"
#include "optcore/belief/linear_regression.hpp"

namespace optcore::host {

Status dirichlet_sample(const RandomKey& key, MatrixView<const double> counts,
                        MatrixView<float> out) noexcept {
  return cpu::kernels().belief->dirichlet_single.sample(key, counts, out);
}

Status dirichlet_sample(const RandomKey& key, MatrixView<const double> counts,
                        MatrixView<double> out) noexcept {
  return cpu::kernels().belief->dirichlet.sample(key, counts, out);
}

ValueIterationInfo value_iteration(MatrixView<const float> transition,
                                   MatrixView<const double> reward,
                                   const ValueIterationSettings& settings, VectorView<double> value,
                                   VectorView<int> policy, VectorView<double> scratch) noexcept {
  return cpu::kernels().belief->dirichlet_single.value_iteration(transition, reward, settings,
                                                                 value, policy, scratch);
}

ValueIterationInfo value_iteration(MatrixView<const double> transition,
                                   MatrixView<const double> reward,
                                   const ValueIterationSettings& settings, VectorView<double> value,
                                   VectorView<int> policy, VectorView<double> scratch) noexcept {
  return cpu::kernels().belief->dirichlet.value_iteration(transition, reward, settings, value,
                                                          policy, scratch);
}

LinearRegression::LinearRegression(int inputs, int outputs) {
  const auto cut = [&](Arena& arena) {
    state_ = RegressionState<double>::make(arena, inputs, outputs);
    input_ = arena.array<double>(static_cast<std::size_t>(state_.stride));
  };
  Arena measure = Arena::measure();
  cut(measure);
  buffer_ = Buffer(measure.used());
  Arena arena = buffer_.arena();
  cut(arena);
}

Status LinearRegression::set_prior(double variance, double scatter, double degrees) noexcept {
  return belief::set_prior(state_, variance, scatter, degrees);
}

const double* LinearRegression::padded(VectorView<const double> x) noexcept {
  for (int j = 0; j < x.size; ++j) input_[j] = x[j];
  return input_;
}

Status LinearRegression::update(VectorView<const double> x, VectorView<const double> y) noexcept {
  if (x.size != state_.inputs || y.size != state_.outputs) return Status::shape_mismatch;
  return cpu::kernels().belief->regression.update(state_, padded(x), y.data);
}

Status LinearRegression::downdate(VectorView<const double> x, VectorView<const double> y) noexcept {
  if (x.size != state_.inputs || y.size != state_.outputs) return Status::shape_mismatch;
  return cpu::kernels().belief->regression.downdate(state_, padded(x), y.data);
}

double LinearRegression::predict(VectorView<const double> x, VectorView<double> mean) noexcept {
  return cpu::kernels().belief->regression.predict(state_, padded(x), mean.data);
}

Status LinearRegression::sample(const RandomKey& key, MatrixView<double> coefficients,
                                MatrixView<double> noise) const noexcept {
  return cpu::kernels().belief->regression.sample(state_, key, coefficients, noise);
}

double LinearRegression::log_evidence() const noexcept { return belief::log_evidence(state_); }

}  // namespace optcore::host
