#pragma once

// Definitions of gp/model.hpp: what the control loop asks.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
template <int G>
OPTCORE_INLINE void Model<T>::scaled_distances(const T* query, int first,
                                               P (&q)[G]) const noexcept {
#pragma GCC unroll 4
  for (int c = 0; c < G; ++c) q[c] = P::zero();
  for (int f = 0; f < inputs_.dims; ++f) {
    const P x = P::broadcast(query[f] * scale_[f]);
    const T* const feature = inputs_.feature(f) + first;
#pragma GCC unroll 4
    for (int c = 0; c < G; ++c) {
      const P difference = P::load(feature + c * lanes) - x;
      q[c] = fma(difference, difference, q[c]);
    }
  }
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::covariances(const T* query, T* k) const noexcept {
  constexpr int group = 4;  // registers of points at a time, so that latencies overlap
  const int rows = this->rows();
  if constexpr (F == KernelFamily::composite) {
    constexpr int run = CompositeKernel<T>::run;
    for (int i = 0; i < rows; i += run) composite_values(query, i, min(run, rows - i), k + i);
    for (int i = size_; i < rows; ++i) k[i] = T(0);
    return;
  } else {
    const P scale = P::broadcast(variance_);
    const auto step = [&]<int G>(int i) {
      P q[G];
      scaled_distances(query, i, q);
#pragma GCC unroll 4
      for (int c = 0; c < G; ++c) (scale * Correlation<F>::value(q[c])).store(k + i + c * lanes);
    };
    int i = 0;
    for (; i + group * lanes <= rows; i += group * lanes) step.template operator()<group>(i);
    for (; i < rows; i += lanes) step.template operator()<1>(i);
    for (i = size_; i < rows; ++i) k[i] = T(0);
  }
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::covariances_transposed(const T* queries, int step, T* k) const noexcept {
  constexpr int group = 4;  // points at a time, so that latencies overlap
  const int dims = inputs_.dims, n = size_;
  if constexpr (F == KernelFamily::composite) {
    for (int q = 0; q < lanes; ++q) {
      for (int f = 0; f < dims; ++f) point_[f] = queries[f * step + q];
      covariances<F>(point_, row_);
      for (int i = 0; i < rows(); ++i) k[i * step + q] = row_[i];
    }
    return;
  } else {
    const P scale = P::broadcast(variance_);
    for (int i = 0; i < n; i += group) {
      P q[group];
#pragma GCC unroll 4
      for (int c = 0; c < group; ++c) q[c] = P::zero();
      for (int f = 0; f < dims; ++f) {
        const P query = P::load(queries + f * step);
        const T* const feature = inputs_.feature(f);
#pragma GCC unroll 4
        for (int c = 0; c < group; ++c) {
          const P difference = query - P::broadcast(feature[min(i + c, n - 1)]);
          q[c] = fma(difference, difference, q[c]);
        }
      }
#pragma GCC unroll 4
      for (int c = 0; c < group; ++c) {
        if (i + c < n) (scale * Correlation<F>::value(q[c])).store(k + (i + c) * step);
      }
    }
    for (int i = n; i < rows(); ++i) P::zero().store(k + i * step);
  }
}

template <class T>
OPTCORE_HD void Model<T>::scale_queries(MatrixView<const T> queries, int height,
                                        T* scaled) const noexcept {
  for (int f = 0; f < inputs_.dims; ++f) {
    for (int q = 0; q < height; ++q) {
      scaled[f * height + q] = queries(min(q, queries.rows - 1), f) * scale_[f];
    }
  }
}

template <class T>
OPTCORE_HD void Model<T>::means_of_lanes(const T* k, int step, MatrixView<T> mean) const noexcept {
  for (int o = 0; o < outputs_; ++o) {
    const T* const w = weights_.row_data(o);
    for (int first = 0; first < mean.rows; first += lanes) {
      P sums[4] = {P::zero(), P::zero(), P::zero(), P::zero()};
      const T* column = k + first;
      int i = 0;
      for (; i + 4 <= size_; i += 4, column += 4 * step) {
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) {
          sums[c] = fma(P::load(column + c * step), P::broadcast(w[i + c]), sums[c]);
        }
      }
      for (; i < size_; ++i, column += step) {
        sums[0] = fma(P::load(column), P::broadcast(w[i]), sums[0]);
      }
      const P total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      for (int q = 0; q < min(lanes, mean.rows - first); ++q) {
        mean(first + q, o) = prior_mean_[o] + total[q];
      }
    }
  }
}

/// Means of `Outputs` outputs from `first`: two registers of points at a time, nothing stored.
template <class T>
template <KernelFamily F, int Outputs>
OPTCORE_HD void Model<T>::mean_of(MatrixView<const T> queries, MatrixView<T> mean,
                                  int first) const noexcept {
  constexpr int group = F == KernelFamily::composite ? min(4, CompositeKernel<T>::run / lanes) : 4;
  const int rows = this->rows();
  for (int m = 0; m < queries.rows; ++m) {
    const T* const query = queries.row_data(m);
    P sums[Outputs];
#pragma GCC unroll 4
    for (int o = 0; o < Outputs; ++o) sums[o] = P::zero();
    const auto step = [&]<int G>(int i) {
      P values[G];
      if constexpr (F == KernelFamily::composite) {
        alignas(64) T k[G * lanes];
        composite_values(query, i, G * lanes, k);
        for (int c = 0; c < G; ++c) values[c] = P::load(k + c * lanes);
      } else {
        scaled_distances(query, i, values);
#pragma GCC unroll 4
        for (int c = 0; c < G; ++c) values[c] = Correlation<F>::value(values[c]);
      }
#pragma GCC unroll 4
      for (int c = 0; c < G; ++c) {
        const P k = values[c];
#pragma GCC unroll 4
        for (int o = 0; o < Outputs; ++o) {
          sums[o] = fma(k, P::load(weights_.row_data(first + o) + i + c * lanes), sums[o]);
        }
      }
    };
    int i = 0;
    for (; i + group * lanes <= rows; i += group * lanes) step.template operator()<group>(i);
    for (; i < rows; i += lanes) step.template operator()<1>(i);
    const T scale = F == KernelFamily::composite ? T(1) : variance_;
    for (int o = 0; o < Outputs; ++o) {
      mean(m, first + o) = prior_mean_[first + o] + scale * sum(sums[o]);
    }
  }
}

template <class T>
OPTCORE_HD void Model<T>::mean(MatrixView<const T> queries, MatrixView<T> mean) const noexcept {
  with_family(family_, [&]<KernelFamily F>() {
    int o = 0;
    for (; o + 4 <= outputs_; o += 4) mean_of<F, 4>(queries, mean, o);
    if (o + 2 <= outputs_) {
      mean_of<F, 2>(queries, mean, o);
      o += 2;
    }
    if (o < outputs_) mean_of<F, 1>(queries, mean, o);
    return 0;
  });
  add_linear_mean(queries, mean);
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::predict_one(VectorView<const T> query, VectorView<T> mean,
                                      T& variance) noexcept {
  covariances<F>(query.data, scratch_);
  for (int o = 0; o < outputs_; ++o) {
    mean[o] = prior_mean_[o] + linalg::dot<T>(scratch_, weights_.row_data(o), rows());
  }
  T explained;
  if (inverse_valid_) {
    explained = linalg::squared_product<T>(inverse_, scratch_);
  } else {
    for (int i = 0; i < rows(); ++i) row_[i] = scratch_[i];
    linalg::solve_lower<T>(factor_, row_);
    explained = linalg::dot<T>(row_, row_, rows());
  }
  variance = max(T(0), prior_variance_at(query.data) - explained);
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::predict_lanes(MatrixView<const T> queries, MatrixView<T> mean,
                                        VectorView<T> variance) noexcept {
  const int count = queries.rows;
  scale_queries(queries, lanes, query_);
  covariances_transposed<F>(query_, lanes, scratch_);
  means_of_lanes(scratch_, lanes, mean);
  // |L^-1 k|^2 for all queries: rows of L^-1 in lanes, one column of the tile per query
  P squares[lanes];
  for (int q = 0; q < lanes; ++q) squares[q] = P::zero();
  linalg::for_row_tiles<T>(0, rows(), [&]<int R>(int i) {
    linalg::Tile<T, R> tile;
    tile.clear();
    tile.subtract(inverse_.data + i, inverse_.stride, scratch_, lanes, 1, i + R * lanes);
#pragma GCC unroll 16
    for (int q = 0; q < lanes; ++q) {
      P square = squares[q];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) square = fma(tile.v[q][r], tile.v[q][r], square);
      squares[q] = square;
    }
  });
  for (int q = 0; q < count; ++q) {
    variance[q] = max(T(0), prior_variance_at(queries.row_data(q)) - sum(squares[q]));
  }
}

template <class T>
template <int R>
OPTCORE_HD void Model<T>::whiten_lanes(T* k, T* squares, int first) const noexcept {
  // Columns of L by blocks whose pages stay in the translation cache.
  constexpr int C = linalg::tile_columns<T>, step = R * lanes, block = 48;
  static_assert(block % C == 0);
  const std::ptrdiff_t stride = factor_.stride;
  const int n = rows();
  P sums[R];
  for (int r = 0; r < R; ++r) sums[r] = P::zero();
  for (int left = first; left < n; left += block) {
    const int right = min(left + block, n);
    for (int j = left; j < right; j += C) {
      const T* const diagonal = factor_.column(j) + j;
      T inverse_diagonal[C];
      for (int q = 0; q < C; ++q) inverse_diagonal[q] = T(1) / diagonal[q * stride + q];
      linalg::Tile<T, R> tile;
      tile.load(k + j * step, step);
      tile.subtract(k + left * step, step, factor_.column(left) + j, stride, 1, j - left);
      tile.solve_right(diagonal, stride, inverse_diagonal);
      tile.store(k + j * step, step);
#pragma GCC unroll 16
      for (int q = 0; q < C; ++q) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sums[r] = fma(tile.v[q][r], tile.v[q][r], sums[r]);
      }
    }
    for (int i = right; i < n; i += C) {
      linalg::Tile<T, R> tile;
      tile.load(k + i * step, step);
      tile.subtract(k + left * step, step, factor_.column(left) + i, stride, 1, right - left);
      tile.store(k + i * step, step);
    }
  }
  if (squares == nullptr) return;
  for (int r = 0; r < R; ++r) sums[r].store(squares + r * lanes);
}

template <class T>
template <KernelFamily F, int R>
OPTCORE_HD void Model<T>::predict_solving(MatrixView<const T> queries, MatrixView<T> mean,
                                          VectorView<T> variance) noexcept {
  constexpr int step = R * lanes;
  scale_queries(queries, step, query_);
  for (int r = 0; r < R; ++r) {
    covariances_transposed<F>(query_ + r * lanes, step, scratch_ + r * lanes);
  }
  means_of_lanes(scratch_, step, mean);
  alignas(64) T squares[step];
  whiten_lanes<R>(scratch_, squares);
  for (int q = 0; q < queries.rows; ++q) {
    variance[q] = max(T(0), prior_variance_at(queries.row_data(q)) - squares[q]);
  }
}

template <class T>
OPTCORE_HD void Model<T>::predict(MatrixView<const T> queries, MatrixView<T> mean,
                                  VectorView<T> variance) noexcept {
  // below this many queries a register of them costs more than one after the other
  constexpr int worthwhile = lanes > 1 ? (lanes + 1) / 2 : 4, widest = linalg::tile_registers<T>;
  with_family(family_, [&]<KernelFamily F>() {
    for (int m = 0; m < queries.rows;) {
      const int left = queries.rows - m;
      const auto part = [&](int count, auto method) {
        method(queries.block(m, 0, count, queries.cols), mean.block(m, 0, count, mean.cols),
               variance.segment(m, count));
        m += count;
      };
      if (widest > 1 && left > (widest - 1) * lanes) {
        part(min(left, widest * lanes),
             [&](auto q, auto mu, auto v) { predict_solving<F, widest>(q, mu, v); });
      } else if (widest > 2 && left > lanes && !inverse_valid_) {
        part(min(left, 2 * lanes),
             [&](auto q, auto mu, auto v) { predict_solving<F, 2>(q, mu, v); });
      } else if (left >= worthwhile && inverse_valid_) {
        part(min(left, lanes), [&](auto q, auto mu, auto v) { predict_lanes<F>(q, mu, v); });
      } else if (left >= worthwhile) {
        part(min(left, lanes), [&](auto q, auto mu, auto v) { predict_solving<F, 1>(q, mu, v); });
      } else {
        part(1, [&](auto q, auto mu, auto v) { predict_one<F>(q.row(0), mu.row(0), v[0]); });
      }
    }
    return 0;
  });
  add_linear_mean(queries, mean);
}

}  // namespace optcore::inline OPTCORE_ISA::gp
