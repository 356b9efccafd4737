"""Bayesian reinforcement learning with what is dear kept: plans, policies, fused matrices.

A belief update costs less than a look-up, so repeated beliefs are remembered only for as long as
that measurably pays; solved processes and plans are remembered because each costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore._native import Device
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.paying_cache import CacheStatistics, PayingCache
from optcore.algorithm_optimizer.policies import Policies
from optcore.belief import DiscreteBayesFilter, update_beliefs
from optcore.belief.learning import DirichletMDP
from optcore.belief.planning import MDPSolution, PointBasedPlanner
from optcore.belief.pomdp import BeliefUpdate, SparsePOMDP
from optcore.errors import ConfigError

__all__ = ["BayesianRLOptimizer", "Decision"]


class Decision(NamedTuple):
    """What to do at a belief, and between what bounds its value lies."""

    action: int
    lower: float
    upper: float


class BayesianRLOptimizer:
    """Belief updates, policies and plans for models that come up again and again.

    Args:
        config: `cache_size` values are kept of each kind; 0 keeps nothing.

    Example:
        >>> optimizer = BayesianRLOptimizer()
        >>> model = SparsePOMDP.from_csr([np.eye(2)] * 2, [[[0.9, 0.1], [0.1, 0.9]]] * 2,
        ...                              rewards=[[0, 1], [0, -1]], discount=0.5)
        >>> belief = optimizer.update_belief(model, [0.5, 0.5], 0, 0).belief
        >>> optimizer.decide(model, belief, seconds=1).action
        1
    """

    def __init__(self, config: OptimizationConfig | None = None) -> None:
        size = (config or OptimizationConfig()).cache_size
        self.cache_size = size
        self.keep_updates = size > 0
        self.single_from: int | None = None
        self.gpu_from: int | None = None
        self._updates: PayingCache[BeliefUpdate] = PayingCache("belief updates", size)
        self._policies = Policies(size)
        self._planners: dict[int, tuple[SparsePOMDP, PointBasedPlanner]] = {}
        self._most_planners = min(size, 16)
        self._plan_hits = 0

    def update_belief(
        self, model: SparsePOMDP, belief: ArrayLike, action: int, observation: int
    ) -> BeliefUpdate:
        """`SparsePOMDP.update_belief`; its fused matrices are built once per model.

        The returned belief may be shared with later calls and is read-only.
        """
        prior = np.ascontiguousarray(belief, np.float64)

        def compute() -> BeliefUpdate:
            update = model.update_belief(prior, action, observation)
            if update.belief is prior:
                update = update._replace(belief=prior.copy())
            update.belief.flags.writeable = False
            return update

        if not self.keep_updates:
            return compute()
        # The model stands in the key itself, so that it lives as long as what was made of it.
        return self._updates.get(lambda: (model, action, observation, prior.tobytes()), compute)

    def filter(self, transition: ArrayLike, prior: ArrayLike | None = None) -> DiscreteBayesFilter:
        """A DiscreteBayesFilter; from `single_from` states on its transitions (K, K) are kept in
        single precision."""
        matrix = np.ascontiguousarray(transition, np.float64)
        single = self.single_from is not None and len(matrix) >= self.single_from
        return DiscreteBayesFilter(matrix, prior=prior, dtype=np.float32 if single else np.float64)

    def update_beliefs(
        self, log_beliefs: ArrayLike, log_likelihoods: ArrayLike
    ) -> NDArray[np.float64]:
        """optcore.belief.update_beliefs; on the GPU from `gpu_from` rows (B, K) on."""
        rows = np.shape(log_beliefs)[0] if np.ndim(log_beliefs) == 2 else 0
        on_gpu = self.gpu_from is not None and rows >= self.gpu_from
        device = Device.cuda() if on_gpu else Device.cpu()
        return update_beliefs(log_beliefs, log_likelihoods, device=device)

    def solve(
        self, transitions: Sequence[Any] | NDArray[np.float64], rewards: ArrayLike, discount: float
    ) -> MDPSolution:
        """Optimal policy of a process by policy iteration.

        The same process again costs a look-up; one of the same size starts from the last policy.

        Args:
            transitions: (A, S, S), or A matrices, dense or sparse.
            rewards: (S, A).
            discount: in [0, 1).
        """
        R = np.ascontiguousarray(rewards, np.float64)
        if R.ndim != 2:
            raise ConfigError(f"rewards: need (S, A), got {R.shape}")
        return self._policies.remembered(transitions, R, discount)

    def psrl_step(self, model: DirichletMDP, rng: np.random.Generator) -> MDPSolution:
        """Draw a process from the posterior and solve it, starting from the last one's policy."""
        T, R = model.sample(rng)
        return self._policies.solve(T.transpose(1, 0, 2), R, model.discount)

    def decide(
        self, model: SparsePOMDP, belief: ArrayLike, *, gap: float = 1e-3, seconds: float = 1.0
    ) -> Decision:
        """Best known action; the plan of a model is kept, and resumed while its gap is open.

        Args:
            model: planned from its start belief.
            belief: (S,) one that can arise from there.
            gap: gap at the start belief at which the plan is good enough.
            seconds: time this call may add to the plan.
        """
        kept = self._planners.pop(id(model), None)
        if kept is None:
            kept = (model, PointBasedPlanner(model))
        else:
            self._plan_hits += 1
        if self._most_planners > 0:
            self._planners[id(model)] = kept  # the latest last
            if len(self._planners) > self._most_planners:
                del self._planners[next(iter(self._planners))]
        planner = kept[1]
        if planner.progress.gap > gap:
            planner.solve(gap=gap, seconds=seconds)
        return Decision(planner.action(belief), *planner.bounds(belief))

    def clear(self) -> None:
        """Forget everything kept; the statistics stay."""
        self._updates.clear()
        self._policies.clear()
        self._planners.clear()

    def statistics(self) -> dict[str, CacheStatistics | int]:
        """By cache what it did and whether it still pays; warm and cold starts; plans reused."""
        return {
            "belief_updates": self._updates.statistics(),
            "policies": self._policies.statistics(),
            "warm_starts": self._policies.warm,
            "cold_starts": self._policies.cold,
            "plans_kept": len(self._planners),
            "plans_reused": self._plan_hits,
        }
