#pragma once

#include "optcore/core/math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::belief {

/// Bayes' rule over K hypotheses in log space, in place: b <- normalise(b * likelihood).
///
/// @param log_belief      (K,) natural log of the prior, any common offset; the posterior on
/// return.
/// @param log_likelihood  (K,) log p(observation | hypothesis), any common offset.
/// @param log_evidence    optional: log sum_k exp(log_belief[k] + log_likelihood[k]).
/// @return zero_evidence when no hypothesis explains the observation, not_finite on NaN or +inf;
///         in both cases the prior is left as it was.
///
/// Source: Thrun, Burgard & Fox, Probabilistic Robotics (2005), section 2.4; shifted log-sum-exp:
/// Blanchard, Higham & Higham, IMA J. Numer. Anal. 41(4) (2021).
///
/// ```cpp
/// // one of two intents, 4 : 1; what was seen is nine times as likely under the second
/// double belief[2] = {std::log(0.8), std::log(0.2)};
/// const double likelihood[2] = {std::log(0.1), std::log(0.9)};
/// assert(!failed(optcore::belief::update<double>({belief, 2}, {likelihood, 2})));
/// assert(std::abs(std::exp(belief[0]) - 0.08 / 0.26) < 1e-12);
/// ```
template <class T>
[[nodiscard]] OPTCORE_HD Status update(VectorView<T> log_belief, VectorView<const T> log_likelihood,
                                       T* log_evidence = nullptr) noexcept {
  if (log_belief.size <= 0 || log_likelihood.size != log_belief.size) return Status::shape_mismatch;
  T peak = -infinity<T>();
  for (int k = 0; k < log_belief.size; ++k) {
    const T value = log_belief[k] + log_likelihood[k];
    if (!(value < infinity<T>())) return Status::not_finite;
    peak = max(peak, value);
  }
  if (peak == -infinity<T>()) return Status::zero_evidence;

  T mass = 0;
  for (int k = 0; k < log_belief.size; ++k) mass += exp(log_belief[k] + log_likelihood[k] - peak);

  const T total = peak + log(mass);
  for (int k = 0; k < log_belief.size; ++k) log_belief[k] += log_likelihood[k] - total;
  if (log_evidence != nullptr) *log_evidence = total;
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
