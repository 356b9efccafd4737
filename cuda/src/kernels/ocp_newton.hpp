#pragma once

#include "kernels/ocp_memory.hpp"

/// The Newton step of the batched interior point: a Riccati recursion over the stages.
///
/// A stage's inputs are eliminated by sweeping their pivots through H + w + [A B]' P [A B]: the
/// state block becomes the cost-to-go, the mixed block the gain, the input block -Huu^-1.
///
/// Source: Goodnight, "A tutorial on the SWEEP operator", The American Statistician 33(3) (1979).
namespace optcore::cuda::detail {

/// One problem's data, and the linear systems over it, in the hands of one block.
template <class T, class Block>
class OcpNewton {
 public:
  OPTCORE_DEVICE OcpNewton(Block& block, const OcpShared<T>& s, const OcpWork<T>& w,
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

  /// Gains and input inverses of all stages. @return false when a pivot is not positive
  OPTCORE_DEVICE bool factorise() {
    T* const G = s_.system;
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

 protected:
  Block& block_;
  const OcpShared<T>& s_;
  const OcpWork<T>& w_;
  const OcpBatchProblem<T>& p_;
  int item_, nx_, nu_, nz_, N_;

 private:
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
};

}  // namespace optcore::cuda::detail
