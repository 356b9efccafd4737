#pragma once

// Definitions of gp/model.hpp: set-up and growth.

namespace optcore::inline OPTCORE_ISA::gp {

namespace detail {

template <class T>
[[nodiscard]] OPTCORE_HD bool all_finite(MatrixView<const T> a) noexcept {
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.cols; ++j) {
      if (!is_finite(a(i, j))) return false;
    }
  }
  return true;
}

template <class T>
[[nodiscard]] OPTCORE_HD bool all_positive(VectorView<const T> a) noexcept {
  for (int i = 0; i < a.size; ++i) {
    if (!(a[i] > T(0)) || !is_finite(a[i])) return false;
  }
  return true;
}

template <class T>
OPTCORE_HD void set_zero(T* first, std::ptrdiff_t count) noexcept {
  for (std::ptrdiff_t i = 0; i < count; ++i) first[i] = T(0);
}

}  // namespace detail

template <class T>
OPTCORE_HD Status Model<T>::fit(MatrixView<const T> X, MatrixView<const T> Y,
                                const Hyperparameters<T>& hyper) noexcept {
  const int n = X.rows, d = inputs_.dims;
  if (inputs_.data == nullptr && d > 0) return Status::not_ready;
  if (n > capacity_) return Status::capacity_exceeded;
  if (Y.rows != n || X.cols != d || Y.cols != outputs_ || hyper.length_scales.size != d ||
      (hyper.mean.size != 0 && hyper.mean.size != outputs_)) {
    return Status::shape_mismatch;
  }
  if (d < 1 || outputs_ < 1 || !is_known(hyper.family) ||
      !detail::all_positive(hyper.length_scales) || !(hyper.variance > T(0)) ||
      !(hyper.noise >= T(0)) || !is_finite(hyper.variance + hyper.noise)) {
    return Status::invalid_argument;
  }
  if (!detail::all_finite(X) || !detail::all_finite(Y)) return Status::not_finite;

  family_ = hyper.family;
  variance_ = hyper.variance;
  noise_ = hyper.noise;
  size_ = factor_.size = inverse_.size = n;
  const T to_unit = with_family(
      family_, []<KernelFamily F>() { return static_cast<T>(Correlation<F>::input_scale); });
  for (int f = 0; f < d; ++f) scale_[f] = to_unit / hyper.length_scales[f];
  for (int o = 0; o < outputs_; ++o) prior_mean_[o] = hyper.mean.size > 0 ? hyper.mean[o] : T(0);
  for (int f = 0; f < d; ++f) {
    T* const feature = inputs_.feature(f);
    for (int i = 0; i < n; ++i) feature[i] = X(i, f) * scale_[f];
    detail::set_zero(feature + n, inputs_.stride - n);
  }
  with_family(family_, [&]<KernelFamily F>() {
    fill_covariance<F, T>(inputs_, variance_, noise_, factor_);
    return 0;
  });
  const Status status = linalg::factor(factor_, workspace_, &failing_pivot_, minimum_pivot());
  if (failed(status)) {
    size_ = factor_.size = inverse_.size = 0;
    return status;
  }
  if (with_variance_) {
    linalg::invert<T>(factor_, inverse_);
    for (int j = n; j < rows(); ++j) inverse_(j, j) = T(0);
  }
  for (int o = 0; o < outputs_; ++o) {
    T* const z = whitened_.row_data(o);
    T* const w = weights_.row_data(o);
    for (int i = 0; i < n; ++i) z[i] = Y(i, o) - prior_mean_[o];
    detail::set_zero(z + n, whitened_.cols - n);
    linalg::solve_lower<T>(factor_, z);
    for (int i = 0; i < whitened_.cols; ++i) w[i] = z[i];
    linalg::solve_lower_transposed<T>(factor_, w);
  }
  return Status::ok;
}

/// Makes the next register of rows an identity before the first point enters it.
template <class T>
OPTCORE_HD void Model<T>::open_padding() noexcept {
  const int first = size_;
  for (int j = 0; j < first + lanes; ++j) {
    detail::set_zero(factor_.column(j) + first, lanes);
    if (with_variance_) detail::set_zero(inverse_.column(j) + first, lanes);
  }
  for (int q = 0; q < lanes; ++q) {
    factor_(first + q, first + q) = T(1);
    if (with_variance_) detail::set_zero(inverse_.column(first + q), first);
  }
}

template <class T>
OPTCORE_HD Status Model<T>::append(VectorView<const T> x, VectorView<const T> y) noexcept {
  const int n = size_, d = inputs_.dims;
  if (inputs_.data == nullptr || scale_[0] <= T(0)) return Status::not_ready;
  if (x.size != d || y.size != outputs_) return Status::shape_mismatch;
  if (n >= capacity_) return Status::capacity_exceeded;
  for (int f = 0; f < d; ++f) {
    if (!is_finite(x[f])) return Status::not_finite;
  }
  for (int o = 0; o < outputs_; ++o) {
    if (!is_finite(y[o])) return Status::not_finite;
  }
  T* const l = row_;                   // the new row of L
  T* const m = row_ + inputs_.stride;  // of L^-1, before its division by the pivot
  with_family(family_, [&]<KernelFamily F>() {
    covariances<F>(x.data, scratch_);
    return 0;
  });
  if (with_variance_) {
    linalg::multiply_lower<T>(inverse_, scratch_, l);
  } else {
    for (int i = 0; i < rows(); ++i) l[i] = scratch_[i];
    linalg::solve_lower<T>(factor_, l);
  }
  const T pivot = variance_ + noise_ - linalg::dot(l, l, rows());
  if (!(pivot > minimum_pivot())) {
    failing_pivot_ = n;
    return Status::not_positive_definite;
  }
  if (with_variance_) {
    linalg::multiply_lower_transposed<T>(inverse_, l, m);
  } else {
    for (int i = 0; i < rows(); ++i) m[i] = l[i];
    linalg::solve_lower_transposed<T>(factor_, m);
  }
  if (n == rows()) open_padding();
  failing_pivot_ = -1;
  const T root = sqrt(pivot), inverse = T(1) / root;
  for (int j = 0; j < n; ++j) factor_(n, j) = l[j];
  factor_(n, n) = root;
  if (with_variance_) {
    for (int j = 0; j < n; ++j) inverse_(n, j) = -m[j] * inverse;
    inverse_(n, n) = inverse;
  }
  for (int f = 0; f < d; ++f) inputs_.feature(f)[n] = x[f] * scale_[f];
  for (int o = 0; o < outputs_; ++o) {
    T* const z = whitened_.row_data(o);
    T* const w = weights_.row_data(o);
    const T innovation = (y[o] - prior_mean_[o] - linalg::dot(l, z, rows())) * inverse;
    z[n] = innovation;
    w[n] = innovation * inverse;
    for (int i = 0; i < n; ++i) w[i] -= w[n] * m[i];
  }
  size_ = factor_.size = inverse_.size = n + 1;
  return Status::ok;
}

template <class T>
OPTCORE_HD T Model<T>::log_marginal_likelihood() const noexcept {
  T fit_term = 0;
  for (int o = 0; o < outputs_; ++o) {
    fit_term += linalg::dot(whitened_.row_data(o), whitened_.row_data(o), rows());
  }
  const T each = linalg::log_determinant<T>(factor_) + static_cast<T>(size_) * log(2 * pi<T>);
  return T(-0.5) * (fit_term + static_cast<T>(outputs_) * each);
}

}  // namespace optcore::inline OPTCORE_ISA::gp
