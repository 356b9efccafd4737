"""All that happened in a run, in one npz file without pickle.

Layout   format, version, task, seed, angles (a, 2), and for episode i the arrays "e<i>.<name>";
         of what was learnt "motion.<name>" and, with a learnt reward, "reward.<name>".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore._files import read_npz, replace_file
from optcore.errors import ConfigError
from optcore.learn.coordinates import Coordinates
from optcore.learn.regression import Hyper
from optcore.learn.training import Verdict

__all__ = ["Episode", "Record"]

Array = NDArray[np.float64]
Learnt = tuple[list[Hyper], Array, Array, int]  # hyper, points X and Y, points seen

_FORMAT, _VERSION = "optcore.learn", 1
_LISTS = (
    "observations",
    "actions",
    "rewards",
    "durations",
    "means",
    "variances",
    "plan_times",
    "cpu_times",
)


@dataclass
class Episode:
    """One episode of T decisions."""

    observations: list[Array]  #: T + 1 of (p,)
    actions: list[Array] = field(default_factory=list)  #: T of (nu,)
    rewards: list[float] = field(default_factory=list)  #: T, summed over held steps
    durations: list[int] = field(default_factory=list)  #: T, steps of the environment
    means: list[Array] = field(default_factory=list)  #: T of (nx,) foretold; nan: nothing was
    variances: list[Array] = field(default_factory=list)  #: T of (nx,), noise included
    sources: list[str] = field(default_factory=list)  #: "random", "last", "sampled" or "sqp"
    plan_times: list[float] = field(default_factory=list)  #: T, s; 0 where inputs were random
    cpu_times: list[float] = field(default_factory=list)  #: T, s of the processor
    terminated: bool = False
    verdicts: list[Verdict] = field(default_factory=list)
    paths: Array = field(default_factory=lambda: np.empty((0, 0, 0)))  #: (draws, T + 1, nx)
    points: int = 0  #: kept by the model at the end

    @classmethod
    def start(cls, observation: Array) -> Episode:
        return cls([observation])

    @property
    def last(self) -> Array:
        return self.observations[-1]

    @property
    def steps(self) -> int:
        """Of the environment."""
        return sum(self.durations)

    @property
    def total(self) -> float:
        """The return, undiscounted."""
        return float(sum(self.rewards))

    def add(
        self,
        u: Array,
        reward: float,
        after: Array,
        steps: int,
        foretold: tuple[Array, Array] | None,
        source: str,
        seconds: tuple[float, float],
        terminated: bool,
    ) -> None:
        mean, variance = foretold if foretold else (np.array([np.nan]), np.array([np.nan]))
        self.observations.append(after)
        self.actions.append(np.array(u))
        self.rewards.append(reward)
        self.durations.append(steps)
        self.means.append(mean)
        self.variances.append(variance)
        self.sources.append(source)
        self.plan_times.append(seconds[0])
        self.cpu_times.append(seconds[1])
        self.terminated = terminated

    def finish(self, verdicts: list[Verdict], paths: Array, points: int) -> None:
        self.verdicts, self.paths, self.points = verdicts, paths, points

    def arrays(self) -> dict[str, Any]:
        """Plain arrays, all of a file's entry."""
        nx = max((len(mean) for mean in self.means), default=1)
        wide = {
            name: [row if len(row) == nx else np.full(nx, np.nan) for row in getattr(self, name)]
            for name in ("means", "variances")
        }
        return {
            **{name: np.array(wide.get(name, getattr(self, name))) for name in _LISTS},
            "sources": np.array(self.sources, dtype="U8"),
            "terminated": np.array(self.terminated),
            "verdicts": np.array(json.dumps([asdict(verdict) for verdict in self.verdicts])),
            "paths": self.paths,
            "points": np.array(self.points),
        }

    @classmethod
    def of(cls, found: dict[str, Any]) -> Episode:
        """What arrays() gave."""
        lists = {name: list(found[name]) for name in _LISTS}
        return cls(
            **{**lists, "rewards": [float(r) for r in lists["rewards"]],
               "durations": [int(d) for d in lists["durations"]],
               "plan_times": [float(t) for t in lists["plan_times"]],
               "cpu_times": [float(t) for t in lists["cpu_times"]]},
            sources=[str(source) for source in found["sources"]],
            terminated=bool(found["terminated"]),
            verdicts=[Verdict(**one) for one in json.loads(str(found["verdicts"]))],
            paths=found["paths"],
            points=int(found["points"]),
        )  # fmt: skip


@dataclass
class Record:
    """A run: its episodes, and what the learner knew at the end."""

    task: str
    seed: int
    angles: tuple[tuple[int, int], ...] = ()
    episodes: list[Episode] = field(default_factory=list)
    learnt: dict[str, Learnt] = field(default_factory=dict)  #: of "motion" and "reward"

    @property
    def coordinates(self) -> Coordinates:
        """Of the observations recorded."""
        return Coordinates(len(self.episodes[0].observations[0]), self.angles)

    def save(self, path: str | Path) -> None:
        """Write one file, whole or not at all."""
        arrays: dict[str, Any] = {
            "format": _FORMAT,
            "version": np.array(_VERSION),
            "task": self.task,
            "seed": np.array(self.seed),
            "angles": np.array(self.angles, np.int64).reshape(-1, 2),
            "episodes": np.array(len(self.episodes)),
        }
        for i, episode in enumerate(self.episodes):
            arrays |= {f"e{i}.{name}": value for name, value in episode.arrays().items()}
        for name, (hyper, X, Y, seen) in self.learnt.items():
            arrays |= {
                f"{name}.length_scale": np.array([one.length_scale for one in hyper]),
                f"{name}.variance": np.array([one.variance for one in hyper]),
                f"{name}.noise": np.array([one.noise for one in hyper]),
                f"{name}.X": X,
                f"{name}.Y": Y,
                f"{name}.seen": np.array(seen),
            }
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read what save() wrote.

        Raises:
            ConfigError: missing, damaged, another kind of file or of another version.
        """
        found = read_npz(path, "a record of optcore learn")
        if str(found.get("format", "")) != _FORMAT:
            raise ConfigError(f"{path}: not a record of optcore learn")
        if (version := str(found.get("version"))) != str(_VERSION):
            raise ConfigError(f"{path}: version {version}, this optcore reads {_VERSION}")
        try:
            return cls._of(found)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ConfigError(f"{path}: damaged: {error}") from None

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Record:
        episodes = []
        for i in range(int(found["episodes"])):
            mark = f"e{i}."
            own = {n[len(mark) :]: value for n, value in found.items() if n.startswith(mark)}
            episodes.append(Episode.of(own))
        learnt: dict[str, Learnt] = {}
        for name in ("motion", "reward"):
            if f"{name}.X" not in found:
                continue
            columns = (found[f"{name}.{part}"] for part in ("length_scale", "variance", "noise"))
            hyper = [Hyper(a, float(b), float(c)) for a, b, c in zip(*columns, strict=True)]
            learnt[name] = (
                hyper, found[f"{name}.X"], found[f"{name}.Y"], int(found[f"{name}.seen"])
            )  # fmt: skip
        angles = tuple((int(a), int(b)) for a, b in found["angles"])
        return cls(str(found["task"]), int(found["seed"]), angles, episodes, learnt)
