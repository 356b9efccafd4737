#pragma once

#include "optcore/pipeline/half_planes.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// The planner's quadratic programme: a double integrator in the plane, tracking a reference path
/// under speed and acceleration bounds and soft half-planes on position.
/// TEMPORARY solver.
template <class T>
class PlanQp {
 public:
  static constexpr int nx = 4, nu = 2;
  void attach(Arena& arena, const LoopConfig& config) noexcept {
    config_ = config;
    n_ = config.horizon;
    m_ = config.rows_per_stage;
    st_ = arena.array<Stage>(static_cast<std::size_t>(n_ + 1));
    rows_ = arena.array<Row>(static_cast<std::size_t>((n_ + 1) * m_));
    ref_ = arena.matrix<T>(n_ + 1, 4);
  }
  void reset() noexcept { warm_ = false; }
  void set_half_planes(int k, const HalfPlane<T>* rows, int count) noexcept {
    for (int i = 0; i < count; ++i) {
      Row& r = rows_[k * m_ + i];
      r.nx = rows[i].nx;
      r.ny = rows[i].ny;
      r.off = rows[i].offset;
    }
    st_[k].rows = count;
  }
  void set_reference(MatrixView<const T> path, const T*) noexcept {
    const T h = static_cast<T>(config_.step);
    for (int k = 0; k <= n_; ++k) {
      for (int i = 0; i < 2; ++i) {
        ref_(k, i) = path(k, i);
        ref_(k, 2 + i) = k < n_ ? (path(k + 1, i) - path(k, i)) / h : T(0);
      }
    }
  }
  [[nodiscard]] int iterations() const noexcept { return iterations_; }
  [[nodiscard]] T input(int i) const noexcept { return st_[0].u[i]; }
  [[nodiscard]] T tracking_cost() const noexcept {
    T f = 0;
    for (int k = 0; k <= n_; ++k) {
      if (k < n_)
        for (int i = 0; i < 2; ++i) f += T(.5) * wu() * st_[k].u[i] * st_[k].u[i];
      if (k > 0)
        for (int i = 0; i < 4; ++i) {
          const T e = st_[k].x[i] - ref_(k, i);
          f += T(.5) * q(k, i) * e * e;
        }
    }
    return f;
  }
  bool solve(const T* x0, MatrixView<T> path) noexcept {
    bool ok = run(x0);
    if (!ok) return false;
    for (int k = 0; k <= n_; ++k) {
      path(k, 0) = st_[k].x[0];
      path(k, 1) = st_[k].x[1];
    }
    return true;
  }

 private:
  struct Row {
    T nx, ny, off, t, s, l, v, a, e, D, b;
  };
  struct Stage {
    T x[4], u[2], lb[4], ub[4], sl[4], su[4], ll[4], lu[4];
    T K[2][4], kf[2], dx[4], du[2];
    int rows;
  };
  T q(int k, int i) const noexcept {
    T w = static_cast<T>(i < 2 ? config_.weight_position : config_.weight_velocity);
    return k == n_ ? w * static_cast<T>(config_.weight_terminal) : w;
  }
  T wu() const noexcept { return static_cast<T>(config_.weight_effort); }
  // bounded variables of a stage: u0 u1 (k<n), v0 v1 (k>0) -> index 0..3
  T& var(Stage& s, int i) noexcept { return i < 2 ? s.u[i] : s.x[i]; }
  bool has(int k, int i) const noexcept { return i < 2 ? k < n_ : k > 0; }
  bool run(const T* x0) noexcept {
    const T h = static_cast<T>(config_.step);
    const T am = static_cast<T>(config_.max_acceleration), vm = static_cast<T>(config_.max_speed);
    const T l1 = static_cast<T>(config_.penalty_linear),
            l2 = static_cast<T>(config_.penalty_square);
    int nc = 0;
    T mu0 = T(1);
    for (int k = 0; k <= n_; ++k) {
      Stage& s = st_[k];
      if (k == 0) {
        for (int i = 0; i < 4; ++i) s.x[i] = x0[i];
      }
      if (!warm_ && k < n_) s.u[0] = s.u[1] = 0;
      if (k < n_) {
        for (int i = 0; i < 2; ++i) {
          s.u[i] = clamp(s.u[i], -T(.9) * am, T(.9) * am);
          st_[k + 1].x[i] = s.x[i] + h * s.x[2 + i] + T(.5) * h * h * s.u[i];
          st_[k + 1].x[2 + i] = s.x[2 + i] + h * s.u[i];
        }
      }
      for (int i = 0; i < 4; ++i)
        if (has(k, i)) {
          const T b = i < 2 ? am : vm;
          s.sl[i] = max(var(s, i) + b, T(.1));
          s.su[i] = max(b - var(s, i), T(.1));
          s.ll[i] = mu0 / s.sl[i];
          s.lu[i] = mu0 / s.su[i];
          nc += 2;
        }
      if (k > 0)
        for (int i = 0; i < s.rows; ++i) {
          Row& r = rows_[k * m_ + i];
          const T g = r.nx * s.x[0] + r.ny * s.x[1] - r.off;
          r.t = max(g, T(.1));
          r.s = max(r.t - g, T(.05));
          r.l = min(mu0 / r.t, l1 * T(.5));
          r.v = l1;
          nc += 2;
        }
    }
    if (nc == 0) nc = 1;
    for (iterations_ = 0; iterations_ < 40; ++iterations_) {
      T mu = 0, res = 0;
      for (int k = 0; k <= n_; ++k) {
        Stage& s = st_[k];
        for (int i = 0; i < 4; ++i)
          if (has(k, i)) {
            const T b = i < 2 ? am : vm;
            mu += s.sl[i] * s.ll[i] + s.su[i] * s.lu[i];
            res = max(res, max(abs(var(s, i) + b - s.sl[i]), abs(b - var(s, i) - s.su[i])));
          }
        if (k > 0)
          for (int i = 0; i < s.rows; ++i) {
            Row& r = rows_[k * m_ + i];
            mu += r.t * r.l + r.s * r.v;
            res = max(res, abs(r.nx * s.x[0] + r.ny * s.x[1] - r.off + r.s - r.t));
            res = max(res, abs(l1 + l2 * r.s - r.l - r.v) / l1);
          }
      }
      mu /= T(nc);
      if (mu < T(1e-5) && res < T(1e-5)) {
        warm_ = true;
        return true;
      }
      const T sig = mu * T(.15);
      // backward
      T P[4][4] = {}, p[4] = {};
      for (int k = n_; k >= 0; --k) {
        Stage& s = st_[k];
        T H[6][6] = {}, g[6] = {};  // order u0 u1 x0..x3
        if (k < n_)
          for (int i = 0; i < 2; ++i) {
            H[i][i] = wu();
            g[i] = wu() * s.u[i];
          }
        if (k > 0)
          for (int i = 0; i < 4; ++i) {
            H[2 + i][2 + i] = q(k, i);
            g[2 + i] = q(k, i) * (s.x[i] - ref_(k, i));
          }
        for (int i = 0; i < 4; ++i)
          if (has(k, i)) {
            const T b = i < 2 ? am : vm;
            const int j = i < 2 ? i : 2 + i;
            const T rl = var(s, i) + b - s.sl[i], ru = b - var(s, i) - s.su[i];
            H[j][j] += s.ll[i] / s.sl[i] + s.lu[i] / s.su[i];
            g[j] += -(sig - s.ll[i] * rl) / s.sl[i] + (sig - s.lu[i] * ru) / s.su[i];
          }
        if (k > 0)
          for (int i = 0; i < s.rows; ++i) {
            Row& r = rows_[k * m_ + i];
            const T res_t = r.nx * s.x[0] + r.ny * s.x[1] - r.off + r.s - r.t,
                    rs = l1 + l2 * r.s - r.l - r.v;
            r.a = r.l / r.t;
            r.D = l2 + r.a + r.v / r.s;
            r.b = sig / r.t - r.l - r.a * res_t + sig / r.s - r.v - rs;
            r.e = sig / r.t - r.l - r.a * res_t - r.a * r.b / r.D;
            const T w = r.a * (T(1) - r.a / r.D), gr = -(r.l + r.e);
            H[2][2] += w * r.nx * r.nx;
            H[2][3] += w * r.nx * r.ny;
            H[3][2] += w * r.nx * r.ny;
            H[3][3] += w * r.ny * r.ny;
            g[2] += gr * r.nx;
            g[3] += gr * r.ny;
          }
        if (k < n_) {  // add [B A]' P [B A]
          T F[4][6] = {};
          for (int i = 0; i < 2; ++i) {
            F[i][i] = T(.5) * h * h;
            F[2 + i][i] = h;
            F[i][2 + i] = 1;
            F[i][4 + i] = h;
            F[2 + i][4 + i] = 1;
          }
          T PF[4][6];
          for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 6; ++j) {
              T t = 0;
              for (int l = 0; l < 4; ++l) t += P[i][l] * F[l][j];
              PF[i][j] = t;
            }
          for (int i = 0; i < 6; ++i) {
            for (int j = 0; j < 6; ++j)
              for (int l = 0; l < 4; ++l) H[i][j] += F[l][i] * PF[l][j];
            for (int l = 0; l < 4; ++l) g[i] += F[l][i] * p[l];
          }
          const T det = H[0][0] * H[1][1] - H[0][1] * H[1][0];
          for (int j = 0; j < 4; ++j) {
            s.K[0][j] = (H[1][1] * H[0][2 + j] - H[0][1] * H[1][2 + j]) / det;
            s.K[1][j] = (H[0][0] * H[1][2 + j] - H[1][0] * H[0][2 + j]) / det;
          }
          s.kf[0] = (H[1][1] * g[0] - H[0][1] * g[1]) / det;
          s.kf[1] = (H[0][0] * g[1] - H[1][0] * g[0]) / det;
          for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j)
              H[2 + i][2 + j] -= H[2 + i][0] * s.K[0][j] + H[2 + i][1] * s.K[1][j];
            g[2 + i] -= H[2 + i][0] * s.kf[0] + H[2 + i][1] * s.kf[1];
          }
        }
        for (int i = 0; i < 4; ++i) {
          for (int j = 0; j < 4; ++j) P[i][j] = H[2 + i][2 + j];
          p[i] = g[2 + i];
        }
      }
      T al = 1;
      for (int i = 0; i < 4; ++i) st_[0].dx[i] = 0;
      auto lim = [&](T x, T dx) {
        if (dx < 0) al = min(al, -T(.995) * x / dx);
      };
      for (int k = 0; k <= n_; ++k) {
        Stage& s = st_[k];
        if (k < n_)
          for (int i = 0; i < 2; ++i) {
            T t = -s.kf[i];
            for (int j = 0; j < 4; ++j) t -= s.K[i][j] * s.dx[j];
            s.du[i] = t;
          }
        if (k < n_)
          for (int i = 0; i < 2; ++i) {
            st_[k + 1].dx[i] = s.dx[i] + h * s.dx[2 + i] + T(.5) * h * h * s.du[i];
            st_[k + 1].dx[2 + i] = s.dx[2 + i] + h * s.du[i];
          }
        for (int i = 0; i < 4; ++i)
          if (has(k, i)) {
            const T b = i < 2 ? am : vm;
            const T d = i < 2 ? s.du[i] : s.dx[i];
            const T dsl = d + var(s, i) + b - s.sl[i], dsu = b - var(s, i) - s.su[i] - d;
            lim(s.sl[i], dsl);
            lim(s.su[i], dsu);
            lim(s.ll[i], sig / s.sl[i] - s.ll[i] - s.ll[i] / s.sl[i] * dsl);
            lim(s.lu[i], sig / s.su[i] - s.lu[i] - s.lu[i] / s.su[i] * dsu);
          }
        if (k > 0)
          for (int i = 0; i < s.rows; ++i) {
            Row& r = rows_[k * m_ + i];
            T dt, ds, dl, dv;
            steps(r, s, sig, dt, ds, dl, dv);
            lim(r.t, dt);
            lim(r.s, ds);
            lim(r.l, dl);
            lim(r.v, dv);
          }
      }
      if (!(al > T(1e-8))) return false;
      for (int k = 0; k <= n_; ++k) {
        Stage& s = st_[k];
        for (int i = 0; i < 4; ++i)
          if (has(k, i)) {
            const T b = i < 2 ? am : vm;
            const T d = i < 2 ? s.du[i] : s.dx[i];
            const T dsl = d + var(s, i) + b - s.sl[i], dsu = b - var(s, i) - s.su[i] - d;
            const T dll = sig / s.sl[i] - s.ll[i] - s.ll[i] / s.sl[i] * dsl,
                    dlu = sig / s.su[i] - s.lu[i] - s.lu[i] / s.su[i] * dsu;
            s.sl[i] += al * dsl;
            s.su[i] += al * dsu;
            s.ll[i] += al * dll;
            s.lu[i] += al * dlu;
          }
        if (k > 0)
          for (int i = 0; i < s.rows; ++i) {
            Row& r = rows_[k * m_ + i];
            T dt, ds, dl, dv;
            steps(r, s, sig, dt, ds, dl, dv);
            r.t += al * dt;
            r.s += al * ds;
            r.l += al * dl;
            r.v += al * dv;
          }
      }
      for (int k = 0; k <= n_; ++k) {
        Stage& s = st_[k];
        for (int i = 0; i < 4; ++i) s.x[i] += al * s.dx[i];
        if (k < n_)
          for (int i = 0; i < 2; ++i) s.u[i] += al * s.du[i];
      }
    }
    return true;
  }
  void steps(const Row& r, const Stage& s, T sig, T& dt, T& ds, T& dl, T& dv) const noexcept {
    const T nd = r.nx * s.dx[0] + r.ny * s.dx[1];
    const T res_t = r.nx * s.x[0] + r.ny * s.x[1] - r.off + r.s - r.t;
    ds = (r.b - r.a * nd) / r.D;
    dt = nd + ds + res_t;
    dl = sig / r.t - r.l - r.a * dt;
    dv = sig / r.s - r.v - r.v / r.s * ds;
  }
  LoopConfig config_{};
  int n_ = 0, m_ = 0, iterations_ = 0;
  bool warm_ = false;
  Stage* st_ = nullptr;
  Row* rows_ = nullptr;
  MatrixView<T> ref_;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
