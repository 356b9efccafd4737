"""Answers must agree before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.case import OURS, Check


class Disagreement(Exception):
    """Some contestants answer differently. Without names, nobody can be trusted."""

    def __init__(self, reason: str, names: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.names = frozenset(names)


def agree(
    answers: Mapping[str, Any],
    select: Callable[[Any], ArrayLike] = lambda answer: answer,
    *,
    rtol: float = 1e-9,
    atol: float = 0.0,
    reference: ArrayLike | None = None,
) -> float:
    """Largest difference of any answer from the reference, relative to its largest entry.

    A difference d is accepted when d <= atol + rtol * max|reference|: one scale for the whole
    array, since an entry near zero has no digits of its own. The reference is an array, or else
    optcore's answer, or else the first.

    Raises:
        Disagreement: naming those out of tolerance, of another shape, or not finite.
    """
    if not answers:
        return 0.0
    chosen = {name: np.asarray(select(answer), dtype=float) for name, answer in answers.items()}
    if reference is None:
        exact = chosen.get(OURS, next(iter(chosen.values())))
    else:
        exact = np.asarray(reference, dtype=float)
    scale = float(np.max(np.abs(exact), initial=0.0))
    worst, wrong = 0.0, {}
    for name, value in chosen.items():
        if value.shape != exact.shape:
            wrong[name] = f"shape {value.shape}, not {exact.shape}"
            continue
        difference = float(np.max(np.abs(value - exact), initial=0.0))
        if not difference <= atol + rtol * scale:  # NaN lands here too
            wrong[name] = f"differs by {difference:.3g} at scale {scale:.3g}"
            continue
        worst = max(worst, difference)
    if wrong:
        raise Disagreement("; ".join(f"{n}: {why}" for n, why in wrong.items()), wrong)
    return worst / scale if scale > 0 else worst


@dataclass
class Verdict:
    """What the checks found: agreed is None when nothing was compared, `refused` gives reasons."""

    figures: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    agreed: bool | None = True
    reason: str = ""


def judge(answers: Mapping[str, Any], checks: Iterable[Check]) -> Verdict:
    """Run the checks, refusing those who disagree, until the rest agree."""
    verdict = Verdict()
    left = dict(answers)
    checks = list(checks)
    while True:
        try:
            verdict.figures = {k: v for check in checks for k, v in check(left).items()}
        except Disagreement as finding:
            named = finding.names & left.keys()
            if not named or OURS in named:
                verdict.agreed, verdict.reason = False, str(finding)
                return verdict
            verdict.refused.update(dict.fromkeys(named, str(finding)))
            for name in named:
                del left[name]
            continue
        if verdict.refused and set(left) <= {OURS}:
            verdict.agreed, verdict.reason = False, "no peer agrees with optcore"
        return verdict
