#pragma once

// Definitions of gp/model.hpp: the joint posterior of several points.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD void Model<T>::predict_joint(MatrixView<const T> queries, MatrixView<T> mean,
                                        MatrixView<T> covariance, T* scratch) noexcept {
  constexpr int C = linalg::tile_columns<T>, R = linalg::tile_registers<T>;
  constexpr int height = linalg::tile_rows<T>;
  const int m = queries.rows, dims = inputs_.dims;
  const std::ptrdiff_t group = static_cast<std::ptrdiff_t>(height) * rows();
  const int groups = (m + height - 1) / height;
  T* const scaled = scratch + group * groups;  // dims x height per group
  with_family(family_, [&]<KernelFamily F>() {
    for (int g = 0; g < groups; ++g) {
      const int first = g * height, count = min(height, m - first);
      T* const k = scratch + group * g;
      T* const x = scaled + static_cast<std::ptrdiff_t>(g) * height * dims;
      scale_queries(queries.block(first, 0, count, dims), height, x);
      for (int r = 0; r < R; ++r) {
        covariances_transposed<F>(x + r * lanes, height, k + r * lanes);
      }
      means_of_lanes(k, height, mean.block(first, 0, count, mean.cols));
      whiten_lanes<R>(k, nullptr);
    }
    for (int g = 0; g < groups; ++g) {
      const T* const x = scaled + static_cast<std::ptrdiff_t>(g) * height * dims;
      for (int c = 0; c < m; c += C) {
        const int h = c / height, offset = c % height;
        const T* const y = scaled + static_cast<std::ptrdiff_t>(h) * height * dims + offset;
        linalg::Tile<T, R> tile;
        for (int q = 0; q < C; ++q) {
          if constexpr (F == KernelFamily::composite) {
            alignas(64) T k[height];
            for (int f = 0; f < dims; ++f) point_[f] = y[f * height + q];
            const int self = c + q - g * height;  // its place in this group of queries
            composite_.values({x, dims, height}, 0, height, point_, self, k);
            for (int r = 0; r < R; ++r) tile.v[q][r] = P::load(k + r * lanes);
            continue;
          } else {
            for (int r = 0; r < R; ++r) {
              P distance = P::zero();
              for (int f = 0; f < dims; ++f) {
                const P difference =
                    P::load(x + f * height + r * lanes) - P::broadcast(y[f * height + q]);
                distance = fma(difference, difference, distance);
              }
              tile.v[q][r] = P::broadcast(variance_) * Correlation<F>::value(distance);
            }
          }
        }
        tile.subtract(scratch + group * g, height, scratch + group * h + offset, height, 1, size_);
        for (int q = 0; q < min(C, m - c); ++q) {
          for (int i = 0; i < min(height, m - g * height); ++i) {
            covariance(g * height + i, c + q) = tile.v[q][i / lanes][i % lanes];
          }
        }
      }
    }
    return 0;
  });
  add_linear_mean(queries, mean);
}

}  // namespace optcore::inline OPTCORE_ISA::gp
