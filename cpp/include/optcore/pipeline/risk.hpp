#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Quantile of the standard normal distribution, relative error below 1e-15 in double.
/// -inf at 0, +inf at 1, NaN outside.
///
/// Source: M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution",
/// Applied Statistics 37(3) (1988), routine PPND16.
template <class T>
[[nodiscard]] OPTCORE_HD T normal_quantile(T probability) noexcept {
  const T q = probability - T(0.5);
  if (abs(q) <= T(0.425)) {
    const T r = T(0.180625) - q * q;
    const T num = (((((((T(2509.0809287301226727) * r + T(33430.575583588128105)) * r +
                        T(67265.770927008700853)) *
                           r +
                       T(45921.953931549871457)) *
                          r +
                      T(13731.693765509461125)) *
                         r +
                     T(1971.5909503065514427)) *
                        r +
                    T(133.14166789178437745)) *
                       r +
                   T(3.387132872796366608));
    const T den = (((((((T(5226.495278852854561) * r + T(28729.085735721942674)) * r +
                        T(39307.89580009271061)) *
                           r +
                       T(21213.794301586595867)) *
                          r +
                      T(5394.1960214247511077)) *
                         r +
                     T(687.1870074920579083)) *
                        r +
                    T(42.313330701600911252)) *
                       r +
                   T(1));
    return q * num / den;
  }
  T r = q < 0 ? probability : T(1) - probability;
  if (!(r >= 0)) return T(0) / T(0) * r;
  if (r == 0) return q < 0 ? -infinity<T>() : infinity<T>();
  r = sqrt(-log(r));
  T num, den;
  if (r <= T(5)) {
    r -= T(1.6);
    num = (((((((T(7.7454501427834140764e-4) * r + T(0.0227238449892691845833)) * r +
                T(0.24178072517745061177)) *
                   r +
               T(1.27045825245236838258)) *
                  r +
              T(3.64784832476320460504)) *
                 r +
             T(5.7694972214606914055)) *
                r +
            T(4.6303378461565452959)) *
               r +
           T(1.42343711074968357734));
    den = (((((((T(1.05075007164441684324e-9) * r + T(5.475938084995344946e-4)) * r +
                T(0.0151986665636164571966)) *
                   r +
               T(0.14810397642748007459)) *
                  r +
              T(0.68976733498510000455)) *
                 r +
             T(1.6763848301838038494)) *
                r +
            T(2.05319162663775882187)) *
               r +
           T(1));
  } else {
    r -= T(5);
    num = (((((((T(2.01033439929228813265e-7) * r + T(2.71155556874348757815e-5)) * r +
                T(0.0012426609473880784386)) *
                   r +
               T(0.026532189526576123093)) *
                  r +
              T(0.29656057182850489123)) *
                 r +
             T(1.7848265399172913358)) *
                r +
            T(5.4637849111641143699)) *
               r +
           T(6.6579046435011037772));
    den = (((((((T(2.04426310338993978564e-15) * r + T(1.4215117583164458887e-7)) * r +
                T(1.8463183175100546818e-5)) *
                   r +
               T(7.868691311456132591e-4)) *
                  r +
              T(0.0148753612908506148525)) *
                 r +
             T(0.13692988092273580531)) *
                r +
            T(0.59983220655588793769)) *
               r +
           T(1));
  }
  const T value = num / den;
  return q < 0 ? -value : value;
}

/// Distribution function of the standard normal distribution.
template <class T>
[[nodiscard]] OPTCORE_HD T normal_cdf(T x) noexcept {
  return T(0.5) * erfc(T(-0.70710678118654752440) * x);
}

/// Bound on the probability that a Gaussian point comes within `radius` of a place.
///
/// The disc lies inside the strip |along| <= radius around the line of sight and the strip of the
/// same width across it. The strip across is weighed by the deviation that remains when the
/// position along the line is known; being off its middle only lowers its mass.
///
/// @param dx, dy      from the mean to the place, m     @param covariance  (xx, xy, yy), m^2
/// @param radius      m, > 0
template <class T>
[[nodiscard]] OPTCORE_HD T contact_probability(T dx, T dy, const T* covariance, T radius) noexcept {
  const T square = dx * dx + dy * dy;
  if (square > T(2) * (radius * radius + T(36) * (covariance[0] + covariance[2]))) return T(0);
  const T distance = sqrt(square);
  const T nx = distance > T(1e-9) ? dx / distance : T(1);
  const T ny = distance > T(1e-9) ? dy / distance : T(0);
  const T sight =
      nx * nx * covariance[0] + T(2) * nx * ny * covariance[1] + ny * ny * covariance[2];
  if (!(sight > 0)) return distance < radius ? T(1) : T(0);
  const T inverse = T(1) / sqrt(sight);
  const T gap = (distance - radius) * inverse;
  if (gap > T(6)) return T(0);
  const T beyond = (distance + radius) * inverse;
  const T ahead = normal_cdf(-gap) - (beyond > T(6) ? T(0) : normal_cdf(-beyond));
  const T left = (covariance[0] * covariance[2] - covariance[1] * covariance[1]) / sight;
  const T aside = left > 0 ? T(1) - erfc(radius * T(0.70710678118654752440) / sqrt(left)) : T(1);
  return max(ahead, T(0)) * aside;
}

/// Splits one person's risk over the mixture of hypotheses.
///
/// With P(contact) = sum_h weight_h P(contact | h), the budget holds when
/// sum_h weight_h risk_h <= budget. The least likely hypotheses are left out (risk_h = 1) while
/// their mass fits into half of the budget; the rest get equal shares of what remains,
/// risk_h = share / weight_h, at most 1/2 (the constraint then holds for the mean).
///
/// @param weight  (H,) probabilities of the hypotheses, summing to 1
/// @param budget  probability of contact allowed for this person
/// @param risk    (H,) conditional risk per hypothesis; 1 means left out
/// @return the probability mass left out
template <class T>
OPTCORE_HD T allocate_risk(VectorView<const T> weight, T budget, VectorView<T> risk) noexcept {
  const int n = weight.size;
  for (int h = 0; h < n; ++h) risk[h] = 0;
  T dropped = 0;
  int kept = n;
  while (kept > 1) {
    int least = -1;
    for (int h = 0; h < n; ++h) {
      if (risk[h] < T(1) && (least < 0 || weight[h] < weight[least])) least = h;
    }
    if (dropped + weight[least] > T(0.5) * budget) break;
    risk[least] = 1;
    dropped += weight[least];
    --kept;
  }
  T left = budget - dropped;
  // Hypotheses whose equal share would exceed 1/2 take 1/2 and give the rest back.
  for (int round = 0; round < n && kept > 0; ++round) {
    const T share = left / static_cast<T>(kept);
    bool changed = false;
    for (int h = 0; h < n; ++h) {
      if (risk[h] == T(0) && share > T(0.5) * weight[h]) {
        risk[h] = T(0.5);
        left -= T(0.5) * weight[h];
        --kept;
        changed = true;
      }
    }
    if (!changed) {
      for (int h = 0; h < n; ++h) {
        if (risk[h] == T(0)) risk[h] = share / weight[h];
      }
      break;
    }
  }
  return dropped;
}

}  // namespace optcore::inline OPTCORE_ISA::pipeline
