"""From sampled stacks to times by line and by function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from types import CodeType

from optcore._native import runtime
from optcore.profiler.data import FunctionTime, LineTime, StackNode

__all__ = ["call_trees", "function_times", "line_times", "that_worked"]

_NS = 1e-9
_NATIVE = runtime.activities.index("native")
_CPU = (runtime.activities.index("running"), _NATIVE)


def call_trees(
    sampler: runtime.StackSampler,
    names: dict[int, str],
    skip: Iterable[str] = (),
    cut: Iterable[CodeType] = (),
) -> dict[str, tuple[StackNode, ...]]:
    """Trees by thread name.

    Frames of files in `skip` (the profiler's own) pass to their parent; what lies above a frame of
    `cut` is left out.
    """
    hidden, roots = set(skip), set(cut)
    trees: dict[str, tuple[StackNode, ...]] = {}
    for thread, _, nodes in sampler.result():
        if sum(sum(node[4]) for node in nodes) == 0:
            continue
        place: dict[int, int] = {0: 0}
        out = [StackNode(0, "", 0, "", 0.0, (0.0,) * 6)]
        for index, (parent, code, line, _, ns) in enumerate(nodes):
            if index == 0 or code is None:
                continue
            seconds = tuple(n * _NS for n in ns)
            if code.co_filename in hidden:
                place[index] = 0 if code in roots else place[parent]
                at = out[place[index]]
                merged = tuple(a + b for a, b in zip(at.by_activity, seconds, strict=True))
                out[place[index]] = StackNode(
                    at.parent, at.file, at.line, at.function, sum(merged), merged
                )
                continue
            name = getattr(code, "co_qualname", code.co_name)
            place[index] = len(out)
            out.append(
                StackNode(place[parent], code.co_filename, line, name, sum(seconds), seconds)
            )
        name = names.get(thread, f"thread {thread}")
        trees[name if name not in trees else f"{name} ({thread})"] = _pruned(out)
    return dict(sorted(trees.items(), key=lambda item: -sum(n.seconds for n in item[1])))


def _pruned(tree: list[StackNode]) -> tuple[StackNode, ...]:
    """The tree without branches that took no time; parents stand before their children."""
    total = [node.seconds for node in tree]
    for index in range(len(tree) - 1, 0, -1):
        total[tree[index].parent] += total[index]
    place: dict[int, int] = {0: 0}
    out = [tree[0]]
    for index, node in enumerate(tree[1:], 1):
        if total[index] > 0:
            place[index] = len(out)
            out.append(replace(node, parent=place[node.parent]))
    return tuple(out)


def that_worked(
    trees: dict[str, tuple[StackNode, ...]], caller: str
) -> dict[str, tuple[StackNode, ...]]:
    """The caller's thread and those that ever ran: one that only waits has no place in a table of
    where the time went."""
    return {
        name: tree
        for name, tree in trees.items()
        if name == caller or any(node.by_activity[i] > 0 for node in tree for i in _CPU)
    }


def line_times(trees: dict[str, tuple[StackNode, ...]]) -> tuple[LineTime, ...]:
    """Self time by line, longest first."""
    totals: dict[tuple[str, int, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for node in (n for tree in trees.values() for n in tree[1:] if n.seconds > 0):
        row = totals[node.file, node.line, node.function]
        row[0] += node.seconds
        row[1] += node.by_activity[_NATIVE]
        row[2] += node.seconds - sum(node.by_activity[i] for i in _CPU)
    rows = [LineTime(*key, values[0], values[1], values[2]) for key, values in totals.items()]
    return tuple(sorted(rows, key=lambda r: -r.seconds))


def function_times(trees: dict[str, tuple[StackNode, ...]]) -> tuple[FunctionTime, ...]:
    """Own and total time by function, longest own time first; recursion counts once."""
    own: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 6)
    total: dict[tuple[str, str], float] = defaultdict(float)
    first: dict[tuple[str, str], int] = {}
    for tree in trees.values():
        for node in tree[1:]:
            key = (node.file, node.function)
            first[key] = min(first.get(key, node.line), node.line)
            if node.seconds <= 0:
                continue
            own[key] = [a + b for a, b in zip(own[key], node.by_activity, strict=True)]
            seen, at = set(), node
            while at is not tree[0]:
                seen.add((at.file, at.function))
                at = tree[at.parent]
            for one in seen:
                total[one] += node.seconds
    rows = [
        FunctionTime(file, first[file, name], name, sum(own[file, name]), seconds, *own[file, name])
        for (file, name), seconds in total.items()
    ]
    return tuple(sorted(rows, key=lambda r: -r.self_seconds))
