"""The same benchmarks over a range of commits, and against one other commit."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.benchmark_framework.changes import Change
from optcore.benchmark_framework.comparison import Comparison
from optcore.benchmark_framework.config import BenchmarkConfig
from optcore.benchmark_framework.environment import describe_environment, machine_id
from optcore.benchmark_framework.measurement import Progress, turns
from optcore.benchmark_framework.regression import judge_interleaved
from optcore.benchmark_framework.store import point_of
from optcore.benchmark_framework.summary import BenchmarkSummary, summarise
from optcore.benchmark_framework.timeline import Timeline
from optcore.benchmark_framework.timing import Samples, timer_floor
from optcore.benchmark_framework.trees import Tree
from optcore.errors import ConfigError

__all__ = ["History", "compare_trees", "measure_history"]

Array = NDArray[np.float64]
OpenTree = Callable[[str], contextlib.AbstractContextManager[Tree]]


@dataclass(frozen=True)
class History:
    """One benchmark over commits, the oldest first; a commit that failed has no summary."""

    timeline: Timeline
    summaries: Mapping[str, BenchmarkSummary]
    """by commit"""
    failed: Mapping[str, str]
    """why, by commit"""

    @property
    def name(self) -> str:
        return self.timeline.name

    @property
    def changes(self) -> list[tuple[str, Change]]:
        """From which commit on, and what."""
        points = self.timeline.points
        return [(str(points[c.index]["commit"]), c) for c in self.timeline.changes]


def measure_history(
    commits: Sequence[str],
    open_tree: OpenTree,
    config: BenchmarkConfig,
    *,
    rounds: int = 5,
    progress: Progress | None = None,
) -> list[History]:
    """Benchmarks of all commits, in rounds that visit every commit in a new order.

    So a slow quarter of an hour of the machine is every commit's. A change point is looked for
    among the medians of the rounds, and lies between commits.

    Args:
        open_tree: context of a commit's tree, with its process.
        rounds: visits of each commit; `num_iterations` samples are split among them.

    Raises:
        ConfigError: no commit could be measured; it says why each could not.
    """
    if rounds < 3:
        raise ConfigError(f"rounds must be at least 3, got {rounds}")
    share = -(-config.num_iterations // rounds)
    blocks: dict[str, dict[str, list[list[float]]]] = {}
    failed: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        trees: dict[str, Tree] = {}
        for i, commit in enumerate(commits):
            if progress is not None:
                progress(0.0, f"preparing {i + 1} of {len(commits)}")
            try:
                trees[commit] = stack.enter_context(open_tree(commit))
                for name in trees[commit].names:
                    trees[commit].warm(name, config.warmup_iterations)
            except ConfigError as error:
                trees.pop(commit, None)
                failed[commit] = str(error)
        order = random.Random(0)
        for r in range(rounds):
            for j, commit in enumerate(order.sample(sorted(trees), len(trees))):
                if progress is not None:
                    progress((r + j / len(trees)) / rounds, f"{commit}, round {r + 1}")
                try:
                    for name in trees[commit].names:
                        found = trees[commit].sample(name, share)
                        blocks.setdefault(name, {}).setdefault(commit, []).append(found)
                except ConfigError as error:
                    failed[commit] = str(error)
                    del trees[commit]
    if not set(commits) - set(failed):
        why = "; ".join(f"{commit}: {failed[commit]}" for commit in commits)
        raise ConfigError(f"no commit could be measured: {why or 'there are none'}")
    whole = {
        name: {commit: found for commit, found in of.items() if commit not in failed}
        for name, of in blocks.items()
    }
    return [_history(name, commits, of, failed, config) for name, of in whole.items() if of]


def _history(
    name: str,
    commits: Sequence[str],
    blocks: Mapping[str, list[list[float]]],
    failed: Mapping[str, str],
    config: BenchmarkConfig,
) -> History:
    floor, environment = timer_floor(), describe_environment()
    there = [commit for commit in commits if commit in blocks]
    summaries = {}
    for commit in there:
        seconds = [value for block in blocks[commit] for value in block]
        samples = Samples(seconds=seconds, attempted=len(seconds))
        known = {**environment, "git": commit}
        found = summarise(name, samples, config, timer_floor=floor, environment=known)
        rounds = tuple(float(np.median(block)) for block in blocks[commit])
        summaries[commit] = dataclasses.replace(found, rounds=rounds)
    points = tuple(point_of(summary) for summary in summaries.values())
    least = 1 + config.min_effect_percent / 100
    timeline = Timeline(name, machine_id(environment), points, min_ratio=least)
    return History(timeline, summaries, failed)


def compare_trees(
    before: Tree,
    after: Tree,
    config: BenchmarkConfig,
    *,
    labels: tuple[str, str] = ("before", "after"),
    progress: Progress | None = None,
) -> list[Comparison]:
    """The benchmarks that both trees have, blocks of one and the other in turns."""
    common = [name for name in after.names if name in before.names]
    if not common:
        raise ConfigError("the two trees have no benchmark in common")
    floor, environment = timer_floor(), describe_environment()
    compared = []
    for i, name in enumerate(common):
        inner = max(tree.warm(name, config.warmup_iterations) for tree in (before, after))
        for tree in (before, after):
            tree.warm(name, config.warmup_iterations, inner)

        def sample(name: str = name, i: int = i) -> tuple[Array, Array]:
            sides: tuple[list[float], list[float]] = ([], [])
            for who, size in turns(config.num_iterations):
                sides[who].extend((before, after)[who].sample(name, size))
                if progress is not None:
                    done = len(sides[0]) / config.num_iterations
                    progress((i + min(done, 1.0)) / len(common), name)
            return np.asarray(sides[0]), np.asarray(sides[1])

        pair = sample()
        a, b = (
            summarise(
                name,
                Samples(seconds=values.tolist(), inner=inner, attempted=values.size),
                config,
                timer_floor=floor,
                environment={**environment, "git": label},
            )
            for values, label in zip(pair, labels, strict=True)
        )
        verdict = judge_interleaved(*pair, config, sample)
        compared.append(Comparison(a, b.judged(verdict), verdict))
    return compared
