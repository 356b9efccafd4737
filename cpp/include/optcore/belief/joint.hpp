#pragma once

#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"

namespace optcore::inline OPTCORE_ISA::belief {

/// A person's intent: the joint probability of hypothesis and rationality (beta), with switching.
///
/// Fixed capacity, everything inside the object, no heap. Element (h, b) of the joint lies at index
/// `h * betas + b`. Each update first predicts: with probability `switching` the person draws
/// (h, beta) afresh from the prior; then applies Bayes' rule.
///
/// Without switching a hypothesis whose probability falls below the smallest normal number is 0 for
/// good, so keep it above 0 for people, who do change their minds.
///
/// Source: Fisac et al., "Probabilistically safe robot planning with confidence-based human
/// predictions", RSS 2018 (joint inference over goal and model confidence).
template <class T, int MaxHypotheses, int MaxBetas = 1>
class JointBelief {
 public:
  static constexpr int capacity = MaxHypotheses * MaxBetas;

  struct Settings {
    int hypotheses = 1;                      ///< 1 .. MaxHypotheses
    int betas = 1;                           ///< 1 .. MaxBetas
    T switching = T(0.02);                   ///< probability per update, [0, 1)
    VectorView<const T> hypothesis_prior{};  ///< (hypotheses,), any scale; empty: uniform
    VectorView<const T> beta_prior{};        ///< (betas,), any scale; empty: uniform
  };

  /// Copies the priors and starts from them.
  /// @return invalid_argument (also for a negative, infinite or all-zero prior), shape_mismatch;
  /// the
  ///         object is then as it was.
  [[nodiscard]] OPTCORE_HD Status setup(const Settings& settings) noexcept {
    const int hypotheses = settings.hypotheses, betas = settings.betas;
    if (hypotheses < 1 || hypotheses > MaxHypotheses || betas < 1 || betas > MaxBetas ||
        !(settings.switching >= T(0) && settings.switching < T(1))) {
      return Status::invalid_argument;
    }
    T over_hypotheses = 0, over_betas = 0;
    const Status first = total(settings.hypothesis_prior, hypotheses, over_hypotheses);
    if (failed(first)) return first;
    const Status second = total(settings.beta_prior, betas, over_betas);
    if (failed(second)) return second;

    hypotheses_ = hypotheses;
    betas_ = betas;
    keep_ = T(1) - settings.switching;
    for (int i = 0; i < padded; ++i) prior_[i] = redraw_[i] = T(0);
    for (int h = 0; h < hypotheses; ++h) {
      const T ph = weight(settings.hypothesis_prior, h) / over_hypotheses;
      for (int b = 0; b < betas; ++b) {
        const T p = ph * (weight(settings.beta_prior, b) / over_betas);
        prior_[h * betas + b] = p;
        redraw_[h * betas + b] = settings.switching * p;
      }
    }
    reset();
    return Status::ok;
  }

  /// Predicts, then takes in one observation.
  /// @param log_likelihood (hypotheses * betas,) natural log of p(observation | h, beta) at index
  ///        h * betas + b, any common offset; -inf says impossible.
  /// @return not_finite (NaN, +inf) or zero_evidence (nothing explains it): the belief is as it
  /// was.
  [[nodiscard]] OPTCORE_HD Status update(VectorView<const T> log_likelihood) noexcept {
    const int n = hypotheses_ * betas_;
    if (log_likelihood.size != n) return Status::shape_mismatch;
    alignas(64) T log_weight[padded];
    for (int i = 0; i < n; ++i) log_weight[i] = log_likelihood[i];
    return bayes(log_weight);
  }

  /// The same with one log-likelihood per hypothesis, whatever the rationality.
  /// @param log_likelihood (hypotheses,)
  [[nodiscard]] OPTCORE_HD Status update_shared(VectorView<const T> log_likelihood) noexcept {
    if (log_likelihood.size != hypotheses_) return Status::shape_mismatch;
    alignas(64) T log_weight[padded];
    for (int h = 0; h < hypotheses_; ++h) {
      for (int b = 0; b < betas_; ++b) log_weight[h * betas_ + b] = log_likelihood[h];
    }
    return bayes(log_weight);
  }

  /// Back to the prior.
  OPTCORE_HD void reset() noexcept {
    for (int i = 0; i < padded; ++i) joint_[i] = prior_[i];
    log_evidence_ = T(0);
    sum_marginals();
  }

  /// (hypotheses * betas,), sums to 1.
  [[nodiscard]] OPTCORE_HD VectorView<const T> joint() const noexcept {
    return {joint_, hypotheses_ * betas_};
  }
  /// (hypotheses,), sums to 1.
  [[nodiscard]] OPTCORE_HD VectorView<const T> hypotheses() const noexcept {
    return {hypothesis_, hypotheses_};
  }
  /// (betas,), sums to 1.
  [[nodiscard]] OPTCORE_HD VectorView<const T> betas() const noexcept { return {beta_, betas_}; }
  /// log p(observation | observations before), of the last successful update.
  [[nodiscard]] OPTCORE_HD T log_evidence() const noexcept { return log_evidence_; }
  [[nodiscard]] OPTCORE_HD int hypothesis_count() const noexcept { return hypotheses_; }
  [[nodiscard]] OPTCORE_HD int beta_count() const noexcept { return betas_; }

 private:
  static constexpr int lanes = native_lanes<T>;
  static constexpr int padded = (capacity + lanes - 1) / lanes * lanes;
  using P = Pack<T>;

  OPTCORE_HD static T weight(VectorView<const T> prior, int i) noexcept {
    return prior.size == 0 ? T(1) : prior[i];
  }

  OPTCORE_HD static Status total(VectorView<const T> prior, int n, T& sum) noexcept {
    if (prior.size != 0 && prior.size != n) return Status::shape_mismatch;
    sum = T(0);
    for (int i = 0; i < n; ++i) {
      if (!(weight(prior, i) >= T(0))) return Status::invalid_argument;
      sum += weight(prior, i);
    }
    return sum > T(0) && is_finite(sum) ? Status::ok : Status::invalid_argument;
  }

  OPTCORE_HD Status bayes(T* log_weight) noexcept {
    const int n = hypotheses_ * betas_;
    const int end = min((n + lanes - 1) / lanes * lanes, padded);
    for (int i = n; i < end; ++i) log_weight[i] = -infinity<T>();
    P peaks = P::load(log_weight);
    for (int i = lanes; i < end; i += lanes) peaks = max(peaks, P::load(log_weight + i));
    T peak = largest(peaks);

    alignas(64) T predicted[padded];
    alignas(64) T weighted[padded];
    P sums = P::zero();
    for (int i = 0; i < end; i += lanes) {
      const P p = fma(P::broadcast(keep_), P::load(joint_ + i), P::load(redraw_ + i));
      const P w = p * exp_negative(P::load(log_weight + i) - P::broadcast(peak));
      p.store(predicted + i);
      w.store(weighted + i);
      sums += w;
    }
    T mass = sum(sums);
    // also taken by NaN: the likely hypotheses are improbable, or the input is bad
    if (!(mass > smallest_mass)) {
      const Status status = bayes_in_logs(predicted, log_weight, weighted, peak, mass);
      if (failed(status)) return status;
    }
    const P scale = P::broadcast(T(1) / mass);
    for (int i = 0; i < end; i += lanes) (P::load(weighted + i) * scale).store(joint_ + i);
    log_evidence_ = peak + log(mass);
    sum_marginals();
    return Status::ok;
  }

  OPTCORE_HD Status bayes_in_logs(const T* predicted, const T* log_weight, T* weighted, T& peak,
                                  T& mass) const noexcept {
    const int n = hypotheses_ * betas_;
    for (int i = 0; i < n; ++i) {
      if (!(log_weight[i] < infinity<T>())) return Status::not_finite;
    }
    peak = -infinity<T>();
    for (int i = 0; i < n; ++i) {
      weighted[i] = log(predicted[i]) + log_weight[i];
      peak = max(peak, weighted[i]);
    }
    if (peak == -infinity<T>()) return Status::zero_evidence;
    mass = T(0);
    for (int i = 0; i < n; ++i) mass += weighted[i] = exp(weighted[i] - peak);
    return Status::ok;
  }

  OPTCORE_HD void sum_marginals() noexcept {
    for (int b = 0; b < betas_; ++b) beta_[b] = T(0);
    for (int h = 0; h < hypotheses_; ++h) {
      T row = T(0);
      for (int b = 0; b < betas_; ++b) {
        row += joint_[h * betas_ + b];
        beta_[b] += joint_[h * betas_ + b];
      }
      hypothesis_[h] = row;
    }
  }

  /// Above the rounding of sums of subnormal numbers.
  static constexpr T smallest_mass = sizeof(T) == 4 ? T(1e-30) : T(1e-280);

  alignas(64) T joint_[padded] = {};
  alignas(64) T prior_[padded] = {};
  alignas(64) T redraw_[padded] = {};
  T hypothesis_[MaxHypotheses] = {};
  T beta_[MaxBetas] = {};
  T keep_ = T(1);
  T log_evidence_ = T(0);
  int hypotheses_ = 0;
  int betas_ = 0;
};

}  // namespace optcore::inline OPTCORE_ISA::belief
