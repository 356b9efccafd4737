#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/random_key.hpp"

namespace optcore {

/// How the ancestors of the next generation are drawn.
enum class Resampling : int { systematic, stratified };

struct ParticleSettings {
  Resampling resampling = Resampling::systematic;
  double ess_threshold = 0.5;  ///< resample when the effective sample size is below this share of n
  double roughening = 0;       ///< K of Gordon et al.: noise after resampling, in ranges n^(-1/d)
};

/// A cloud of weighted particles: plain data over somebody else's memory, dimension by dimension.
template <class T>
struct ParticleState {
  static constexpr int block = 64 / static_cast<int>(sizeof(T));

  int particles = 0;
  int size = 0;             ///< d
  int stride = 0;           ///< particles, rounded up to whole registers
  T* x = nullptr;           ///< (d, stride)
  T* next = nullptr;        ///< (d, stride)
  T* log_weight = nullptr;  ///< (stride,) at most 0; -inf beyond the particles
  T* next_log = nullptr;    ///< (stride,)
  T* weight = nullptr;      ///< (stride,) scratch
  int* ancestor = nullptr;  ///< (stride,) marks of families (resampling.hpp) while `pending`
  T log_mass = T(0);        ///< log of the sum of the weights
  /// Resampled, but not yet copied: particle i is the column of x that the largest of the marks
  /// 0 .. i names, and weights are equal. The next step reads them so; settle_families() copies.
  bool pending = false;
  RandomKey key{};        ///< its step advances with each prediction
  T log_evidence = T(0);  ///< of the last measurement
  T ess = T(0);           ///< effective sample size after the last measurement

  [[nodiscard]] OPTCORE_HD static ParticleState make(Arena& arena, int particles,
                                                     int size) noexcept {
    ParticleState s;
    s.particles = particles;
    s.size = size;
    s.stride = (particles + block - 1) / block * block;
    const auto n = static_cast<std::size_t>(s.stride), d = static_cast<std::size_t>(size);
    s.x = arena.array<T>(d * n);
    s.next = arena.array<T>(d * n);
    s.log_weight = arena.array<T>(n);
    s.next_log = arena.array<T>(n);
    s.weight = arena.array<T>(n);
    s.ancestor = arena.array<int>(n);
    return s;
  }
};

/// People and robots in the plane: state (px, py, vx, vy) moves straight on with white noise, and
/// its position is measured.
template <class T>
struct ConstantVelocity {
  T period = T(0);             ///< s
  T position_noise = T(0);     ///< m, standard deviation per step
  T velocity_noise = T(0);     ///< m/s, standard deviation per step
  T measurement_noise = T(1);  ///< m, standard deviation of each coordinate, > 0
};

}  // namespace optcore
