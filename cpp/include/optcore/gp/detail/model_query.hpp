#pragma once

// Definitions of gp/model.hpp: what the control loop asks.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::covariances(const T* query, T* k) const noexcept {
  const P scale = P::broadcast(variance_);
  for (int i = 0; i < rows(); i += lanes) {
    P q = P::zero();
    for (int f = 0; f < inputs_.dims; ++f) {
      const P difference = P::load(inputs_.feature(f) + i) - P::broadcast(query[f] * scale_[f]);
      q = fma(difference, difference, q);
    }
    (scale * Correlation<F>::value(q)).store(k + i);
  }
  for (int i = size_; i < rows(); ++i) k[i] = T(0);
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::covariances_transposed(const T* queries, T* k) const noexcept {
  constexpr int group = 4;  // points at a time, so that latencies overlap
  const P scale = P::broadcast(variance_);
  const int dims = inputs_.dims, n = size_;
  for (int i = 0; i < n; i += group) {
    P q[group];
#pragma GCC unroll 4
    for (int c = 0; c < group; ++c) q[c] = P::zero();
    for (int f = 0; f < dims; ++f) {
      const P query = P::load(queries + f * lanes);
      const T* const feature = inputs_.feature(f);
#pragma GCC unroll 4
      for (int c = 0; c < group; ++c) {
        const P difference = query - P::broadcast(feature[min(i + c, n - 1)]);
        q[c] = fma(difference, difference, q[c]);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < group; ++c) {
      if (i + c < n) (scale * Correlation<F>::value(q[c])).store(k + (i + c) * lanes);
    }
  }
  for (int i = n; i < rows(); ++i) P::zero().store(k + i * lanes);
}

/// Means of `Outputs` outputs from `first`: two registers of points at a time, nothing stored.
template <class T>
template <KernelFamily F, int Outputs>
OPTCORE_HD void Model<T>::mean_of(MatrixView<const T> queries, MatrixView<T> mean,
                                  int first) const noexcept {
  constexpr int group = 4;
  const int rows = this->rows(), dims = inputs_.dims;
  for (int m = 0; m < queries.rows; ++m) {
    const T* const query = queries.row_data(m);
    P sums[Outputs];
#pragma GCC unroll 4
    for (int o = 0; o < Outputs; ++o) sums[o] = P::zero();
    const auto step = [&]<int G>(int i) {
      P q[G];
#pragma GCC unroll 4
      for (int c = 0; c < G; ++c) q[c] = P::zero();
      for (int f = 0; f < dims; ++f) {
        const P x = P::broadcast(query[f] * scale_[f]);
        const T* const feature = inputs_.feature(f) + i;
#pragma GCC unroll 4
        for (int c = 0; c < G; ++c) {
          const P difference = P::load(feature + c * lanes) - x;
          q[c] = fma(difference, difference, q[c]);
        }
      }
#pragma GCC unroll 4
      for (int c = 0; c < G; ++c) {
        const P k = Correlation<F>::value(q[c]);
#pragma GCC unroll 4
        for (int o = 0; o < Outputs; ++o) {
          sums[o] = fma(k, P::load(weights_.row_data(first + o) + i + c * lanes), sums[o]);
        }
      }
    };
    int i = 0;
    for (; i + group * lanes <= rows; i += group * lanes) step.template operator()<group>(i);
    for (; i < rows; i += lanes) step.template operator()<1>(i);
    for (int o = 0; o < Outputs; ++o) {
      mean(m, first + o) = prior_mean_[first + o] + variance_ * sum(sums[o]);
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
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::predict_one(VectorView<const T> query, VectorView<T> mean,
                                      T& variance) noexcept {
  covariances<F>(query.data, scratch_);
  for (int o = 0; o < outputs_; ++o) {
    mean[o] = prior_mean_[o] + linalg::dot<T>(scratch_, weights_.row_data(o), rows());
  }
  linalg::multiply_lower<T>(inverse_, scratch_, row_);
  variance = max(T(0), variance_ - linalg::dot<T>(row_, row_, rows()));
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Model<T>::predict_lanes(MatrixView<const T> queries, MatrixView<T> mean,
                                        VectorView<T> variance) noexcept {
  const int count = queries.rows;  // <= lanes; the rest of the register repeats the last query
  for (int f = 0; f < inputs_.dims; ++f) {
    for (int q = 0; q < lanes; ++q) {
      query_[f * lanes + q] = queries(min(q, count - 1), f) * scale_[f];
    }
  }
  covariances_transposed<F>(query_, scratch_);
  for (int o = 0; o < outputs_; ++o) {
    const T* const w = weights_.row_data(o);
    P sums[4] = {P::zero(), P::zero(), P::zero(), P::zero()};
    int i = 0;
    for (; i + 4 <= size_; i += 4) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        sums[c] = fma(P::load(scratch_ + (i + c) * lanes), P::broadcast(w[i + c]), sums[c]);
      }
    }
    for (; i < size_; ++i) {
      sums[0] = fma(P::load(scratch_ + i * lanes), P::broadcast(w[i]), sums[0]);
    }
    const P total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (int q = 0; q < count; ++q) mean(q, o) = prior_mean_[o] + total[q];
  }
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
  for (int q = 0; q < count; ++q) variance[q] = max(T(0), variance_ - sum(squares[q]));
}

template <class T>
OPTCORE_HD void Model<T>::predict(MatrixView<const T> queries, MatrixView<T> mean,
                                  VectorView<T> variance) noexcept {
  // below this many queries a register of them costs more than one after the other
  constexpr int worthwhile = (lanes + 1) / 2;
  with_family(family_, [&]<KernelFamily F>() {
    for (int m = 0; m < queries.rows;) {
      const int count = min(lanes, queries.rows - m);
      if (count >= worthwhile) {
        predict_lanes<F>(queries.block(m, 0, count, queries.cols),
                         mean.block(m, 0, count, mean.cols), variance.segment(m, count));
        m += count;
      } else {
        predict_one<F>(queries.row(m), mean.row(m), variance[m]);
        ++m;
      }
    }
    return 0;
  });
}

template <class T>
OPTCORE_HD void Model<T>::mean_gradient(MatrixView<const T> queries, MatrixView<T> mean,
                                        MatrixView<T> gradient) const noexcept {
  constexpr int chunk =
      256 / static_cast<int>(sizeof(T)) * 8;  // points whose slopes wait on the stack
  const int rows = this->rows(), dims = inputs_.dims;
  this->mean(queries, mean);
  with_family(family_, [&]<KernelFamily F>() {
    for (int m = 0; m < queries.rows; ++m) {
      const T* const query = queries.row_data(m);
      for (int e = 0; e < gradient.cols; ++e) gradient(m, e) = T(0);
      for (int first = 0; first < rows; first += chunk) {
        const int count = min(chunk, rows - first);
        alignas(64) T slopes[chunk];
        for (int i = 0; i < count; i += lanes) {
          P q = P::zero();
          for (int f = 0; f < dims; ++f) {
            const P difference =
                P::broadcast(query[f] * scale_[f]) - P::load(inputs_.feature(f) + first + i);
            q = fma(difference, difference, q);
          }
          Correlation<F>::slope(q).store(slopes + i);
        }
        for (int f = 0; f < dims; ++f) {
          const P x = P::broadcast(query[f] * scale_[f]);
          const T* const feature = inputs_.feature(f) + first;
          for (int o = 0; o < outputs_; ++o) {
            const T* const w = weights_.row_data(o) + first;
            P even = P::zero(), odd = P::zero();
            int i = 0;
            for (; i + 2 * lanes <= count; i += 2 * lanes) {
              even = fma(P::load(slopes + i) * P::load(w + i), x - P::load(feature + i), even);
              odd = fma(P::load(slopes + i + lanes) * P::load(w + i + lanes),
                        x - P::load(feature + i + lanes), odd);
            }
            if (i < count) {
              even = fma(P::load(slopes + i) * P::load(w + i), x - P::load(feature + i), even);
            }
            gradient(m, o * dims + f) += 2 * variance_ * scale_[f] * sum(even + odd);
          }
        }
      }
    }
    return 0;
  });
}

}  // namespace optcore::inline OPTCORE_ISA::gp
