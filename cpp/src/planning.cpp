/// The heuristic search of the point-based planner; its inner loops are in planning_cpu.cpp.

#include "optcore/host/planning.hpp"

#include <chrono>
#include <cmath>
#include <limits>

#include "planning_tree.hpp"

namespace optcore::host {

using planning::Branch, planning::Edge, planning::Node, planning::Rows, planning::StateClass;

namespace {

constexpr int lanes = 8;               // rows are padded to this, as planning/bounds.hpp needs
constexpr double impossible = 1e-13;   // a branch less likely than this is not followed
constexpr double same_belief = 1e-12;  // largest difference between beliefs that share a node

int padded(int size) { return (size + lanes - 1) / lanes * lanes; }

}  // namespace

PointBasedPlanner::Impl::Impl(const PlanningModel& m)
    : actions(m.actions),
      discount(m.discount),
      pair_begin(m.pair_begin, m.pair_begin + at(std::int64_t(m.classes) * m.actions + 1)),
      row_begin(m.row_begin, m.row_begin + m.row_begins),
      column(m.column, m.column + m.entries),
      value(m.value, m.value + m.entries),
      kernels(*cpu::kernels().planning) {
  for (int k = 0; k < pair_begin.back(); ++k) {
    branches.push_back({m.branch_target[k], row_begin.data() + m.branch_rows[k]});
  }
  classes.resize(at(m.classes));
  beliefs.resize(at(m.classes));
  int widest = 0;
  for (int c = 0; c < m.classes; ++c) {
    StateClass& k = classes[at(c)];
    const int* states = m.class_states + m.class_begin[c];
    k.size = m.class_begin[c + 1] - m.class_begin[c];
    k.width = padded(k.size);
    widest = std::max(widest, k.width);
    k.reward.cols = k.base.cols = k.alpha.cols = k.point.cols = beliefs[at(c)].cols = k.width;
    k.point_base.cols = actions;
    const auto take = [&](Rows& rows, MatrixView<const double> from, int i) {
      double* row = rows.add();
      for (int s = 0; s < k.size; ++s) row[s] = from(i, states[s]);
    };
    for (int a = 0; a < actions; ++a) {
      take(k.reward, m.reward, a);
      take(k.base, m.upper, a);
    }
    for (int i = 0; i < m.lower.rows; ++i) {
      take(k.alpha, m.lower, i);
      k.alpha_action.push_back(m.lower_action[i]);
    }
    k.alpha_limit = 64 + 2 * k.alpha.count;
  }
  next.resize(at(widest));
  inverse.resize(at(widest));
  best_alpha.resize(at(widest));
  uniform.resize(at(widest));
  base_at.resize(at(actions));
  std::vector<double> start(at(classes[at(m.root_class)].width), 0.0);
  std::copy_n(m.root, classes[at(m.root_class)].size, start.data());
  find_or_add(m.root_class, start.data());
}

/// to = from . branch, over the padded target class; returns the mass.
double PointBasedPlanner::Impl::project(const double* from, int size, const Branch& branch,
                                        double* to) const {
  std::fill_n(to, classes[at(branch.target)].width, 0.0);
  double mass = 0.0;
  for (int s = 0; s < size; ++s) {
    if (from[s] == 0.0) continue;
    for (int k = branch.row_begin[s]; k < branch.row_begin[s + 1]; ++k) {
      const double share = from[s] * value[at(k)];
      to[column[at(k)]] += share;
      mass += share;
    }
  }
  return mass;
}

int PointBasedPlanner::Impl::find_or_add(int cls, const double* b) {
  StateClass& c = classes[at(cls)];
  std::uint64_t hash = 1469598103934665603ull ^ static_cast<std::uint64_t>(cls);
  for (int s = 0; s < c.size; ++s) {
    hash = (hash ^ static_cast<std::uint64_t>(std::llround(b[s] * 1e10))) * 1099511628211ull;
    hash ^= hash >> 29;
  }
  const auto [first, last] = index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Node& node = nodes[at(it->second)];
    if (node.cls != cls) continue;
    const double* other = belief(node);
    double difference = 0.0;
    for (int s = 0; s < c.size; ++s) difference = std::max(difference, std::abs(other[s] - b[s]));
    if (difference <= same_belief) return it->second;
  }
  const int id = static_cast<int>(nodes.size());
  Node node{.cls = cls, .belief = beliefs[at(cls)].count, .lower = 0, .upper = 0};
  std::copy_n(b, c.width, beliefs[at(cls)].add());
  kernels.best_vector(c.alpha.view(), b, &node.lower);
  node.upper = upper_at(c, b);
  nodes.push_back(node);
  index.emplace(hash, id);
  c.nodes.push_back(id);
  return id;
}

/// Room for the node's edges; their bounds come with its first back-up.
void PointBasedPlanner::Impl::expand(int id) {
  Node& node = nodes[at(id)];
  const int first = pair_begin[at(node.cls) * at(actions)];
  const int last = pair_begin[at(node.cls + 1) * at(actions)];
  node.edges = static_cast<std::int64_t>(edges.size());
  node.actions = static_cast<std::int64_t>(action_upper.size());
  edges.resize(edges.size() + at(last - first), Edge{0.0, 0.0, 0.0, -1});
  action_upper.resize(action_upper.size() + at(actions), std::numeric_limits<double>::infinity());
}

/// Bellman's equation at one belief, for both bounds; adds an alpha vector and a sawtooth point
/// where they improve.
void PointBasedPlanner::Impl::backup(int id) {
  if (nodes[at(id)].edges < 0) expand(id);
  ++backups;
  Node& node = nodes[at(id)];
  StateClass& c = classes[at(node.cls)];
  const double* b = belief(node);
  const int begin = pair_begin[at(node.cls) * at(actions)];
  double* q_upper = action_upper.data() + node.actions;
  double best_upper = -std::numeric_limits<double>::infinity(), best_lower = best_upper;
  int best_action = -1;
  for (int a = 0; a < actions; ++a) {
    if (q_upper[a] < node.lower - 1e-9 * (1.0 + std::abs(node.lower))) continue;  // never best
    double upper = 0.0;
    for (int s = 0; s < c.size; ++s) upper += c.reward.row(a)[s] * b[s];
    double lower = upper;
    const int first = pair_begin[at(node.cls) * at(actions) + at(a)];
    const int last = pair_begin[at(node.cls) * at(actions) + at(a) + 1];
    choice.assign(at(last - first), -1);
    for (int k = first; k < last; ++k) {
      const Branch& branch = branches[at(k)];
      StateClass& target = classes[at(branch.target)];
      Edge& edge = edges[at(node.edges + k - begin)];
      const double p = project(b, c.size, branch, next.data());
      edge.probability = p;
      if (p < impossible) continue;
      const double scale = 1.0 / p;
      for (int s = 0; s < target.width; ++s) next[at(s)] *= scale;
      choice[at(k - first)] = kernels.best_vector(target.alpha.view(), next.data(), &edge.lower);
      edge.upper = upper_at(target, next.data());
      if (edge.child >= 0) {
        Node& child = nodes[at(edge.child)];
        child.upper = edge.upper = std::min(edge.upper, child.upper);
        child.lower = std::max(child.lower, edge.lower);
      }
      upper += discount * p * edge.upper;
      lower += discount * p * edge.lower;
    }
    q_upper[a] = std::min(q_upper[a], upper);
    best_upper = std::max(best_upper, q_upper[a]);
    if (lower > best_lower) {
      best_lower = lower;
      best_action = a;
      best_choice = choice;
    }
  }
  const double before = node.upper;
  node.upper = std::min(node.upper, best_upper);
  if (node.upper < before || node.point < 0) add_point(node);
  if (best_action < 0 || best_lower <= node.lower + 1e-13 * std::abs(node.lower)) return;

  // The vector of that action and those choices, over every state of the class.
  std::copy_n(c.reward.row(best_action), c.width, best_alpha.data());
  const int first = pair_begin[at(node.cls) * at(actions) + at(best_action)];
  for (int i = 0; i < static_cast<int>(best_choice.size()); ++i) {
    const Branch& branch = branches[at(first + i)];
    const StateClass& target = classes[at(branch.target)];
    int use = best_choice[at(i)];
    if (use < 0) {  // impossible from here, but perhaps not from where the vector is used later
      std::fill_n(uniform.data(), target.width, 0.0);
      std::fill_n(uniform.data(), target.size, 1.0 / target.size);
      double ignored;
      use = kernels.best_vector(target.alpha.view(), uniform.data(), &ignored);
    }
    const double* alpha = target.alpha.row(use);
    for (int s = 0; s < c.size; ++s) {
      double total = 0.0;
      for (int k = branch.row_begin[s]; k < branch.row_begin[s + 1]; ++k) {
        total += value[at(k)] * alpha[column[at(k)]];
      }
      best_alpha[at(s)] += discount * total;
    }
  }
  double reached = 0.0;
  for (int s = 0; s < c.size; ++s) reached += best_alpha[at(s)] * b[s];
  if (reached > node.lower) {
    node.lower = reached;
    add_alpha(node.cls, best_alpha.data(), best_action);
  }
}

/// The child to look at next, or -1: the branch that adds most to the gap under the action that
/// the upper bound favours.
int PointBasedPlanner::Impl::descend(int id, double excess) {
  const Node node = nodes[at(id)];
  const double* q = action_upper.data() + node.actions;
  const int action = static_cast<int>(std::max_element(q, q + actions) - q);
  const int begin = pair_begin[at(node.cls) * at(actions)];
  const int first = pair_begin[at(node.cls) * at(actions) + at(action)];
  const int last = pair_begin[at(node.cls) * at(actions) + at(action) + 1];
  double most = 0.0;
  int chosen = -1;
  for (int k = first; k < last; ++k) {
    const Edge& edge = edges[at(node.edges + k - begin)];
    if (edge.probability < impossible) continue;
    double gap = edge.upper - edge.lower;
    if (edge.child >= 0) gap = nodes[at(edge.child)].upper - nodes[at(edge.child)].lower;
    const double weight = edge.probability * (gap - excess);
    if (weight > most) {
      most = weight;
      chosen = k;
    }
  }
  if (chosen < 0) return -1;
  Edge& edge = edges[at(node.edges + chosen - begin)];
  if (edge.child < 0) {
    const Branch& branch = branches[at(chosen)];
    const double p = project(belief(node), classes[at(node.cls)].size, branch, next.data());
    for (int s = 0; s < classes[at(branch.target)].width; ++s) next[at(s)] /= p;
    edge.child = find_or_add(branch.target, next.data());
  }
  return edge.child;
}

double PointBasedPlanner::Impl::bytes() const {
  double numbers =
      static_cast<double>(value.size()) * 1.5 + static_cast<double>(action_upper.size());
  for (const Rows& rows : beliefs) numbers += static_cast<double>(rows.data.size());
  for (const StateClass& c : classes) {
    numbers +=
        static_cast<double>(c.alpha.data.size() + c.point.data.size() + c.point_base.data.size());
  }
  return 8.0 * numbers + sizeof(Edge) * static_cast<double>(edges.size()) +
         (sizeof(Node) + 48.0) * static_cast<double>(nodes.size());
}

PointBasedPlanner::PointBasedPlanner(const PlanningModel& model)
    : impl_(std::make_unique<Impl>(model)) {}
PointBasedPlanner::~PointBasedPlanner() = default;

bool PointBasedPlanner::improve(double gap, double seconds, double max_bytes) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  Impl& p = *impl_;
  std::vector<int> path;
  while (true) {
    const double root_gap = p.nodes[0].upper - p.nodes[0].lower;
    if (root_gap <= gap || p.bytes() > max_bytes) return false;
    if (Clock::now() >= end) return true;
    ++p.trials;
    // A trial aims at half the gap; so early trials stay shallow and find the coarse structure.
    const double aim = std::max(gap, 0.5 * root_gap);
    path.assign(1, 0);
    double excess = aim;
    while (path.size() < 2000 && Clock::now() < end) {
      const int id = path.back();
      const Node& node = p.nodes[at(id)];
      if (node.upper - node.lower <= excess) break;
      if (node.edges < 0) p.backup(id);
      excess /= p.discount > 0.0 ? p.discount : 1e-300;
      const int child = p.descend(id, excess);
      if (child < 0) break;
      path.push_back(child);
    }
    for (auto it = path.rbegin(); it != path.rend(); ++it) p.backup(*it);
  }
}

PointBasedPlanner::Progress PointBasedPlanner::progress() const noexcept {
  const Impl& p = *impl_;
  Progress out{p.nodes[0].lower,
               p.nodes[0].upper,
               p.trials,
               p.backups,
               static_cast<std::int64_t>(p.nodes.size()),
               0,
               0,
               p.bytes()};
  for (const StateClass& c : p.classes) {
    out.vectors += c.alpha.count;
    out.points += c.point.count;
  }
  return out;
}

int PointBasedPlanner::vectors(int cls) const noexcept {
  return impl_->classes[at(cls)].alpha.count;
}

void PointBasedPlanner::copy_vectors(int cls, double* out, int* action) const noexcept {
  const StateClass& c = impl_->classes[at(cls)];
  for (int i = 0; i < c.alpha.count; ++i) {
    std::copy_n(c.alpha.row(i), c.size, out + at(i) * at(c.size));
    action[i] = c.alpha_action[at(i)];
  }
}

void PointBasedPlanner::bounds(int cls, const double* belief, double* lower, double* upper,
                               int* action) {
  const StateClass& c = impl_->classes[at(cls)];
  std::vector<double> b(at(c.width), 0.0);
  std::copy_n(belief, c.size, b.data());
  const int best = impl_->kernels.best_vector(c.alpha.view(), b.data(), lower);
  *action = c.alpha_action[at(best)];
  *upper = impl_->upper_at(c, b.data());
}

}  // namespace optcore::host
