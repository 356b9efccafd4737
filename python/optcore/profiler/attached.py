"""What py-spy saw of another process, as a profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from optcore.profiler.data import ProfileMetrics, ProfilingData, StackNode
from optcore.profiler.stacks import function_times, line_times

__all__ = ["from_speedscope"]


def from_speedscope(name: str, text: str) -> ProfilingData:
    """A profile from py-spy's speedscope file (sampled profiles, weights in seconds).

    All time counts as running: py-spy leaves waits out, and does not tell native code apart.
    """
    document = json.loads(text)
    frames = document["shared"]["frames"]
    trees: dict[str, tuple[StackNode, ...]] = {}
    for profile in document["profiles"]:
        label = profile["name"]
        while label in trees:
            label += "'"
        trees[label] = tuple(_tree(frames, profile))
    busy = {label: sum(node.seconds for node in tree) for label, tree in trees.items()}
    trees = {label: trees[label] for label in sorted(busy, key=lambda one: -busy[one])}
    length = max((p["endValue"] - p["startValue"] for p in document["profiles"]), default=0.0)
    return ProfilingData(
        name=name,
        metrics=ProfileMetrics(execution_time=length),
        lines=line_times(trees),
        functions=function_times(trees),
        notes=("seen from outside by py-spy: native code counts as Python, waits are left out",),
        stacks=trees,
    )


def _tree(frames: list[dict[str, Any]], profile: dict[str, Any]) -> Iterator[StackNode]:
    nodes = [StackNode(0, "", 0, "", 0.0, (0.0,) * 6)]
    known: dict[tuple[int, int], int] = {}
    for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
        at = 0
        for index in stack:
            frame = frames[index]
            if not frame["file"]:
                continue  # the thread itself, which names the tree already
            if (at, index) not in known:
                known[at, index] = len(nodes)
                row = frame["file"], frame["line"] or 0, frame["name"]
                nodes.append(StackNode(at, *row, 0.0, (0.0,) * 6))
            at = known[at, index]
        seconds = nodes[at].seconds + weight
        nodes[at] = replace(nodes[at], seconds=seconds, by_activity=(seconds, *(0.0,) * 5))
    yield from nodes
