"""One case from set-up to row: build, check, and only then time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from harness import threads
from harness.agreement import Verdict, judge
from harness.case import OURS, Absent, Case, Contestant, Probe, Trial
from harness.environment import versions
from harness.statistics import best_peer, ratio, ratio_interval, summarise
from harness.timing import measure
from optcore._plain import plain
from optcore.benchmark_framework.timing import Clock

Row = dict[str, Any]


class BrokenCase(Exception):
    """A case that cannot be a comparison as it is written."""


def select(cases: Iterable[Case], text: str | None) -> list[Case]:
    """Cases whose id contains the text, each (id, measure) once."""
    chosen = [case for case in cases if text is None or text in case.id]
    seen: set[tuple[str, str]] = set()
    for case in chosen:
        if (case.id, case.measure) in seen:
            raise BrokenCase(f"{case.id} ({case.measure}) is registered twice")
        seen.add((case.id, case.measure))
    return chosen


def run_case(
    case: Case,
    environment: dict[str, Any],
    *,
    quick: bool = False,
    clock: Clock = time.perf_counter_ns,
) -> Row:
    """The row of one case. Nothing is timed for those whose answers are refused."""
    trial = Trial(quick=quick)
    try:
        case.setup(trial)
    except Absent as reason:
        return _row(case, trial, Verdict(agreed=None, reason=f"skipped: {reason}"), environment)
    threads.limit()

    contestants: dict[str, Contestant] = {}
    answers: dict[str, Any] = {}
    for name, contestant in trial.contestants.items():
        try:
            if isinstance(contestant, Probe):
                answer = contestant.answer()
                if answer is not None:
                    answers[name] = answer
            else:
                answers[name] = contestant()
        except (Absent, ImportError) as reason:
            trial.absent[name] = str(reason)
            continue
        contestants[name] = contestant
    if len(answers) > 1 and not trial.checks:
        raise BrokenCase(f"{case.id}: contestants without a check that their answers agree")

    verdict = judge(answers, trial.checks)
    if not verdict.agreed:
        return _row(case, trial, verdict, environment)
    kept = {name: c for name, c in contestants.items() if name not in verdict.refused}
    samples, inner = measure(case, kept, quick=quick, clock=clock)
    return _row(case, trial, verdict, environment, samples=samples, inner=inner)


def _row(
    case: Case,
    trial: Trial,
    verdict: Verdict,
    environment: dict[str, Any],
    *,
    samples: dict[str, list[float]] | None = None,
    inner: dict[str, int] | None = None,
) -> Row:
    samples = samples or {}
    found = {name: summarise(values, case.unit) for name, values in samples.items()}
    ours = found.pop(OURS, None)
    row: Row = {
        "case": case.id,
        "measure": case.measure,
        "unit": case.unit,
        "optcore": ours.median if ours else None,
        "optcore_min": ours.best if ours else None,
        "optcore_p99": ours.p99 if ours else None,
        "optcore_max": ours.worst if ours else None,
        "peers": {name: s.median for name, s in found.items()},
        "peers_min": {name: s.best for name, s in found.items()},
        "peers_p99": {name: s.p99 for name, s in found.items()},
        "peers_max": {name: s.worst for name, s in found.items()},
        "ratio_to_best_peer": None,
        "ratio_interval": None,
        "best_peer": best_peer(found, case.unit) if found else None,
        "checks": _checks(trial, verdict),
        "absent": dict(trial.absent),
        "samples": ours.count if ours else 0,
        "peers_samples": {name: s.count for name, s in found.items()},
        "calls_per_sample": inner or {},
        "environment": {**environment, "versions": versions(list(trial.contestants))},
    }
    if ours and row["best_peer"] is not None:
        best = row["best_peer"]
        row["ratio_to_best_peer"] = ratio(ours.median, found[best].median, case.unit)
        row["ratio_interval"] = list(ratio_interval(samples[OURS], samples[best], case.unit))
    return row


def _checks(trial: Trial, verdict: Verdict) -> dict[str, Any]:
    checks: dict[str, Any] = {"agree": verdict.agreed, **verdict.figures, **trial.notes}
    if verdict.reason:
        checks["reason"] = verdict.reason
    if verdict.refused:
        checks["refused"] = dict(verdict.refused)
    return checks


def to_json(rows: Sequence[Row]) -> str:
    """The rows as a JSON list; what is not finite becomes null."""
    return json.dumps(plain(rows), indent=1, allow_nan=False) + "\n"
