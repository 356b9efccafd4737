#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/mpc/types.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Sizes of a problem and of its padded rows: z = (x, u), padded to whole vector registers.
/// Nx and Nu greater than zero are compile-time sizes; zero takes them from OcpSize.
template <class T, int Nx, int Nu>
class OcpShape {
 public:
  static constexpr int lanes = native_lanes<T>;
  static constexpr int padded(int n) noexcept { return (n + lanes - 1) / lanes * lanes; }
  static constexpr bool fixed = Nx > 0 && Nu > 0;
  /// Packs of a row of x and of z when they are known at compile time, else 0.
  static constexpr int x_static = fixed ? padded(Nx) / lanes : 0;
  static constexpr int z_static = fixed ? padded(Nx + Nu) / lanes : 0;

  OcpShape() = default;
  explicit OcpShape(OcpSize size) noexcept : size_(size) {}

  [[nodiscard]] int nx() const noexcept { return Nx > 0 ? Nx : size_.nx; }
  [[nodiscard]] int nu() const noexcept { return Nu > 0 ? Nu : size_.nu; }
  [[nodiscard]] int nz() const noexcept { return nx() + nu(); }
  [[nodiscard]] int horizon() const noexcept { return size_.horizon; }
  [[nodiscard]] int stages() const noexcept { return size_.horizon + 1; }
  [[nodiscard]] int rows() const noexcept { return size_.rows; }
  /// Numbers from one row of x, u, z or of the constraints of a stage to the next.
  [[nodiscard]] int xs() const noexcept { return padded(nx()); }
  [[nodiscard]] int us() const noexcept { return padded(nu()); }
  [[nodiscard]] int zs() const noexcept { return padded(nz()); }
  [[nodiscard]] int rs() const noexcept { return padded(rows()); }

 private:
  OcpSize size_{};
};

/// The numbers of an optimal-control quadratic programme, laid out for vector registers.
template <class T, int Nx, int Nu>
struct OcpData : OcpShape<T, Nx, Nu> {
  using Shape = OcpShape<T, Nx, Nu>;
  using Shape::horizon, Shape::nu, Shape::nx, Shape::nz, Shape::rows, Shape::rs, Shape::stages;
  using Shape::us, Shape::xs, Shape::zs;
  static constexpr T none = static_cast<T>(ocp_no_bound);

  void attach(Arena& arena, OcpSize size) noexcept {
    static_cast<Shape&>(*this) = Shape(size);
    const auto take = [&](T*& p, int each) {
      p = arena.array<T>(static_cast<std::size_t>(stages()) * static_cast<std::size_t>(each));
    };
    take(dynamics, nx() * zs());
    take(columns, nz() * xs());
    take(offset, xs());
    take(hessian, nz() * zs());
    take(gradient, zs());
    take(low, zs());
    take(high, zs());
    take(coefficients, nz() * rs());
    take(row_low, rs());
    take(row_high, rs());
    take(l1, rs());
    take(l2, rs());
    x0 = arena.array<T>(static_cast<std::size_t>(xs()));
    unit = arena.array<T>(static_cast<std::size_t>(zs()));
    row_unit = arena.array<T>(static_cast<std::size_t>(rs()));
    counts = arena.array<int>(static_cast<std::size_t>(stages()));
    touched = arena.array<int>(static_cast<std::size_t>(nz()));
    if (touched == nullptr) return;
    for (int i = 0; i < zs(); ++i) unit[i] = 1;
    for (int i = 0; i < rs(); ++i) row_unit[i] = 1;
    cost_unit = 1;
    clear();
  }

  /// No dynamics, no cost, no bounds, no rows.
  void clear() noexcept {
    const auto fill = [&](T* p, int each, T value) {
      for (int i = 0; i < stages() * each; ++i) p[i] = value;
    };
    fill(dynamics, nx() * zs(), 0);
    fill(columns, nz() * xs(), 0);
    fill(offset, xs(), 0);
    fill(hessian, nz() * zs(), 0);
    fill(gradient, zs(), 0);
    fill(low, zs(), -2 * none);
    fill(high, zs(), 2 * none);
    fill(coefficients, nz() * rs(), 0);
    fill(row_low, rs(), -2 * none);
    fill(row_high, rs(), 2 * none);
    fill(l1, rs(), none);
    fill(l2, rs(), 0);
    for (int i = 0; i < xs(); ++i) x0[i] = 0;
    for (int k = 0; k < stages(); ++k) counts[k] = 0;
    touched_count = 0;
    upper_rows = false;
    changed = horizon();
    ++version;
  }

  /// x[k+1] = A x + B u + b;  A (nx, nx), B (nx, nu), b (nx,) or null for zero.
  void set_dynamics(int k, const T* A, const T* B, const T* b) noexcept {
    T* row = dynamics + k * nx() * zs();
    T* column = columns + k * nz() * xs();
    bool moved = false;
    for (int i = 0; i < nx(); ++i, row += zs()) {
      const T per = T(1) / unit[i];
      for (int j = 0; j < nz(); ++j) {
        const T given = j < nx() ? A[i * nx() + j] : B[i * nu() + j - nx()];
        put(row[j], given * unit[j] * per, moved);
        column[j * xs() + i] = row[j];
      }
      offset[k * xs() + i] = b != nullptr ? b[i] * per : T(0);
    }
    if (moved) touch(k);
  }

  /// Q (nx, nx), R (nu, nu) symmetric, S (nu, nx) or null for zero: u'S x. R and S unused at N.
  void set_hessian(int k, const T* Q, const T* R, const T* S) noexcept {
    T* h = hessian + k * nz() * zs();
    const T per = T(1) / cost_unit;
    bool moved = false;
    for (int i = 0; i < nx(); ++i) {
      for (int j = 0; j < nx(); ++j) {
        put(h[i * zs() + j], Q[i * nx() + j] * unit[i] * unit[j] * per, moved);
      }
    }
    for (int i = 0; k < horizon() && i < nu(); ++i) {
      T* row = h + (nx() + i) * zs();
      const T own = unit[nx() + i] * per;
      for (int j = 0; j < nu(); ++j) {
        put(row[nx() + j], R[i * nu() + j] * own * unit[nx() + j], moved);
      }
      for (int j = 0; j < nx(); ++j) {
        put(row[j], S != nullptr ? S[i * nx() + j] * own * unit[j] : T(0), moved);
        h[j * zs() + nx() + i] = row[j];
      }
    }
    if (moved) touch(k);
  }

  /// q (nx,), r (nu,); r unused at N.
  void set_gradient(int k, const T* q, const T* r) noexcept {
    T* g = gradient + k * zs();
    const T per = T(1) / cost_unit;
    for (int i = 0; i < nx(); ++i) g[i] = q[i] * unit[i] * per;
    for (int i = 0; k < horizon() && i < nu(); ++i) g[nx() + i] = r[i] * unit[nx() + i] * per;
  }

  /// Bounds of x, 1 <= k <= N.
  void set_state_bounds(int k, const T* lower, const T* upper) noexcept {
    for (int i = 0; k > 0 && i < nx(); ++i) set_bound(k, i, lower[i], upper[i]);
  }
  /// Bounds of u, 0 <= k < N.
  void set_input_bounds(int k, const T* lower, const T* upper) noexcept {
    for (int i = 0; k < horizon() && i < nu(); ++i) {
      set_bound(k, nx() + i, lower[i], upper[i]);
    }
  }

  /// Row i of stage k: lower <= c'x + d'u <= upper, c (nx,), d (nu,) or null for zero. A violation
  /// s costs l1 s + l2 s^2 / 2 with l1 >= 0, l2 >= 0; l1 >= 1e29 makes the row hard.
  void set_row(int k, int i, const T* c, const T* d, T lower, T upper, T price1,
               T price2) noexcept {
    bool moved = false;
    const T per = T(1) / row_unit[i];
    for (int j = 0; j < nz(); ++j) {
      const bool is_state = j < nx();
      const bool present = is_state || (d != nullptr && k < horizon());
      const T value = !present ? T(0) : (is_state ? c[j] : d[j - nx()]) * unit[j] * per;
      T& kept = coefficients[(k * nz() + j) * rs() + i];
      if (kept == value) continue;
      kept = value;
      moved = true;
      mark(j);
    }
    const int at = k * rs() + i;
    limit(row_low[at], row_high[at], lower, upper, per);
    if (upper < none) upper_rows = true;
    const T worth = row_unit[i] / cost_unit;
    if ((price1 < none) != (l1[at] < none)) ++version;
    l1[at] = price1 < none ? price1 * worth : none;
    l2[at] = price2 * worth * row_unit[i];
    if (moved) touch(k);
  }

  /// The first `count` rows of stage k are in use.
  void set_row_count(int k, int count) noexcept {
    for (int i = count; i < counts[k]; ++i) {
      limit(row_low[k * rs() + i], row_high[k * rs() + i], -none, none, T(1));
    }
    if (count != counts[k]) touch(k);  // weights of rows out of use are not looked at
    counts[k] = count;
  }

  /// Matrices of stage k changed: a kept factor holds from stage k + 1 on.
  void touch(int k) noexcept {
    changed = max(changed, k);
    ++version;
  }

  /// Variables of stage k that exist: x0 is given and uN is not there.
  [[nodiscard]] int first(int k) const noexcept { return k > 0 ? 0 : nx(); }
  [[nodiscard]] int last(int k) const noexcept { return k < horizon() ? nz() : nx(); }
  [[nodiscard]] int row_packs(int k) const noexcept {
    return (counts[k] + Shape::lanes - 1) / Shape::lanes;
  }

  T *dynamics = nullptr, *columns = nullptr;  ///< (N, nx, zs) rows [A B]; (N, nz, xs) its columns
  T *offset = nullptr, *x0 = nullptr;         ///< (N, xs), (xs,)
  T *hessian = nullptr, *gradient = nullptr;  ///< (N+1, nz, zs) symmetric, (N+1, zs)
  T *low = nullptr, *high = nullptr;          ///< (N+1, zs)
  T* coefficients = nullptr;                  ///< (N+1, nz, rs): rows along the lanes
  T *row_low = nullptr, *row_high = nullptr, *l1 = nullptr, *l2 = nullptr;  ///< (N+1, rs)
  int* counts = nullptr;                                                    ///< (N+1,) rows in use
  /// What a 1 of a component of z, of a row's value and of the cost is in the caller's units.
  T *unit = nullptr, *row_unit = nullptr;  ///< (zs,), (rs,)
  T cost_unit = 1;
  int* touched = nullptr;  ///< components of z with a coefficient other than zero in some row
  int touched_count = 0;
  int changed = 0;          ///< last stage whose matrices changed since the factor; -1: none
  int version = 0;          ///< counts changes of matrices and of which bounds there are
  bool upper_rows = false;  ///< some row has an upper limit

 private:
  void set_bound(int k, int j, T lower, T upper) noexcept {
    limit(low[k * zs() + j], high[k * zs() + j], lower, upper, T(1) / unit[j]);
  }
  void limit(T& low_kept, T& high_kept, T lower, T upper, T per) noexcept {
    const bool was = low_kept > -none || high_kept < none;
    low_kept = lower > -none ? lower * per : -2 * none;
    high_kept = upper < none ? upper * per : 2 * none;
    if (was != (lower > -none || upper < none)) ++version;
  }
  static void put(T& kept, T value, bool& moved) noexcept {
    if (kept == value) return;
    kept = value;
    moved = true;
  }
  void mark(int component) noexcept {
    int at = 0;
    while (at < touched_count && touched[at] < component) ++at;
    if (at < touched_count && touched[at] == component) return;
    for (int i = touched_count; i > at; --i) touched[i] = touched[i - 1];
    touched[at] = component;
    ++touched_count;
  }
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
