#pragma once

#include "optcore/belief/discrete.hpp"

/// Many independent beliefs over the same hidden Markov model: the matrix is read from the nearest
/// cache by one belief after the other.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// out (rows, padded) = beliefs (rows, padded) A, four beliefs by `width` registers of states at a
/// time; `padded` is a multiple of them.
template <int width, class T>
OPTCORE_HD void propagate_rows(const T* matrix, int states, int padded, const T* beliefs, int rows,
                               T* out) noexcept {
  using V = Pack<T>;
  constexpr int height = 4;
  const std::ptrdiff_t ld = padded;
  for (int j = 0; j < padded; j += width * V::lanes) {
    for (int r = 0; r < rows; r += height) {
      const T* const b = beliefs + r * ld;
      V sums[height][width];
      for (int h = 0; h < height; ++h) {
        for (int w = 0; w < width; ++w) sums[h][w] = V::zero();
      }
      for (int i = 0; i < states; ++i) {
        V row[width];
        for (int w = 0; w < width; ++w) row[w] = V::load(matrix + i * ld + j + w * V::lanes);
        for (int h = 0; h < height; ++h) {
          const V share = V::broadcast(b[h * ld + i]);
          for (int w = 0; w < width; ++w) sums[h][w] = fma(share, row[w], sums[h][w]);
        }
      }
      for (int h = 0; h < height; ++h) {
        for (int w = 0; w < width; ++w) {
          sums[h][w].store(out + (r + h) * ld + j + w * V::lanes);
        }
      }
    }
  }
}

/// Bayes' rule for one row of predicted probabilities.
/// @return the sum of weights, NaN when probabilities cannot hold them.
template <class T>
OPTCORE_HD T weigh_row(const T* predicted, const T* log_likelihood, int states, int padded, T* logs,
                       T* weights, T& peak) noexcept {
  using V = Pack<T>;
  if (states < padded) {
    for (int j = 0; j < states; ++j) logs[j] = log_likelihood[j];
    log_likelihood = logs;  // -inf beyond the states
  }
  V peaks = V::load(log_likelihood);
  for (int j = V::lanes; j < padded; j += V::lanes) peaks = max(peaks, V::load(log_likelihood + j));
  peak = largest(peaks);
  V total = V::zero();
  for (int j = 0; j < padded; j += V::lanes) {
    const V prior = V::load(predicted + j), log = V::load(log_likelihood + j);
    const V weight = prior * exp_negative(log - V::broadcast(peak));
    weight.store(weights + j);
    total += poison(weight, prior, log);
  }
  return sum(total);
}

}  // namespace detail

/// One step of each belief of a batch. A row whose weights probabilities cannot hold is done again
/// by log-sum-exp in `single`; one that fails keeps its belief.
///
/// @param single           a state with the shared transition matrix; its belief is overwritten
/// @param beliefs          (rows, padded), zeros beyond the states
/// @param log_likelihoods  (rows, K)
/// @param log_evidence     (rows,), NaN where a row fails  @param row_status (rows,)
/// @param scratch          (10 * padded,)
template <class T>
OPTCORE_HD void step_batch(DiscreteState<T>& single, MatrixView<T> beliefs,
                           MatrixView<const T> log_likelihoods, VectorView<T> log_evidence,
                           VectorView<Status> row_status, T* scratch) noexcept {
  using V = Pack<T>;
  constexpr int block = 4;
  const int padded = single.padded, states = single.states;
  T *const before = scratch, *const predicted = scratch + block * padded;
  T *const logs = scratch + 2 * block * padded, *const weights = logs + padded;
  for (int j = 0; j < padded; ++j) logs[j] = -infinity<T>();
  for (int first = 0; first < beliefs.rows; first += block) {
    const int rows = min(block, beliefs.rows - first);
    const T* from = beliefs.row_data(first);
    if (rows < block || beliefs.stride != padded) {
      for (int r = 0; r < block; ++r) {
        for (int j = 0; j < padded; ++j)
          before[r * padded + j] = r < rows ? beliefs(first + r, j) : T(0);
      }
      from = before;
    }
    if (padded % (2 * V::lanes) == 0) {
      detail::propagate_rows<2>(single.transition, states, padded, from, block, predicted);
    } else {
      detail::propagate_rows<1>(single.transition, states, padded, from, block, predicted);
    }
    for (int r = 0; r < rows; ++r) {
      T* const belief = beliefs.row_data(first + r);
      const T* const seen = log_likelihoods.row_data(first + r);
      T peak;
      const T mass =
          detail::weigh_row(predicted + r * padded, seen, states, padded, logs, weights, peak);
      Status status = Status::ok;
      T evidence = peak + log(mass);
      if (mass > T(0)) [[likely]] {
        const V scale = V::broadcast(T(1) / mass);
        for (int j = 0; j < padded; j += V::lanes) (V::load(weights + j) * scale).store(belief + j);
      } else {
        for (int j = 0; j < padded; ++j) single.probability[j] = belief[j];
        single.in_logs = false;
        status = detail::step_in_logs(single, seen, true);
        evidence = failed(status) ? T(__builtin_nan("")) : single.log_evidence;
        for (int j = 0; j < padded && !failed(status); ++j) belief[j] = single.probability[j];
      }
      log_evidence[first + r] = evidence;
      row_status[first + r] = status;
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::belief
