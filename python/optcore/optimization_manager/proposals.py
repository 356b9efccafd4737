"""What could make a function faster, judged from its observed calls."""

from __future__ import annotations

import inspect
import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optcore.optimization_manager.observation import Example, Observation, digest
from optcore.optimization_manager.purity import Purity
from optcore.rollout import difference

__all__ = ["Proposal", "propose"]

_REPEATS = 3  # of equal calls with equal results before an unread function is taken for pure
_POOLED_BYTES = 1 << 16  # below, the allocator is as fast as a pool


@dataclass(frozen=True)
class Proposal:
    """One change: what speaks for it, and whether it was applied."""

    kind: str
    """cache, pool, batch or temporaries"""
    evidence: str
    applied: bool
    reason: str = ""
    """why not, where it was not"""


def propose(
    function: Callable[..., Any],
    level: str,
    observations: Sequence[Observation],
    examples: Sequence[Example],
    purity: Purity,
) -> list[Proposal]:
    """In the order in which they are applied."""
    bold = level == "aggressive"
    # trying pools and batches calls the function once more
    barred = "" if purity.verdict == "pure" or (bold and purity.verdict == "unknown") else (
        "; ".join(purity.reasons)
    )  # fmt: skip
    finders: dict[str, Callable[[], Proposal | None]] = {
        "cache": lambda: _cache(observations, purity, bold),
        "pool": lambda: _pool(function, examples, barred),
        "temporaries": lambda: _temporaries(function, observations, examples, barred),
        "batch": lambda: _batch(function, examples, barred),
    }
    found: list[Proposal] = []
    for kind, find in finders.items():
        try:
            proposal = find()
        except Exception as error:  # of a call that nobody asked for: not an error of the caller's
            proposal = Proposal(kind, "trying it failed", False, f"{type(error).__name__}: {error}")
        if proposal is not None:
            found.append(proposal)
    return found


def _cache(observations: Sequence[Observation], purity: Purity, bold: bool) -> Proposal | None:
    outcomes: dict[bytes, bytes | None] = {}
    repeats = equal = 0
    unequal = False
    for seen in observations:
        if seen.key is None:
            continue
        if seen.key in outcomes:
            repeats += 1
            same = seen.outcome is not None and outcomes[seen.key] == seen.outcome
            equal += same
            unequal |= seen.outcome is not None and not same
        outcomes[seen.key] = seen.outcome
    if not repeats:
        return None
    total = len(observations)
    compute = float(np.mean([seen.seconds for seen in observations]))
    look = float(np.mean([seen.key_seconds for seen in observations]))
    evidence = (
        f"{repeats} of {total} calls had arguments seen before; a call takes "
        f"{compute * 1e6:.3g} us, hashing its arguments {look * 1e6:.3g} us"
    )

    def no(reason: str) -> Proposal:
        return Proposal("cache", evidence, False, reason)

    if unequal:
        return no("equal arguments gave different results")
    if any(seen.mutated for seen in observations):
        return no("it changes its arguments")
    if purity.verdict == "impure":
        return no("; ".join(purity.reasons))
    if purity.verdict == "unknown" and not bold:
        return no(f"only at level 'aggressive': {'; '.join(purity.reasons)}")
    if purity.verdict == "unknown" and equal < _REPEATS:
        return no(f"{'; '.join(purity.reasons)}, and only {equal} repeated calls to judge by")
    if repeats / total * compute <= 1.2 * look:
        return no("it would cost more than it saves")
    return Proposal("cache", evidence, True)


def _pool(
    function: Callable[..., Any], examples: Sequence[Example], barred: str
) -> Proposal | None:
    """Functions that take `out=` need not allocate their result."""
    try:
        parameter = inspect.signature(function).parameters.get("out")
    except (TypeError, ValueError):
        return None
    results = [e.result for e in examples if isinstance(e.result, np.ndarray)]
    if parameter is None or parameter.default is not None or not results:
        return None
    if any("out" in e.kwargs for e in examples):
        return None
    first = results[0]
    evidence = (
        f"it takes out=, and returns {first.shape} {first.dtype}, {first.nbytes / 1e6:.2g} MB"
    )
    if first.nbytes < _POOLED_BYTES:
        return Proposal("pool", evidence, False, "so small that the allocator is as fast")
    if any((r.shape, r.dtype) != (first.shape, first.dtype) for r in results):
        return Proposal("pool", evidence, False, "results have several shapes")
    if barred:
        return Proposal("pool", evidence, False, barred)
    for example in examples:
        if not example.intact:
            continue
        out = np.full_like(first, 7)
        got = function(*example.args, **example.kwargs, out=out)
        if got is not out or difference(out, example.result) != 0.0:
            return Proposal("pool", evidence, False, "with out= it gives something else")
        return Proposal("pool", evidence, True)
    return Proposal("pool", evidence, False, "no arguments at hand to try it with")


def _temporaries(
    function: Callable[..., Any],
    observations: Sequence[Observation],
    examples: Sequence[Example],
    barred: str,
) -> Proposal | None:
    """Arrays that a call makes and drops: only its author can reuse them, so they are named."""
    example = next((e for e in examples if e.intact), None)
    if barred or example is None or tracemalloc.is_tracing():
        return None
    tracemalloc.start()
    try:
        function(*example.args, **example.kwargs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    result = example.result.nbytes if isinstance(example.result, np.ndarray) else 0
    spare = peak - result
    if spare < _POOLED_BYTES:
        return None
    faults = sum(seen.faults for seen in observations) / max(len(observations), 1)
    evidence = (
        f"a call holds {spare / 1e6:.2g} MB beside its result at its peak, and meets {faults:.0f} "
        "page faults"
    )
    how = "reuse them inside: MemoryManager.temporary_array, or out= of NumPy's functions"
    return Proposal("temporaries", evidence, False, how)


def _batch(
    function: Callable[..., Any], examples: Sequence[Example], barred: str
) -> Proposal | None:
    """Single rows that the function could take together; `map` then does."""
    rows = [e for e in examples if _is_row(e) and e.intact][:8]
    # everything but the row must be the same
    if len(rows) < 2 or len({digest((e.args[1:], e.kwargs)) for e in rows}) > 1:
        return None
    evidence = f"calls come with one row of {rows[0].args[0].shape[1]} numbers"
    if barred:
        return Proposal("batch", evidence, False, barred)
    together = np.concatenate([e.args[0] for e in rows])
    one_by_one = _best(lambda: [function(*e.args, **e.kwargs) for e in rows])[0]
    try:
        at_once, result = _best(lambda: function(together, *rows[0].args[1:], **rows[0].kwargs))
        parts = split(result, [1] * len(rows))
    except Exception as error:  # it takes one row only: not an error of the caller's
        return Proposal("batch", evidence, False, f"it refuses several rows: {error}")
    if parts is None or not all(
        difference(part, e.result) <= 1e-9 * _size(e.result)
        for part, e in zip(parts, rows, strict=True)
    ):
        return Proposal("batch", evidence, False, "several rows do not give the rows' results")
    gain = one_by_one / at_once if at_once > 0 else math.inf
    evidence += f"; {len(rows)} rows at once are {gain:.1f} x as fast as one by one"
    if gain < 1.2:
        return Proposal("batch", evidence, False, "no gain")
    return Proposal("batch", evidence, True)


def _best(call: Callable[[], Any]) -> tuple[float, Any]:
    """Least time of three calls, s, and the last result."""
    least, result = math.inf, None
    for _ in range(3):
        start = time.perf_counter()
        result = call()
        least = min(least, time.perf_counter() - start)
    return least, result


def _is_row(example: Example) -> bool:
    first = example.args[0] if example.args else None
    return isinstance(first, np.ndarray) and first.ndim == 2 and len(first) == 1


def _size(result: Any) -> float:
    parts = result if isinstance(result, tuple) else (result,)
    arrays = [np.abs(np.asarray(part)) for part in parts]
    return max(1.0, *(float(a.max()) if a.size else 0.0 for a in arrays))


def split(result: Any, rows: Sequence[int]) -> list[Any] | None:
    """A result of all rows cut into those of each call; None where it is not made of rows."""
    total, ends = sum(rows), np.cumsum(rows)
    if isinstance(result, tuple):
        columns = [split(part, rows) for part in result]
        if any(column is None for column in columns):
            return None
        return list(zip(*columns, strict=True))
    if not isinstance(result, np.ndarray) or result.ndim == 0 or len(result) != total:
        return None
    return [result[end - count : end] for end, count in zip(ends, rows, strict=True)]
