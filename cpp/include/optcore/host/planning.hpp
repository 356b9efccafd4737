#pragma once

#include <cstdint>
#include <memory>

#include "optcore/core/view.hpp"

namespace optcore::host {

/// A POMDP cut by what observations reveal: class c holds the states that are possible after some
/// action and observation, so beliefs and alpha vectors live on those states alone. All arrays are
/// copied.
struct PlanningModel {
  int classes = 0, actions = 0;
  double discount = 0;
  const int* class_begin = nullptr;    ///< (classes + 1,) into class_states
  const int* class_states = nullptr;   ///< sorted states of each class
  const int* pair_begin = nullptr;     ///< (classes * actions + 1,) branches of class and action
  const int* branch_target = nullptr;  ///< class that each observation leads to
  const int* branch_rows = nullptr;    ///< where the branch's row pointers start in row_begin
  const int* row_begin = nullptr;      ///< CSR: per branch, class size + 1 offsets into column
  std::int64_t row_begins = 0;
  const int* column = nullptr;    ///< index within the target class
  const double* value = nullptr;  ///< p(next, observation | state, action)
  std::int64_t entries = 0;
  MatrixView<const double> reward;  ///< (actions, states)
  MatrixView<const double> lower;   ///< (policies, states) alpha vectors of known policies
  const int* lower_action = nullptr;
  MatrixView<const double> upper;  ///< (actions, states) max over rows bounds the value from above
  int root_class = 0;
  const double* root = nullptr;  ///< belief over the states of the root class
};

/// Point-based value iteration by heuristic search: trials go where the bounds differ most, and
/// tighten them on the way back; lower by alpha vectors, upper by a sawtooth. Nodes of the tree are
/// shared by equal beliefs. Planning allocates as it grows; the plan it yields does not.
///
/// Source: Smith & Simmons (UAI 2005), HSVI2; Kurniawati, Hsu & Lee (RSS 2008), SARSOP.
class PointBasedPlanner {
 public:
  explicit PointBasedPlanner(const PlanningModel& model);  ///< @throws std::bad_alloc
  ~PointBasedPlanner();
  PointBasedPlanner(const PointBasedPlanner&) = delete;
  PointBasedPlanner& operator=(const PointBasedPlanner&) = delete;

  /// Runs trials until the root's gap, the time or the memory is reached.
  /// @return true while further calls could still narrow the gap
  bool improve(double gap, double seconds, double max_bytes);

  struct Progress {
    double lower, upper;  ///< at the root
    std::int64_t trials, backups, nodes, vectors, points;
    double bytes;
  };
  [[nodiscard]] Progress progress() const noexcept;

  [[nodiscard]] int vectors(int cls) const noexcept;
  /// Copies the alpha vectors of a class, (vectors, class size), and their actions.
  void copy_vectors(int cls, double* out, int* action) const noexcept;
  /// Bounds at any belief (class size,) of a class.
  void bounds(int cls, const double* belief, double* lower, double* upper, int* action);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace optcore::host
