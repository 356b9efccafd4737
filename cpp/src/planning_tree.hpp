/// What the point-based planner remembers: bounds of each class of states, and the tree of beliefs.
/// planning.cpp searches the tree, planning_bounds.cpp improves the bounds.

#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "backend.hpp"
#include "optcore/host/planning.hpp"

namespace optcore::host {

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

namespace planning {

/// Rows of equal, padded length that come and go.
struct Rows {
  int cols = 0, count = 0;
  std::vector<double> data;

  double* add() {
    data.resize(data.size() + at(cols), 0.0);
    return row(count++);
  }
  double* row(int i) { return data.data() + at(i) * at(cols); }
  const double* row(int i) const { return data.data() + at(i) * at(cols); }
  void move(int from, int to) {
    if (from != to) std::copy_n(row(from), cols, row(to));
  }
  void shrink(int rows) {
    count = rows;
    data.resize(at(rows) * at(cols));
  }
  MatrixView<const double> view() const { return {data.data(), count, cols, cols}; }
};

struct StateClass {
  int size = 0, width = 0;
  Rows reward, base;  // (actions, width)
  Rows alpha;         // (vectors, width)
  std::vector<int> alpha_action;
  int alpha_limit = 0;     // number at which useless ones are looked for
  Rows point, point_base;  // (points, width), (points, actions)
  std::vector<double> point_value, point_gain;
  std::vector<int> nodes;  // visited beliefs
};

struct Branch {
  int target;
  const int* row_begin;
};

struct Edge {
  double probability, lower, upper;
  int child;
};

struct Node {
  int cls;
  int belief;  // row of the class's beliefs
  double lower, upper;
  int point = -1;
  std::int64_t edges = -1;  // first of the class's branches
  std::int64_t actions = -1;
};

}  // namespace planning

struct PointBasedPlanner::Impl {
  using Branch = planning::Branch;
  using Edge = planning::Edge;
  using Node = planning::Node;
  using Rows = planning::Rows;
  using StateClass = planning::StateClass;

  explicit Impl(const PlanningModel& m);

  int actions;
  double discount;
  std::vector<int> pair_begin, row_begin, column;
  std::vector<double> value;
  std::vector<Branch> branches;
  std::vector<StateClass> classes;
  std::vector<Rows> beliefs;  // of each class's nodes
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<double> action_upper;  // per node and action; -inf once it cannot be the best
  std::unordered_multimap<std::uint64_t, int> index;
  std::int64_t trials = 0, backups = 0;
  const cpu::PlanningKernels& kernels;
  std::vector<double> next, inverse, base_at, best_alpha, uniform;
  std::vector<int> choice, best_choice;

  const double* belief(const Node& node) const { return beliefs[at(node.cls)].row(node.belief); }

  double project(const double* from, int size, const Branch& branch, double* to) const;
  double upper_at(const StateClass& c, const double* b);
  int find_or_add(int cls, const double* b);
  void expand(int id);
  void backup(int id);
  void add_alpha(int cls, const double* vector, int action);
  void prune(int cls);
  void add_point(Node& node);
  int descend(int id, double excess_per_probability);
  double bytes() const;
};

}  // namespace optcore::host
