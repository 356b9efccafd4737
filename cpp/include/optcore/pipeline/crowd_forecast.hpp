#pragma once

#include <cstddef>

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Where everybody may be over the horizon: per person and hypothesis, mean and covariance at
/// stages 0 (now) to N. Storage is given by an arena; `people` says how many rows are in use.
template <class T>
class CrowdForecast {
 public:
  void attach(Arena& arena, int max_people, int hypotheses, int stages) noexcept {
    hypotheses_ = hypotheses;
    stages_ = stages;
    const auto rows = static_cast<std::size_t>(max_people) * static_cast<std::size_t>(hypotheses);
    weight_ = arena.array<T>(rows);
    mean_ = arena.array<T>(rows * static_cast<std::size_t>(stages) * 2);
    covariance_ = arena.array<T>(rows * static_cast<std::size_t>(stages) * 3);
  }

  [[nodiscard]] int hypotheses() const noexcept { return hypotheses_; }
  [[nodiscard]] int stages() const noexcept { return stages_; }
  [[nodiscard]] VectorView<T> weight(int person) const noexcept {
    return {weight_ + static_cast<std::ptrdiff_t>(person) * hypotheses_, hypotheses_};
  }
  /// (x, y) in m at stage k
  [[nodiscard]] T* mean(int person, int hypothesis, int k) const noexcept {
    return mean_ + 2 * offset(person, hypothesis, k);
  }
  /// (xx, xy, yy) in m^2 at stage k
  [[nodiscard]] T* covariance(int person, int hypothesis, int k) const noexcept {
    return covariance_ + 3 * offset(person, hypothesis, k);
  }
  [[nodiscard]] int likeliest(int person) const noexcept {
    int best = 0;
    const auto w = weight(person);
    for (int h = 1; h < hypotheses_; ++h) {
      if (w[h] > w[best]) best = h;
    }
    return best;
  }

  int people = 0;

 private:
  [[nodiscard]] std::ptrdiff_t offset(int person, int hypothesis, int k) const noexcept {
    return (static_cast<std::ptrdiff_t>(person) * hypotheses_ + hypothesis) * stages_ + k;
  }

  int hypotheses_ = 0;
  int stages_ = 0;
  T* weight_ = nullptr;
  T* mean_ = nullptr;
  T* covariance_ = nullptr;
};

/// Standard deviation of the position along the unit vector (nx, ny), m.
template <class T>
[[nodiscard]] OPTCORE_HD T deviation_along(const T* covariance, T nx, T ny) noexcept {
  const T v = nx * nx * covariance[0] + T(2) * nx * ny * covariance[1] + ny * ny * covariance[2];
  return v > 0 ? sqrt(v) : T(0);
}

}  // namespace optcore::inline OPTCORE_ISA::pipeline
