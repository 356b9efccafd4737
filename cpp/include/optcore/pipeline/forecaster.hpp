#pragma once

#include "optcore/belief/joint.hpp"
#include "optcore/pipeline/crowd_forecast.hpp"
#include "optcore/pipeline/goal_field.hpp"
#include "optcore/pipeline/motion_model.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// One person's belief over goal and rationality, and the forecasts that follow from it.
///
/// Hypotheses: each goal g, and constant velocity (the last). The belief is the joint over
/// (goal, beta). Per belief period and state z = (position, velocity):
///
///   predict   q <- (1 - switching) q + switching prior
///   update    log q += temper * beta * log((D_g(z) + epsilon D(z)) / D(z)),  D = sum_g prior_g D_g
///
/// with D_g the density of training samples with goal g: a person of rationality beta is seen
/// beta times as often where people of that goal go, a Boltzmann model in the manner of Fisac et
/// al., "Probabilistically safe robot planning with confidence-based human predictions", RSS 2018,
/// with the learned density in the place of a hand-made reward.
template <class T>
class Forecaster {
 public:
  static constexpr int max_goals = 16;
  static constexpr int max_betas = 4;
  using PersonBelief = belief::JointBelief<T, max_goals, max_betas>;

  /// Sizes; the same calls on a measuring arena say how many bytes are needed.
  void attach(Arena& arena, const MotionModel& model, int max_people, int stages) noexcept {
    goals_ = model.goal_count();
    betas_ = model.betas.size;
    fields_ = arena.array<GoalField<T>>(static_cast<std::size_t>(goals_));
    int widest = 0, most = 0;
    for (int g = 0; g < goals_; ++g) {
      const int n = static_cast<int>(model.offsets[g + 1] - model.offsets[g]);
      GoalField<T> field;
      field.attach(arena, n);
      widest = max(widest, field.padded());
      most = max(most, n);
      if (fields_ != nullptr) fields_[g] = field;
    }
    prior_ = arena.vector<T>(goals_);
    beta_ = arena.vector<T>(betas_);
    const int lags = model.spread_lag.size;
    lag_ = arena.vector<T>(lags);
    along_ = arena.matrix<T>(2, lags);
    across_ = arena.matrix<T>(2, lags);
    stages_ = stages;
    heading_ = arena.matrix<T>(max_people, 2);
    spreads_ = arena.array<Spread>(static_cast<std::size_t>(max_people) *
                                   static_cast<std::size_t>(stages));
    walkers_ = arena.array<Walker>(static_cast<std::size_t>(max_people));
    rows_ = arena.array<float>(GoalField<T>::batch * static_cast<std::size_t>(max(widest, 1)));
    scratch_ = arena.array<double>(GoalField<T>::scratch_size(most));
  }

  /// @return the first field's failure, or ok
  [[nodiscard]] Status set_up(const MotionModel& model) noexcept {
    for (int g = 0; g < goals_; ++g) {
      const int first = static_cast<int>(model.offsets[g]);
      const int n = static_cast<int>(model.offsets[g + 1]) - first;
      const Status status =
          fields_[g].fit(model.points.block(first, 0, n, 4), model.targets.block(first, 0, n, 2),
                         model.noise.segment(first, n), model.count.segment(first, n),
                         model.length_scale, model.signal_variance, scratch_);
      if (failed(status)) return status;
      prior_[g] = static_cast<T>(model.prior[g]);
    }
    for (int b = 0; b < betas_; ++b) beta_[b] = static_cast<T>(model.betas[b]);
    if (goals_ > 0) {
      T beta_prior[max_betas];
      for (int b = 0; b < betas_; ++b) beta_prior[b] = static_cast<T>(model.beta_prior[b]);
      const Status status = fresh_.setup({.hypotheses = goals_,
                                          .betas = betas_,
                                          .switching = static_cast<T>(model.switching),
                                          .hypothesis_prior = prior_,
                                          .beta_prior = {beta_prior, betas_}});
      if (failed(status)) return status;
    }
    for (int i = 0; i < lag_.size; ++i) {
      lag_[i] = static_cast<T>(model.spread_lag[i]);
      for (int kind = 0; kind < 2; ++kind) {
        along_(kind, i) = static_cast<T>(model.spread_along(kind, i));
        across_(kind, i) = static_cast<T>(model.spread_across(kind, i));
      }
    }
    temper_ = static_cast<T>(model.temper);
    epsilon_ = static_cast<T>(model.epsilon);
    cv_weight_ = static_cast<T>(goals_ > 0 ? model.cv_weight : 1.0);
    period_ = static_cast<T>(model.belief_period);
    cap_ = static_cast<T>(model.cap);
    stride_ = model.variance_stride;
    return Status::ok;
  }

  [[nodiscard]] int goals() const noexcept { return goals_; }
  [[nodiscard]] int hypotheses() const noexcept { return goals_ + 1; }

  /// The belief of somebody just seen: the prior.
  [[nodiscard]] const PersonBelief& fresh_belief() const noexcept { return fresh_; }

  /// One observation of a person's state z = (px, py, vx, vy), a belief period after the last.
  /// The belief stays as it was when the update fails.
  [[nodiscard]] Status update(PersonBelief& belief, const T* z) noexcept {
    if (goals_ == 0) return Status::ok;
    T all = 0;
    T density[max_goals];
    for (int g = 0; g < goals_; ++g) {
      T change[2];
      density[g] = fields_[g].mean(z, change);
      all += prior_[g] * density[g];
    }
    T log_likelihood[max_goals * max_betas];
    for (int g = 0; g < goals_; ++g) {
      const T evidence = temper_ * log((density[g] + epsilon_ * all + tiny) / (all + tiny));
      for (int b = 0; b < betas_; ++b) log_likelihood[g * betas_ + b] = beta_[b] * evidence;
    }
    return belief.update({log_likelihood, goals_ * betas_});
  }

  /// Weights of the hypotheses, (G + 1,): the goals share 1 - cv_weight.
  void hypothesis_weights(const PersonBelief& belief, VectorView<T> weight) const noexcept {
    const auto posterior = belief.hypotheses();
    for (int g = 0; g < goals_; ++g) weight[g] = (T(1) - cv_weight_) * posterior[g];
    weight[goals_] = cv_weight_;
  }

  /// Forecasts the first `people` rows of a crowd whose stage-0 means are the present positions.
  ///
  /// @param velocity  (people, 2) m/s
  /// @param age       (people,) s the observation is old: the spread has grown that long already
  /// @param step      s per stage; covariances of all stages and means of stages 1.. are written
  void forecast(CrowdForecast<T>& crowd, MatrixView<const T> velocity, VectorView<const T> age,
                T step) noexcept {
    prepare_spreads(crowd, velocity, age, step);
    for (int g = 0; g < goals_; ++g) follow_field(crowd, velocity, step, g);
    for (int p = 0; p < crowd.people; ++p) {
      const T* v = velocity.row_data(p);
      const T* start = crowd.mean(p, goals_, 0);
      spread(crowd, p, goals_, 0, T(0));
      for (int k = 1; k < crowd.stages(); ++k) {
        const T t = static_cast<T>(k) * step;
        T* mean = crowd.mean(p, goals_, k);
        mean[0] = start[0] + t * v[0];
        mean[1] = start[1] + t * v[1];
        spread(crowd, p, goals_, k, T(0));
      }
    }
  }

 private:
  static constexpr T tiny = static_cast<T>(1e-6);

  struct Walker {
    T z[4];
    T velocity_variance, position_variance, field_variance;
  };

  /// Everybody of the crowd walks on one goal's field, stage by stage, so that the field's table
  /// stays in the cache and the variance is computed for four people at once.
  void follow_field(CrowdForecast<T>& crowd, MatrixView<const T> velocity, T step, int g) noexcept {
    const GoalField<T>& field = fields_[g];
    const T share = step / period_;
    for (int p = 0; p < crowd.people; ++p) {
      const T* start = crowd.mean(p, g, 0);
      walkers_[p] = {{start[0], start[1], velocity(p, 0), velocity(p, 1)}, T(0), T(0), T(0)};
      spread(crowd, p, g, 0, T(0));
    }
    for (int k = 1; k < crowd.stages(); ++k) {
      if ((k - 1) % stride_ == 0) {
        for (int first = 0; first < crowd.people; first += GoalField<T>::batch) {
          const int count = min(GoalField<T>::batch, crowd.people - first);
          T variance[GoalField<T>::batch];
          for (int q = 0; q < count; ++q) field.kernel_row(walkers_[first + q].z, row(field, q));
          field.variance(rows_, count, variance);
          for (int q = 0; q < count; ++q) {
            walkers_[first + q].field_variance = variance[q];
            T change[2];
            field.mean_of_row(row(field, q), change);
            move(crowd, first + q, g, k, step, share, change);
          }
        }
      } else {
        for (int p = 0; p < crowd.people; ++p) {
          T change[2];
          field.mean(walkers_[p].z, change);
          move(crowd, p, g, k, step, share, change);
        }
      }
    }
  }

  [[nodiscard]] float* row(const GoalField<T>& field, int q) const noexcept {
    return rows_ + static_cast<std::ptrdiff_t>(q) * field.padded();
  }

  /// One stage of one walker.
  /// @param change  of velocity per belief period, m/s
  void move(CrowdForecast<T>& crowd, int p, int g, int k, T step, T share,
            const T* change) noexcept {
    Walker& walker = walkers_[p];
    for (int i = 0; i < 2; ++i) {
      walker.z[2 + i] += share * change[i];
      walker.z[i] += step * walker.z[2 + i];
      crowd.mean(p, g, k)[i] = walker.z[i];
    }
    walker.velocity_variance += share * walker.field_variance;
    walker.position_variance += step * step * walker.velocity_variance;
    spread(crowd, p, g, k, walker.position_variance);
  }

  /// Learned variances along and across the walk at one stage; rows: goals, constant velocity.
  struct Spread {
    T along[2], across[2];
  };

  /// Fills the spreads that all hypotheses of a person share.
  void prepare_spreads(const CrowdForecast<T>& crowd, MatrixView<const T> velocity,
                       VectorView<const T> age, T step) noexcept {
    for (int p = 0; p < crowd.people; ++p) {
      const T vx = velocity(p, 0), vy = velocity(p, 1);
      const T speed = sqrt(vx * vx + vy * vy);
      heading_(p, 0) = speed < T(0.05) ? T(1) : vx / speed;
      heading_(p, 1) = speed < T(0.05) ? T(0) : vy / speed;
      for (int k = 0; k < crowd.stages(); ++k) {
        Spread& out = spreads_[p * stages_ + k];
        for (int kind = 0; kind < 2; ++kind) {
          const T t = age[p] + static_cast<T>(k) * step;
          const T along = at_lag(along_.row(kind), t), across = at_lag(across_.row(kind), t);
          out.along[kind] = along * along;
          out.across[kind] = across * across;
        }
      }
    }
  }

  /// Covariance of stage k: learned spread along and across the present velocity, plus what the
  /// field does not know, capped.
  void spread(CrowdForecast<T>& crowd, int p, int h, int k, T extra) const noexcept {
    const int kind = h < goals_ ? 0 : 1;
    const Spread& learned = spreads_[p * stages_ + k];
    const T c = heading_(p, 0), s = heading_(p, 1);
    const T a = min(learned.along[kind] + extra, cap_ * cap_);
    const T b = min(learned.across[kind] + extra, cap_ * cap_);
    T* out = crowd.covariance(p, h, k);
    out[0] = c * c * a + s * s * b;
    out[1] = c * s * (a - b);
    out[2] = s * s * a + c * c * b;
  }

  [[nodiscard]] T at_lag(VectorView<T> table, T t) const noexcept {
    T before = 0, value_before = 0;
    for (int i = 0; i < lag_.size; ++i) {
      if (t <= lag_[i]) {
        const T f = (t - before) / (lag_[i] - before);
        return value_before + f * (table[i] - value_before);
      }
      before = lag_[i];
      value_before = table[i];
    }
    return value_before;
  }

  int goals_ = 0, betas_ = 0, stages_ = 0, stride_ = 5;
  T temper_ = 0, epsilon_ = 0, cv_weight_ = 1, period_ = T(0.4), cap_ = 1;
  GoalField<T>* fields_ = nullptr;
  VectorView<T> prior_, beta_, lag_;
  PersonBelief fresh_{};
  MatrixView<T> along_, across_, heading_;
  Spread* spreads_ = nullptr;
  Walker* walkers_ = nullptr;
  float* rows_ = nullptr;
  double* scratch_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
