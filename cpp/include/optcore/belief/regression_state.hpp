#pragma once

#include "optcore/core/arena.hpp"

namespace optcore {

/// Belief over a linear model y = B'x + noise, noise ~ N(0, S): plain data over somebody else's
/// memory. B | S ~ matrix normal (mean, covariance V, S), S ~ inverse Wishart (scatter, degrees).
template <class T>
struct RegressionState {
  static constexpr int lanes = 64 / static_cast<int>(sizeof(T));

  int inputs = 0;           ///< d
  int outputs = 0;          ///< p
  int stride = 0;           ///< d rounded up to whole registers
  T* mean = nullptr;        ///< (p, stride): row q holds the coefficients of output q
  T* covariance = nullptr;  ///< (stride, stride): V, symmetric; its lower triangle is kept
  T* scatter = nullptr;     ///< (p, p): Psi, symmetric, all of it
  T* gain = nullptr;        ///< (stride,) V x of the last call
  T* error = nullptr;       ///< (p,) of the last observation
  T* scratch = nullptr;     ///< (2 p p + d d + max(d, p),) of samples
  T degrees = T(0);         ///< nu > p - 1
  T spread = T(1);          ///< 1 + x'Vx of the last observation

  [[nodiscard]] OPTCORE_HD static RegressionState make(Arena& arena, int inputs,
                                                       int outputs) noexcept {
    RegressionState s;
    s.inputs = inputs;
    s.outputs = outputs;
    s.stride = (inputs + lanes - 1) / lanes * lanes;
    const auto d = static_cast<std::size_t>(inputs), p = static_cast<std::size_t>(outputs);
    const auto row = static_cast<std::size_t>(s.stride);
    s.mean = arena.array<T>(p * row);
    s.covariance = arena.array<T>(row * row);
    s.scatter = arena.array<T>(p * p);
    s.gain = arena.array<T>(row);
    s.error = arena.array<T>(p);
    s.scratch = arena.array<T>(2 * p * p + d * d + d + p);
    return s;
  }
};

}  // namespace optcore
