#pragma once

#include "optcore/gp/sparse.hpp"

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD void Sparse<T>::bind(Arena& arena, int inducing, int dims, int outputs,
                                int kernel_parameters) noexcept {
  const int rows = linalg::whole_tiles<T>(inducing);
  const int stride = linalg::padded_stride<T>(inducing);
  const std::ptrdiff_t tile = linalg::tile_rows<T>;
  inducing_ = inducing;
  const auto triangle = [&] {
    const std::size_t padded = static_cast<std::size_t>(linalg::padded<T>(inducing));
    return linalg::Triangle<T>{arena.array<T>(static_cast<std::size_t>(stride) * padded), inducing,
                               stride};
  };
  const auto panels = [&](int columns) {
    return Panels{arena.array<T>(linalg::panels_size<T>(inducing, columns)), rows, tile * columns};
  };
  inputs_ = {arena.array<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(dims)), dims,
             rows};
  factor_ = triangle();
  inverse_ = triangle();
  gram_ = triangle();
  inner_ = triangle();
  inner_inverse_ = triangle();
  whiten_ = panels(rows);
  posterior_ = panels(rows);
  left_ = panels(rows);
  right_ = panels(rows);
  cross_ = panels(block);
  product_ = panels(block);
  scale_ = arena.vector<T>(dims);
  prior_mean_ = arena.vector<T>(outputs);
  moments_ = arena.matrix<T>(outputs, rows);
  weights_ = arena.matrix<T>(outputs, rows);
  alpha_ = arena.matrix<T>(outputs, block);
  block_ = arena.array<T>(static_cast<std::size_t>(block) * static_cast<std::size_t>(dims));
  slopes_ = arena.array<T>(static_cast<std::size_t>(rows));
  sums_ = arena.array<T>(static_cast<std::size_t>(max(dims + 1, kernel_parameters)));
  self_ = {arena.array<T>(static_cast<std::size_t>(dims * native_lanes<T>)), dims, native_lanes<T>};
  composite_.bind(arena, kernel_parameters);
  workspace_ = arena.array<T>(linalg::factor_workspace<T>(inducing));
}

namespace detail {

/// Panels <- scale * the lower triangle, zero above it and in the padding; transposed on request.
template <class T>
OPTCORE_HD void pack_triangle(linalg::Triangle<const T> a, T scale, bool transposed,
                              linalg::Panels<T> out) noexcept {
  for (int i = 0; i < out.rows; ++i) {
    for (int k = 0; k < out.rows; ++k) out(i, k) = T(0);
  }
  for (int j = 0; j < a.size; ++j) {
    for (int i = j; i < a.size; ++i) (transposed ? out(j, i) : out(i, j)) = scale * a(i, j);
  }
}

}  // namespace detail

template <class T>
OPTCORE_HD Status Sparse<T>::begin(MatrixView<const T> Z, const Hyperparameters<T>& hyper,
                                   T jitter) noexcept {
  const int m = inducing_, d = inputs_.dims;
  const bool composite = hyper.family == KernelFamily::composite;
  if (Z.rows != m || Z.cols != d || hyper.length_scales.size != (composite ? 0 : d) ||
      (hyper.mean.size != 0 && hyper.mean.size != outputs())) {
    return Status::shape_mismatch;
  }
  if (hyper.point_noise.size != 0 || !is_known(hyper.family) ||
      !detail::all_positive(hyper.length_scales) || !(hyper.variance > T(0)) ||
      !(hyper.noise > T(0)) || !is_finite(hyper.variance + hyper.noise) || !(jitter >= T(0)) ||
      !is_finite(jitter)) {
    return Status::invalid_argument;
  }
  if (!detail::all_finite(Z)) return Status::not_finite;
  for (int o = 0; o < hyper.mean.size; ++o) {
    if (!is_finite(hyper.mean[o])) return Status::not_finite;
  }
  if (composite) {
    const Status set = composite_.set(hyper.nodes, hyper.parameters, d);
    if (failed(set)) return set;
  }
  family_ = hyper.family;
  variance_ = hyper.variance;
  noise_ = hyper.noise;
  jitter_ = jitter;
  for (int o = 0; o < outputs(); ++o) prior_mean_[o] = hyper.mean.size > 0 ? hyper.mean[o] : T(0);
  for (int f = 0; f < d; ++f) {
    scale_[f] = composite ? T(1) : static_cast<T>(input_scale(family_)) / hyper.length_scales[f];
    T* const feature = inputs_.feature(f);
    for (int i = 0; i < m; ++i) feature[i] = Z(i, f) * scale_[f];
    detail::set_zero(feature + m, inputs_.stride - m);
  }
  T largest = variance_ * (1 + jitter_);
  if (composite) {
    composite_.fill(inputs_, T(0), factor_, block_);
    largest = T(0);
    for (int i = 0; i < m; ++i) largest = max(largest, factor_(i, i) *= 1 + jitter_);
  } else {
    with_stationary(family_, [&]<KernelFamily F>() {
      fill_covariance<F, T>(inputs_, variance_, variance_ * jitter_, factor_);
    });
  }
  rows_ = 0;
  squares_ = prior_ = 0;
  detail::set_zero(gram_.data, static_cast<std::ptrdiff_t>(gram_.stride) * linalg::padded<T>(m));
  detail::set_zero(moments_.data, static_cast<std::ptrdiff_t>(outputs()) * moments_.stride);
  const Status status =
      linalg::factor(factor_, workspace_, &failing_pivot_, detail::minimum_pivot(largest));
  if (failed(status)) return status;
  linalg::invert<T>(factor_, inverse_);
  detail::pack_triangle<T>(inverse_, T(-1), false, whiten_);
  return Status::ok;
}

template <class T>
OPTCORE_HD void Sparse<T>::scale_block(MatrixView<const T> X, int first, int count) noexcept {
  const int d = inputs_.dims;
  for (int k = 0; k < count; ++k) {
    for (int f = 0; f < d; ++f) block_[k * d + f] = X(first + k, f) * scale_[f];
  }
}

template <class T>
template <KernelFamily F>
OPTCORE_HD void Sparse<T>::fill_cross(int count) noexcept {
  constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>, R = linalg::tile_registers<T>;
  constexpr int C = 4;
  const int d = inputs_.dims, whole = whole_columns(count);
  const P scale = P::broadcast(variance_);
  for (int i = 0; i < cross_.rows; i += H) {
    T* const panel = cross_.panel(i);
    for (int k = 0; k < count; k += C) {
      const int columns = min(C, count - k);
      P q[C][R];
      for (auto& column : q) {
        for (auto& value : column) value = P::zero();
      }
      for (int f = 0; f < d; ++f) {
        const T* const feature = inputs_.feature(f) + i;
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          const P x = P::broadcast(block_[min(k + c, count - 1) * d + f]);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            const P difference = P::load(feature + r * W) - x;
            q[c][r] = fma(difference, difference, q[c][r]);
          }
        }
      }
      for (int c = 0; c < columns; ++c) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          (scale * Correlation<F>::value(q[c][r])).store(panel + (k + c) * H + r * W);
        }
      }
    }
    detail::set_zero(panel + count * H, static_cast<std::ptrdiff_t>(whole - count) * H);
  }
  for (int i = inducing_; i < cross_.rows; ++i) {
    for (int k = 0; k < count; ++k) cross_(i, k) = T(0);
  }
}

template <class T>
OPTCORE_HD void Sparse<T>::fill_cross_composite(int count) noexcept {
  constexpr int run = CompositeKernel<T>::run;
  const int d = inputs_.dims, whole = whole_columns(count);
  for (int k = 0; k < whole; ++k) {
    for (int i = 0; i < cross_.rows; i += run) {
      alignas(64) T values[run];
      const int rows = min(run, cross_.rows - i);
      if (k < count) composite_.values(inputs_, i, rows, block_ + k * d, -1, values);
      for (int p = 0; p < rows; ++p) {
        cross_(i + p, k) = k < count && i + p < inducing_ ? values[p] : T(0);
      }
    }
  }
}

template <class T>
OPTCORE_HD Status Sparse<T>::add(MatrixView<const T> X, MatrixView<const T> Y) noexcept {
  constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>;
  if (X.cols != inputs_.dims || Y.cols != outputs() || X.rows != Y.rows) {
    return Status::shape_mismatch;
  }
  if (!detail::all_finite(X) || !detail::all_finite(Y)) return Status::not_finite;
  for (int first = 0; first < X.rows; first += block) {
    const int count = min(block, X.rows - first), whole = whole_columns(count);
    scale_block(X, first, count);
    cross(count);
    for (int k = 0; k < count; ++k) prior_ += prior_variance_at(k);
    linalg::multiply_panels(whiten_, linalg::Shape::lower, cross_, whole, product_);
    for (int o = 0; o < outputs(); ++o) {
      for (int k = 0; k < count; ++k) {
        alpha_(o, k) = Y(first + k, o) - prior_mean_[o];
        squares_ += alpha_(o, k) * alpha_(o, k);
      }
      for (int i = 0; i < product_.rows; i += W) {
        const T* const column = product_.panel(i) + i % H;
        P total = P::load(moments_.row_data(o) + i);
        for (int k = 0; k < count; ++k) {
          total = fma(P::load(column + k * H), P::broadcast(alpha_(o, k)), total);
        }
        total.store(moments_.row_data(o) + i);
      }
    }
    // the panels lie `block` columns apart and `count` are used: all but the last block match
    if (count < block) {
      for (int i = 0; i < product_.rows; i += H) {
        detail::set_zero(product_.panel(i) + count * H,
                         static_cast<std::ptrdiff_t>(block - count) * H);
      }
    }
    linalg::subtract_packed(gram_, 0, block, linalg::padded<T>(inducing_),
                            static_cast<const T*>(product_.data));
    rows_ += count;
  }
  return Status::ok;
}

template <class T>
OPTCORE_HD T Sparse<T>::trace_of_gram() const noexcept {
  T total = 0;
  for (int i = 0; i < inducing_; ++i) total -= gram_(i, i);
  return total;
}

template <class T>
OPTCORE_HD void Sparse<T>::statistics(SparseStatistics<T>& out) const noexcept {
  for (int i = 0; i < inducing_; ++i) {
    for (int j = 0; j <= i; ++j) out.gram(i, j) = -gram_(i, j);
    for (int o = 0; o < outputs(); ++o) out.moments(o, i) = moments_(o, i);
  }
  out.squares = squares_;
  out.prior = prior_;
  out.rows = rows_;
}

template <class T>
OPTCORE_HD Status Sparse<T>::restore(const SparseStatistics<const T>& saved) noexcept {
  if (saved.gram.rows != inducing_ || saved.gram.cols != inducing_ ||
      saved.moments.rows != outputs() || saved.moments.cols != inducing_) {
    return Status::shape_mismatch;
  }
  if (!detail::all_finite(saved.gram) || !detail::all_finite(saved.moments) ||
      !is_finite(saved.squares + saved.prior)) {
    return Status::not_finite;
  }
  if (saved.rows < 0) return Status::invalid_argument;
  for (int i = 0; i < inducing_; ++i) {
    for (int j = 0; j <= i; ++j) gram_(i, j) = -saved.gram(i, j);
    for (int o = 0; o < outputs(); ++o) moments_(o, i) = saved.moments(o, i);
  }
  squares_ = saved.squares;
  prior_ = saved.prior;
  rows_ = saved.rows;
  return Status::ok;
}

template <class T>
OPTCORE_HD Status Sparse<T>::finish() noexcept {
  const int m = inducing_;
  for (int j = 0; j < m; ++j) {
    for (int i = j; i < m; ++i) inner_(i, j) = -gram_(i, j);
    inner_(j, j) += noise_;
  }
  linalg::pad_with_identity(inner_);
  const Status status = linalg::factor(inner_, workspace_, &failing_pivot_);
  if (failed(status)) return status;
  T explained = 0;
  const int rows = linalg::padded<T>(m);
  for (int o = 0; o < outputs(); ++o) {
    T* const c = slopes_;
    for (int i = 0; i < rows; ++i) c[i] = i < m ? moments_(o, i) : T(0);
    linalg::solve_lower<T>(inner_, c);
    explained += linalg::dot(c, c, rows);
    linalg::solve_lower_transposed<T>(inner_, c);
    linalg::multiply_lower_transposed<T>(inverse_, c, weights_.row_data(o));
    detail::set_zero(weights_.row_data(o) + m, weights_.cols - m);
  }
  const T n = static_cast<T>(rows_), count = static_cast<T>(outputs());
  const T determinant = (n - static_cast<T>(m)) * log(noise_) + linalg::log_determinant<T>(inner_);
  const T missing = max(T(0), prior_ - trace_of_gram());  // trace of K - Q
  bound_ = T(-0.5) * ((squares_ - explained) / noise_ +
                      count * (determinant + n * log(2 * pi<T>) + missing / noise_));

  linalg::invert<T>(inner_, inner_inverse_);
  trace_ = 0;
  for (int j = 0; j < m; ++j) {
    for (int i = j; i < m; ++i) trace_ += inner_inverse_(i, j) * inner_inverse_(i, j);
  }
  detail::pack_triangle<T>(inner_inverse_, T(1), false, left_);
  linalg::multiply_panels(left_, linalg::Shape::lower, whiten_, whiten_.rows, posterior_);
  return Status::ok;
}

template <class T>
OPTCORE_HD void Sparse<T>::predict(MatrixView<const T> queries, MatrixView<T> mean,
                                   VectorView<T> variance) noexcept {
  constexpr int W = native_lanes<T>, H = linalg::tile_rows<T>;
  const auto squares = [&](int k) {
    P total = P::zero();
    for (int i = 0; i < product_.rows; i += W) {
      const P value = P::load(product_.panel(i) + i % H + k * H);
      total = fma(value, value, total);
    }
    return sum(total);
  };
  for (int first = 0; first < queries.rows; first += block) {
    const int count = min(block, queries.rows - first), whole = whole_columns(count);
    scale_block(queries, first, count);
    cross(count);
    for (int o = 0; o < outputs(); ++o) {
      for (int k = 0; k < count; ++k) {
        P total = P::zero();
        for (int i = 0; i < cross_.rows; i += W) {
          total = fma(P::load(cross_.panel(i) + i % H + k * H), P::load(weights_.row_data(o) + i),
                      total);
        }
        mean(first + k, o) = prior_mean_[o] + sum(total);
      }
    }
    linalg::multiply_panels(whiten_, linalg::Shape::lower, cross_, whole, product_);
    for (int k = 0; k < count; ++k) variance[first + k] = prior_variance_at(k) - squares(k);
    linalg::multiply_panels(posterior_, linalg::Shape::lower, cross_, whole, product_);
    for (int k = 0; k < count; ++k) {
      variance[first + k] = max(T(0), variance[first + k] + noise_ * squares(k));
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::gp
