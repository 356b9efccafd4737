#pragma once

#include "optcore/core/math.hpp"
#include "optcore/mpc/compact_tables.hpp"
#include "optcore/mpc/condensed.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// The plan's dependence on measurements and multipliers, computed from CompactTables: Gamma = G
/// H^-1 G' with G = (identity; inputs to states), the latter by running the model forward, its
/// transpose by running it backward. A product costs no more than some ten rows of Gamma would.
template <class T>
class CompactGram {
 public:
  using Tables = CompactTables<T>;
  static constexpr bool keeps_rows = false;

  constexpr void attach(Arena& arena, const Tables& tables) noexcept {
    t_ = tables;
    pull_ = arena.array<T>(static_cast<std::size_t>(inputs()));
    step_ = arena.array<T>(static_cast<std::size_t>(tables.stride));
    const auto n = static_cast<std::size_t>(tables.states + tables.inputs);
    z_ = arena.array<T>(n);
    costate_ = arena.array<T>(2 * n);
  }
  [[nodiscard]] const Tables& tables() const noexcept { return t_; }
  [[nodiscard]] T unit(int i) const noexcept {
    return t_.unit[i < inputs() ? t_.states + i % t_.inputs : (i - inputs()) % t_.states];
  }

  /// y <- the plan without bounds; its largest magnitude, NaN for NaN.
  T respond(const T* x0, const T* w, T* y) noexcept {
    const int measured = t_.states + (w != nullptr ? t_.disturbances : 0);
    for (int i = 0; i < inputs(); ++i) y[i] = t_.offset[i];
    for (int j = 0; j < measured; ++j) {
      const T p = j < t_.states ? x0[j] : w[j - t_.states];
      add(t_.response + static_cast<std::ptrdiff_t>(j) * inputs(), p, inputs(), y);
    }
    T* x = costate_;
    for (int i = 0; i < t_.states; ++i) x[i] = x0[i] / t_.unit[i];
    run<true>(x, w, y, t_.horizon);
    T most = 0, check = 0;
    for (int i = 0; i < t_.values; ++i) {
      most = max(most, abs(y[i]));
      check += y[i] * T(0);
    }
    for (int i = t_.values; i < t_.stride; ++i) y[i] = 0;
    return most + check;
  }

  /// Gamma's row i, of which entries i and those of `set` are computed, into `out` (stride,).
  const T* row(int i, const DualActiveSet<T>& set, T* out) noexcept {
    int last = stage(i);  // last stage whose state is asked for
    for (int k = 0; k < set.count(); ++k) last = max(last, stage(set.active(k)));
    const T one = 1;
    respond_to(&i, &one, 1, 0, 0);
    run_from_rest(last);
    out[i] = step_[i];
    for (int k = 0; k < set.count(); ++k) out[set.active(k)] = step_[set.active(k)];
    return out;
  }

  /// y <- y - Gamma weight.
  void subtract(const int* constraint, const T* weight, int count, T* y) noexcept {
    subtract_from(this, constraint, weight, count, 0, 0, y);
  }
  /// See DualActiveSet::Subtract.
  static void subtract_from(void* gram, const int* constraint, const T* weight, int count,
                            int capacity, int gone, T* y) noexcept {
    CompactGram& self = *static_cast<CompactGram*>(gram);
    self.respond_to(constraint, weight, count, capacity, gone);
    self.run_from_rest(self.t_.horizon);
    for (int i = 0; i < self.t_.values; ++i) y[i] -= self.step_[i];
  }

 private:
  [[nodiscard]] constexpr int inputs() const noexcept { return t_.horizon * t_.inputs; }
  /// Of the state that a constraint bounds; 0 for an input.
  [[nodiscard]] int stage(int i) const noexcept {
    return i < inputs() ? 0 : 1 + (i - inputs()) / t_.states;
  }
  [[nodiscard]] const T* model(int k) const noexcept {
    return t_.model + (t_.models > 1 ? k * t_.states * (t_.states + t_.inputs) : 0);
  }

  static void add(const T* row, T weight, int count, T* out) noexcept {
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) out[i] += row[i] * weight;
  }

  /// The inputs of step_ <- H^-1 G' weight.
  void respond_to(const int* constraint, const T* weight, int count, int capacity,
                  int gone) noexcept {
    const int m = inputs(), n = t_.states;
    for (int i = 0; i < m; ++i) pull_[i] = step_[i] = 0;
    int last = 0;
    const auto each = [&](auto visit) {
      for (int k = 0; k < count; ++k) visit(constraint[k], weight[k]);
      for (int k = capacity; k < capacity + gone; ++k) visit(constraint[k], weight[k]);
    };
    each([&](int i, T w) {
      if (i < m) {
        pull_[i] += w;
      } else if (w != T(0)) {
        last = max(last, stage(i));
      }
    });
    T *costate = costate_, *before = costate_ + n + t_.inputs;
    for (int i = 0; i < n; ++i) costate[i] = 0;
    for (int k = last; k > 0; --k) {
      const int first = m + (k - 1) * n;
      each([&](int i, T w) {
        if (i >= first && i < first + n) costate[i - first] += w;
      });
      const int width = n + t_.inputs;
      const T* matrix = model(k - 1);
      for (int j = 0; j < width; ++j) before[j] = 0;
      int i = 0;
      for (; i + 4 <= n; i += 4, matrix += 4 * width) {
        const T a = costate[i], b = costate[i + 1], c = costate[i + 2], d = costate[i + 3];
        if (a == T(0) && b == T(0) && c == T(0) && d == T(0)) continue;
        for (int j = 0; j < width; ++j) {
          before[j] += (matrix[j] * a + matrix[width + j] * b) +
                       (matrix[2 * width + j] * c + matrix[3 * width + j] * d);
        }
      }
      for (; i < n; ++i, matrix += width) add(matrix, costate[i], width, before);
      for (int j = 0; j < t_.inputs; ++j) pull_[(k - 1) * t_.inputs + j] += before[n + j];
      for (int j = 0; j < n; ++j) costate[j] = before[j];
    }
    // rows of H^-1 four at a time: a plan's inputs are then loaded and stored once for four
    const T* row[4];
    T share[4];
    int held = 0;
    for (int i = 0; i <= m; ++i) {
      if (i < m && pull_[i] != T(0)) {
        row[held] = t_.inverse + static_cast<std::ptrdiff_t>(i) * m;
        share[held++] = pull_[i];
      }
      if (held < (i < m ? 4 : 1)) continue;
      for (int r = held; r < 4; ++r) row[r] = row[0], share[r] = 0;
      for (int j = 0; j < m; ++j) {
        step_[j] += (row[0][j] * share[0] + row[1][j] * share[1]) +
                    (row[2][j] * share[2] + row[3][j] * share[3]);
      }
      held = 0;
    }
  }

  void run_from_rest(int stages) noexcept {
    for (int i = 0; i < t_.states; ++i) costate_[i] = 0;
    run<false>(costate_, nullptr, step_, stages);
  }

  /// The states of y under its inputs: x[k+1] = A x + B u, and with `Whole` b and E w too.
  template <bool Whole>
  void run(const T* x0, const T* w, T* y, int stages) noexcept {
    const int n = t_.states, m = t_.inputs, width = n + m;
    for (int i = 0; i < n; ++i) z_[i] = x0[i];
    for (int k = 0; k < stages; ++k) {
      for (int j = 0; j < m; ++j) z_[n + j] = y[k * m + j];
      T* next = y + inputs() + k * n;
      const T* row = model(k);
      int i = 0;
      for (; i + 4 <= n; i += 4, row += 4 * width) {
        T a = 0, b = 0, c = 0, d = 0;
#pragma GCC unroll 4
        for (int j = 0; j < width; ++j) {
          const T z = z_[j];
          a += row[j] * z;
          b += row[width + j] * z;
          c += row[2 * width + j] * z;
          d += row[3 * width + j] * z;
        }
        next[i] = a, next[i + 1] = b, next[i + 2] = c, next[i + 3] = d;
      }
      for (; i < n; ++i, row += width) {
        T s = 0;
        for (int j = 0; j < width; ++j) s += row[j] * z_[j];
        next[i] = s;
      }
      if constexpr (Whole) {
        const T* drift = t_.drift + (t_.models > 1 ? k * n : 0);
        for (i = 0; i < n; ++i) {
          next[i] += drift[i];
          for (int j = 0; w != nullptr && j < t_.disturbances; ++j) {
            next[i] += t_.disturbance[i * t_.disturbances + j] * w[j];
          }
        }
      }
      for (i = 0; i < n; ++i) z_[i] = next[i];
    }
  }

  Tables t_{};
  T *pull_ = nullptr, *step_ = nullptr, *z_ = nullptr, *costate_ = nullptr;
};

/// Model-predictive controller on compact tables: as CondensedController, in a tenth of the flash
/// for some more time. Bounds on states and inputs alone.
template <class T>
using CompactController = CondensedController<T, CompactGram<T>>;

}  // namespace optcore::inline OPTCORE_ISA::mpc
