#pragma once

#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

inline constexpr int headings = 32;

/// cos and sin of 2 pi k / 32, k = 0 .. 31: the observed heading turned round the circle.
template <class T>
inline constexpr T quarter_sine[9] = {T(0),
                                      T(0.19509032201612826785L),
                                      T(0.38268343236508977173L),
                                      T(0.55557023301960222474L),
                                      T(0.70710678118654752440L),
                                      T(0.83146961230254523708L),
                                      T(0.92387953251128675613L),
                                      T(0.98078528040323044913L),
                                      T(1)};

template <class T>
struct Circle {
  alignas(64) T cosine[headings];
  alignas(64) T sine[headings];

  constexpr Circle() noexcept : cosine{}, sine{} {
    for (int k = 0; k < headings; ++k) {
      sine[k] = value(k);
      cosine[k] = value((k + 8) % 32);
    }
  }
  static constexpr T value(int k) noexcept {
    if (k >= 16) return -value(k - 16);
    return k <= 8 ? quarter_sine<T>[k] : quarter_sine<T>[16 - k];
  }
};

}  // namespace detail

/// Log-likelihood of one walking step under each goal and rationality: the person picks a heading
/// with probability proportional to exp(beta * progress), progress being how much nearer to the
/// goal the step ends, and keeps the length of the step (so that standing still says nothing).
///
/// @param from, to        positions before and after the step, m
/// @param goals           (G, 2), m
/// @param betas           (B,), 1/m, >= 0: 0 wanders, large is purposeful
/// @param log_likelihood  (G * B,), element g * B + b; relative to a uniform heading
/// @return not_finite or invalid_argument (negative beta) leave the output as it was.
///
/// The normaliser is the trapezoidal rule over 32 headings, exact to 1e-4 up to beta * length = 50
/// (it converges exponentially on periodic functions).
///
/// Source: Fisac et al., RSS 2018, eq. (4); Baker, Saxe & Tenenbaum, Cognition 113 (2009).
template <class T>
[[nodiscard]] OPTCORE_HD Status boltzmann_log_likelihood(const T from[2], const T to[2],
                                                         MatrixView<const T> goals,
                                                         VectorView<const T> betas,
                                                         VectorView<T> log_likelihood) noexcept {
  using detail::headings;
  constexpr int lanes = native_lanes<T> < headings ? native_lanes<T> : headings;
  using P = Pack<T, lanes>;
  if (goals.cols != 2 || log_likelihood.size != goals.rows * betas.size) {
    return Status::shape_mismatch;
  }
  const T dx = to[0] - from[0], dy = to[1] - from[1];
  if (!is_finite(dx) || !is_finite(dy)) return Status::not_finite;
  for (int b = 0; b < betas.size; ++b) {
    if (!(betas[b] >= T(0))) return Status::invalid_argument;
    if (!is_finite(betas[b])) return Status::not_finite;
  }
  for (int g = 0; g < goals.rows; ++g) {
    if (!is_finite(goals(g, 0) - from[0]) || !is_finite(goals(g, 1) - from[1])) {
      return Status::not_finite;
    }
  }

  static constexpr detail::Circle<T> circle{};
  const T step_squared = dx * dx + dy * dy;
  for (int g = 0; g < goals.rows; ++g) {
    // progress = (before^2 - after^2) / (before + after), so that far goals cancel nothing; the
    // square after is summed from its coordinates, so that a step onto the goal cancels nothing
    const T gx = from[0] - goals(g, 0), gy = from[1] - goals(g, 1);
    const T before = sqrt(gx * gx + gy * gy);
    const T along = gx * dx + gy * dy, across = gy * dx - gx * dy;
    alignas(64) T progress[headings];
    P best = P::broadcast(-infinity<T>());
    for (int k = 0; k < headings; k += lanes) {
      const P cosine = P::load(circle.cosine + k), sine = P::load(circle.sine + k);
      const P change = fma(P::broadcast(2 * along), cosine,
                           fma(P::broadcast(2 * across), sine, P::broadcast(step_squared)));
      const P x = fma(P::broadcast(dx), cosine, fma(P::broadcast(-dy), sine, P::broadcast(gx)));
      const P y = fma(P::broadcast(dy), cosine, fma(P::broadcast(dx), sine, P::broadcast(gy)));
      const P after = sqrt(fma(x, x, y * y));
      const P both = max(P::broadcast(before) + after, P::broadcast(smallest_normal<T>()));
      const P nearer = -change / both;
      nearer.store(progress + k);
      best = max(best, nearer);
    }
    const T top = largest(best);
    for (int b = 0; b < betas.size; ++b) {
      P mass = P::zero();
      for (int k = 0; k < headings; k += lanes) {
        mass += exp_negative(P::broadcast(betas[b]) * (P::load(progress + k) - P::broadcast(top)));
      }
      log_likelihood[g * betas.size + b] =
          betas[b] * (progress[0] - top) - log(sum(mass) / T(headings));
    }
  }
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
