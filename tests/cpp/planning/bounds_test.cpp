#include "optcore/planning/bounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "support/allocation_guard.hpp"
#include "support/random.hpp"

namespace optcore::planning {
namespace {

using support::Random;

template <class T>
struct Rows {
  int rows, cols;
  std::vector<T> data;

  Rows(int r, int c, Random& random, int width, double scale) : rows(r), cols(width) {
    data.assign(static_cast<std::size_t>(r * width), T(0));
    for (int i = 0; i < r; ++i) {
      for (int j = 0; j < c; ++j) row(i)[j] = static_cast<T>(scale * random.uniform());
    }
  }
  T* row(int i) { return data.data() + i * cols; }
  MatrixView<const T> view() const { return {data.data(), rows, cols, cols}; }
};

template <class T>
void normalise(T* row, int n) {
  T mass = 0;
  for (int j = 0; j < n; ++j) mass += row[j];
  for (int j = 0; j < n; ++j) row[j] /= mass;
}

template <class T>
class PlanningBounds : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PlanningBounds, Scalars);

TYPED_TEST(PlanningBounds, TheBestVectorIsTheOneWithTheLargestProduct) {
  using T = TypeParam;
  Random random(3);
  for (int count = 1; count < 12; ++count) {
    for (const int states : {1, 7, 8, 29}) {
      const int width = (states + belief_lanes - 1) / belief_lanes * belief_lanes;
      Rows<T> rows(count, states, random, width, 10.0), b(1, states, random, width, 1.0);
      normalise(b.row(0), states);
      BestVector<T> best;
      {
        const AllocationGuard no_allocation;
        best = best_vector(rows.view(), b.row(0));
      }
      std::vector<double> values;
      for (int i = 0; i < count; ++i) {
        double value = 0;
        for (int j = 0; j < states; ++j) value += double(rows.row(i)[j]) * double(b.row(0)[j]);
        values.push_back(value);
      }
      const double most = *std::max_element(values.begin(), values.end());
      EXPECT_NEAR(values[static_cast<std::size_t>(best.index)], most, 1e-5);
      EXPECT_NEAR(best.value, most, sizeof(T) == 4 ? 1e-5 : 1e-13);
    }
  }
}

TEST(PlanningBounds, NoVectorIsNoBound) {
  const BestVector<double> best = best_vector<double>({nullptr, 0, 8, 8}, nullptr);
  EXPECT_EQ(best.index, -1);
  EXPECT_EQ(best.value, -std::numeric_limits<double>::infinity());
}

/// By the definition: the largest share of each point, one at a time.
double by_definition(Rows<double>& points, const std::vector<double>& value, Rows<double>& base,
                     const double* b, int states) {
  const auto base_at = [&](const double* at) {
    std::vector<double> out;
    for (int a = 0; a < base.rows; ++a) {
      double total = 0;
      for (int j = 0; j < states; ++j) total += base.row(a)[j] * at[j];
      out.push_back(total);
    }
    return out;
  };
  const std::vector<double> here = base_at(b);
  double best = *std::max_element(here.begin(), here.end());
  for (int i = 0; i < points.rows; ++i) {
    double phi = 1;
    for (int j = 0; j < states; ++j) {
      if (points.row(i)[j] > 0) phi = std::min(phi, b[j] / points.row(i)[j]);
    }
    const std::vector<double> there = base_at(points.row(i));
    double rest = -1e300;
    for (int a = 0; a < base.rows; ++a) {
      const auto k = static_cast<std::size_t>(a);
      rest = std::max(rest, here[k] - phi * there[k]);
    }
    best = std::min(best, phi * value[static_cast<std::size_t>(i)] + rest);
  }
  return best;
}

TEST(PlanningBounds, SawtoothAgreesWithItsDefinition) {
  Random random(5);
  const int states = 70, width = 72, actions = 3, count = 40;  // longer than one chunk
  for (int round = 0; round < 20; ++round) {
    Rows<double> points(count, states, random, width, 1.0), base(actions, states, random, width, 9);
    Rows<double> b(1, states, random, width, 1.0);
    for (int j = 0; j < states; ++j) {
      if (random.uniform() < 0.3) b.row(0)[j] = 0;  // impossible states
    }
    normalise(b.row(0), states);
    std::vector<double> value, gain, point_base, here(actions), inverse(width, 1e200);
    for (int i = 0; i < count; ++i) {
      for (int j = 0; j < states; ++j) {
        const bool out = b.row(0)[j] == 0 ? random.uniform() < 0.98 : random.uniform() < 0.3;
        if (out) points.row(i)[j] = 0;
      }
      normalise(points.row(i), states);
      double convex = -1e300;
      for (int a = 0; a < actions; ++a) {
        double total = 0;
        for (int j = 0; j < states; ++j) total += base.row(a)[j] * points.row(i)[j];
        point_base.push_back(total);
        convex = std::max(convex, total);
      }
      gain.push_back(3.0 * random.uniform());
      value.push_back(convex - gain.back());
    }
    for (int a = 0; a < actions; ++a) {
      for (int j = 0; j < states; ++j) {
        here[static_cast<std::size_t>(a)] += base.row(a)[j] * b.row(0)[j];
      }
    }
    for (int j = 0; j < states; ++j) {
      if (b.row(0)[j] > 0) inverse[static_cast<std::size_t>(j)] = 1 / b.row(0)[j];
    }
    const SawtoothPoints<double> sawtooth_points{
        points.view(), {point_base.data(), count, actions, actions}, value.data(), gain.data()};
    double bound;
    {
      const AllocationGuard no_allocation;
      bound = sawtooth<double>(sawtooth_points, {here.data(), actions}, inverse.data());
    }
    EXPECT_NEAR(bound, by_definition(points, value, base, b.row(0), states), 1e-12);
  }
}

}  // namespace
}  // namespace optcore::planning
