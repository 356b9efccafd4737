#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"
#include "optcore/mpc/types.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Optimal-control quadratic programme by a primal-dual interior point over a Riccati recursion.
///
///     minimise   sum_k  1/2 x'Q x + q'x + 1/2 u'R u + r'u   (stage 0 without its x terms)
///     subject to x[k+1] = A x + B u + b,   x[0] given
///                lbx <= x <= ubx,  lbu <= u <= ubu          (hard)
///                c'x + d'u >= lower - s,  s >= 0            (rows; s costs l1 s + 1/2 l2 s^2)
///
/// Mehrotra's predictor and corrector share one factorisation; the recursion eliminates inputs only
/// (nu pivots a stage), and trajectories are rolled out, so dynamics hold to rounding throughout.
/// Nx and Nu greater than zero are compile-time sizes; zero takes them from OcpSize. All memory is
/// cut from an arena once; solve() never allocates, throws or runs longer than its iteration cap.
///
/// Sources: Rao, Wright & Rawlings, "Application of interior-point methods to model predictive
/// control", JOTA 99 (1998); Mehrotra, SIAM J. Optim. 2(4) (1992).
template <class T, int Nx = 0, int Nu = 0>
class OcpSolver {
 public:
  /// One soft constraint c'x + d'u >= lower, with its slack and multipliers.
  struct Row {
    T lower = 0;
    T l1 = T(1e3), l2 = T(1);  ///< weights of the slack, both > 0
    // state of the interior point
    T gap = 1, slack = 1, lambda = 1, nu = 1;
    T weight = 0, curvature = 0, shift = 0;
    T d_gap = 0, d_slack = 0, d_lambda = 0, d_nu = 0;
  };

  void attach(Arena& arena, OcpSize size) noexcept {
    size_ = size;
    const std::size_t n = static_cast<std::size_t>(size.horizon), x = nx(), u = nu();
    const std::size_t z = x + u, m = static_cast<std::size_t>(size.rows);
    const auto take = [&](T*& p, std::size_t count) { p = arena.array<T>(count); };
    take(a_, n * x * x), take(b_matrix_, n * x * u), take(offset_, n * x);
    take(q_matrix_, (n + 1) * x * x), take(r_matrix_, n * u * u);
    take(gradient_, (n + 1) * z), take(low_, (n + 1) * z), take(high_, (n + 1) * z);
    take(z_, (n + 1) * z), take(dz_, (n + 1) * z), take(hz_, (n + 1) * z), take(lin_, (n + 1) * z);
    take(gap_low_, (n + 1) * z), take(gap_high_, (n + 1) * z);
    take(lambda_low_, (n + 1) * z), take(lambda_high_, (n + 1) * z);
    take(d_low_, (n + 1) * z), take(d_high_, (n + 1) * z);
    take(dl_low_, (n + 1) * z), take(dl_high_, (n + 1) * z), take(diagonal_, (n + 1) * z);
    take(gain_, n * u * x), take(factor_, n * u * u), take(feed_, n * u);
    take(p_matrix_, x * x), take(product_, x * z), take(h_, z * z), take(p_, x), take(work_, z);
    take(x0_, x);
    coefficients_ = arena.array<T>((n + 1) * m * z);
    rows_ = arena.array<Row>((n + 1) * m);
    counts_ = arena.array<int>(n + 1);
    if (counts_ != nullptr) clear();
  }

  [[nodiscard]] int nx() const noexcept { return Nx > 0 ? Nx : size_.nx; }
  [[nodiscard]] int nu() const noexcept { return Nu > 0 ? Nu : size_.nu; }
  [[nodiscard]] int horizon() const noexcept { return size_.horizon; }

  // Problem data of stage k, row-major, to be written before solve().
  T* A(int k) noexcept { return a_ + k * nx() * nx(); }         ///< (nx, nx)
  T* B(int k) noexcept { return b_matrix_ + k * nx() * nu(); }  ///< (nx, nu)
  T* b(int k) noexcept { return offset_ + k * nx(); }           ///< (nx,)
  T* Q(int k) noexcept { return q_matrix_ + k * nx() * nx(); }  ///< (nx, nx) symmetric
  T* R(int k) noexcept { return r_matrix_ + k * nu() * nu(); }  ///< (nu, nu) symmetric
  T* q(int k) noexcept { return gradient_ + k * nz() + nu(); }  ///< (nx,)
  T* r(int k) noexcept { return gradient_ + k * nz(); }         ///< (nu,)
  T* lbx(int k) noexcept { return low_ + k * nz() + nu(); }     ///< (nx,)
  T* ubx(int k) noexcept { return high_ + k * nz() + nu(); }
  T* lbu(int k) noexcept { return low_ + k * nz(); }  ///< (nu,)
  T* ubu(int k) noexcept { return high_ + k * nz(); }
  T* x0() noexcept { return x0_; }  ///< (nx,)

  /// Number of rows of stage k, 1 <= k <= N, at most OcpSize::rows.
  void set_row_count(int k, int count) noexcept { counts_[k] = count; }
  [[nodiscard]] int row_count(int k) const noexcept { return counts_[k]; }
  Row& row(int k, int i) noexcept { return rows_[k * size_.rows + i]; }
  const Row& row(int k, int i) const noexcept { return rows_[k * size_.rows + i]; }
  T* c(int k, int i) noexcept { return coefficient(k, i) + nu(); }  ///< (nx,)
  T* d(int k, int i) noexcept { return coefficient(k, i); }         ///< (nu,); unused at k = N

  // Solution.
  [[nodiscard]] const T* u(int k) const noexcept { return z_ + k * nz(); }
  [[nodiscard]] const T* x(int k) const noexcept { return z_ + k * nz() + nu(); }

  /// Forgets the warm start.
  void reset() noexcept { warm_ = false; }

  /// Solves from the last inputs (when `warm` and the last solve succeeded) or from scratch; a warm
  /// solve that fails is repeated cold. Data that are not finite leave the solver ready for the
  /// next.
  OcpInfo solve(bool warm, const OcpSettings& settings = {}) noexcept {
    OcpInfo info;
    if (warm && warm_) info = run(true, settings);
    if (failed(info.status)) {
      const int spent = info.iterations;
      info = run(false, settings);
      info.iterations += spent;
    }
    warm_ = !failed(info.status);
    return info;
  }

 private:
  [[nodiscard]] int nz() const noexcept { return nx() + nu(); }
  T* coefficient(int k, int i) noexcept { return coefficients_ + (k * size_.rows + i) * nz(); }
  [[nodiscard]] bool free_low(int i) const noexcept { return low_[i] < -T(ocp_no_bound); }
  [[nodiscard]] bool free_high(int i) const noexcept { return high_[i] > T(ocp_no_bound); }
  /// Variables of stage k that exist: x0 is given, uN is not there.
  [[nodiscard]] int first(int k) const noexcept { return k < horizon() ? 0 : nu(); }
  [[nodiscard]] int last(int k) const noexcept { return k > 0 ? nz() : nu(); }

  void clear() noexcept {
    for (int i = 0; i < (horizon() + 1) * nz(); ++i) {
      gradient_[i] = z_[i] = 0;
      low_[i] = -T(1e30);
      high_[i] = T(1e30);
    }
    for (int k = 0; k <= horizon(); ++k) counts_[k] = 0;
    for (int i = 0; i < nx(); ++i) x0_[i] = 0;
    warm_ = false;
  }

  OcpInfo run(bool warm, const OcpSettings& settings) noexcept {
    const T tolerance = static_cast<T>(settings.tolerance);
    OcpInfo info;
    start(warm, static_cast<T>(settings.barrier));
    T stationarity = largest_gradient();
    for (info.iterations = 0;; ++info.iterations) {
      multiply_hessian();
      T mu = 0, violation = 0;
      measure(mu, violation);
      if (!is_finite(mu + violation)) return fail(info, Status::not_finite);
      info.gap = static_cast<double>(mu);
      info.primal = static_cast<double>(violation);
      info.dual = static_cast<double>(stationarity);
      if (mu < tolerance && violation < tolerance && stationarity < tolerance) break;
      if (info.iterations >= settings.max_iterations) {
        return fail(info, violation > T(1e3) * tolerance ? Status::primal_infeasible
                                                         : Status::max_iterations);
      }
      linearise(T(0), false);
      if (!factorise()) return fail(info, Status::not_positive_definite);
      solve_newton();
      T alpha = directions(T(0), false);
      const T affine = mean_after(alpha);
      T sigma = mu > 0 ? affine / mu : T(0);
      sigma = clamp(sigma * sigma * sigma, T(1e-6), T(1));
      const T target = max(sigma * mu, T(0.05) * tolerance);
      linearise(target, true);
      solve_newton();
      alpha = min(T(1), T(0.995) * directions(target, true));
      if (!(alpha > T(1e-9))) return fail(info, Status::primal_infeasible);
      move(alpha);
      stationarity *= T(1) - alpha;
    }
    info.status = Status::ok;
    info.objective = static_cast<double>(objective());
    info.max_slack = static_cast<double>(largest_slack());
    return info;
  }

  static OcpInfo fail(OcpInfo info, Status status) noexcept {
    info.status = status;
    return info;
  }

  void start(bool warm, T barrier) noexcept {
    for (int i = 0; i < nx(); ++i) z_[nu() + i] = x0_[i];
    for (int k = 0; k < horizon(); ++k) {
      for (int i = 0; i < nu(); ++i) {
        const int j = k * nz() + i;
        if (!warm || !is_finite(z_[j])) z_[j] = 0;
        const T width = high_[j] - low_[j];
        const T inside = width < T(ocp_no_bound) ? T(0.05) * width : T(0);
        if (!free_low(j)) z_[j] = max(z_[j], low_[j] + inside);
        if (!free_high(j)) z_[j] = min(z_[j], high_[j] - inside);
      }
      roll(k, z_, true);
    }
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        const T width = high_[j] - low_[j];
        const T least = width < T(ocp_no_bound) ? T(0.1) * width : T(1);
        gap_low_[j] = free_low(j) ? T(1) : max(z_[j] - low_[j], least);
        gap_high_[j] = free_high(j) ? T(1) : max(high_[j] - z_[j], least);
        lambda_low_[j] = free_low(j) ? T(0) : barrier / gap_low_[j];
        lambda_high_[j] = free_high(j) ? T(0) : barrier / gap_high_[j];
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        Row& s = row(k, i);
        const T value = along(k, i, z_) - s.lower;
        s.gap = max(value, T(0.1));
        s.slack = max(s.gap - value, T(0.05));
        s.lambda = min(barrier / s.gap, T(0.5) * s.l1);
        s.nu = s.l1;
      }
    }
  }

  /// x[k+1] = A x + B u (+ b) of the trajectory v.
  void roll(int k, T* v, bool affine) noexcept {
    const T *z = v + k * nz(), *am = a_ + k * nx() * nx(), *bm = b_matrix_ + k * nx() * nu();
    T* next = v + (k + 1) * nz() + nu();
    for (int i = 0; i < nx(); ++i) {
      T s = affine ? offset_[k * nx() + i] : T(0);
      for (int j = 0; j < nu(); ++j) s += bm[i * nu() + j] * z[j];
      for (int j = 0; j < nx(); ++j) s += am[i * nx() + j] * z[nu() + j];
      next[i] = s;
    }
  }

  [[nodiscard]] T along(int k, int i, const T* v) noexcept {
    const T *w = coefficient(k, i), *z = v + k * nz();
    T s = 0;
    for (int j = first(k); j < nz(); ++j) s += w[j] * z[j];
    return s;
  }

  /// hz <- H z + g
  void multiply_hessian() noexcept {
    for (int k = 0; k <= horizon(); ++k) {
      const T* z = z_ + k * nz();
      T* out = hz_ + k * nz();
      if (k < horizon()) {
        const T* m = r_matrix_ + k * nu() * nu();
        for (int i = 0; i < nu(); ++i) {
          out[i] = gradient_[k * nz() + i];
          for (int j = 0; j < nu(); ++j) out[i] += m[i * nu() + j] * z[j];
        }
      }
      const T* m = q_matrix_ + k * nx() * nx();
      for (int i = 0; i < nx(); ++i) {
        T s = gradient_[k * nz() + nu() + i];
        for (int j = 0; j < nx(); ++j) s += m[i * nx() + j] * z[nu() + j];
        out[nu() + i] = s;
      }
    }
  }

  [[nodiscard]] T largest_gradient() noexcept {
    multiply_hessian();
    T top = 1;
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) top = max(top, abs(hz_[k * nz() + i]));
    }
    return top;
  }

  void measure(T& mu, T& violation) noexcept {
    int count = 0;
    mu = violation = 0;
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        if (!free_low(j)) {
          mu += gap_low_[j] * lambda_low_[j];
          violation = max(violation, abs(z_[j] - low_[j] - gap_low_[j]));
          ++count;
        }
        if (!free_high(j)) {
          mu += gap_high_[j] * lambda_high_[j];
          violation = max(violation, abs(high_[j] - z_[j] - gap_high_[j]));
          ++count;
        }
        if (!is_finite(z_[j])) mu = infinity<T>();
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        const Row& s = row(k, i);
        mu += s.gap * s.lambda + s.slack * s.nu;
        violation = max(violation, abs(along(k, i, z_) - s.lower + s.slack - s.gap));
        violation = max(violation, abs(s.l1 + s.l2 * s.slack - s.lambda - s.nu) / s.l1);
        count += 2;
      }
    }
    if (count > 0) mu /= static_cast<T>(count);
  }

  /// Gradient of the Newton system for the complementarity target; the corrector takes the products
  /// of the predictor's steps along. The Hessian's diagonal and the rows' weights go with it.
  void linearise(T target, bool corrector) noexcept {
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        T g = hz_[j], diagonal = 0;
        if (!free_low(j)) {
          const T w = lambda_low_[j] / gap_low_[j];
          const T aim = target - (corrector ? d_low_[j] * dl_low_[j] : T(0));
          diagonal += w;
          g += w * (z_[j] - low_[j] - gap_low_[j]) - aim / gap_low_[j];
        }
        if (!free_high(j)) {
          const T w = lambda_high_[j] / gap_high_[j];
          const T aim = target - (corrector ? d_high_[j] * dl_high_[j] : T(0));
          diagonal += w;
          g -= w * (high_[j] - z_[j] - gap_high_[j]) - aim / gap_high_[j];
        }
        lin_[j] = g;
        diagonal_[j] = diagonal;
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        Row& s = row(k, i);
        const T aim_gap = target - (corrector ? s.d_gap * s.d_lambda : T(0));
        const T aim_slack = target - (corrector ? s.d_slack * s.d_nu : T(0));
        const T residual = along(k, i, z_) - s.lower + s.slack - s.gap;
        const T dual = s.l1 + s.l2 * s.slack - s.lambda - s.nu;
        s.weight = s.lambda / s.gap;
        s.curvature = s.l2 + s.weight + s.nu / s.slack;
        const T pull = aim_gap / s.gap - s.lambda - s.weight * residual;
        s.shift = pull + aim_slack / s.slack - s.nu - dual;
        const T e = pull - s.weight * s.shift / s.curvature;
        const T* w = coefficient(k, i);
        for (int j = first(k); j < nz(); ++j) lin_[k * nz() + j] -= (s.lambda + e) * w[j];
      }
    }
  }

  /// Backward Riccati recursion; false when R + B'PB is not positive definite.
  bool factorise() noexcept {
    const int n = nx(), m = nu(), z = nz();
    for (int k = horizon(); k >= 0; --k) {
      const int from = k < horizon() ? 0 : m, to = k > 0 ? z : m;
      for (int i = 0; i < z * z; ++i) h_[i] = 0;
      if (k < horizon()) {
        for (int i = 0; i < m; ++i) {
          for (int j = 0; j < m; ++j) h_[i * z + j] = r_matrix_[(k * m + i) * m + j];
        }
      }
      if (k > 0) {
        for (int i = 0; i < n; ++i) {
          for (int j = 0; j < n; ++j) {
            h_[(m + i) * z + m + j] = q_matrix_[(k * n + i) * n + j];
          }
        }
      }
      for (int i = from; i < to; ++i) h_[i * z + i] += diagonal_[k * z + i];
      for (int r = 0; k > 0 && r < counts_[k]; ++r) {
        const Row& s = row(k, r);
        const T w = s.weight * (T(1) - s.weight / s.curvature);
        const T* c = coefficient(k, r);
        for (int i = from; i < to; ++i) {
          for (int j = from; j < to; ++j) h_[i * z + j] += w * c[i] * c[j];
        }
      }
      if (k == horizon()) {
        keep_value();
        continue;
      }
      const T *am = a_ + k * n * n, *bm = b_matrix_ + k * n * m;
      for (int i = 0; i < n; ++i) {  // product = P [B A]
        T* out = product_ + i * z;
        for (int j = 0; j < z; ++j) out[j] = 0;
        for (int l = 0; l < n; ++l) {
          const T p = p_matrix_[i * n + l];
          for (int j = 0; j < m; ++j) out[j] += p * bm[l * m + j];
          for (int j = 0; j < n; ++j) out[m + j] += p * am[l * n + j];
        }
      }
      for (int l = 0; l < n; ++l) {  // h += [B A]' product
        const T* f = product_ + l * z;
        for (int i = 0; i < m; ++i) {
          const T w = bm[l * m + i];
          for (int j = 0; j < z; ++j) h_[i * z + j] += w * f[j];
        }
        for (int i = 0; k > 0 && i < n; ++i) {
          const T w = am[l * n + i];
          for (int j = 0; j < z; ++j) h_[(m + i) * z + j] += w * f[j];
        }
      }
      if (!eliminate_input(k)) return false;
      if (k > 0) keep_value();
    }
    return true;
  }

  /// Cholesky of the input block, gain K = Huu^-1 Hux, and the Schur complement in the state block.
  bool eliminate_input(int k) noexcept {
    const int n = nx(), m = nu(), z = nz();
    T *l = factor_ + k * m * m, *gain = gain_ + k * m * n;
    for (int j = 0; j < m; ++j) {
      T pivot = h_[j * z + j];
      for (int i = 0; i < j; ++i) pivot -= l[j * m + i] * l[j * m + i];
      if (!(pivot > 0)) return false;
      const T inverse = T(1) / sqrt(pivot);
      l[j * m + j] = inverse;  // the diagonal is kept inverted
      for (int i = j + 1; i < m; ++i) {
        T s = h_[i * z + j];
        for (int c = 0; c < j; ++c) s -= l[i * m + c] * l[j * m + c];
        l[i * m + j] = s * inverse;
      }
    }
    for (int i = 0; i < m; ++i) {  // gain = L^-1 Hux
      for (int j = 0; j < n; ++j) gain[i * n + j] = h_[i * z + m + j];
      for (int c = 0; c < i; ++c) {
        for (int j = 0; j < n; ++j) gain[i * n + j] -= l[i * m + c] * gain[c * n + j];
      }
      for (int j = 0; j < n; ++j) gain[i * n + j] *= l[i * m + i];
    }
    if (k > 0) {
      for (int c = 0; c < m; ++c) {
        for (int i = 0; i < n; ++i) {
          const T w = gain[c * n + i];
          for (int j = 0; j < n; ++j) h_[(m + i) * z + m + j] -= w * gain[c * n + j];
        }
      }
    }
    for (int i = m - 1; i >= 0; --i) {  // gain = L^-T gain
      for (int c = i + 1; c < m; ++c) {
        for (int j = 0; j < n; ++j) gain[i * n + j] -= l[c * m + i] * gain[c * n + j];
      }
      for (int j = 0; j < n; ++j) gain[i * n + j] *= l[i * m + i];
    }
    return true;
  }

  void keep_value() noexcept {
    const int n = nx(), m = nu(), z = nz();
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) p_matrix_[i * n + j] = h_[(m + i) * z + m + j];
    }
  }

  /// dz of the Newton system with gradient lin; the step keeps the dynamics.
  void solve_newton() noexcept {
    const int n = nx(), m = nu(), z = nz(), stages = horizon();
    for (int i = 0; i < n; ++i) p_[i] = lin_[stages * z + m + i];
    for (int k = stages - 1; k >= 0; --k) {
      const T *am = a_ + k * n * n, *bm = b_matrix_ + k * n * m, *l = factor_ + k * m * m;
      const T* gain = gain_ + k * m * n;
      T* feed = feed_ + k * m;
      for (int i = 0; i < z; ++i) work_[i] = i < m || k > 0 ? lin_[k * z + i] : T(0);
      for (int c = 0; c < n; ++c) {
        for (int i = 0; i < m; ++i) work_[i] += bm[c * m + i] * p_[c];
        for (int i = 0; i < n; ++i) work_[m + i] += am[c * n + i] * p_[c];
      }
      for (int i = 0; i < n; ++i) p_[i] = work_[m + i];
      for (int c = 0; c < m; ++c) {
        for (int i = 0; i < n; ++i) p_[i] -= gain[c * n + i] * work_[c];
      }
      for (int i = 0; i < m; ++i) {
        T s = work_[i];
        for (int c = 0; c < i; ++c) s -= l[i * m + c] * feed[c];
        feed[i] = s * l[i * m + i];
      }
      for (int i = m - 1; i >= 0; --i) {
        T s = feed[i];
        for (int c = i + 1; c < m; ++c) s -= l[c * m + i] * feed[c];
        feed[i] = s * l[i * m + i];
      }
    }
    for (int i = 0; i < n; ++i) dz_[m + i] = 0;
    for (int k = 0; k < stages; ++k) {
      T* step = dz_ + k * z;
      const T* gain = gain_ + k * m * n;
      for (int i = 0; i < m; ++i) {
        T s = -feed_[k * m + i];
        for (int j = 0; j < n; ++j) s -= gain[i * n + j] * step[m + j];
        step[i] = s;
      }
      roll(k, dz_, false);
    }
  }

  /// Steps of gaps and multipliers that belong to dz; returns the longest step that keeps all
  /// positive (may exceed 1).
  T directions(T target, bool corrector) noexcept {
    T steepest = T(1e-12);
    const auto limit = [&](T value, T step) { steepest = max(steepest, -step / value); };
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        if (!free_low(j)) {
          const T aim = target - (corrector ? d_low_[j] * dl_low_[j] : T(0));
          d_low_[j] = dz_[j] + z_[j] - low_[j] - gap_low_[j];
          dl_low_[j] = (aim - lambda_low_[j] * d_low_[j]) / gap_low_[j] - lambda_low_[j];
          limit(gap_low_[j], d_low_[j]);
          limit(lambda_low_[j], dl_low_[j]);
        }
        if (!free_high(j)) {
          const T aim = target - (corrector ? d_high_[j] * dl_high_[j] : T(0));
          d_high_[j] = high_[j] - z_[j] - gap_high_[j] - dz_[j];
          dl_high_[j] = (aim - lambda_high_[j] * d_high_[j]) / gap_high_[j] - lambda_high_[j];
          limit(gap_high_[j], d_high_[j]);
          limit(lambda_high_[j], dl_high_[j]);
        }
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        Row& s = row(k, i);
        const T aim_gap = target - (corrector ? s.d_gap * s.d_lambda : T(0));
        const T aim_slack = target - (corrector ? s.d_slack * s.d_nu : T(0));
        const T moved = along(k, i, dz_);
        const T residual = along(k, i, z_) - s.lower + s.slack - s.gap;
        s.d_slack = (s.shift - s.weight * moved) / s.curvature;
        s.d_gap = moved + s.d_slack + residual;
        s.d_lambda = (aim_gap - s.lambda * s.d_gap) / s.gap - s.lambda;
        s.d_nu = (aim_slack - s.nu * s.d_slack) / s.slack - s.nu;
        limit(s.gap, s.d_gap);
        limit(s.slack, s.d_slack);
        limit(s.lambda, s.d_lambda);
        limit(s.nu, s.d_nu);
      }
    }
    return T(1) / steepest;
  }

  /// Mean complementarity after a step of the predictor, at most a full one.
  [[nodiscard]] T mean_after(T alpha) noexcept {
    alpha = min(alpha, T(1));
    T total = 0;
    int count = 0;
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        if (!free_low(j)) {
          total += (gap_low_[j] + alpha * d_low_[j]) * (lambda_low_[j] + alpha * dl_low_[j]);
          ++count;
        }
        if (!free_high(j)) {
          total += (gap_high_[j] + alpha * d_high_[j]) * (lambda_high_[j] + alpha * dl_high_[j]);
          ++count;
        }
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        const Row& s = row(k, i);
        total += (s.gap + alpha * s.d_gap) * (s.lambda + alpha * s.d_lambda);
        total += (s.slack + alpha * s.d_slack) * (s.nu + alpha * s.d_nu);
        count += 2;
      }
    }
    return count > 0 ? max(T(0), total / static_cast<T>(count)) : T(0);
  }

  void move(T alpha) noexcept {
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        z_[j] += alpha * dz_[j];
        if (!free_low(j)) {
          gap_low_[j] += alpha * d_low_[j];
          lambda_low_[j] += alpha * dl_low_[j];
        }
        if (!free_high(j)) {
          gap_high_[j] += alpha * d_high_[j];
          lambda_high_[j] += alpha * dl_high_[j];
        }
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        Row& s = row(k, i);
        s.gap += alpha * s.d_gap;
        s.slack += alpha * s.d_slack;
        s.lambda += alpha * s.d_lambda;
        s.nu += alpha * s.d_nu;
      }
    }
  }

  [[nodiscard]] T objective() noexcept {
    multiply_hessian();
    T total = 0;
    for (int k = 0; k <= horizon(); ++k) {
      for (int i = first(k); i < last(k); ++i) {
        const int j = k * nz() + i;
        total += T(0.5) * z_[j] * (hz_[j] + gradient_[j]);
      }
      for (int i = 0; k > 0 && i < counts_[k]; ++i) {
        const Row& s = row(k, i);
        total += s.slack * (s.l1 + T(0.5) * s.l2 * s.slack);
      }
    }
    return total;
  }

  [[nodiscard]] T largest_slack() const noexcept {
    T top = 0;
    for (int k = 1; k <= horizon(); ++k) {
      for (int i = 0; i < counts_[k]; ++i) top = max(top, row(k, i).slack);
    }
    return top;
  }

  OcpSize size_{};
  bool warm_ = false;
  T *a_ = nullptr, *b_matrix_ = nullptr, *offset_ = nullptr, *q_matrix_ = nullptr;
  T *r_matrix_ = nullptr, *gradient_ = nullptr, *low_ = nullptr, *high_ = nullptr, *x0_ = nullptr;
  T *z_ = nullptr, *dz_ = nullptr, *hz_ = nullptr, *lin_ = nullptr, *diagonal_ = nullptr;
  T *gap_low_ = nullptr, *gap_high_ = nullptr, *lambda_low_ = nullptr, *lambda_high_ = nullptr;
  T *d_low_ = nullptr, *d_high_ = nullptr, *dl_low_ = nullptr, *dl_high_ = nullptr;
  T *gain_ = nullptr, *factor_ = nullptr, *feed_ = nullptr, *coefficients_ = nullptr;
  T *p_matrix_ = nullptr, *product_ = nullptr, *h_ = nullptr, *p_ = nullptr, *work_ = nullptr;
  Row* rows_ = nullptr;
  int* counts_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
