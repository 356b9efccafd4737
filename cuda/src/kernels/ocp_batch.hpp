#pragma once

#include "kernels/ocp_memory.hpp"

/// Many optimal-control quadratic programmes of one shape, with bounds: Mehrotra's predictor and
/// corrector over a Riccati recursion as in mpc/interior_point.hpp, a warp each.
///
/// `ok` is said of residuals measured from the data, as on the CPU; unlike there, problems are not
/// scaled and the solution is not polished on its active set.
///
/// A stage's inputs are eliminated by sweeping their pivots through H + w + [A B]' P [A B]: the
/// state block becomes the cost-to-go, the mixed block the gain, the input block -Huu^-1.
///
/// Source: Rao, Wright & Rawlings, JOTA 99 (1998); Goodnight, "A tutorial on the SWEEP operator",
/// The American Statistician 33(3) (1979).
namespace optcore::cuda {

namespace detail {

/// One problem in the hands of one block.
template <class T, class Block>
class OcpInBlock {
 public:
  OPTCORE_DEVICE OcpInBlock(Block& block, const OcpShared<T>& s, const OcpWork<T>& w,
                            const OcpBatchProblem<T>& p, int item)
      : block_(block),
        s_(s),
        w_(w),
        p_(p),
        item_(item),
        nx_(p.nx),
        nu_(p.nu),
        nz_(p.nx + p.nu),
        N_(p.horizon) {}

  OPTCORE_DEVICE void run() {
    const bool sound = load();
    Outcome r;
    if (sound) {
      r = iterate();
    } else {
      r.status = Status::not_finite;
    }
    if (failed(r.status)) end_safely(sound);
    write(r);
  }

 private:
  struct Outcome {
    Status status = Status::max_iterations;
    int iterations = 0;
    T gap = 0, primal = 0, dual = 0;
  };
  static constexpr T none = static_cast<T>(ocp_no_bound);

  [[nodiscard]] OPTCORE_DEVICE int count() const { return (N_ + 1) * nz_; }
  /// Whether variable e of (N+1, nz) exists: x0 is given and uN is not there.
  [[nodiscard]] OPTCORE_DEVICE bool exists(int e) const {
    const int k = e / nz_, j = e - k * nz_;
    return j < nx_ ? k > 0 : k < N_;
  }
  [[nodiscard]] OPTCORE_DEVICE bool bounded(int side, int e) const {
    return side == 0 ? w_.low[e] > -none : w_.high[e] < none;
  }
  [[nodiscard]] OPTCORE_DEVICE T dynamics(int k, int i, int j) const {
    return j < nx_ ? p_.A.of(item_)[(k * nx_ + i) * nx_ + j]
                   : p_.B.of(item_)[(k * nx_ + i) * nu_ + j - nx_];
  }
  [[nodiscard]] OPTCORE_DEVICE T hessian(int k, int i, int j) const {
    if (i < j) return hessian(k, j, i);
    if (i < nx_) return p_.Q.of(item_)[(k * nx_ + i) * nx_ + j];
    if (k == N_) return 0;
    if (j < nx_) {
      return p_.S.data == nullptr ? T(0) : p_.S.of(item_)[(k * nu_ + i - nx_) * nx_ + j];
    }
    return p_.R.of(item_)[(k * nu_ + i - nx_) * nu_ + j - nx_];
  }
  [[nodiscard]] OPTCORE_DEVICE T gradient(int k, int j) const {
    if (j < nx_) return p_.q.of(item_)[k * nx_ + j];
    return k < N_ ? p_.r.of(item_)[k * nu_ + j - nx_] : T(0);
  }

  template <class F>
  OPTCORE_DEVICE T total(F f) {
    return sum_of(block_, s_.reduce, [&](int t) {
      T sum = 0;
      for (int e = t; e < count(); e += block_.threads()) sum += f(e);
      return sum;
    });
  }
  template <class F>
  OPTCORE_DEVICE T top(F f) {
    return largest_of(block_, s_.reduce, [&](int t) {
      T most = 0;
      for (int e = t; e < count(); e += block_.threads()) most = max(most, f(e));
      return most;
    });
  }

  /// Bounds, and the trajectory of zero inputs. @return false when data are not finite
  OPTCORE_DEVICE bool load() {
    for_all(block_, count(), [&](int e) {
      const int k = e / nz_, j = e - k * nz_;
      T low = -2 * none, high = 2 * none;
      if (exists(e)) {
        low = j < nx_ ? p_.lbx.of(item_)[k * nx_ + j] : p_.lbu.of(item_)[k * nu_ + j - nx_];
        high = j < nx_ ? p_.ubx.of(item_)[k * nx_ + j] : p_.ubu.of(item_)[k * nu_ + j - nx_];
      }
      w_.low[e] = low > -none ? low : -2 * none;
      w_.high[e] = high < none ? high : 2 * none;
      w_.z[e] = 0;
      w_.dz[e] = 0;
    });
    const T* x0 = p_.x0.of(item_);
    const T bad = total([&](int e) {
      const int k = e / nz_, j = e - k * nz_;
      const T value = gradient(k, j) + (e < nx_ ? x0[e] : T(0));
      return is_finite(value) ? T(0) : T(1);
    });
    if (bad > 0) return false;
    roll_out();
    return true;
  }

  /// States that follow from x0 and the inputs in z.
  OPTCORE_DEVICE void roll_out() {
    const T* x0 = p_.x0.of(item_);
    for_all(block_, nx_, [&](int i) { w_.z[i] = x0[i]; });
    for (int k = 0; k < N_; ++k) {
      const T* here = w_.z + k * nz_;
      for_all(block_, nx_, [&](int i) {
        T sum = p_.b.data == nullptr ? T(0) : p_.b.of(item_)[k * nx_ + i];
        for (int j = 0; j < nz_; ++j) sum += dynamics(k, i, j) * here[j];
        w_.z[(k + 1) * nz_ + i] = sum;
      });
    }
  }

  OPTCORE_DEVICE Outcome iterate() {
    Outcome r;
    r.primal = start();
    const T pairs = total(
        [&](int e) { return static_cast<T>((bounded(0, e) ? 1 : 0) + (bounded(1, e) ? 1 : 0)); });
    const T demanded = max(p_.tolerance, T(1e4) * epsilon<T>());
    T alpha = 0, goal = p_.tolerance;
    for (;; ++r.iterations) {
      r.gap = advance(alpha) / max(pairs, T(1));
      if (r.iterations == 0) {
        r.dual = max(T(1), top([&](int e) { return exists(e) ? abs(w_.hz[e]) : T(0); }));
      }
      r.primal *= T(1) - alpha;
      r.dual *= T(1) - alpha;
      if (!is_finite(r.gap + r.primal)) return stop(r, Status::not_finite);
      if (r.gap < goal && r.primal < goal && r.dual < goal) {
        Outcome seen = r;
        if (measure(seen, demanded)) return stop(seen, Status::ok);
        goal *= T(0.03);  // what was scaled along drifts from what is there
        if (goal < T(1e-5) * p_.tolerance) return stop(seen, Status::max_iterations);
      }
      if (r.iterations >= p_.max_iterations) return stop(r, Status::max_iterations);
      if (!factorise()) return stop(r, Status::not_positive_definite);
      solve();
      T products = 0;
      const T affine = min(T(1), predict(products));
      const T left = (T(1) - affine) * r.gap + affine * affine * products / max(pairs, T(1));
      const T sigma = r.gap > 0 ? clamp(left / r.gap, T(0), T(1)) : T(0);
      const T target = max(sigma * sigma * sigma * r.gap, T(0.05) * goal);
      for_all(block_, count(), [&](int e) { w_.lin[e] -= target * w_.lift[e]; });
      solve();
      alpha = min(T(1), T(0.998) * correct(target));
      if (!(alpha > T(1e-9))) return stop(r, Status::primal_infeasible);
    }
  }
  OPTCORE_DEVICE static Outcome stop(Outcome r, Status status) {
    r.status = status;
    return r;
  }

  /// Residuals of the trajectory and its multipliers, from the problem's data alone; whether each
  /// is within `tolerance` of the numbers it is the difference of.
  [[nodiscard]] OPTCORE_DEVICE bool measure(Outcome& r, T tolerance) {
    const auto multiplier = [&](int e) {
      return (bounded(0, e) ? w_.lambda[0][e] : T(0)) - (bounded(1, e) ? w_.lambda[1][e] : T(0));
    };
    r.primal = top([&](int e) { return max(w_.low[e] - w_.z[e], w_.z[e] - w_.high[e]); });
    for_all(block_, count(), [&](int e) { w_.lift[e] = w_.hz[e] - multiplier(e); });
    for_all(block_, nx_, [&](int i) { s_.costate[i] = w_.lift[N_ * nz_ + i]; });
    for (int k = N_ - 1; k >= 0; --k) {
      for_all(block_, nz_, [&](int j) {
        T sum = w_.lift[k * nz_ + j];
        for (int i = 0; i < nx_; ++i) sum += dynamics(k, i, j) * s_.costate[i];
        w_.lift[k * nz_ + j] = sum;
      });
      for_all(block_, nx_, [&](int i) { s_.costate[i] = w_.lift[k * nz_ + i]; });
    }
    r.dual = top([&](int e) { return e / nz_ < N_ && e % nz_ >= nx_ ? abs(w_.lift[e]) : T(0); });
    const T size = max(T(1), top([&](int e) { return abs(w_.z[e]); }));
    const T pull = max(T(1), top([&](int e) { return exists(e) ? abs(w_.hz[e]) : T(0); }));
    return r.primal <= tolerance * size && r.dual <= tolerance * pull &&
           r.gap <= tolerance * max(size, pull);
  }

  /// Gaps a third of the range wide, or half of a violation. @return the largest residual
  OPTCORE_DEVICE T start() {
    return top([&](int e) {
      const T z = w_.z[e], low = w_.low[e], high = w_.high[e];
      const T least = min((high - low) * T(0.3), T(1));
      T off = 0;
      for (int side = 0; side < 2; ++side) {
        const bool on = bounded(side, e);
        const T room = on ? (side == 0 ? z - low : high - z) : T(1);
        const T gap = on ? max(max(room, T(-0.5) * room), least) : T(1);
        w_.gap[side][e] = gap;
        w_.lambda[side][e] = on ? p_.barrier / gap : T(1);
        w_.residual[side][e] = on ? room - gap : T(0);
        w_.d_gap[side][e] = w_.d_lambda[side][e] = 0;
        off = max(off, on ? abs(room - gap) : T(0));
      }
      return off;
    });
  }

  /// Takes the step; weights and gradient of the next Newton system. @return sum of gap * lambda
  OPTCORE_DEVICE T advance(T alpha) {
    for_all(block_, count(), [&](int e) { w_.z[e] += alpha * w_.dz[e]; });
    return total([&](int e) {
      const int k = e / nz_, j = e - k * nz_;
      T hz = gradient(k, j), weight = 0, mu = 0;
      for (int i = 0; i < (k < N_ ? nz_ : nx_); ++i) hz += hessian(k, j, i) * w_.z[k * nz_ + i];
      T lin = hz;
      for (int side = 0; side < 2; ++side) {
        if (!bounded(side, e)) continue;
        const T push = side == 0 ? T(1) : T(-1);
        const T gap = w_.gap[side][e] + alpha * w_.d_gap[side][e];
        const T lambda = w_.lambda[side][e] + alpha * w_.d_lambda[side][e];
        const T residual = (T(1) - alpha) * w_.residual[side][e], curve = lambda / gap;
        w_.gap[side][e] = gap;
        w_.lambda[side][e] = lambda;
        w_.residual[side][e] = residual;
        weight += curve;
        lin += push * curve * residual;
        mu += gap * lambda;
      }
      w_.hz[e] = hz;
      w_.lin[e] = lin;
      w_.weight[e] = weight;
      return mu;
    });
  }

  /// Gains and input inverses of all stages. @return false when a pivot is not positive
  OPTCORE_DEVICE bool factorise() {
    T* const G = s_.system;
    block_.each([&](int t) {
      if (t == 0) *s_.failed = 0;
    });
    for_all(block_, nx_ * nx_, [&](int e) {
      const int i = e / nx_, j = e - i * nx_;
      G[i * nz_ + j] = hessian(N_, i, j) + (i == j ? w_.weight[N_ * nz_ + i] : T(0));
    });
    for (int k = N_ - 1; k >= 0; --k) {
      for_all(block_, nx_ * nz_, [&](int e) {
        const int i = e / nz_, j = e - i * nz_;
        T sum = 0;
        for (int c = 0; c < nx_; ++c) sum += G[i * nz_ + c] * dynamics(k, c, j);
        s_.product[e] = sum;
      });
      for_all(block_, nz_ * (nz_ + 1) / 2, [&](int e) {
        int i = static_cast<int>((optcore::sqrt(8.0f * static_cast<float>(e) + 1.0f) - 1.0f) / 2);
        if (i * (i + 1) / 2 > e) --i;
        if ((i + 1) * (i + 2) / 2 <= e) ++i;
        const int j = e - i * (i + 1) / 2;
        T sum = hessian(k, i, j);
        for (int c = 0; c < nx_; ++c) sum += dynamics(k, c, i) * s_.product[c * nz_ + j];
        if (i == j) sum += w_.weight[k * nz_ + i];
        G[i * nz_ + j] = G[j * nz_ + i] = sum;
        if (i == j && i >= nx_) s_.diagonal[i - nx_] = sum;
      });
      for (int a = nx_; a < nz_; ++a) {
        if (!sweep(a)) return false;
      }
      for_all(block_, nu_ * nz_, [&](int e) {
        const int i = e / nz_, j = e - i * nz_;
        const T value = G[(nx_ + i) * nz_ + j];
        if (j < nx_) {
          w_.gain[(k * nu_ + i) * nx_ + j] = value;
        } else {
          w_.inverse[(k * nu_ + i) * nu_ + j - nx_] = -value;
        }
      });
    }
    return true;
  }

  OPTCORE_DEVICE bool sweep(int a) {
    T* const G = s_.system;
    for_all(block_, nz_, [&](int j) { s_.pivot[j] = G[a * nz_ + j]; });
    const T pivot = block_.broadcast(s_.pivot[a]);
    const T least = max(T(1e-30), T(64) * epsilon<T>() * block_.broadcast(s_.diagonal[a - nx_]));
    if (!(pivot > least)) return false;
    const T inverse = T(1) / pivot;
    for_all(block_, nz_ * nz_, [&](int e) {
      const int i = e / nz_, j = e - i * nz_;
      if (i == a || j == a) {
        G[e] = i == j ? -inverse : s_.pivot[i == a ? j : i] * inverse;
      } else {
        G[e] -= s_.pivot[i] * s_.pivot[j] * inverse;
      }
    });
    return true;
  }

  /// dz of the factored system for the gradient lin, dx0 = 0.
  OPTCORE_DEVICE void solve() {
    for_all(block_, nx_, [&](int i) { s_.costate[i] = w_.lin[N_ * nz_ + i]; });
    for (int k = N_ - 1; k >= 0; --k) {
      for_all(block_, nz_, [&](int j) {
        T sum = w_.lin[k * nz_ + j];
        for (int i = 0; i < nx_; ++i) sum += dynamics(k, i, j) * s_.costate[i];
        s_.pull[j] = sum;
      });
      const T* gain = w_.gain + k * nu_ * nx_;
      for_all(block_, nz_, [&](int j) {
        if (j < nx_) {
          T sum = s_.pull[j];
          for (int i = 0; i < nu_; ++i) sum -= gain[i * nx_ + j] * s_.pull[nx_ + i];
          s_.costate[j] = sum;
        } else {
          const T* row = w_.inverse + (k * nu_ + j - nx_) * nu_;
          T sum = 0;
          for (int i = 0; i < nu_; ++i) sum += row[i] * s_.pull[nx_ + i];
          w_.feed[k * nu_ + j - nx_] = sum;
        }
      });
    }
    for_all(block_, nx_, [&](int i) { w_.dz[i] = 0; });
    for (int k = 0; k < N_; ++k) {
      T* const here = w_.dz + k * nz_;
      const T* gain = w_.gain + k * nu_ * nx_;
      for_all(block_, nu_, [&](int i) {
        T sum = -w_.feed[k * nu_ + i];
        for (int j = 0; j < nx_; ++j) sum -= gain[i * nx_ + j] * here[j];
        here[nx_ + i] = sum;
      });
      for_all(block_, nx_, [&](int i) {
        T sum = 0;
        for (int j = 0; j < nz_; ++j) sum += dynamics(k, i, j) * here[j];
        here[nz_ + i] = sum;
      });
    }
  }

  /// Steps of one pair for the complementarity target t, given the second-order term.
  OPTCORE_DEVICE void pair_step(int side, int e, T t, T second, T& step, T& l_step) const {
    const T push = side == 0 ? T(1) : T(-1);
    step = push * w_.dz[e] + w_.residual[side][e];
    l_step = (t - second - w_.lambda[side][e] * step) / w_.gap[side][e] - w_.lambda[side][e];
  }
  OPTCORE_DEVICE T steepness(int side, int e, T step, T l_step) const {
    return max(-step / w_.gap[side][e], -l_step / w_.lambda[side][e]);
  }

  /// The predictor's longest step and the sum of its products; prepares the corrector's gradient.
  OPTCORE_DEVICE T predict(T& products) {
    const T steep = top([&](int e) {
      T most = T(1e-12), lin = w_.lin[e], lift = 0;
      for (int side = 0; side < 2; ++side) {
        if (!bounded(side, e)) continue;
        T step, l_step;
        pair_step(side, e, 0, 0, step, l_step);
        const T product = step * l_step;
        const T pushed = (side == 0 ? T(1) : T(-1)) / w_.gap[side][e];
        most = max(most, steepness(side, e, step, l_step));
        w_.product[side][e] = product;
        lin += pushed * product;
        lift += pushed;
      }
      w_.lin[e] = lin;
      w_.lift[e] = lift;
      return most;
    });
    products = total([&](int e) {
      T sum = 0;
      for (int side = 0; side < 2; ++side) sum += bounded(side, e) ? w_.product[side][e] : T(0);
      return sum;
    });
    return T(1) / max(steep, T(1e-12));
  }

  /// The corrector's steps and the longest that keeps all pairs positive.
  OPTCORE_DEVICE T correct(T target) {
    const T steep = top([&](int e) {
      T most = T(1e-12);
      for (int side = 0; side < 2; ++side) {
        if (!bounded(side, e)) continue;
        T step, l_step;
        pair_step(side, e, target, w_.product[side][e], step, l_step);
        w_.d_gap[side][e] = step;
        w_.d_lambda[side][e] = l_step;
        most = max(most, steepness(side, e, step, l_step));
      }
      return most;
    });
    return T(1) / max(steep, T(1e-12));
  }

  /// After a failure: inputs within their bounds, states that follow, nothing that is not finite.
  OPTCORE_DEVICE void end_safely(bool sound) {
    for_all(block_, count(), [&](int e) {
      const T z = is_finite(w_.z[e]) ? w_.z[e] : T(0);
      w_.z[e] = exists(e) && e % nz_ >= nx_ ? clamp(z, w_.low[e], w_.high[e]) : T(0);
    });
    if (sound) roll_out();
  }

  OPTCORE_DEVICE void write(const Outcome& r) {
    T* const x = p_.x + std::ptrdiff_t(item_) * (N_ + 1) * nx_;
    T* const u = p_.u + std::ptrdiff_t(item_) * N_ * nu_;
    for_all(block_, count(), [&](int e) {
      const int k = e / nz_, j = e - k * nz_;
      if (j < nx_) {
        x[k * nx_ + j] = w_.z[e];
      } else if (k < N_) {
        u[k * nu_ + j - nx_] = w_.z[e];
      }
    });
    block_.each([&](int t) {
      if (t != 0) return;
      p_.status[item_] = r.status;
      p_.iterations[item_] = r.iterations;
      p_.residual[3 * item_] = r.gap;
      p_.residual[3 * item_ + 1] = r.primal;
      p_.residual[3 * item_ + 2] = r.dual;
    });
  }

  Block& block_;
  const OcpShared<T>& s_;
  const OcpWork<T>& w_;
  const OcpBatchProblem<T>& p_;
  int item_, nx_, nu_, nz_, N_;
};

}  // namespace detail

/// A block takes one problem after the other until none is left, so a hard one holds up nobody.
template <class T>
struct OcpBatchKernel {
  OPTCORE_HD static std::size_t shared_bytes(const OcpBatchProblem<T>& p, int threads) noexcept {
    Arena arena = Arena::measure();
    static_cast<void>(detail::OcpShared<T>::make(arena, p, threads));
    return arena.used();
  }
  OPTCORE_HD static std::ptrdiff_t work_size(const OcpBatchProblem<T>& p) noexcept {
    return detail::OcpWork<T>::size(p);
  }

  template <class Block>
  OPTCORE_DEVICE void operator()(Block& block, const OcpBatchProblem<T>& p) const {
    const auto shared = detail::OcpShared<T>::make(block.shared(), p, block.threads());
    const auto work = detail::OcpWork<T>::make(p.workspace + block.index() * work_size(p), p);
    for (int item = block.take(p.counter, shared.slot); item < p.batch;
         item = block.take(p.counter, shared.slot)) {
      detail::OcpInBlock<T, Block>(block, shared, work, p, item).run();
    }
  }
};

}  // namespace optcore::cuda
