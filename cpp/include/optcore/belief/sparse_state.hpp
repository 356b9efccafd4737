#pragma once

#include "optcore/belief/sparse_matrix.hpp"

namespace optcore {

/// The tables of one action.
template <class Table>
struct SparseAction {
  CsrView<Table> transition{};      ///< row s: T(. | s, a)
  SlicedMatrix<Table> by_target{};  ///< its transpose in slices; none when that would be padding
  MatrixView<Table> likelihood{};   ///< (observations, padded states), zero beyond the states
  int longest_row = 0;              ///< entries of the longest row of `transition`
};

/// What a sparse belief remembers: plain data over somebody else's memory. The probability of a
/// state is its weight times `scale`.
template <class T>
struct SparseBeliefState {
  static constexpr int height = SlicedMatrix<T>::height;

  int states = 0;
  int padded = 0;          ///< to whole slices
  int capacity = 0;        ///< of the lists
  bool listed = false;     ///< the belief is in the list, and `next` is zero
  int count = 0;           ///< possible states
  T* weight = nullptr;     ///< (padded,) while not listed
  T* next = nullptr;       ///< (padded,)
  int* support = nullptr;  ///< (capacity,) while listed
  T* mass = nullptr;       ///< (capacity,) while listed
  int* next_support = nullptr;
  T* next_mass = nullptr;
  T scale = T(1);
  T log_evidence = T(0);  ///< of the last successful update

  /// Few states are possible when their successors fit into this many.
  [[nodiscard]] OPTCORE_HD static constexpr int list_capacity(int states) noexcept {
    return states / 4;
  }
  [[nodiscard]] OPTCORE_HD static SparseBeliefState make(Arena& arena, int states) noexcept {
    SparseBeliefState s;
    s.states = states;
    s.padded = (states + height - 1) / height * height;
    s.capacity = list_capacity(states);
    const auto all = static_cast<std::size_t>(s.padded);
    const auto few = static_cast<std::size_t>(s.capacity) + 1;  // one is written past the end
    s.weight = arena.array<T>(all);
    s.next = arena.array<T>(all);
    s.support = arena.array<int>(few);
    s.mass = arena.array<T>(few);
    s.next_support = arena.array<int>(few);
    s.next_mass = arena.array<T>(few);
    return s;
  }
};

}  // namespace optcore
