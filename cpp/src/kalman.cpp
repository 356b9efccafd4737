#include "optcore/host/kalman.hpp"

#include "backend.hpp"
#include "optcore/belief/imm.hpp"

namespace optcore::host {

namespace {

constexpr int W = filter_lanes;

bool finite(MatrixView<const double> a) {
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.cols; ++j) {
      if (!is_finite(a(i, j))) return false;
    }
  }
  return true;
}

/// Interleaves; of symmetric matrices the lower triangle, twice.
void put(MatrixView<const double> from, bool symmetric, int lane, double* to) {
  for (int i = 0; i < from.rows; ++i) {
    for (int j = 0; j < from.cols; ++j) {
      to[(i * from.cols + j) * W + lane] = symmetric && j > i ? from(j, i) : from(i, j);
    }
  }
}

bool is(MatrixView<const double> a, int rows, int cols) { return a.rows == rows && a.cols == cols; }

}  // namespace

KalmanFilters::KalmanFilters(int size, int measured, int filters) {
  const auto cut = [&](Arena& arena) {
    state_ = ImmState<double>::make(arena, size, measured, filters);
    shared_ = arena.array<double>(static_cast<std::size_t>(measured) * W);
  };
  Arena measure = Arena::measure();
  cut(measure);
  buffer_ = Buffer(measure.used());
  Arena arena = buffer_.arena();
  cut(arena);
  for (int lane = 0; lane < W; ++lane) {
    for (int q = 0; q < measured; ++q) {
      state_.filters.model.R[(q * measured + q) * W + lane] = 1;
    }
  }
  for (int i = 0; i < filters; ++i) {
    state_.probability[i] = 1.0 / filters;
    state_.switching[i * W + i] = 1;
  }
}

Status KalmanFilters::set(int filter, MatrixView<const double> F, MatrixView<const double> Q,
                          MatrixView<const double> H, MatrixView<const double> R,
                          VectorView<const double> x, MatrixView<const double> P) noexcept {
  const int d = size(), m = measured();
  if (filter < 0 || filter >= filters()) return Status::invalid_argument;
  if (!is(F, d, d) || !is(Q, d, d) || !is(H, m, d) || !is(R, m, m) || x.size != d || !is(P, d, d)) {
    return Status::shape_mismatch;
  }
  if (!finite(F) || !finite(Q) || !finite(H) || !finite(R) || !finite(P) ||
      !finite({x.data, 1, d, d})) {
    return Status::not_finite;
  }
  KalmanState<double>& s = state_.filters;
  put(F, false, filter, s.model.F);
  put(Q, true, filter, s.model.Q);
  put(H, false, filter, s.model.H);
  put(R, true, filter, s.model.R);
  put({x.data, 1, d, d}, false, filter, s.mean);
  put(P, true, filter, s.covariance);
  return Status::ok;
}

Status KalmanFilters::set_switching(MatrixView<const double> switching,
                                    VectorView<const double> probability) noexcept {
  const int n = filters();
  if (!is(switching, n, n) || probability.size != n) return Status::shape_mismatch;
  double total = 0;
  for (int i = 0; i < n; ++i) {
    double row = 0;
    for (int j = 0; j < n; ++j) {
      if (!(switching(i, j) >= 0)) return Status::invalid_argument;
      row += switching(i, j);
    }
    if (!(abs(row - 1) <= 1e-6) || !(probability[i] >= 0)) return Status::invalid_argument;
    total += probability[i];
  }
  if (!(total > 0) || !is_finite(total)) return Status::invalid_argument;
  for (int i = 0; i < n; ++i) {
    state_.probability[i] = probability[i] / total;
    for (int j = 0; j < n; ++j) state_.switching[i * W + j] = switching(i, j);
  }
  return Status::ok;
}

Status KalmanFilters::predict() noexcept {
  return cpu::kernels().belief->kalman.predict(state_.filters, filters());
}

Status KalmanFilters::update(VectorView<const double> z, bool predict_first) noexcept {
  if (z.size != measured()) return Status::shape_mismatch;
  return cpu::kernels().belief->kalman.update(state_.filters, z.data, predict_first, filters());
}

Status KalmanFilters::update_with_innovation(VectorView<const double> innovation) noexcept {
  if (innovation.size != measured()) return Status::shape_mismatch;
  for (int q = 0; q < innovation.size; ++q) {
    for (int lane = 0; lane < W; ++lane) shared_[q * W + lane] = innovation[q];
  }
  return cpu::kernels().belief->kalman.update_with_innovation(state_.filters, shared_, filters());
}

Status KalmanFilters::step(VectorView<const double> z) noexcept {
  if (z.size != measured()) return Status::shape_mismatch;
  return cpu::kernels().belief->kalman.imm_step(state_, z.data);
}

void KalmanFilters::mean(int filter, VectorView<double> out) const noexcept {
  for (int a = 0; a < size(); ++a) out[a] = state_.filters.mean[a * W + filter];
}

void KalmanFilters::covariance(int filter, MatrixView<double> out) const noexcept {
  for (int a = 0; a < size(); ++a) {
    for (int b = 0; b < size(); ++b) {
      out(a, b) = state_.filters.covariance[(a * size() + b) * W + filter];
    }
  }
}

void KalmanFilters::combine(VectorView<double> mean, MatrixView<double> covariance) const noexcept {
  belief::combine(state_, mean.data, covariance);
}

}  // namespace optcore::host
