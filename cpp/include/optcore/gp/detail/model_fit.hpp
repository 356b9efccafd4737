#pragma once

// Definitions of gp/model.hpp: set-up and growth.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD Status Model<T>::fit(MatrixView<const T> X, MatrixView<const T> Y,
                                const Hyperparameters<T>& hyper, Team team) noexcept {
  const int n = X.rows, d = inputs_.dims;
  if (n > capacity_) return Status::capacity_exceeded;
  if (inputs_.data == nullptr || attached_) return Status::not_ready;
  if (X.cols != d || Y.cols != outputs_) return Status::shape_mismatch;
  const Status checked = detail::check(X, Y, hyper);
  if (failed(checked)) return checked;
  const bool composite = hyper.family == KernelFamily::composite;
  if (composite) {
    const Status set = composite_.set(hyper.nodes, hyper.parameters, d);
    if (failed(set)) return set;
  }

  family_ = hyper.family;
  variance_ = hyper.variance;
  noise_ = hyper.noise;
  size_ = factor_.size = inverse_.size = n;
  const T to_unit = static_cast<T>(input_scale(family_));
  for (int f = 0; f < d; ++f) scale_[f] = composite ? T(1) : to_unit / hyper.length_scales[f];
  prior_mean_.size = max(outputs_, hyper.mean.size);
  for (int i = 0; i < prior_mean_.size; ++i) {
    prior_mean_[i] = hyper.mean.size > 0 ? hyper.mean[i] : T(0);
  }
  for (int f = 0; f < d; ++f) {
    T* const feature = inputs_.feature(f);
    for (int i = 0; i < n; ++i) feature[i] = X(i, f) * scale_[f];
    detail::set_zero(feature + n, inputs_.stride - n);
  }
  if (composite) {
    variance_ = T(0);
    for (int i = 0; i < n; ++i) {
      composite_.gather(inputs_, i, point_);
      variance_ = max(variance_, composite_.diagonal(point_));
    }
  }
  for (int i = 0; i < inputs_.stride; ++i) {
    point_noise_[i] = i < hyper.point_noise.size ? hyper.point_noise[i] : T(0);
  }
  for (int o = 0; o < outputs_; ++o) {
    T* const z = whitened_.row_data(o);
    for (int i = 0; i < n; ++i) z[i] = Y(i, o) - prior_mean_at(o, X.row_data(i));
    detail::set_zero(z + n, whitened_.cols - n);
  }
  return factor_points(team);
}

/// From the inputs, and the outputs less their mean in whitened_, to everything else.
template <class T>
OPTCORE_HD Status Model<T>::factor_points(Team team) noexcept {
  with_family(family_, [&]<KernelFamily F>() {
    if constexpr (F == KernelFamily::composite) {
      composite_.fill(inputs_, noise_, factor_, point_);
    } else {
      fill_covariance<F, T>(inputs_, variance_, noise_, factor_);
    }
    return 0;
  });
  detail::add_point_noise<T>(factor_, {point_noise_, size_});
  const Status status = linalg::factor(factor_, workspace_, &failing_pivot_, minimum_pivot(), team);
  inverse_valid_ = false;
  if (failed(status)) {
    size_ = factor_.size = inverse_.size = 0;
    return status;
  }
  if (with_inverse_) {
    linalg::invert<T>(factor_, inverse_);
    for (int j = size_; j < rows(); ++j) inverse_(j, j) = T(0);
    inverse_valid_ = true;
  }
  for (int o = 0; o < outputs_; ++o) linalg::solve_lower<T>(factor_, whitened_.row_data(o));
  solve_weights();
  return Status::ok;
}

template <class T>
OPTCORE_HD void Model<T>::solve_weights() noexcept {
  for (int o = 0; o < outputs_; ++o) {
    const T* const z = whitened_.row_data(o);
    T* const w = weights_.row_data(o);
    for (int i = 0; i < weights_.cols; ++i) w[i] = z[i];
    linalg::solve_lower_transposed<T>(factor_, w);
  }
}

/// Makes the next register of rows an identity before the first point enters it.
template <class T>
OPTCORE_HD void Model<T>::open_padding() noexcept {
  const int first = size_;
  for (int j = 0; j < first + lanes; ++j) {
    detail::set_zero(factor_.column(j) + first, lanes);
    if (inverse_valid_) detail::set_zero(inverse_.column(j) + first, lanes);
  }
  for (int q = 0; q < lanes; ++q) {
    factor_(first + q, first + q) = T(1);
    if (inverse_valid_) detail::set_zero(inverse_.column(first + q), first);
  }
}

template <class T>
OPTCORE_HD Status Model<T>::append(VectorView<const T> x, VectorView<const T> y) noexcept {
  const int n = size_, d = inputs_.dims;
  if (inputs_.data == nullptr || attached_ || scale_[0] <= T(0)) return Status::not_ready;
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
  if (inverse_valid_) {
    linalg::multiply_lower<T>(inverse_, scratch_, l);
  } else {
    for (int i = 0; i < rows(); ++i) l[i] = scratch_[i];
    linalg::solve_lower<T>(factor_, l);
  }
  const T pivot = prior_variance_at(x.data) + noise_ - linalg::dot(l, l, rows());
  if (!(pivot > minimum_pivot())) {
    failing_pivot_ = n;
    return Status::not_positive_definite;
  }
  if (inverse_valid_) {
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
  if (inverse_valid_) {
    for (int j = 0; j < n; ++j) inverse_(n, j) = -m[j] * inverse;
    inverse_(n, n) = inverse;
  }
  for (int f = 0; f < d; ++f) inputs_.feature(f)[n] = x[f] * scale_[f];
  point_noise_[n] = T(0);
  for (int o = 0; o < outputs_; ++o) {
    T* const z = whitened_.row_data(o);
    T* const w = weights_.row_data(o);
    const T innovation = (y[o] - prior_mean_at(o, x.data) - linalg::dot(l, z, rows())) * inverse;
    z[n] = innovation;
    w[n] = innovation * inverse;
    for (int i = 0; i < n; ++i) w[i] -= w[n] * m[i];
  }
  size_ = factor_.size = inverse_.size = n + 1;
  return Status::ok;
}

template <class T>
OPTCORE_HD T Model<T>::log_marginal_likelihood() const noexcept {
  if (attached_) return T(0);
  T fit_term = 0;
  for (int o = 0; o < outputs_; ++o) {
    fit_term += linalg::dot(whitened_.row_data(o), whitened_.row_data(o), rows());
  }
  const T each = linalg::log_determinant<T>(factor_) + static_cast<T>(size_) * log(2 * pi<T>);
  return T(-0.5) * (fit_term + static_cast<T>(outputs_) * each);
}

}  // namespace optcore::inline OPTCORE_ISA::gp
