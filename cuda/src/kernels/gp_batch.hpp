#pragma once

#include "block.hpp"
#include "optcore/core/simd_math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/gp/stationary.hpp"

/// Many small Gaussian processes: fit and predict, a block each.
///
/// Outputs and queries are further rows below the kernel matrix: one left-looking sweep turns them
/// into L^-1 y and L^-1 k*, from which mean, variance and likelihood are dot products, so nothing
/// is ever solved backwards and only results leave the block.
///
/// Source: Rasmussen & Williams (2006), algorithm 2.1.
namespace optcore::cuda {

/// Everything on the device. Process i has points first[i] .. first[i + 1] of X and Y; an array
/// with step 0 is shared by all.
struct GpBatchProblem {
  int batch, dims, outputs, queries;  ///< `queries` of each process
  int most_points;                    ///< of any process
  int chunk;                          ///< queries that ride along in one sweep, >= 1
  KernelFamily family;                ///< not composite
  const int* first;                   ///< (batch + 1,)
  const double *X, *Y;                ///< (total, d), (total, outputs)
  const double* query;                ///< (queries, d) or (batch * queries, d)
  const double *variance, *length_scales, *noise, *prior_mean;  ///< prior_mean (outputs,) or null
  int query_step, variance_step, scale_step, noise_step;
  double* mean;        ///< (batch * queries, outputs)
  double* deviation2;  ///< (batch * queries,) variance of the latent function
  double* likelihood;  ///< (batch,) log marginal, or null
  Status* status;      ///< (batch,)
  double* workspace;   ///< factor_size() numbers for each block, or null: in shared memory
  int* counter;        ///< starts at 0
};

namespace detail {

/// Lower triangle of n columns by columns, with `extra` full rows below it.
struct TallTriangle {
  double* data;
  int rows;  ///< n + extra

  OPTCORE_HD static constexpr int size(int n, int extra) noexcept {
    return n * (n + 1) / 2 + n * extra;
  }
  OPTCORE_HD double* column(int j) const noexcept { return data + j * rows - j * (j + 1) / 2; }
  OPTCORE_HD double& operator()(int i, int j) const noexcept { return column(j)[i]; }
};

inline constexpr int gp_panel = 4;  ///< columns that are finished together

/// What a block keeps in shared memory.
struct GpShared {
  double *reduce, *inputs, *scale, *pivot, *factor;
  int *failed, *slot;
  int input_stride;

  OPTCORE_HD static GpShared make(Arena& arena, const GpBatchProblem& p, int threads) noexcept {
    GpShared s;
    const auto take = [&](int count) {
      return arena.array<double>(static_cast<std::size_t>(count));
    };
    s.input_stride = p.most_points + p.chunk;
    s.reduce = take(threads);
    s.scale = take(p.dims);
    s.pivot = take(gp_panel * gp_panel);
    s.failed = arena.array<int>(1);
    s.slot = arena.array<int>(1);
    s.inputs = take(p.dims * s.input_stride);
    s.factor = nullptr;
    if (p.workspace == nullptr) {
      s.factor = take(TallTriangle::size(p.most_points, p.outputs + p.chunk));
    }
    return s;
  }
};

/// Covariances of `from` .. `to` with the training points left of (and on) the diagonal.
template <KernelFamily F, class Block>
OPTCORE_DEVICE void fill_rows(Block& block, const GpShared& s, const TallTriangle& k, int n,
                              int dims, int from, int to, int input_of_from, double variance,
                              double on_diagonal) {
  block.each([&](int t) {
    for (int j = 0; j < n; ++j) {
      const int top = from > j ? from : j;
      for (int i = top + t; i < to; i += block.threads()) {
        const int a = i - from + input_of_from;
        double q = 0;
        for (int f = 0; f < dims; ++f) {
          const double* feature = s.inputs + f * s.input_stride;
          const double difference = feature[a] - feature[j];
          q += difference * difference;
        }
        const double value = variance * gp::Correlation<F>::value(Pack<double, 1>{q}).v;
        k(i, j) = i == j ? on_diagonal : value;
      }
    }
  });
}

/// Rows `from` .. `to` of L^-1 times themselves and, when from is 0, of the factor.
/// @return false when a pivot is not above `least`
template <class Block>
OPTCORE_DEVICE bool sweep(Block& block, const GpShared& s, const TallTriangle& k, int n, int from,
                          int to, double least) {
  constexpr int P = gp_panel;
  const bool factor = from == 0;
  for (int j = 0; j < n; j += P) {
    const int width = n - j < P ? n - j : P;
    const int top = from > j ? from : j;
    block.each([&](int t) {
      for (int i = top + t; i < to; i += block.threads()) {
        double sum[P];
        for (int c = 0; c < P; ++c) sum[c] = c < width && i >= j + c ? k(i, j + c) : 0;
        for (int p = 0; p < j; ++p) {
          const double* column = k.column(p);
          const double own = column[i];
          for (int c = 0; c < P; ++c) sum[c] -= c < width ? own * column[j + c] : 0;
        }
        for (int c = 0; c < P; ++c) {
          if (c >= width || i < j + c) continue;
          k(i, j + c) = sum[c];
          if (i < j + width) s.pivot[(i - j) * P + c] = sum[c];
        }
      }
      if (!factor) {
        for (int e = t; e < width * width; e += block.threads()) {
          const int i = e / width, c = e % width;
          if (c <= i) s.pivot[i * P + c] = k(j + i, j + c);
        }
      }
    });
    block.each([&](int t) {
      double l[P][P], inverse[P];
      bool sound = true;
      for (int c = 0; c < P; ++c) {
        for (int i = c; i < P; ++i) {
          double value = i < width ? s.pivot[i * P + c] : (i == c ? 1.0 : 0.0);
          for (int q = 0; factor && q < c; ++q) value -= i < width ? l[i][q] * l[c][q] : 0;
          if (i == c) {
            sound = sound && (!factor || c >= width || value > least);
            l[c][c] = factor ? optcore::sqrt(value) : value;
            inverse[c] = 1.0 / l[c][c];
          } else {
            l[i][c] = factor ? value * inverse[c] : value;
          }
        }
      }
      if (t == 0 && !sound) *s.failed = 1;
      for (int i = top + t; i < to; i += block.threads()) {
        if (i < j + width) {
          for (int c = 0; c < P; ++c) {
            for (int r = c; r < P; ++r) {
              if (r == i - j) k(i, j + c) = l[r][c];
            }
          }
          continue;
        }
        double x[P];
        for (int c = 0; c < P; ++c) x[c] = c < width ? k(i, j + c) : 0;
        for (int c = 0; c < P; ++c) {
          for (int q = 0; q < c; ++q) x[c] -= x[q] * l[c][q];
          x[c] *= inverse[c];
        }
        for (int c = 0; c < P; ++c) {
          if (c < width) k(i, j + c) = x[c];
        }
      }
    });
    if (factor && block.broadcast(*s.failed) != 0) return false;
  }
  return true;
}

template <class Block>
OPTCORE_DEVICE void load_inputs(Block& block, const GpShared& s, const double* rows, int count,
                                int dims, int at) {
  for_all(block, count * dims, [&](int e) {
    const int i = e / dims, f = e - i * dims;
    s.inputs[f * s.input_stride + at + i] = rows[e] * s.scale[f];
  });
}

/// ok, or why this process cannot be fitted.
template <class Block>
OPTCORE_DEVICE Status check_process(Block& block, const GpShared& s, const GpBatchProblem& p,
                                    int first, int n, double variance, const double* scales,
                                    double noise) {
  if (!(variance > 0) || !(noise >= 0) || !is_finite(variance + noise)) {
    return Status::invalid_argument;
  }
  const double bad_scales = sum_of(block, s.reduce, [&](int t) {
    double bad = 0;
    for (int f = t; f < p.dims; f += block.threads()) {
      bad += scales[f] > 0 && is_finite(scales[f]) ? 0 : 1;
    }
    return bad;
  });
  if (bad_scales > 0) return Status::invalid_argument;
  const double* X = p.X + static_cast<std::ptrdiff_t>(first) * p.dims;
  const double* Y = p.Y + static_cast<std::ptrdiff_t>(first) * p.outputs;
  const double bad = sum_of(block, s.reduce, [&](int t) {
    double count = 0;
    for (int e = t; e < n * p.dims; e += block.threads()) count += is_finite(X[e]) ? 0 : 1;
    for (int e = t; e < n * p.outputs; e += block.threads()) count += is_finite(Y[e]) ? 0 : 1;
    return count;
  });
  return bad > 0 ? Status::not_finite : Status::ok;
}

template <class Block>
OPTCORE_DEVICE void answer_with_prior(Block& block, const GpBatchProblem& p, int item,
                                      double variance, Status status) {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(item) * p.queries;
  for_all(block, p.queries * p.outputs, [&](int e) {
    p.mean[at * p.outputs + e] = p.prior_mean == nullptr ? 0 : p.prior_mean[e % p.outputs];
  });
  for_all(block, p.queries, [&](int q) { p.deviation2[at + q] = variance; });
  block.each([&](int t) {
    if (t != 0) return;
    p.status[item] = status;
    if (p.likelihood != nullptr) p.likelihood[item] = 0;
  });
}

/// Means and variances of the queries in rows n + outputs .. of the swept triangle.
template <class Block>
OPTCORE_DEVICE void write_queries(Block& block, const GpBatchProblem& p, const TallTriangle& k,
                                  int n, int item, int first_query, int count, double variance) {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(item) * p.queries + first_query;
  for_all(block, count * (p.outputs + 1), [&](int e) {
    const int q = e % count, o = e / count;  // o == outputs: the variance
    const int row = n + p.outputs + q, other = o < p.outputs ? n + o : row;
    double total = 0;
    for (int j = 0; j < n; ++j) total += k(row, j) * k(other, j);
    if (o < p.outputs) {
      p.mean[(at + q) * p.outputs + o] = total + (p.prior_mean == nullptr ? 0 : p.prior_mean[o]);
    } else {
      p.deviation2[at + q] = max(0.0, variance - total);
    }
  });
}

template <class Block>
OPTCORE_DEVICE void write_likelihood(Block& block, const GpShared& s, const GpBatchProblem& p,
                                     const TallTriangle& k, int n, int item) {
  const double value = sum_of(block, s.reduce, [&](int t) {
    double total = 0;
    for (int j = t; j < n; j += block.threads()) {
      const double each = 2 * optcore::log(k(j, j)) + optcore::log(2 * pi<double>);
      total += p.outputs * each;
      for (int o = 0; o < p.outputs; ++o) total += k(n + o, j) * k(n + o, j);
    }
    return -0.5 * total;
  });
  block.each([&](int t) {
    if (t == 0) p.likelihood[item] = value;
  });
}

template <class Block>
OPTCORE_DEVICE void solve_process(Block& block, const GpShared& s, const GpBatchProblem& p,
                                  double* factor, int item) {
  const int first = p.first[item], n = p.first[item + 1] - first, outputs = p.outputs;
  const double variance = p.variance[item * p.variance_step];
  const double noise = p.noise[item * p.noise_step];
  const double* scales = p.length_scales + static_cast<std::ptrdiff_t>(item) * p.scale_step;
  const Status checked = check_process(block, s, p, first, n, variance, scales, noise);
  if (failed(checked)) return answer_with_prior(block, p, item, variance, checked);
  if (n == 0) return answer_with_prior(block, p, item, variance, Status::ok);

  const TallTriangle k{factor, n + outputs + p.chunk};
  const double unit = gp::input_scale(p.family);
  for_all(block, p.dims, [&](int f) { s.scale[f] = unit / scales[f]; });
  block.each([&](int t) {
    if (t == 0) *s.failed = 0;
  });
  load_inputs(block, s, p.X + static_cast<std::ptrdiff_t>(first) * p.dims, n, p.dims, 0);
  const double* Y = p.Y + static_cast<std::ptrdiff_t>(first) * outputs;
  for_all(block, n * outputs, [&](int e) {
    const int i = e / outputs, o = e - i * outputs;
    k(n + o, i) = Y[e] - (p.prior_mean == nullptr ? 0 : p.prior_mean[o]);
  });
  const double diagonal = variance + noise;
  const double least = min(0.5, 8 * epsilon<double>() * diagonal);  // as gp::minimum_pivot()
  const double* query = p.query + static_cast<std::ptrdiff_t>(item) * p.query_step;
  int done = 0;
  do {  // at least once, for the factor
    const int count = min(p.chunk, p.queries - done), below = n + outputs;
    load_inputs(block, s, query + static_cast<std::ptrdiff_t>(done) * p.dims, count, p.dims, n);
    gp::with_stationary(p.family, [&]<KernelFamily F>() {
      if (done == 0) fill_rows<F>(block, s, k, n, p.dims, 0, n, 0, variance, diagonal);
      fill_rows<F>(block, s, k, n, p.dims, below, below + count, n, variance, diagonal);
      return 0;
    });
    if (!sweep(block, s, k, n, done == 0 ? 0 : below, below + count, least)) {
      return answer_with_prior(block, p, item, variance, Status::not_positive_definite);
    }
    write_queries(block, p, k, n, item, done, count, variance);
    done += count;
  } while (done < p.queries);
  if (p.likelihood != nullptr) write_likelihood(block, s, p, k, n, item);
  block.each([&](int t) {
    if (t == 0) p.status[item] = Status::ok;
  });
}

}  // namespace detail

/// A block takes one process after the other until none is left.
struct GpBatchKernel {
  OPTCORE_HD static std::size_t shared_bytes(const GpBatchProblem& p, int threads) noexcept {
    Arena arena = Arena::measure();
    static_cast<void>(detail::GpShared::make(arena, p, threads));
    return arena.used();
  }
  OPTCORE_HD static constexpr int factor_size(const GpBatchProblem& p) noexcept {
    return detail::TallTriangle::size(p.most_points, p.outputs + p.chunk);
  }

  template <class Block>
  OPTCORE_DEVICE void operator()(Block& block, const GpBatchProblem& p) const {
    const detail::GpShared s = detail::GpShared::make(block.shared(), p, block.threads());
    double* factor = s.factor;
    if (p.workspace != nullptr) {
      factor = p.workspace + static_cast<std::ptrdiff_t>(block.index()) * factor_size(p);
    }
    for (int item = block.take(p.counter, s.slot); item < p.batch;
         item = block.take(p.counter, s.slot)) {
      detail::solve_process(block, s, p, factor, item);
    }
  }
};

}  // namespace optcore::cuda
