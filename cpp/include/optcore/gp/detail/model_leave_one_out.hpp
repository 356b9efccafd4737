#pragma once

// Definitions of gp/model.hpp: each point against the others.

namespace optcore::inline OPTCORE_ISA::gp {

template <class T>
OPTCORE_HD void Model<T>::leave_one_out(MatrixView<T> residual, VectorView<T> variance) noexcept {
  constexpr int R = linalg::tile_registers<T>, step = R * lanes;
  alignas(64) T squares[step];
  for (int first = 0; first < size_; first += step) {
    const int count = min(step, size_ - first);
    // unit vectors; |L^-1 e_i|^2 is the diagonal of K^-1
    detail::set_zero(scratch_ + static_cast<std::ptrdiff_t>(first) * step,
                     static_cast<std::ptrdiff_t>(rows() - first) * step);
    for (int q = 0; q < count; ++q) scratch_[(first + q) * step + q] = T(1);
    whiten_lanes<R>(scratch_, squares, first);
    for (int q = 0; q < count; ++q) {
      variance[first + q] = T(1) / squares[q];
      for (int o = 0; o < outputs_; ++o) {
        residual(first + q, o) = weights_(o, first + q) / squares[q];
      }
    }
  }
}

}  // namespace optcore::inline OPTCORE_ISA::gp
