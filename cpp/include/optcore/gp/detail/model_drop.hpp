#pragma once

// Definitions of gp/model.hpp: removal of a point, and the cure of drift.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD Status Model<T>::drop(int index) noexcept {
  if (attached_) return Status::not_ready;
  const int n = size_;
  if (index < 0 || index >= n) return Status::invalid_argument;
  const int last = n - 1, old_rows = rows();
  // Taking L^-1 along doubles the time of a drop, and the next answers would gain less.
  inverse_valid_ = false;
  for (int f = 0; f < inputs_.dims; ++f) {
    T* const feature = inputs_.feature(f);
    for (int i = index; i < last; ++i) feature[i] = feature[i + 1];
    feature[last] = T(0);
  }
  for (int i = index; i < last; ++i) point_noise_[i] = point_noise_[i + 1];
  // Columns left of the point lose one row.
  for (int j = 0; j < index; ++j) {
    T* const column = factor_.column(j);
    for (int i = index; i < last; ++i) column[i] = column[i + 1];
    column[last] = T(0);
  }
  // Right of it L33' L33'' = L33 L33' + l l' with l the dropped column: one plane rotation per
  // column, which also takes the column to its new place, one up and one to the left.
  T* const l = row_;
  for (int i = index; i < last; ++i) l[i] = factor_(i + 1, index);
  detail::set_zero(l + last, old_rows - last);
  T* const cosines = scratch_;
  T* const sines = scratch_ + old_rows;
  for (int k = index; k < last; ++k) {
    const T* const old = factor_.column(k + 1) + 1;
    T* const column = factor_.column(k);
    const T a = old[k], b = l[k];
    const T r = sqrt(a * a + b * b), c = a / r, s = b / r;
    const P cosine = P::broadcast(c), sine = P::broadcast(s);
    column[k] = r;
    cosines[k] = c;
    sines[k] = s;
    int i = k + 1;
    for (; i + lanes <= last; i += lanes) {
      const P x = P::load(old + i), y = P::load(l + i);
      fma(cosine, x, sine * y).store(column + i);
      fnma(sine, x, cosine * y).store(l + i);
    }
    for (; i < last; ++i) {
      const T x = old[i], y = l[i];
      column[i] = c * x + s * y;
      l[i] = c * y - s * x;
    }
    for (i = last; i < old_rows; ++i) column[i] = T(0);
  }
  for (int o = 0; o < outputs_; ++o) {
    T carried = whitened_(o, index);
    for (int k = index; k < last; ++k) {
      const T x = whitened_(o, k + 1);
      whitened_(o, k) = cosines[k] * x + sines[k] * carried;
      carried = cosines[k] * carried - sines[k] * x;
    }
  }
  for (int i = last; i < old_rows; ++i) factor_(i, last) = i == last ? T(1) : T(0);
  for (int o = 0; o < outputs_; ++o) whitened_(o, last) = T(0);
  size_ = factor_.size = inverse_.size = last;
  solve_weights();
  return Status::ok;
}

template <class T>
OPTCORE_HD Status Model<T>::refactor() noexcept {
  if (attached_) return Status::not_ready;
  // back from L^-1 (y - mean) to y - mean
  for (int o = 0; o < outputs_; ++o) {
    T* const z = whitened_.row_data(o);
    for (int i = size_ - 1; i >= 0; --i) {
      T total = 0;
      for (int j = 0; j <= i; ++j) total += factor_(i, j) * z[j];
      z[i] = total;
    }
  }
  return factor_points();
}

}  // namespace optcore::inline OPTCORE_ISA::gp
