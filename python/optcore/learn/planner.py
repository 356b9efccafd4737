"""Model predictive control through a learnt model: a sampler finds the way, SQP polishes it.

Every proposal - the last plan shifted, the sampler's best, what an SQP step makes of it - is
rolled out through the same model and scored by the same reward; the best one is applied. So no
part can make a plan worse, and where the landscape has one valley the sampler may be small.

Shapes   P plans, N stages, nx states, nu inputs.
Source   Pinneri et al., "Sample-efficient cross-entropy method for real-time planning", CoRL (2020)
         (coloured noise, kept elites, shifted plan); SQP: see optcore.mpc.sqp.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, OptcoreError, ShapeError
from optcore.learn.coordinates import Coordinates
from optcore.learn.dynamics import Dynamics, GPDynamics
from optcore.learn.limits import StateLimits, deviations
from optcore.mpc.sqp import Sqp

__all__ = ["Ends", "Plan", "Planner", "PlannerConfig", "Quadratic", "Reward"]

Array = NDArray[np.float64]
Reward = Callable[[Array, Array, Array], Array]
"""x (K, nx), u (K, nu), following x (K, nx) to rewards (K,)"""
Ends = Callable[[Array], NDArray[np.bool_]]
"""x (K, nx) to whether an episode ends there (K,)"""


@dataclass(frozen=True)
class Quadratic:
    """What SQP minimises: (x - goal)'Q(x - goal) / 2 + u'R u / 2; angles to their nearest turn."""

    goal: Array  # (nx,)
    Q: Array  # (nx,) diagonal
    R: Array  # (nu,) diagonal
    P: Array | None = None  # (nx,) diagonal at the end; Q when left out


@dataclass(frozen=True)
class PlannerConfig:
    """Effort of a plan; the defaults fit 50 Hz on one core with a few hundred points."""

    horizon: int = 30  #: stages
    population: int = 48  #: plans sampled in each round
    rounds: int = 2
    elites: int = 8
    colour: float = 2.0  #: exponent of the noise's spectrum; 0 is white
    spread: float = 0.7  #: first standard deviation, of half the input's range
    momentum: float = 0.1  #: share of the old mean and spread kept in each round
    polish: int = 1  #: SQP steps where the task has a quadratic cost
    first: int = 4  #: times as many samples and rounds in an episode's first plan, which may wait

    def __post_init__(self) -> None:
        for name in ("horizon", "population", "rounds", "elites"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: need at least 1, got {getattr(self, name)}")
        if self.elites > self.population:
            raise ConfigError(f"elites: need at most {self.population}, got {self.elites}")
        if not (self.spread > 0 and 0 <= self.momentum < 1 and self.colour >= 0):
            raise ConfigError("need spread > 0, momentum in [0, 1), colour >= 0")
        if self.polish < 0 or self.first < 1:
            raise ConfigError(
                f"polish: need at least 0, got {self.polish}; first: at least 1, got {self.first}"
            )


class Plan(NamedTuple):
    """The best inputs found."""

    u: Array  # (N, nu)
    x: Array  # (N + 1, nx) where the model takes them
    value: float  # sum of rewards along it
    source: str  # "last", "sampled" or "sqp"
    solve_time: float  # s
    cpu_time: float  # s, of this thread


class Planner:
    """Plans for one model and one reward.

    Args:
        coordinates: of the environment.
        low, high: (nu,) bounds of the inputs; every plan honours them.
        reward: of a step.
        config: effort.
        quadratic: lets SQP polish.
        ends: states after which nothing more is earned.
        value: worth of where a plan ends, (K, nx) to (K,).
        limits: soft limits of states, drawn in by uncertainty.
        seed: of the sampler.
    """

    def __init__(
        self,
        coordinates: Coordinates,
        low: ArrayLike,
        high: ArrayLike,
        reward: Reward,
        config: PlannerConfig | None = None,
        *,
        quadratic: Quadratic | None = None,
        ends: Ends | None = None,
        value: Callable[[Array], Array] | None = None,
        limits: StateLimits | None = None,
        seed: int = 0,
    ) -> None:
        self.low, self.high = np.atleast_1d(low).astype(float), np.atleast_1d(high).astype(float)
        bounded = np.isfinite(self.low).all() and np.isfinite(self.high).all()
        if self.low.shape != self.high.shape or self.low.ndim != 1:
            raise ShapeError(f"low, high: need (nu,), got {self.low.shape}, {self.high.shape}")
        if not (bounded and (self.low < self.high).all()):
            raise ConfigError(f"low, high: need finite low < high, got {self.low}, {self.high}")
        self.coordinates, self.reward = coordinates, reward
        self.config = config or PlannerConfig()
        self.quadratic, self.ends, self.value, self.limits = quadratic, ends, value, limits
        if limits is not None and limits.low.shape != (coordinates.nx,):
            raise ShapeError(f"limits: need ({coordinates.nx},), got {limits.low.shape}")
        self._rng = np.random.default_rng(seed)
        self._amplitudes = _amplitudes(self.config.horizon, self.config.colour)
        self._sqp: tuple[Dynamics, Sqp] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the last plan: a new episode."""
        self._last: Array | None = None
        self._spread: Array | None = None
        self._elites = np.empty((0, self.config.horizon, len(self.low)))

    def plan(self, model: Dynamics, x0: ArrayLike, belief: GPDynamics | None = None) -> Plan:
        """The best plan found from x0 (nx,).

        Args:
            model: to plan with.
            belief: tells how uncertain the states are, where there are limits; None: not at all.

        Raises:
            ShapeError, ConfigError: x0 is no state.
        """
        begin, cpu = time.perf_counter(), time.thread_time()
        start = np.asarray(x0, np.float64)
        if start.shape != (self.coordinates.nx,):
            raise ShapeError(f"x0: need ({self.coordinates.nx},), got {start.shape}")
        if not np.isfinite(start).all():
            raise ConfigError(f"x0: need finite numbers, got {start}")
        u, x, value, source = self._sample(model, start)
        for _ in range(self.config.polish if self.quadratic else 0):
            polished = self._polish(model, start, x, u)
            if polished is None:
                break
            path = self.rollout(model, start, polished[None])
            score = float(self._worth(path, polished[None])[0])
            if not score > value:
                break
            u, x, value, source = polished, path[0], score, "sqp"
        self._last = u
        if self.limits is not None and belief is not None:
            self._spread = deviations(belief, x, u, 0.5 * (self.limits.high - self.limits.low))
        spent = time.perf_counter() - begin, time.thread_time() - cpu
        return Plan(u, x, value, source, *spent)

    def rollout(self, model: Dynamics, x0: Array, plans: Array) -> Array:
        """(P, N + 1, nx) states along plans (P, N, nu)."""
        x = np.empty((len(plans), plans.shape[1] + 1, model.nx))
        x[:, 0] = x0
        for k in range(plans.shape[1]):
            x[:, k + 1] = model.step(x[:, k], plans[:, k])
        return x

    def score(self, model: Dynamics, x0: Array, plans: Array) -> Array:
        """(P,) sum of rewards along plans (P, N, nu), and the worth of their ends."""
        return self._worth(self.rollout(model, x0, plans), plans)

    def _worth(self, x: Array, plans: Array) -> Array:
        P, N, nu = plans.shape
        before, after = x[:, :-1].reshape(P * N, -1), x[:, 1:].reshape(P * N, -1)
        earned = self.reward(before, plans.reshape(P * N, nu), after).reshape(P, N)
        alive = np.ones(P)
        if self.ends is not None:
            over = np.logical_or.accumulate(self.ends(after).reshape(P, N), axis=1)
            earned[:, 1:][over[:, :-1]] = 0.0
            alive = 1.0 - over[:, -1]
        total = earned.sum(axis=1)
        if self.value is not None:
            total += alive * self.value(x[:, -1])
        if self.limits is not None:
            total -= self.limits.penalty(x, self._spread)
        return np.where(np.isfinite(total), total, -np.inf)

    # --- proposals ----------------------------------------------------------------------------

    def _sample(self, model: Dynamics, x0: Array) -> tuple[Array, Array, float, str]:
        config = self.config
        half = 0.5 * (self.high - self.low)
        centre = 0.5 * (self.high + self.low)
        shape = (config.horizon, len(half))
        if self._last is None:
            mean, last, more = np.broadcast_to(centre, shape).copy(), None, config.first
        else:
            mean = np.vstack([self._last[1:], self._last[-1:]])
            last, more = mean.copy(), 1
        spread = np.broadcast_to(config.spread * half, shape).copy()
        kept = np.concatenate([self._elites[:, 1:], self._elites[:, -1:]], axis=1)
        best: tuple[Array, Array, float, str] | None = None
        rounds = more * config.rounds
        for round_ in range(rounds):
            noise = self._noise(more * config.population)
            plans = np.clip(mean + spread * noise, self.low, self.high)
            extra = [kept]
            if round_ == 0 and last is not None:
                extra.append(last[None])
            if round_ == rounds - 1:
                extra.append(mean[None])
            plans = np.concatenate([plans, *extra])
            paths = self.rollout(model, x0, plans)
            scores = self._worth(paths, plans)
            order = np.argsort(-scores, kind="stable")[: config.elites]
            elites = plans[order]
            top = int(order[0])
            if best is None or scores[top] > best[2]:
                from_last = round_ == 0 and last is not None and top == len(plans) - 1
                name = "last" if from_last else "sampled"
                best = plans[top].copy(), paths[top].copy(), float(scores[top]), name
            keep = config.momentum
            mean = keep * mean + (1 - keep) * elites.mean(axis=0)
            spread = keep * spread + (1 - keep) * elites.std(axis=0)
            kept = elites[: max(1, config.elites // 2)]
        assert best is not None
        self._elites = kept.copy()
        return best

    def _noise(self, count: int) -> Array:
        """(count, N, nu) normal noise of unit variance whose spectrum falls with frequency."""
        N, nu = self.config.horizon, len(self.low)
        parts = self._rng.standard_normal((2, count, nu, len(self._amplitudes)))
        waves = (parts[0] + 1j * parts[1]) * self._amplitudes
        return np.asarray(np.fft.irfft(waves, n=2 * N, axis=-1)[..., :N].transpose(0, 2, 1))

    def _polish(self, model: Dynamics, x0: Array, x: Array, u: Array) -> Array | None:
        """One SQP step from the plan x, u; None where the programme failed."""
        assert self.quadratic is not None
        cost, config = self.quadratic, self.config
        if self._sqp is None or self._sqp[0] is not model:
            sqp = Sqp(
                model, config.horizon, 1.0, np.diag(cost.Q), np.diag(cost.R),
                P=np.diag(cost.Q if cost.P is None else cost.P), lbu=self.low, ubu=self.high,
                max_iterations=1,
            )  # fmt: skip
            self._sqp = model, sqp
        if not np.isfinite(x).all():
            return None
        goal = np.tile(cost.goal, (len(x), 1))
        for place in self.coordinates.angular:
            goal[:, place] += 2 * np.pi * np.round((x[:, place] - goal[:, place]) / (2 * np.pi))
        try:
            answer = self._sqp[1].solve(x0, goal, start=(x, u))
        except OptcoreError:
            return None
        return np.clip(answer.u, self.low, self.high)


def _amplitudes(horizon: int, colour: float) -> Array:
    """Of the frequencies of 2 N samples, so that the noise has unit variance."""
    frequency = np.arange(horizon + 1, dtype=float)
    frequency[0] = 1.0
    amplitude = frequency ** (-0.5 * colour)
    amplitude[0] = amplitude[1]
    # irfft divides by 2 N and adds each inner frequency with its conjugate; its real part counts
    power = amplitude[0] ** 2 + amplitude[-1] ** 2 + 4.0 * np.sum(amplitude[1:-1] ** 2)
    return np.asarray(amplitude * 2 * horizon / np.sqrt(power))
