#pragma once

#include "kernels/ocp_newton.hpp"

/// Many optimal-control quadratic programmes of one shape, with bounds: Mehrotra's predictor and
/// corrector over a Riccati recursion as in mpc/interior_point.hpp, a warp each.
///
/// `ok` is said of residuals measured from the data, as on the CPU; unlike there, problems are not
/// scaled and the solution is not polished on its active set.
///
/// Source: Rao, Wright & Rawlings, JOTA 99 (1998).
namespace optcore::cuda {

namespace detail {

/// One problem in the hands of one block.
template <class T, class Block>
class OcpInBlock : private OcpNewton<T, Block> {
 public:
  OPTCORE_DEVICE OcpInBlock(Block& block, const OcpShared<T>& s, const OcpWork<T>& w,
                            const OcpBatchProblem<T>& p, int item)
      : OcpNewton<T, Block>(block, s, w, p, item) {}

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
  using Newton = OcpNewton<T, Block>;
  using Newton::block_, Newton::s_, Newton::w_, Newton::p_;
  using Newton::dynamics, Newton::hessian, Newton::gradient, Newton::total, Newton::top;
  using Newton::factorise, Newton::solve;
  using Newton::item_, Newton::nx_, Newton::nu_, Newton::nz_, Newton::N_;
  using Newton::none, Newton::count, Newton::exists, Newton::bounded;

  struct Outcome {
    Status status = Status::max_iterations;
    int iterations = 0;
    T gap = 0, primal = 0, dual = 0;
  };
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
