#pragma once

#include "optcore/belief/particle_state.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/host/buffer.hpp"

namespace optcore::host {

/// Particle filter of run-time size; see optcore/belief/particle.hpp. All memory is taken by the
/// constructor; a call that fails leaves the cloud as it was.
class ParticleFilter {
 public:
  /// Starts at zero with equal weights. @param particles, size at least 1. @throws std::bad_alloc.
  ParticleFilter(int particles, int size, const ParticleSettings& settings, const RandomKey& key);

  /// @param states (particles, size); weights become equal
  [[nodiscard]] Status set(MatrixView<const double> states) noexcept;
  /// Moves the particles elsewhere with their weights kept, after a transition of the caller's.
  [[nodiscard]] Status move(MatrixView<const double> states) noexcept;
  [[nodiscard]] Status weigh(VectorView<const double> log_likelihood) noexcept;
  /// A whole period of the built-in model; size must be 4.
  [[nodiscard]] Status step(const ConstantVelocity<double>& model,
                            VectorView<const double> z) noexcept;

  void states(MatrixView<double> out) const noexcept;
  /// (particles,) that sum to 1.
  void weights(VectorView<double> out) const noexcept;
  [[nodiscard]] const ParticleState<double>& state() const noexcept { return state_; }

 private:
  Buffer buffer_;
  ParticleState<double> state_;
  ParticleSettings settings_;
};

/// Ancestors (n,) of a new generation from weights (n,) >= 0 of any scale.
/// @return invalid_argument when the weights have no positive, finite sum.
[[nodiscard]] Status resample(VectorView<const double> weights, Resampling scheme,
                              const RandomKey& key, VectorView<int> ancestor) noexcept;

}  // namespace optcore::host
