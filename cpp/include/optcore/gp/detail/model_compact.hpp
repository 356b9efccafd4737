#pragma once

// Definitions of gp/model.hpp: a fitted state in few numbers, of which thousands fit the caches.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
constexpr std::size_t Model<T>::compact_size(int n, int dims, int outputs) noexcept {
  constexpr auto C = static_cast<std::size_t>(linalg::tile_columns<T>);
  const auto rows = static_cast<std::size_t>(linalg::padded<T>(n));
  const auto d = static_cast<std::size_t>(dims), o = static_cast<std::size_t>(outputs);
  return 2 + d + rows * (d + 2 * o) + rows * (rows + C) / 2;
}

/// Calls copy(numbers of the model, how many) for each run of them, in the order of the compact
/// form; variance and noise apart.
template <class T>
template <class Copy>
OPTCORE_INLINE void Model<T>::for_compact_runs(Copy copy) const noexcept {
  constexpr int C = linalg::tile_columns<T>;
  const int n = rows();
  copy(scale_.data, scale_.size);
  for (int f = 0; f < inputs_.dims; ++f) copy(inputs_.feature(f), n);
  for (int o = 0; o < outputs_; ++o) copy(whitened_.row_data(o), n);
  for (int o = 0; o < outputs_; ++o) copy(weights_.row_data(o), n);
  for (int j = 0; j < n; ++j) {  // from the top of the diagonal block: whole registers
    const int top = j / C * C;
    copy(factor_.column(j) + top, n - top);
  }
}

template <class T>
OPTCORE_HD void Model<T>::store(T* compact) const noexcept {
  *compact++ = variance_;
  *compact++ = noise_;
  for_compact_runs([&](const T* numbers, int count) {
    for (int i = 0; i < count; ++i) compact[i] = numbers[i];
    compact += count;
  });
}

template <class T>
OPTCORE_HD void Model<T>::restore(int n, const T* compact) noexcept {
  variance_ = *compact++;
  noise_ = *compact++;
  size_ = factor_.size = inverse_.size = n;
  inverse_valid_ = false;
  for_compact_runs([&](T* numbers, int count) {
    for (int i = 0; i < count; ++i) numbers[i] = compact[i];
    compact += count;
  });
}

}  // namespace optcore::inline OPTCORE_ISA::gp
