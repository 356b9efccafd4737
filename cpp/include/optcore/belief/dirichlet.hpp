#pragma once

#include "optcore/core/random.hpp"
#include "optcore/core/status.hpp"

/// Dirichlet beliefs over the rows of a transition matrix: counts are the whole posterior.
///
/// Source: DeGroot, Optimal Statistical Decisions (1970), chapter 9; as a belief over Markov
/// decision processes: Strens, "A Bayesian framework for reinforcement learning", ICML 2000.
namespace optcore::inline OPTCORE_ISA::belief {

namespace detail {

/// One sample by logarithms: shapes below one do not underflow. Item numbers count from `first`.
template <class T>
OPTCORE_HD void sample_row_in_logs(const RandomKey& key, std::uint32_t first,
                                   VectorView<const double> counts, VectorView<T> out) noexcept {
  T peak = -infinity<T>();
  for (int j = 0; j < counts.size; ++j) {
    Draws<T> draws(key, first + static_cast<std::uint32_t>(j), 1);
    out[j] = counts[j] > 0 ? draws.log_gamma(static_cast<T>(counts[j])) : -infinity<T>();
    peak = max(peak, out[j]);
  }
  T total = T(0);
  for (int j = 0; j < counts.size; ++j) total += out[j] = exp(out[j] - peak);
  for (int j = 0; j < counts.size; ++j) out[j] /= total;
}

}  // namespace detail

/// A transition matrix from each row's Dirichlet posterior.
///
/// @param counts  (rows, n) >= 0, at least one positive in each row; zero says impossible
/// @param out     (rows, n) rows that sum to 1
/// @return invalid_argument (a negative or infinite count, NaN, a row of zeros), shape_mismatch;
/// the
///         output is then as it was.
///
/// ```cpp
/// // seen: three times from state 0 to 0, once to 1; five times from 1 to 0, never to 1
/// const double counts[4] = {3, 1, 5, 0};
/// double transition[4];
/// assert(!failed(optcore::belief::dirichlet_sample<double>(
///     {.seed = 1}, {counts, 2, 2, 2}, {transition, 2, 2, 2})));
/// assert(std::abs(transition[0] + transition[1] - 1) < 1e-6);
/// assert(transition[2] == 1 && transition[3] == 0);
/// ```
template <class T>
[[nodiscard]] OPTCORE_HD Status dirichlet_sample(const RandomKey& key,
                                                 MatrixView<const double> counts,
                                                 MatrixView<T> out) noexcept {
  if (out.rows != counts.rows || out.cols != counts.cols) return Status::shape_mismatch;
  const int n = counts.cols, padded = n + (n & 1);  // each row starts at an even item
  for (int i = 0; i < counts.rows; ++i) {
    const double* row = counts.row_data(i);
    double least = row[0], total = 0;
    for (int j = 0; j < n; ++j) {
      least = min(least, row[j]);
      total += row[j];
    }
    if (!(least >= 0) || !(total > 0) || !is_finite(total)) return Status::invalid_argument;
  }
  constexpr int chunk = 256;
  alignas(64) float shapes[chunk], values[chunk];
  for (int i = 0; i < counts.rows; ++i) {
    const double* row = counts.row_data(i);
    T* result = out.row_data(i);
    const std::uint32_t first = static_cast<std::uint32_t>(i) * static_cast<std::uint32_t>(padded);
    double least = row[0];
    for (int j = 0; j < n; ++j) least = min(least, row[j]);
    if (least < 1) {
      detail::sample_row_in_logs(key, first, counts.row(i), out.row(i));
      continue;
    }
    T total = T(0);
    for (int begin = 0; begin < n; begin += chunk) {
      const int count = n - begin < chunk ? n - begin : chunk;
      for (int j = 0; j < count; ++j) shapes[j] = static_cast<float>(row[begin + j]);
      fill_gamma(key, first + static_cast<std::uint32_t>(begin), {shapes, count}, {values, count});
      using P = Pack<T>;
      P sums = P::zero();
      int j = 0;
      for (; j + P::lanes <= count; j += P::lanes) {
        const P v = convert<T>(Pack<float, P::lanes>::load(values + j));
        v.store(result + begin + j);
        sums += v;
      }
      total += sum(sums);
      for (; j < count; ++j) total += result[begin + j] = static_cast<T>(values[j]);
    }
    const T scale = T(1) / total;
    for (int j = 0; j < n; ++j) result[j] *= scale;
  }
  return Status::ok;
}

}  // namespace optcore::inline OPTCORE_ISA::belief
