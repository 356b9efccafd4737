#include "optcore/host/particles.hpp"

#include <cmath>

#include "backend.hpp"

namespace optcore::host {

ParticleFilter::ParticleFilter(int particles, int size, const ParticleSettings& settings,
                               const RandomKey& key)
    : settings_(settings) {
  Arena measure = Arena::measure();
  (void)ParticleState<double>::make(measure, particles, size);
  buffer_ = Buffer(measure.used());
  Arena arena = buffer_.arena();
  state_ = ParticleState<double>::make(arena, particles, size);
  state_.key = key;
  state_.ess = particles;
  for (int i = particles; i < state_.stride; ++i) state_.log_weight[i] = -HUGE_VAL;
}

Status ParticleFilter::move(MatrixView<const double> states) noexcept {
  if (states.rows != state_.particles || states.cols != state_.size) return Status::shape_mismatch;
  for (int i = 0; i < states.rows; ++i) {
    for (int a = 0; a < states.cols; ++a) {
      if (!std::isfinite(states(i, a))) return Status::not_finite;
    }
  }
  for (int i = 0; i < states.rows; ++i) {
    for (int a = 0; a < states.cols; ++a) {
      state_.x[static_cast<std::ptrdiff_t>(a) * state_.stride + i] = states(i, a);
    }
  }
  return Status::ok;
}

Status ParticleFilter::set(MatrixView<const double> states) noexcept {
  const Status status = move(states);
  if (failed(status)) return status;
  for (int i = 0; i < state_.particles; ++i) state_.log_weight[i] = 0;
  state_.ess = state_.particles;
  return Status::ok;
}

Status ParticleFilter::weigh(VectorView<const double> log_likelihood) noexcept {
  return cpu::kernels().belief->particle.weigh(state_, settings_, log_likelihood);
}

Status ParticleFilter::step(const ConstantVelocity<double>& model,
                            VectorView<const double> z) noexcept {
  if (z.size != 2) return Status::shape_mismatch;
  return cpu::kernels().belief->particle.step(state_, model, settings_, z.data);
}

void ParticleFilter::states(MatrixView<double> out) const noexcept {
  for (int i = 0; i < out.rows; ++i) {
    for (int a = 0; a < out.cols; ++a) {
      out(i, a) = state_.x[static_cast<std::ptrdiff_t>(a) * state_.stride + i];
    }
  }
}

void ParticleFilter::weights(VectorView<double> out) const noexcept {
  double total = 0;
  for (int i = 0; i < out.size; ++i) total += out[i] = std::exp(state_.log_weight[i]);
  for (int i = 0; i < out.size; ++i) out[i] /= total;
}

Status resample(VectorView<const double> weights, Resampling scheme, const RandomKey& key,
                VectorView<double> cumulative, VectorView<int> ancestor) noexcept {
  if (cumulative.size != weights.size || ancestor.size != weights.size || weights.size < 1) {
    return Status::shape_mismatch;
  }
  double total = 0, least = 0;
  for (int i = 0; i < weights.size; ++i) {
    least = weights[i] < least ? weights[i] : least;
    cumulative[i] = total += weights[i];
  }
  if (least < 0 || !(total > 0) || !std::isfinite(total)) return Status::invalid_argument;
  cpu::kernels().belief->particle.resample(cumulative, scheme, key, ancestor.data);
  return Status::ok;
}

}  // namespace optcore::host
