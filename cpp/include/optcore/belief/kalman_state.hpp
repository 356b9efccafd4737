#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/view.hpp"

namespace optcore {

/// Largest state and measurement of a Kalman filter.
inline constexpr int max_filter_states = 16;
inline constexpr int max_filter_measurements = 8;
/// Filters that advance together, one in each lane.
inline constexpr int filter_lanes = 8;

/// Linear-Gaussian models of W filters, interleaved: element (i, j) of filter w is at
/// (i * cols + j) * W + w. The next state is F x + noise Q, the measurement H x + noise R.
template <class T>
struct LinearModels {
  T* F = nullptr;  ///< (d, d, W)
  T* Q = nullptr;  ///< (d, d, W) symmetric, all of it
  T* H = nullptr;  ///< (m, d, W)
  T* R = nullptr;  ///< (m, m, W) symmetric, all of it
};

/// W Gaussian beliefs with their models, interleaved; plain data over somebody else's memory.
template <class T>
struct KalmanState {
  int size = 0;      ///< d
  int measured = 0;  ///< m
  int lanes = 1;     ///< W: 1 or filter_lanes
  LinearModels<T> model{};
  T* mean = nullptr;             ///< (d, W)
  T* covariance = nullptr;       ///< (d, d, W) symmetric, all of it
  T* next_mean = nullptr;        ///< (d, W)
  T* next_covariance = nullptr;  ///< (d, d, W)
  T* log_likelihood = nullptr;   ///< (W,) of the last measurement
  T* next_likelihood = nullptr;  ///< (W,)

  [[nodiscard]] OPTCORE_HD static KalmanState make(Arena& arena, int size, int measured,
                                                   int lanes) noexcept {
    KalmanState s;
    s.size = size;
    s.measured = measured;
    s.lanes = lanes;
    const auto d = static_cast<std::size_t>(size), m = static_cast<std::size_t>(measured);
    const auto w = static_cast<std::size_t>(lanes);
    s.model.F = arena.array<T>(d * d * w);
    s.model.Q = arena.array<T>(d * d * w);
    s.model.H = arena.array<T>(m * d * w);
    s.model.R = arena.array<T>(m * m * w);
    s.mean = arena.array<T>(d * w);
    s.covariance = arena.array<T>(d * d * w);
    s.next_mean = arena.array<T>(d * w);
    s.next_covariance = arena.array<T>(d * d * w);
    s.log_likelihood = arena.array<T>(w);
    s.next_likelihood = arena.array<T>(w);
    return s;
  }
};

/// Interacting multiple models: up to filter_lanes filters and which of them is right.
template <class T>
struct ImmState {
  KalmanState<T> filters{};
  int models = 0;
  T* switching = nullptr;    ///< (models, W) row-stochastic, zero beyond the models
  T* probability = nullptr;  ///< (W,) of each model
  T log_evidence = T(0);     ///< of the last measurement

  [[nodiscard]] OPTCORE_HD static ImmState make(Arena& arena, int size, int measured,
                                                int models) noexcept {
    ImmState s;
    s.filters = KalmanState<T>::make(arena, size, measured, filter_lanes);
    s.models = models;
    s.switching = arena.array<T>(static_cast<std::size_t>(models) * filter_lanes);
    s.probability = arena.array<T>(filter_lanes);
    return s;
  }
};

}  // namespace optcore
