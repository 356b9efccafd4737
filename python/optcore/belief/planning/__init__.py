"""Planning: exact where the state is seen, with bounds from both sides where it is not."""

from __future__ import annotations

from optcore.belief.planning.belief_tree import BeliefTree, TreeStatistics
from optcore.belief.planning.bounds import blind_bound, fast_informed_bound, qmdp
from optcore.belief.planning.mdp import MDPSolution, policy_iteration, value_iteration
from optcore.belief.planning.point_based import PointBasedPlanner, Progress

__all__ = [
    "BeliefTree",
    "MDPSolution",
    "PointBasedPlanner",
    "Progress",
    "TreeStatistics",
    "blind_bound",
    "fast_informed_bound",
    "policy_iteration",
    "qmdp",
    "value_iteration",
]
