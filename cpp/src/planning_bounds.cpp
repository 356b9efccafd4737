/// The two bounds of a class of states: alpha vectors below, a sawtooth over visited beliefs above.

#include <limits>

#include "planning_tree.hpp"

namespace optcore::host {

double PointBasedPlanner::Impl::upper_at(const StateClass& c, const double* b) {
  constexpr double inverse_of_zero = 1e200;
  for (int s = 0; s < c.width; ++s) inverse[at(s)] = b[s] > 0.0 ? 1.0 / b[s] : inverse_of_zero;
  for (int a = 0; a < actions; ++a) {
    double total = 0.0;
    for (int s = 0; s < c.size; ++s) total += c.base.row(a)[s] * b[s];
    base_at[at(a)] = total;
  }
  return kernels.sawtooth(c.point.view(), c.point_base.view(), c.point_value.data(),
                          c.point_gain.data(), {base_at.data(), actions}, inverse.data());
}

/// Adds a vector; those that it dominates everywhere go.
void PointBasedPlanner::Impl::add_alpha(int cls, const double* vector, int action) {
  StateClass& c = classes[at(cls)];
  int kept = 0;
  for (int i = 0; i < c.alpha.count; ++i) {
    const double* row = c.alpha.row(i);
    bool dominated = true;
    for (int s = 0; s < c.size && dominated; ++s) dominated = row[s] <= vector[s];
    if (dominated) continue;
    c.alpha.move(i, kept);
    c.alpha_action[at(kept)] = c.alpha_action[at(i)];
    ++kept;
  }
  c.alpha.shrink(kept);
  c.alpha_action.resize(at(kept));
  std::copy_n(vector, c.width, c.alpha.add());
  c.alpha_action.push_back(action);
  if (c.alpha.count > c.alpha_limit) prune(cls);
}

/// Keeps the vectors that are the best at some visited belief.
void PointBasedPlanner::Impl::prune(int cls) {
  StateClass& c = classes[at(cls)];
  std::vector<char> used(at(c.alpha.count), 0);
  for (const int id : c.nodes) {
    double ignored;
    used[at(kernels.best_vector(c.alpha.view(), belief(nodes[at(id)]), &ignored))] = 1;
  }
  used.back() = 1;  // the one just added, for a belief that may be looked at right now
  int kept = 0;
  for (int i = 0; i < c.alpha.count; ++i) {
    if (!used[at(i)]) continue;
    c.alpha.move(i, kept);
    c.alpha_action[at(kept)] = c.alpha_action[at(i)];
    ++kept;
  }
  c.alpha.shrink(kept);
  c.alpha_action.resize(at(kept));
  c.alpha_limit = 64 + 2 * kept;
}

void PointBasedPlanner::Impl::add_point(Node& node) {
  StateClass& c = classes[at(node.cls)];
  if (node.point < 0) {
    const double* b = belief(node);
    double* base = c.point_base.add();
    double convex = -std::numeric_limits<double>::infinity();
    for (int a = 0; a < actions; ++a) {
      base[a] = 0.0;
      for (int s = 0; s < c.size; ++s) base[a] += c.base.row(a)[s] * b[s];
      convex = std::max(convex, base[a]);
    }
    node.point = c.point.count;
    std::copy_n(b, c.width, c.point.add());
    c.point_value.push_back(convex);
    c.point_gain.push_back(0.0);
  }
  const double gained = c.point_value[at(node.point)] - node.upper;
  if (gained > 0.0) {
    c.point_value[at(node.point)] = node.upper;
    c.point_gain[at(node.point)] += gained;
  }
}

}  // namespace optcore::host
