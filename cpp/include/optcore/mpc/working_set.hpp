#pragma once

#include "optcore/core/arena.hpp"

namespace optcore::inline OPTCORE_ISA::mpc {

/// Constraints that DualActiveSet holds at a bound, what it knows of each, and the factors L D L'
/// of Gamma, the Gram matrix, at them: they follow an entry by one row and an exit by a rank-one
/// update, so that no change of the set costs a factorisation.
///
/// Source: Gill, Golub, Murray & Saunders, "Methods for modifying matrix factorizations", Math.
/// Comp. 28 (1974), method C1.
template <class T>
struct WorkingSet {
  /// @param constraints  of the problem.
  /// @param most         held at once.
  constexpr void attach(Arena& arena, int constraints, int most) noexcept {
    size = constraints;
    capacity = most;
    const auto c = static_cast<std::size_t>(most);
    constraint = arena.array<int>(2 * c);
    place = arena.array<int>(static_cast<std::size_t>(constraints));
    lower = arena.array<T>(c * c);
    pivot = arena.array<T>(c);
    multiplier = arena.array<T>(c);
    direction = arena.array<T>(c);
    scratch = arena.array<T>(c);
    value = arena.array<T>(c);
    change = arena.array<T>(2 * c);
    side = arena.array<signed char>(c);
    row = arena.array<const T*>(2 * c);
    if (row != nullptr) clear();
  }

  constexpr void clear() noexcept {
    count = gone = 0;
    for (int i = 0; i < size; ++i) place[i] = -1;
  }

  /// Appends a constraint with multiplier 0. False when it depends on the others: the last pivot
  /// is then zero.
  /// @param gram       its row of Gamma, of which it and the constraints held are read.
  /// @param now        its value at the present multipliers.
  bool push(int i, signed char at, const T* gram, T now) noexcept {
    const int n = count;
    T* last = l(n);
    T rest = gram[i];
    const T scale = rest;
    for (int k = 0; k < n; ++k) {
      T s = gram[constraint[k]];
      const T* lk = l(k);
      for (int j = 0; j < k; ++j) s -= lk[j] * last[j];
      last[k] = s;  // times the pivot until divided below
    }
    for (int k = 0; k < n; ++k) {
      const T s = last[k];
      last[k] = s / pivot[k];
      rest -= s * last[k];
    }
    constraint[n] = i;
    place[i] = n;
    side[n] = at;
    row[n] = gram;
    multiplier[n] = change[n] = 0;
    value[n] = now;
    ++count;
    const bool independent = rest > (sizeof(T) == 8 ? T(1e-9) : T(1e-4)) * scale;
    pivot[n] = independent ? rest : T(0);
    return independent;
  }

  /// Takes constraint r out and mends the factors by a rank-one update of what follows it.
  void remove(int r) noexcept {
    place[constraint[r]] = -1;
    T weight = pivot[r];
    for (int i = r + 1; i < count; ++i) scratch[i - 1] = l(i)[r];
    for (int i = r + 1; i < count; ++i) {
      const T* from = l(i);
      T* to = l(i - 1);
      for (int j = 0; j < r; ++j) to[j] = from[j];
      for (int j = r + 1; j < i; ++j) to[j - 1] = from[j];
      constraint[i - 1] = constraint[i];
      place[constraint[i]] = i - 1;
      side[i - 1] = side[i];
      row[i - 1] = row[i];
      multiplier[i - 1] = multiplier[i];
      change[i - 1] = change[i];
      value[i - 1] = value[i];
      pivot[i - 1] = pivot[i];
    }
    --count;
    for (int j = r; j < count && weight > 0; ++j) {  // L D L' + weight v v', v in scratch
      const T v = scratch[j], old = pivot[j];
      const T fresh = old + weight * v * v;
      pivot[j] = fresh;
      if (!(fresh > 0)) continue;
      const T beta = weight * v / fresh;
      weight *= old / fresh;
      for (int i = j + 1; i < count; ++i) {
        T* entry = l(i) + j;
        scratch[i] -= v * *entry;
        *entry += beta * scratch[i];
      }
    }
  }

  /// The last pivot afresh from the row of Gamma, after a constraint has made room for it; true
  /// when it is independent now.
  bool repivot() noexcept {
    const int n = count - 1;
    const T kept = multiplier[n], learned = change[n];
    remove(n);
    const bool independent = push(constraint[n], side[n], row[n], value[n]);
    multiplier[n] = kept;
    change[n] = learned;
    return independent;
  }

  /// direction <- Gamma_WW^-1 right, right(k) being its entry of constraint k.
  template <class Right>
  void solve(Right&& right) noexcept {
    for (int k = 0; k < count; ++k) {
      T s = right(k);
      const T* lk = l(k);
      for (int j = 0; j < k; ++j) s -= lk[j] * scratch[j];
      scratch[k] = s;
    }
    for (int k = 0; k < count; ++k) direction[k] = scratch[k] / pivot[k];
    back_substitute(count);
  }

  /// direction <- p with Gamma_WW p = 0 when the last constraint depends on the others.
  void find_ray() noexcept {
    const int n = count - 1;
    const T* last = l(n);
    for (int k = 0; k < n; ++k) direction[k] = -last[k];
    back_substitute(n);
    direction[n] = 1;
  }

  int size = 0, capacity = 0, count = 0;
  int gone = 0;  ///< that left since the values of all constraints were brought up to date
  /// (capacity,) each; constraint, row and change go on from `capacity` with those that left.
  int* constraint = nullptr;
  int* place = nullptr;  ///< (size,) in the set, or -1
  const T** row = nullptr;
  signed char* side = nullptr;  ///< 1 at the upper bound, -1 at the lower, 0 where they are one
  T* multiplier = nullptr;
  T* change = nullptr;  ///< of the multiplier since the values were brought up to date
  T* value = nullptr;   ///< at the present multipliers
  T* direction = nullptr;

 private:
  T* l(int k) noexcept { return lower + static_cast<std::ptrdiff_t>(k) * capacity; }

  /// direction <- L^-T direction over the first n entries.
  void back_substitute(int n) noexcept {
    for (int k = n - 1; k > 0; --k) {
      const T* lk = l(k);
      const T x = direction[k];
      for (int j = 0; j < k; ++j) direction[j] -= lk[j] * x;
    }
  }

  T *lower = nullptr, *pivot = nullptr, *scratch = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::mpc
