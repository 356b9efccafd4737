#include "optcore/belief/sparse.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace optcore {
namespace {

struct Csr {
  int states = 0;
  std::vector<int> begin{0}, column;
  std::vector<double> value;
  template <class Table = double>
  [[nodiscard]] CsrView<Table> view(const std::vector<Table>& values) const {
    return {states, states, begin.data(), column.data(), values.data()};
  }
};

/// Rows whose entries lie on `diagonals`, or anywhere when there are none.
Csr transitions(int states, int entries, const std::vector<int>& diagonals,
                support::Random& random) {
  Csr m;
  m.states = states;
  for (int i = 0; i < states; ++i) {
    std::vector<double> row(states, 0.0);
    double total = 0;
    const int count = diagonals.empty() ? entries : static_cast<int>(diagonals.size());
    for (int k = 0; k < count; ++k) {
      const int j = diagonals.empty() ? random.below(states)
                                      : std::min(std::max(i + diagonals[k], 0), states - 1);
      const double p = random.uniform(0.05, 1);
      row[j] += p;
      total += p;
    }
    for (int j = 0; j < states; ++j) {
      if (row[j] == 0) continue;
      m.column.push_back(j);
      m.value.push_back(row[j] / total);
    }
    m.begin.push_back(static_cast<int>(m.column.size()));
  }
  return m;
}

/// An action's tables, and the memory they lie in.
template <class Table>
struct Tables {
  Csr csr;
  std::vector<Table> values, likelihood;
  support::Memory memory;
  SparseAction<Table> action;

  Tables(Csr matrix, int observations, bool sliced, support::Random& random, double impossible)
      : csr(std::move(matrix)), values(csr.value.begin(), csr.value.end()) {
    const int padded = (csr.states + 7) / 8 * 8;
    likelihood.assign(static_cast<std::size_t>(observations) * padded, Table(0));
    for (int z = 0; z < observations; ++z) {
      for (int s = 0; s < csr.states; ++s) {
        const bool seen = random.uniform() >= impossible;
        likelihood[z * padded + s] = seen ? Table(random.uniform(0.01, 1)) : Table(0);
      }
    }
    action.transition = csr.view(values);
    action.likelihood = {likelihood.data(), observations, padded, padded};
    for (int i = 0; i < csr.states; ++i) {
      action.longest_row = std::max(action.longest_row, csr.begin[i + 1] - csr.begin[i]);
    }
    if (!sliced) return;
    std::vector<int> begin(csr.states + 1), column(csr.column.size());
    std::vector<Table> value(csr.value.size());
    belief::transpose<Table>(csr.view(csr.value), begin.data(), column.data(), value.data());
    const CsrView<Table> by_target{csr.states, csr.states, begin.data(), column.data(),
                                   value.data()};
    const auto size = belief::sliced_size(by_target);
    memory.give([&](Arena& arena) {
      action.by_target = SlicedMatrix<Table>::make(arena, csr.states, size);
    });
    belief::fill_sliced(by_target, action.by_target);
  }
};

template <class T>
struct Belief {
  support::Memory memory;
  SparseBeliefState<T> state;
  explicit Belief(int states) {
    memory.give([&](Arena& arena) { state = SparseBeliefState<T>::make(arena, states); });
    EXPECT_EQ(belief::set_belief<T>(state, {}), Status::ok);
  }
  [[nodiscard]] std::vector<T> probabilities() const {
    std::vector<T> out(state.states);
    belief::probabilities(state, VectorView<T>{out.data(), state.states});
    return out;
  }
};

/// One update in long double from the tables as they are stored; returns the evidence.
template <class Table>
long double oracle(std::vector<long double>& b, const Tables<Table>& t, int z) {
  std::vector<long double> next(b.size(), 0.0L);
  const auto& A = t.action.transition;
  for (int i = 0; i < A.rows; ++i) {
    for (int k = A.begin[i]; k < A.begin[i + 1]; ++k) next[A.column[k]] += b[i] * A.value[k];
  }
  long double total = 0;
  for (std::size_t j = 0; j < b.size(); ++j) {
    next[j] *= t.action.likelihood(z, static_cast<int>(j));
    total += next[j];
  }
  if (total > 0) {
    for (std::size_t j = 0; j < b.size(); ++j) b[j] = next[j] / total;
  }
  return total;
}

template <class T, class Table>
void follow(const Tables<Table>& tables, int start, double tolerance, bool& was_listed,
            bool& was_spread) {
  const int states = tables.csr.states;
  Belief<T> belief(states);
  std::vector<T> prior(states, start < 0 ? T(1) : T(0));
  if (start >= 0) prior[start] = T(1);
  ASSERT_EQ(belief::set_belief<T>(belief.state, {prior.data(), states}), Status::ok);
  std::vector<long double> expected(states);
  for (int step = 0; step < 40; ++step) {
    const auto before = belief.probabilities();
    for (int j = 0; j < states; ++j) expected[j] = before[j];
    const int z = step % tables.action.likelihood.rows;
    const long double evidence = oracle(expected, tables, z);
    Status status;
    {
      const AllocationGuard no_allocation;
      status = belief::update(belief.state, tables.action, tables.action.likelihood.row_data(z));
    }
    const auto after = belief.probabilities();
    if (evidence == 0) {
      ASSERT_EQ(status, Status::zero_evidence);
      ASSERT_EQ(after, before);
      continue;
    }
    ASSERT_EQ(status, Status::ok);
    ASSERT_NEAR(belief.state.log_evidence, static_cast<double>(std::log(evidence)), tolerance);
    int support = 0;
    for (int j = 0; j < states; ++j) {
      ASSERT_NEAR(after[j], static_cast<double>(expected[j]), tolerance) << step << " " << j;
      support += static_cast<T>(expected[j]) > 0;  // a float belief may underflow, honestly
    }
    ASSERT_EQ(belief.state.count, support);
    (belief.state.listed ? was_listed : was_spread) = true;
  }
}

TEST(SparseBelief, AgreesWithLongDoubleInEveryStorage) {
  support::Random random(11);
  bool was_listed = false, was_spread = false;
  for (int states : {1, 2, 7, 8, 30, 200}) {
    for (const auto& diagonals : {std::vector<int>{}, {-1, 0, 1}, {0, 10, -10, 1}}) {
      for (bool sliced : {true, false}) {
        for (double impossible : {0.0, 0.6}) {
          const Csr csr = transitions(states, 3, diagonals, random);
          const Tables<double> twice(csr, 3, sliced, random, impossible);
          const Tables<float> single(csr, 3, sliced, random, impossible);
          for (int start : {-1, 0}) {
            follow<double>(twice, start, 1e-13, was_listed, was_spread);
            follow<double>(single, start, 1e-13, was_listed, was_spread);
            follow<float>(single, start, 1e-5, was_listed, was_spread);
          }
        }
      }
    }
  }
  EXPECT_TRUE(was_listed && was_spread);
}

TEST(SparseBelief, GridsAreStoredByDiagonalAndScatteredRowsAreNot) {
  support::Random random(12);
  const auto indices_per_column = [&](const std::vector<int>& diagonals) {
    const Tables<float> t(transitions(400, 4, diagonals, random), 1, true, random, 0);
    const auto& m = t.action.by_target;
    return static_cast<double>(m.index_begin[m.slices]) / m.begin[m.slices];
  };
  EXPECT_LT(indices_per_column({-20, -1, 0, 1, 20}), 2.5);  // only the rims need a gather
  EXPECT_GT(indices_per_column({}), 7);
}

TEST(SparseBelief, ObservationProbabilitiesSumToOne) {
  support::Random random(13);
  Tables<float> t(transitions(21, 4, {}, random), 2, true, random, 0);
  for (int s = 0; s < 21; ++s) t.likelihood[24 + s] = 1 - t.likelihood[s];
  std::vector<double> b(24), predicted(24), out(2);
  for (int s = 0; s < 21; ++s) b[s] = 1.0 / 21;
  const auto sum =
      belief::weigh<double, float>(t.action, b.data(), 1, nullptr, predicted.data(), 24);
  EXPECT_NEAR(sum.mass, 1, 1e-6);
  belief::observe<double, float>(t.action.likelihood, {predicted.data(), 24}, {out.data(), 2});
  EXPECT_NEAR(out[0] + out[1], sum.mass, 1e-7);
}

TEST(SparseBelief, WhatCannotBeUsedIsRefused) {
  Belief<double> belief(3);
  const std::vector<double> negative = {1, -1, 1}, nothing = {0, 0, 0}, few = {1, 1};
  EXPECT_EQ(belief::set_belief<double>(belief.state, {negative.data(), 3}),
            Status::invalid_argument);
  EXPECT_EQ(belief::set_belief<double>(belief.state, {nothing.data(), 3}),
            Status::invalid_argument);
  EXPECT_EQ(belief::set_belief<double>(belief.state, {few.data(), 2}), Status::shape_mismatch);
  EXPECT_NEAR(belief.probabilities()[1], 1.0 / 3, 1e-15);

  const std::vector<int> begin = {0, 1, 2, 4}, good = {0, 1, 0, 2}, twice = {0, 1, 2, 2},
                         outside = {0, 1, 0, 3};
  const std::vector<double> value = {1, 1, 0.5, 0.5}, short_row = {1, 1, 0.5, 0.4};
  const auto check = [&](const std::vector<int>& column, const std::vector<double>& values) {
    return belief::check_stochastic<double>({3, 3, begin.data(), column.data(), values.data()},
                                            1e-6);
  };
  EXPECT_EQ(check(good, value), Status::ok);
  EXPECT_EQ(check(twice, value), Status::invalid_argument);
  EXPECT_EQ(check(outside, value), Status::invalid_argument);
  EXPECT_EQ(check(good, short_row), Status::invalid_argument);
}

}  // namespace
}  // namespace optcore
