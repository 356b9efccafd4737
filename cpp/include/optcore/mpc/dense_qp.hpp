#pragma once

#include "optcore/core/arena.hpp"
#include "optcore/core/math.hpp"
#include "optcore/core/status.hpp"
#include "optcore/core/view.hpp"
#include "optcore/linalg/cholesky.hpp"
#include "optcore/linalg/triangular.hpp"
#include "optcore/mpc/dense_types.hpp"
#include "optcore/mpc/dual_active_set.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Dense quadratic programme by a dual active-set method.
///
///     minimise 1/2 x'P x + q'x   subject to   low <= (x, G x) <= high
///
/// The factor of P and the rows of Gamma = (I; G) P^-1 (I; G)' that were ever needed are kept until
/// factor() is called again, so a sequence of problems with one P and G costs little. A P that is
/// only semidefinite is met by proximal-point iterations: P + e I in its place, each outer step
/// warm. Memory comes from an arena once; nothing below allocates.
///
/// Sources: as DualActiveSet; Bemporad, "A numerically stable solver for positive semidefinite
/// quadratic programs based on nonnegative least squares", IEEE TAC 63(2) (2018) for the proximal
/// iterations.
///
/// ```cpp
/// alignas(64) static unsigned char memory[8192];
/// optcore::Arena arena(memory, sizeof memory);
/// optcore::mpc::DenseQp<double> qp;  // min (x - 1)^2 / 2 + (y - 2)^2 / 2, x + y <= 1
/// qp.attach(arena, {.variables = 2, .rows = 1, .box = false, .kept = 0});
/// const double P[] = {1, 0, 0, 1}, G[] = {1, 1};
/// qp.q()[0] = -1, qp.q()[1] = -2, qp.row_high()[0] = 1;
/// assert(!failed(qp.factor(P, G)) && !failed(qp.solve(/*warm=*/false).status));
/// assert(std::abs(qp.x()[0]) < 1e-9 && std::abs(qp.x()[1] - 1) < 1e-9);
/// ```
template <class T>
class DenseQp {
 public:
  void attach(Arena& arena, DenseQpSize size) noexcept {
    size_ = size;
    const int n = padded_variables(), m = values(), c = capacity();
    const auto count = [](int a, int b) { return static_cast<std::size_t>(a) * b; };
    triangle_ = {arena.array<T>(count(n, linalg::padded_stride<T>(size.variables))), size.variables,
                 linalg::padded_stride<T>(size.variables)};
    workspace_ = arena.array<T>(linalg::factor_workspace<T>(size.variables));
    low_ = arena.array<T>(static_cast<std::size_t>(m));
    high_ = arena.array<T>(static_cast<std::size_t>(m));
    y0_ = arena.array<T>(static_cast<std::size_t>(m));
    gradient_ = arena.array<T>(static_cast<std::size_t>(n));
    free_ = arena.array<T>(static_cast<std::size_t>(n));
    x_ = arena.array<T>(static_cast<std::size_t>(n));
    centre_ = arena.array<T>(static_cast<std::size_t>(n));
    slot_of_ = arena.array<int>(static_cast<std::size_t>(m));
    owner_ = arena.array<int>(static_cast<std::size_t>(slots()));
    checked_ = arena.array<T>(static_cast<std::size_t>(m));
    step_ = arena.array<T>(static_cast<std::size_t>(n));
    list_ = arena.array<int>(static_cast<std::size_t>(c));
    before_ = arena.array<T>(static_cast<std::size_t>(c));
    gram_ = arena.array<T>(count(m, slots()));
    columns_ = arena.array<T>(count(n, slots()));
    set_.attach(arena, m, c);
    if (y0_ == nullptr || arena.overflowed()) return;
    for (int i = 0; i < m; ++i) low_[i] = -infinity<T>(), high_[i] = infinity<T>(), y0_[i] = 0;
    for (int i = 0; i < n; ++i) gradient_[i] = free_[i] = x_[i] = centre_[i] = 0;
    ready_ = false;
  }

  [[nodiscard]] DenseQpSize size() const noexcept { return size_; }
  /// Bounds of the variables (only with DenseQpSize::box) and of the rows of G; write before
  /// solve(). Infinite for none; equal for an equality.
  T* box_low() noexcept { return low_; }
  T* box_high() noexcept { return high_; }
  T* row_low() noexcept { return low_ + box(); }
  T* row_high() noexcept { return high_ + box(); }
  T* q() noexcept { return gradient_; }  ///< (n,)

  [[nodiscard]] const T* x() const noexcept { return x_; }  ///< (n,)
  /// Multiplier of each constraint (positive at an upper side): box (n,), rows (m,); zero
  /// elsewhere.
  void multipliers(T* box_out, T* rows_out) const noexcept {
    for (int i = 0; i < size_.variables && size_.box; ++i) box_out[i] = 0;
    for (int i = 0; i < size_.rows; ++i) rows_out[i] = 0;
    for (int k = 0; k < set_.count(); ++k) {
      const int i = set_.active(k);
      (i < box() ? box_out[i] : rows_out[i - box()]) =
          infeasible_ ? set_.ray(k) : set_.multiplier(k);
    }
  }

  /// Takes P (n, n), symmetric, and G (rows, n), both row-major; q, if it is written before, sets
  /// the scale of proximal steps. Neither is copied: they must stay.
  /// Forgets what was kept.
  Status factor(const T* P, const T* G) noexcept {
    p_ = P;
    g_ = G;
    forget();
    proximal_ = 0;
    T top = 0, trace = 0;
    for (int i = 0; i < size_.variables; ++i) {
      const T d = P[i * size_.variables + i];
      top = max(top, abs(d));
      trace += d;
    }
    if (!is_finite(trace)) return Status::not_finite;
    if (!(top > 0)) top = 1;  // a linear programme
    const T least = (sizeof(T) == 8 ? T(1e-10) : T(1e-5)) * top;
    if (try_factor(P, T(0), min(least, T(0.5)))) return ready(Status::ok);
    // Semidefinite, or so close to it that rounding decides. The shift is small beside P and beside
    // the gradient, whose quotient by it is how far a free direction runs in one step.
    T pull = 0;
    for (int j = 0; j < size_.variables; ++j) pull = max(pull, abs(gradient_[j]));
    proximal_ = (sizeof(T) == 8 ? T(1e-6) : T(1e-3)) * max(top, T(10) * pull);
    if (try_factor(P, proximal_, T(0.25) * min(proximal_, T(1)))) return ready(Status::ok);
    ready_ = false;
    return Status::not_positive_definite;
  }

  /// Solves for the bounds and the gradient that were written, from the last working set when
  /// `warm`. A failure makes the next call cold.
  DenseQpInfo solve(bool warm, const DenseQpSettings& settings = {}) noexcept {
    DenseQpInfo info;
    if (!ready_) return info;
    infeasible_ = false;
    if (!warm) restart();
    info.status = attempt(settings, info);
    if (failed(info.status) && warm && info.status != Status::primal_infeasible) {
      restart();
      info.status = attempt(settings, info);
    }
    infeasible_ = info.status == Status::primal_infeasible;
    info.active = set_.count();
    if (failed(info.status)) cold_next_ = true;
    return info;
  }

 private:
  static constexpr int outer_limit = 200;
  static constexpr int refinements = 5;

  [[nodiscard]] int padded_variables() const noexcept { return linalg::padded<T>(size_.variables); }
  [[nodiscard]] int box() const noexcept { return size_.box ? padded_variables() : 0; }
  [[nodiscard]] int values() const noexcept { return box() + linalg::padded<T>(size_.rows); }
  [[nodiscard]] int capacity() const noexcept {
    return min(size_.variables, size_.rows + (size_.box ? size_.variables : 0)) + 1;
  }
  /// Rows of Gamma that can be kept; at least what one working set needs.
  [[nodiscard]] int slots() const noexcept {
    const int all = size_.rows + (size_.box ? size_.variables : 0);
    return min(all, max(2 * capacity() + 32, size_.kept));
  }
  Status ready(Status status) noexcept {
    ready_ = true;
    return status;
  }

  void forget() noexcept {
    used_ = hand_ = 0;
    for (int i = 0; i < values(); ++i) slot_of_[i] = -1;
    set_.reset();
    for (int i = 0; i < padded_variables(); ++i) centre_[i] = 0;
  }

  void restart() noexcept {
    set_.reset();
    for (int i = 0; i < padded_variables(); ++i) centre_[i] = 0;
    cold_next_ = false;
  }

  bool try_factor(const T* P, T shift, T least) noexcept {
    const int n = size_.variables;
    for (int j = 0; j < n; ++j) {
      T* column = triangle_.column(j);
      const T* row = P + static_cast<std::ptrdiff_t>(j) * n;
      for (int i = j; i < n; ++i) column[i] = row[i];
      column[j] += shift;
    }
    linalg::pad_with_identity(triangle_);
    if (failed(linalg::factor(triangle_, workspace_, nullptr, least))) return false;
    T low = infinity<T>(), high = 0;
    for (int j = 0; j < n; ++j) {
      low = min(low, triangle_(j, j));
      high = max(high, triangle_(j, j));
    }
    well_conditioned_ = low > T(1e-3) * high;  // of the roots: condition about 1e6
    return true;
  }

  /// b <- P^-1 b
  void solve_hessian(T* b) noexcept {
    linalg::solve_lower<T>(triangle_, b);
    linalg::solve_lower_transposed<T>(triangle_, b);
  }

  /// Row i of Gamma, computed when it is first asked for.
  const T* gram_row(int i) noexcept {
    if (slot_of_[i] < 0) {
      slot_of_[i] = claim(i);
      T* column = columns_ + static_cast<std::ptrdiff_t>(slot_of_[i]) * padded_variables();
      for (int j = 0; j < padded_variables(); ++j) column[j] = 0;
      if (i < box()) {
        column[i] = 1;
      } else {
        const T* row = g_ + static_cast<std::ptrdiff_t>(i - box()) * size_.variables;
        for (int j = 0; j < size_.variables; ++j) column[j] = row[j];
      }
      solve_hessian(column);
      constraint_values(column, gram_ + static_cast<std::ptrdiff_t>(slot_of_[i]) * values());
    }
    return gram_ + static_cast<std::ptrdiff_t>(slot_of_[i]) * values();
  }

  /// A place for row i: a free one, or that of a row which no active constraint uses.
  int claim(int i) noexcept {
    int place = used_;
    if (used_ < slots()) {
      ++used_;
    } else {
      do {
        hand_ = hand_ + 1 < used_ ? hand_ + 1 : 0;
      } while (set_.contains(owner_[hand_]) || listed(owner_[hand_]));
      place = hand_;
      slot_of_[owner_[place]] = -1;
    }
    owner_[place] = i;
    return place;
  }

  [[nodiscard]] bool listed(int constraint) const noexcept {
    for (int b = 0; b < listed_; ++b) {
      if (list_[b] == constraint) return true;
    }
    return false;
  }

  /// y <- (v; G v), v padded with zeros.
  void constraint_values(const T* v, T* y) const noexcept {
    for (int j = 0; j < box(); ++j) y[j] = v[j];
    const int m = size_.rows;
    T* out = y + box();
    int i = 0;
    for (; i + 4 <= m; i += 4) rows_times<4>(i, v, out);
    for (; i < m; ++i) rows_times<1>(i, v, out);
    for (; i < linalg::padded<T>(m); ++i) out[i] = 0;
  }

  template <int R>
  void rows_times(int i, const T* v, T* out) const noexcept {
    using V = Pack<T>;
    constexpr int W = native_lanes<T>;
    const int n = size_.variables;
    const T* row = g_ + static_cast<std::ptrdiff_t>(i) * n;
    V total[R];
    for (int r = 0; r < R; ++r) total[r] = V::zero();
    int j = 0;
    for (; j + W <= n; j += W) {
      const V value = V::load(v + j);
      for (int r = 0; r < R; ++r) total[r] = fma(V::load(row + r * n + j), value, total[r]);
    }
    for (int r = 0; r < R; ++r) {
      T s = sum(total[r]);
      for (int k = j; k < n; ++k) s += row[r * n + k] * v[k];
      out[i + r] = s;
    }
  }

  Status attempt(const DenseQpSettings& settings, DenseQpInfo& info) noexcept {
    if (cold_next_) restart();
    const int n = size_.variables;
    const T goal = static_cast<T>(settings.dual_tolerance);
    T last = infinity<T>();
    for (int outer = 0;; ++outer) {
      for (int j = 0; j < n; ++j) free_[j] = proximal_ * centre_[j] - gradient_[j];
      for (int j = n; j < padded_variables(); ++j) free_[j] = 0;
      solve_hessian(free_);
      constraint_values(free_, y0_);
      if (const Status status = solve_checked(settings, info); failed(status)) return status;
      T moved = 0, size = 1;
      for (int j = 0; j < n; ++j) {
        moved = max(moved, abs(x_[j] - centre_[j]));
        size = max(size, abs(x_[j]));
      }
      if (!is_finite(moved)) return Status::not_finite;
      info.outer = outer;
      // What the proximal term adds to the gradient is all that is left of the residual.
      if (proximal_ * moved <= goal) return Status::ok;
      if (outer >= outer_limit) {
        return size > T(1e6) && moved > T(0.5) * last ? Status::dual_infeasible
                                                      : Status::max_iterations;
      }
      last = moved;
      for (int j = 0; j < n; ++j) centre_[j] = x_[j];
    }
  }

  /// Solves, then holds the answer against the problem's own matrices: what rounding has left of
  /// gradient and constraints is taken up by steps of refinement from there.
  Status solve_checked(const DenseQpSettings& settings, DenseQpInfo& info) noexcept {
    const T tolerance = static_cast<T>(settings.tolerance);
    const T goal = T(0.5) * static_cast<T>(settings.dual_tolerance);
    const auto row = [this](int i) { return gram_row(i); };
    Status status =
        set_.solve(y0_, low_, high_, row, tolerance, settings.max_iterations, info.iterations);
    for (int j = 0; j < padded_variables(); ++j) x_[j] = free_[j];
    subtract_columns();
    T last = infinity<T>();
    for (int round = 0; !failed(status); ++round) {
      const bool doubtful = round == 0 && set_.doubtful();
      if (set_.count() == 0 && well_conditioned_ && !doubtful) return status;
      if (round == refinements) return violation() <= T(1e4) * tolerance ? status : unresolved;
      T dual = 0;
      if (!well_conditioned_) {
        dual = residual(step_);
        if (dual > goal && dual < T(0.5) * last) {
          solve_hessian(step_);
          for (int j = 0; j < padded_variables(); ++j) x_[j] -= step_[j];
        } else {
          dual = 0;  // as good as it gets
        }
        last = dual;
      }
      constraint_values(x_, checked_);
      const T* y = set_.values();
      T off = 0;
      for (int i = 0; i < values(); ++i) off = max(off, abs(checked_[i] - y[i]));
      if (!is_finite(off + dual)) return Status::not_finite;
      if (off <= T(0.5) * tolerance && dual <= goal && !doubtful) return Status::ok;
      begin_change();
      status = set_.resume(checked_, row, tolerance, settings.max_iterations, info.iterations);
      subtract_changes();
    }
    return status;
  }

  /// Conditions beyond what the scalar resolves: the iterate stays, the claim does not.
  static constexpr Status unresolved = Status::max_iterations;

  /// Largest violation at x, from G itself.
  [[nodiscard]] T violation() noexcept {
    constraint_values(x_, checked_);
    T worst = 0;
    for (int i = 0; i < values(); ++i) {
      worst = max(worst, max(checked_[i] - high_[i], low_[i] - checked_[i]));
    }
    return worst;
  }

  /// r <- P x + q + proximal (x - centre) + (I; G)' lambda; its largest entry
  T residual(T* r) const noexcept {
    const int n = size_.variables;
    for (int j = n; j < padded_variables(); ++j) r[j] = 0;
    for (int j = 0; j < n; ++j) {
      const T* row = p_ + static_cast<std::ptrdiff_t>(j) * n;
      T s = gradient_[j] + proximal_ * (x_[j] - centre_[j]);
      for (int i = 0; i < n; ++i) s += row[i] * x_[i];
      r[j] = s;
    }
    for (int k = 0; k < set_.count(); ++k) {
      const int i = set_.active(k);
      const T lambda = set_.multiplier(k);
      if (i < box()) {
        r[i] += lambda;
      } else {
        const T* row = g_ + static_cast<std::ptrdiff_t>(i - box()) * n;
        for (int j = 0; j < n; ++j) r[j] += lambda * row[j];
      }
    }
    T top = 0;
    for (int j = 0; j < n; ++j) top = max(top, abs(r[j]));
    return top;
  }

  [[nodiscard]] const T* column(int constraint) const noexcept {
    return columns_ + static_cast<std::ptrdiff_t>(slot_of_[constraint]) * padded_variables();
  }

  /// x -= sum over the set of P^-1 (I; G)' lambda
  void subtract_columns() noexcept {
    for (int k = 0; k < set_.count(); ++k) add_column(set_.active(k), -set_.multiplier(k));
  }

  void add_column(int constraint, T weight) noexcept {
    using V = Pack<T>;
    const T* c = column(constraint);
    const V w = V::broadcast(weight);
    for (int j = 0; j < padded_variables(); j += native_lanes<T>) {
      fma(V::load(c + j), w, V::load(x_ + j)).store(x_ + j);
    }
  }

  /// Notes the multipliers, so that subtract_changes() can tell what has become of them.
  void begin_change() noexcept {
    listed_ = set_.count();
    for (int k = 0; k < listed_; ++k) {
      list_[k] = set_.active(k);
      before_[k] = set_.multiplier(k);
    }
  }

  void subtract_changes() noexcept {
    for (int k = 0; k < set_.count(); ++k) {
      const int i = set_.active(k);
      T change = set_.multiplier(k);
      for (int b = 0; b < listed_; ++b) {
        if (list_[b] == i) change -= before_[b];
      }
      add_column(i, -change);
    }
    for (int b = 0; b < listed_; ++b) {
      if (!set_.contains(list_[b])) add_column(list_[b], before_[b]);
    }
    listed_ = 0;
  }

  DenseQpSize size_{};
  linalg::Triangle<T> triangle_{};
  DualActiveSet<T> set_;
  const T *p_ = nullptr, *g_ = nullptr;
  T *workspace_ = nullptr, *low_ = nullptr, *high_ = nullptr, *y0_ = nullptr, *gradient_ = nullptr;
  T *free_ = nullptr, *x_ = nullptr, *centre_ = nullptr, *gram_ = nullptr, *columns_ = nullptr;
  T *checked_ = nullptr, *step_ = nullptr, *before_ = nullptr;
  int *slot_of_ = nullptr, *owner_ = nullptr, *list_ = nullptr;
  int used_ = 0, hand_ = 0, listed_ = 0;
  T proximal_ = 0;
  bool well_conditioned_ = true;
  bool ready_ = false, cold_next_ = false, infeasible_ = false;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
