#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/pipeline/crowd_forecast.hpp"
#include "optcore/pipeline/risk.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// One linearised chance constraint: normal . position >= offset.
template <class T>
struct HalfPlane {
  T nx, ny, offset;
  T room;  ///< m between the linearisation point and the plane; negative behind it
};

/// Chance constraints against all people of a forecast, shared by all candidate plans.
///
/// Each person gets the same share of the cycle's risk; over the horizon it is spent
/// `looks = horizon / correlation_time` times, since neighbouring stages fail together; over the
/// person's hypotheses by allocate_risk(). Boole's inequality makes the sum a bound on the joint
/// probability of contact, as far as the forecast's covariances are right.
///
/// Source: L. Blackmore, M. Ono, B. Williams, "Chance-constrained optimal path planning with
/// obstacles", IEEE T-RO 27(6) (2011).
template <class T>
class ChanceConstraints {
 public:
  void attach(Arena& arena, const LoopConfig& config, int hypotheses) noexcept {
    config_ = config;
    hypotheses_ = hypotheses;
    const auto n =
        static_cast<std::size_t>(config.considered) * static_cast<std::size_t>(hypotheses);
    quantile_ = arena.array<T>(n);
    risk_ = arena.array<T>(n);
  }

  /// Allocates the risk for this cycle's forecast; fills the risk fields of the result.
  void allocate(const CrowdForecast<T>& crowd, LoopResult& result) noexcept {
    result.risk_allocated = 0;
    result.risk_dropped = 0;
    if (crowd.people == 0) return;
    const T looks =
        max(T(1), static_cast<T>(config_.horizon * config_.step / config_.correlation_time));
    const T budget = static_cast<T>(config_.risk) / (looks * static_cast<T>(crowd.people));
    T spent = 0, left_out = 0;
    for (int p = 0; p < crowd.people; ++p) {
      const auto weight = crowd.weight(p);
      T* risk = risk_ + static_cast<std::ptrdiff_t>(p) * hypotheses_;
      T* quantile = quantile_ + static_cast<std::ptrdiff_t>(p) * hypotheses_;
      left_out += allocate_risk<T>(weight, budget, {risk, hypotheses_});
      for (int h = 0; h < hypotheses_; ++h) {
        spent += weight[h] * risk[h];
        quantile[h] = risk[h] < T(1) ? max(T(0), normal_quantile(T(1) - risk[h])) : T(-1);
      }
    }
    result.risk_allocated = static_cast<double>(looks * spent);
    result.risk_dropped = static_cast<double>(looks * left_out);
  }

  /// Bound on the joint probability that a path touches somebody, as the forecast has it: what a
  /// plan really promises after margins were capped and constraints gave way. Stages within one
  /// correlation time fail together, so the worst of them counts; everything else is added up.
  /// @param path  (N + 1, 2) m
  [[nodiscard]] T risk_of(const CrowdForecast<T>& crowd, MatrixView<const T> path) const noexcept {
    const int window = max(1, static_cast<int>(config_.correlation_time / config_.step + 0.5));
    const T touch = static_cast<T>(config_.contact_distance);
    T total = 0;
    for (int p = 0; p < crowd.people; ++p) {
      const auto weight = crowd.weight(p);
      T worst = 0;
      for (int k = 1; k < path.rows; ++k) {
        T contact = 0;
        for (int h = 0; h < hypotheses_; ++h) {
          const T* m = crowd.mean(p, h, k);
          contact += weight[h] * contact_probability(path(k, 0) - m[0], path(k, 1) - m[1],
                                                     crowd.covariance(p, h, k), touch);
        }
        worst = max(worst, contact);
        if (k % window == 0 || k + 1 == path.rows) {
          total += worst;
          worst = 0;
        }
      }
    }
    return min(total, T(1));
  }

  /// No distance() is longer than this, m.
  [[nodiscard]] T longest_distance() const noexcept {
    return static_cast<T>(config_.contact_distance + config_.clearance + config_.max_margin);
  }

  /// Distance to keep from a person's mean along a unit normal, m; negative: hypothesis left out.
  [[nodiscard]] T distance(const CrowdForecast<T>& crowd, int p, int h, int k, T nx,
                           T ny) const noexcept {
    const T z = quantile_[static_cast<std::ptrdiff_t>(p) * hypotheses_ + h];
    if (z < 0) return z;
    const T sigma = deviation_along(crowd.covariance(p, h, k), nx, ny);
    return static_cast<T>(config_.contact_distance + config_.clearance) +
           min(z * sigma, static_cast<T>(config_.max_margin));
  }

  /// The most binding half-planes of stage k around the point (x, y), at most
  /// config.rows_per_stage.
  /// @param likely_only  draw only the likeliest hypothesis of each person
  /// @return how many were written to rows
  int linearise(const CrowdForecast<T>& crowd, int k, T x, T y, bool likely_only,
                HalfPlane<T>* rows) const noexcept {
    int count = 0;
    const T reach = static_cast<T>(config_.reach), far = reach + longest_distance();
    for (int p = 0; p < crowd.people; ++p) {
      const int likeliest = likely_only ? crowd.likeliest(p) : -1;
      for (int h = 0; h < hypotheses_; ++h) {
        if (likely_only && h != likeliest) continue;
        const T* m = crowd.mean(p, h, k);
        const T dx = x - m[0], dy = y - m[1];
        const T square = dx * dx + dy * dy;
        if (square > far * far) continue;
        const T length = sqrt(square);
        const T nx = length > T(1e-9) ? dx / length : T(1);
        const T ny = length > T(1e-9) ? dy / length : T(0);
        const T keep = distance(crowd, p, h, k, nx, ny);
        if (keep < 0 || length - keep > reach) continue;
        insert({nx, ny, nx * m[0] + ny * m[1] + keep, length - keep}, rows, count);
      }
    }
    return count;
  }

 private:
  /// Keeps rows sorted by room, the tightest first, dropping the loosest when full.
  void insert(HalfPlane<T> row, HalfPlane<T>* rows, int& count) const noexcept {
    int at = count;
    while (at > 0 && rows[at - 1].room > row.room) --at;
    if (at >= config_.rows_per_stage) return;
    const int last = min(count, config_.rows_per_stage - 1);
    for (int i = last; i > at; --i) rows[i] = rows[i - 1];
    rows[at] = row;
    if (count < config_.rows_per_stage) ++count;
  }

  LoopConfig config_{};
  int hypotheses_ = 0;
  T* quantile_ = nullptr;
  T* risk_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
