#pragma once

#include "optcore/mpc/detail/panels.hpp"
#include "optcore/mpc/ocp_data.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Riccati recursion: factor and solution of the Newton systems of one problem,
///
///     minimise  sum_k  1/2 dz'(H + diag(w) + C' diag(v) C) dz + lin'dz   over dx+ = A dx + B du.
///
/// Only inputs are eliminated (nu pivots a stage, L D L'), which for nx below about 16 beats the
/// square-root form because its latency does not grow with nx. The cost-to-go P of every stage is
/// kept, so when weights change up to stage k, stages k .. 0 are factored and the rest is reused.
///
/// Source: Rao, Wright & Rawlings, "Application of interior-point methods to model predictive
/// control", JOTA 99 (1998); G. Frison, "Algorithms and methods for fast MPC", PhD thesis (2015).
template <class T, int Nx, int Nu>
class Riccati {
 public:
  using Data = OcpData<T, Nx, Nu>;

  void attach(Arena& arena, const Data& data) noexcept {
    const auto take = [&](T*& p, int count) {
      p = arena.array<T>(static_cast<std::size_t>(count));
    };
    const int n = data.stages(), gs = data.zs() + data.us();
    take(value_, n * data.nx() * data.xs());
    take(gain_, n * data.nu() * gs);
    take(feed_, n * data.us());
    take(product_, data.nx() * data.zs());
    take(weighted_, data.nz() * data.zs());
    take(input_, data.nu() * gs);
    take(scaled_, data.nu() * gs);
    take(costate_, data.xs());
    take(pull_, data.zs());
    if (pull_ == nullptr) return;
    for (int i = 0; i < n * data.nu() * gs; ++i) gain_[i] = 0;
  }

  /// Factors stages `from` .. 0 for the weights `diagonal` (N+1, zs) and `row_weight` (N+1, rs).
  /// @return false when an input block is not positive definite
  [[nodiscard]] bool factorise(const Data& d, const T* diagonal, const T* row_weight,
                               int from) noexcept {
    for (int k = min(from, d.horizon()); k >= 0; --k) {
      const T* h = weighted_hessian(d, k, row_weight + k * d.rs());
      const T* w = diagonal + k * d.zs();
      if (k == d.horizon()) {
        terminal(d, h, w);
        continue;
      }
      multiply_dynamics(d, k);
      input_rows(d, k, h, w);
      if (!eliminate(d, k)) return false;
      if (k > 0) state_rows(d, k, h, w);
    }
    return true;
  }

  /// Adds `weight` to the inputs' diagonal from the next factorisation on. Since systems are solved
  /// for a step, that makes it a proximal step, which costs iterations but no accuracy.
  void regularise(T weight) noexcept { proximal_ = weight; }
  [[nodiscard]] T proximal() const noexcept { return proximal_; }

  /// dz (N+1, zs) of the factored system with gradient `lin`, for a given x0 (dx[0] = 0).
  void solve(const Data& d, const T* lin, T* dz) noexcept {
    backward(d, lin);
    const int n = d.nx(), zs = d.zs(), x_packs = d.xs() / Data::lanes;
    for (int i = 0; i < zs; ++i) dz[i] = 0;
    for (int k = 0; k < d.horizon(); ++k) {
      T *step = dz + k * zs, *next = step + zs;
      const T *gain = gain_ + k * gain_size(d), *feed = feed_ + k * d.us();
      T input[most_inputs];  // step's padding must stay zero until all dot products are done
      for (int j = 0; j < d.nu(); ++j) {
        input[j] = -feed[j] - detail::dot(x_packs, gain + j * gain_stride(d), step);
      }
      for (int j = 0; j < d.nu(); ++j) step[n + j] = input[j];
      for (int j = d.xs(); j < zs; ++j) next[j] = 0;
      detail::combine<Data::x_static>(x_packs, static_cast<const T*>(nullptr), d.nz(), step,
                                      d.columns + k * d.nz() * d.xs(), d.xs(), next);
    }
    T* end = dz + d.horizon() * zs;
    for (int j = n; j < zs; ++j) end[j] = 0;
  }

  enum class Roll {
    as_planned,  ///< the inputs as they are
    feedback,    ///< they answer the distance from the old states with the last gains
    saturated    ///< the same, within their bounds
  };

  /// Rolls z (N+1, zs) out from x0. Feedback keeps unstable systems near and, while weights stay
  /// the same, is the optimal response to a new x0.
  void follow(const Data& d, T* z, Roll roll) noexcept {
    const int n = d.nx(), zs = d.zs(), x_packs = d.xs() / Data::lanes;
    T *away = costate_, *arrived = pull_;
    for (int i = 0; i < d.xs(); ++i) arrived[i] = i < n ? d.x0[i] : T(0);
    for (int k = 0;; ++k) {
      T* stage = z + k * zs;
      for (int i = 0; i < n; ++i) {
        away[i] = arrived[i] - stage[i];
        stage[i] = arrived[i];
      }
      if (k == d.horizon()) break;
      const T* gain = gain_ + k * gain_size(d);
      for (int j = 0; roll != Roll::as_planned && j < d.nu(); ++j) {
        T s = 0;
        for (int i = 0; i < n; ++i) s += gain[j * gain_stride(d) + i] * away[i];
        stage[n + j] -= s;
        if (roll == Roll::saturated) {
          stage[n + j] = clamp(stage[n + j], d.low[k * zs + n + j], d.high[k * zs + n + j]);
        }
      }
      detail::combine<Data::x_static>(x_packs, d.offset + k * d.xs(), d.nz(), stage,
                                      d.columns + k * d.nz() * d.xs(), d.xs(), arrived);
    }
  }

 private:
  using P = Pack<T>;
  static constexpr int most_inputs = Nu > 0 ? Nu : 32;
  [[nodiscard]] static int gain_stride(const Data& d) noexcept { return d.zs() + d.us(); }
  [[nodiscard]] static int gain_size(const Data& d) noexcept { return d.nu() * gain_stride(d); }
  [[nodiscard]] T* value(const Data& d, int k) noexcept { return value_ + k * d.nx() * d.xs(); }
  static constexpr int gain_static =
      Data::fixed ? Data::z_static + Data::padded(Nu) / Data::lanes : 0;

  /// H, or H + C' diag(v) C in scratch when a row of the stage has a weight.
  const T* weighted_hessian(const Data& d, int k, const T* v) noexcept {
    const T* h = d.hessian + k * d.nz() * d.zs();
    const int packs = d.row_packs(k);
    P some = P::zero();
    for (int p = 0; p < packs; ++p) some += P::load(v + p * P::lanes);
    if (!(sum(some) > 0)) return h;
    const int count = d.nz() * d.zs();
    for (int i = 0; i < count; i += P::lanes) P::load(h + i).store(weighted_ + i);
    const T* c = d.coefficients + k * d.nz() * d.rs();
    for (int a = 0; a < d.touched_count; ++a) {
      const int i = d.touched[a];
      for (int b = 0; b <= a; ++b) {
        const int j = d.touched[b];
        P total = P::zero();
        for (int p = 0; p < packs; ++p) {
          const int at = p * P::lanes;
          total = fma(P::load(v + at) * P::load(c + i * d.rs() + at), P::load(c + j * d.rs() + at),
                      total);
        }
        const T s = sum(total);
        weighted_[i * d.zs() + j] += s;
        if (j < i) weighted_[j * d.zs() + i] += s;
      }
    }
    return weighted_;
  }

  void terminal(const Data& d, const T* h, const T* w) noexcept {
    T* p = value(d, d.horizon());
    for (int i = 0; i < d.nx(); ++i) {
      for (int j = 0; j < d.xs(); ++j) p[i * d.xs() + j] = h[i * d.zs() + j];
      p[i * d.xs() + i] += w[i];
    }
  }

  /// product = P[k+1] [A B]
  void multiply_dynamics(const Data& d, int k) noexcept {
    const T *p = value(d, k + 1), *ab = d.dynamics + k * d.nx() * d.zs();
    const int xs = d.xs(), zs = d.zs(), n = d.nx();
    detail::each_block<Data::fixed ? Nx : 0>(n, [&](auto r, auto rows) OPTCORE_INLINE_LAMBDA {
      constexpr int R = decltype(rows)::value;
      detail::each_panel<Data::z_static>(
          zs / P::lanes, [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
            detail::Tile<T, R, decltype(width)::value> tile;
            tile.clear();
            const T* b = ab + at * P::lanes;
            const int split = r + R;  // left of it the rows of P are read, below it the columns
            tile.add(split, p + r * xs, xs, 1, b, zs);
            tile.add(n - split, p + split * xs + r, 1, xs, b + split * zs, zs);
            tile.store(product_ + r * zs + at * P::lanes, zs);
          });
    });
  }

  /// Rows of the inputs in H + [A B]' product, and the identity beside them.
  void input_rows(const Data& d, int k, const T* h, const T* w) noexcept {
    const T* ab = d.dynamics + k * d.nx() * d.zs();
    const int zs = d.zs(), gs = gain_stride(d), n = d.nx();
    detail::each_block<Data::fixed ? Nu : 0>(d.nu(), [&](auto r, auto rows) OPTCORE_INLINE_LAMBDA {
      constexpr int R = decltype(rows)::value;
      detail::each_panel<Data::z_static>(
          zs / P::lanes, [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
            detail::Tile<T, R, decltype(width)::value> tile;
            tile.load(h + (n + r) * zs + at * P::lanes, zs);
            tile.add(n, ab + n + r, 1, zs, product_ + at * P::lanes, zs);
            tile.store(input_ + r * gs + at * P::lanes, gs);
          });
    });
    for (int j = 0; j < d.nu(); ++j) {
      for (int i = 0; i < d.us(); i += P::lanes) P::zero().store(input_ + j * gs + zs + i);
      input_[j * gs + zs + j] = 1;
      input_[j * gs + n + j] += w[n + j] + proximal_;
    }
  }

  /// L D L' of the inputs' block carried through all columns: input = L^-1 [Hux Huu I],
  /// scaled = D^-1 input, gain = L^-T scaled = [K . Huu^-1].
  bool eliminate(const Data& d, int k) noexcept {
    if constexpr (Nu > 0 && Nu <= 4) {
      return eliminate_in_registers(d, k);
    } else {
      return eliminate_by_rows(d, k);
    }
  }

  /// The block's factor in scalars first, so that the divisions' latency is paid once and the
  /// columns follow in independent registers.
  bool eliminate_in_registers(const Data& d, int k) noexcept {
    const int gs = gain_stride(d), n = d.nx();
    T lower[Nu][Nu], inverse[Nu], least[Nu];
    for (int j = 0; j < Nu; ++j) {
      for (int i = j; i < Nu; ++i) lower[i][j] = input_[i * gs + n + j];
      least[j] = smallest_pivot(lower[j][j]);
    }
    for (int j = 0; j < Nu; ++j) {
      if (!(lower[j][j] > least[j])) return false;
      inverse[j] = T(1) / lower[j][j];
      for (int i = j + 1; i < Nu; ++i) {
        const T factor = lower[i][j] * inverse[j];
        for (int c = j + 1; c <= i; ++c) lower[i][c] -= factor * lower[c][j];
      }
      for (int i = j + 1; i < Nu; ++i) lower[i][j] *= inverse[j];
    }
    T* gain = gain_ + k * gain_size(d);
    detail::each_panel<gain_static>(gs / P::lanes, [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
      constexpr int V = decltype(width)::value;
      const int column = at * P::lanes;
      detail::Tile<T, Nu, V> tile;
      tile.load(input_ + column, gs);
      for (int j = 1; j < Nu; ++j) {
        for (int i = 0; i < j; ++i) tile.subtract_row(j, lower[j][i], i);
      }
      tile.store(input_ + column, gs);
      for (int j = 0; j < Nu; ++j) tile.scale_row(j, inverse[j]);
      tile.store(scaled_ + column, gs);
      for (int j = Nu - 2; j >= 0; --j) {
        for (int i = j + 1; i < Nu; ++i) tile.subtract_row(j, lower[i][j], i);
      }
      tile.store(gain + column, gs);
    });
    return true;
  }

  bool eliminate_by_rows(const Data& d, int k) noexcept {
    const int gs = gain_stride(d), n = d.nx(), m = d.nu(), packs = gs / P::lanes;
    T least[most_inputs];
    for (int j = 0; j < m; ++j) least[j] = smallest_pivot(input_[j * gs + n + j]);
    for (int j = 0; j < m; ++j) {
      T *row = input_ + j * gs, *out = scaled_ + j * gs;
      const T pivot = row[n + j];
      if (!(pivot > least[j])) return false;
      const T inverse = T(1) / pivot;
      for (int p = 0; p < packs; ++p) {
        (P::load(row + p * P::lanes) * P::broadcast(inverse)).store(out + p * P::lanes);
      }
      for (int c = j + 1; c < m; ++c) {
        T* other = input_ + c * gs;
        const P factor = P::broadcast(row[n + c] * inverse);
        for (int p = 0; p < packs; ++p) {
          fnma(factor, P::load(row + p * P::lanes), P::load(other + p * P::lanes))
              .store(other + p * P::lanes);
        }
      }
    }
    T* gain = gain_ + k * gain_size(d);
    for (int j = m - 1; j >= 0; --j) {
      const T* row = scaled_ + j * gs;
      detail::each_panel<gain_static>(packs, [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
        detail::Tile<T, 1, decltype(width)::value> tile;
        tile.load(row + at * P::lanes, gs);
        tile.subtract(m - 1 - j, row + n + j + 1, 0, 1, gain + (j + 1) * gs + at * P::lanes, gs);
        tile.store(gain + j * gs + at * P::lanes, gs);
      });
    }
    return true;
  }

  /// P[k] = lower triangle, in blocks, of the Schur complement.
  void state_rows(const Data& d, int k, const T* h, const T* w) noexcept {
    const T* ab = d.dynamics + k * d.nx() * d.zs();
    T* p = value(d, k);
    const int zs = d.zs(), xs = d.xs(), gs = gain_stride(d), n = d.nx(), m = d.nu();
    detail::each_block<Data::fixed ? Nx : 0>(n, [&](auto c, auto rows) OPTCORE_INLINE_LAMBDA {
      constexpr int R = decltype(rows)::value;
      const auto panel = [&](int at, auto width) OPTCORE_INLINE_LAMBDA {
        detail::Tile<T, R, decltype(width)::value> tile;
        const int column = at * P::lanes;
        tile.load(h + c * zs + column, zs);
        tile.add(n, ab + c, 1, zs, product_ + column, zs);
        tile.subtract(m, input_ + c, 1, gs, scaled_ + column, gs);
        tile.store(p + c * xs + column, xs);
      };
      if constexpr (Data::fixed) {
        constexpr int packs = Data::padded(decltype(c)::value + R) / Data::lanes;
        detail::each_panel<packs>(packs, panel);
      } else {
        detail::each_panel<0>(Data::padded(c + R) / Data::lanes, panel);
      }
      for (int q = 0; q < R; ++q) p[(c + q) * xs + c + q] += w[c + q];
    });
  }

  /// Cost-to-go gradients; leaves the inputs' answer Huu^-1 g in feed.
  void backward(const Data& d, const T* lin) noexcept {
    const int n = d.nx(), zs = d.zs(), x_packs = d.xs() / P::lanes, gs = gain_stride(d);
    const T* end = lin + d.horizon() * zs;
    for (int i = 0; i < n; ++i) costate_[i] = end[i];
    for (int k = d.horizon() - 1; k >= 0; --k) {
      const T* gain = gain_ + k * gain_size(d);
      detail::combine<Data::z_static>(zs / P::lanes, lin + k * zs, n, costate_,
                                      d.dynamics + k * n * zs, zs, pull_);
      T answer[most_inputs];
      for (int j = 0; j < d.nu(); ++j) answer[j] = -pull_[n + j];
      detail::combine<Data::x_static>(x_packs, pull_, d.nu(), answer, gain, gs, costate_);
      T* feed = feed_ + k * d.us();
      for (int j = 0; j < d.us(); ++j) feed[j] = 0;
      detail::combine<Data::fixed ? Data::padded(Nu) / Data::lanes : 0>(
          d.us() / P::lanes, feed, d.nu(), pull_ + n, gain + zs, gs, feed);
    }
  }

  /// A pivot that lost all its digits does not count as positive.
  [[nodiscard]] static constexpr T smallest_pivot(T diagonal) noexcept {
    return max(T(1e-30), T(64) * epsilon<T>() * diagonal);
  }

  T proximal_ = 0;
  T *value_ = nullptr, *gain_ = nullptr, *feed_ = nullptr;
  T *product_ = nullptr, *weighted_ = nullptr, *input_ = nullptr, *scaled_ = nullptr;
  T *costate_ = nullptr, *pull_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
