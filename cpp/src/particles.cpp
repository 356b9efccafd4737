#include "optcore/host/particles.hpp"

#include <cmath>

#include "backend.hpp"
#include "optcore/belief/particle.hpp"

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
  belief::detail::equalise(state_);
}

Status ParticleFilter::move(MatrixView<const double> states) noexcept {
  if (states.rows != state_.particles || states.cols != state_.size) return Status::shape_mismatch;
  for (int i = 0; i < states.rows; ++i) {
    for (int a = 0; a < states.cols; ++a) {
      if (!std::isfinite(states(i, a))) return Status::not_finite;
    }
  }
  if (state_.pending) belief::detail::equalise(state_);
  state_.pending = false;
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
  belief::detail::equalise(state_);
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
  belief::for_each_particle(state_, [&](int i, int column) {
    for (int a = 0; a < out.cols; ++a) {
      out(i, a) = state_.x[static_cast<std::ptrdiff_t>(a) * state_.stride + column];
    }
  });
}

void ParticleFilter::weights(VectorView<double> out) const noexcept {
  double total = 0;
  for (int i = 0; i < out.size; ++i) {
    total += out[i] = state_.pending ? 1 : std::exp(state_.log_weight[i]);
  }
  for (int i = 0; i < out.size; ++i) out[i] /= total;
}

Status resample(VectorView<const double> weights, Resampling scheme, const RandomKey& key,
                VectorView<int> ancestor) noexcept {
  if (ancestor.size != weights.size || weights.size < 1) return Status::shape_mismatch;
  double totals[4] = {}, least[4] = {};  // four chains of additions
  int i = 0;
  for (; i + 4 <= weights.size; i += 4) {
    for (int k = 0; k < 4; ++k) {
      totals[k] += weights[i + k];
      least[k] = weights[i + k] < least[k] ? weights[i + k] : least[k];
    }
  }
  for (; i < weights.size; ++i) {
    totals[0] += weights[i];
    least[0] = weights[i] < least[0] ? weights[i] : least[0];
  }
  const double total = (totals[0] + totals[1]) + (totals[2] + totals[3]);
  const bool negative = least[0] < 0 || least[1] < 0 || least[2] < 0 || least[3] < 0;
  if (negative || !(total > 0) || !std::isfinite(total)) return Status::invalid_argument;
  cpu::kernels().belief->particle.resample(weights, total, scheme, key, ancestor.data);
  return Status::ok;
}

}  // namespace optcore::host
