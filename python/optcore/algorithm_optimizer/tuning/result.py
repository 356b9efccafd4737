"""What tuning decided: settings, and for each of them the reason and the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = ["TARGETS", "Check", "Choice", "Settings", "Target", "TuningResult", "table"]

Target = Literal["speed", "memory", "accuracy", "balanced"]
TARGETS: tuple[Target, ...] = ("speed", "memory", "accuracy", "balanced")


@dataclass(frozen=True)
class Settings:
    """What can be set; the defaults are those of the optimizers."""

    gp_approximate_from: int | None = None
    """training points from which a proven sparse process takes the exact one's place"""
    gp_cache: bool = True
    """fitted models are kept"""
    gp_cache_mb: float = 512.0
    gp_threads: int = 1
    """of predict_many"""
    mpc_method: str = "auto"
    mpc_warm_start: bool = True
    mpc_tolerance: float = 1e-6
    belief_single_from: int | None = None
    """states from which transition matrices are kept in single precision"""
    belief_cache: bool = True
    """belief updates are kept for as long as that pays"""
    gpu_from: int | None = None
    """beliefs updated in one call from which the GPU does it"""


@dataclass(frozen=True)
class Choice:
    """One setting, and why."""

    setting: str
    value: Any
    default: Any
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.value != self.default)


@dataclass(frozen=True)
class Check:
    """A workload under the default settings and under the chosen ones, in turns."""

    workload: str
    default_s: float
    chosen_s: float
    reverted: bool = False
    """slower than the default: the settings it concerns are the default's again"""

    @property
    def speedup(self) -> float:
        return self.default_s / self.chosen_s if not self.reverted else 1.0


@dataclass(frozen=True)
class TuningResult:
    """Settings for a target on a machine."""

    target: str
    machine: Mapping[str, Any]
    choices: tuple[Choice, ...]
    checks: tuple[Check, ...]
    seconds: float
    """that the measurements took"""
    remembered: bool = False
    """read back from an earlier run"""

    @property
    def settings(self) -> Settings:
        known = {f.name for f in fields(Settings)}
        return Settings(**{c.setting: c.value for c in self.choices if c.setting in known})

    @property
    def changed(self) -> dict[str, Any]:
        """Settings that are not the default's."""
        return {c.setting: c.value for c in self.choices if c.changed}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TuningResult:
        """What to_dict() gave; TypeError, KeyError or ValueError where it is something else."""
        choices = tuple(Choice(**one) for one in values["choices"])
        checks = tuple(Check(**one) for one in values["checks"])
        result = cls(
            str(values["target"]), dict(values["machine"]), choices, checks,
            float(values["seconds"]), remembered=True,
        )  # fmt: skip
        if result.target not in TARGETS or {c.setting for c in choices} != {
            f.name for f in fields(Settings)
        }:
            raise ValueError("not the settings of this version")
        defaults = Settings()
        for choice in choices:
            usual = getattr(defaults, choice.setting)
            kinds = (int, float, type(None)) if usual is None else (type(usual), int, float)
            if not isinstance(choice.value, kinds) or isinstance(choice.value, bool) != isinstance(
                usual, bool
            ):
                raise TypeError(f"{choice.setting}: {choice.value!r}")
        return result


def table(result: TuningResult) -> str:
    """The decisions and the checks, as text."""
    source = "remembered" if result.remembered else f"measured in {result.seconds:.1f} s"
    lines = [f"optimized for {result.target} on {result.machine.get('cpu', '?')} ({source})"]
    rows = [("setting", "chosen", "default", "why")]
    rows += [(c.setting, _spelled(c.value), _spelled(c.default), c.reason) for c in result.choices]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    lines += [
        "  ".join([*(text.ljust(w) for text, w in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    for check in result.checks:
        verdict = "slower, so taken back" if check.reverted else f"{check.speedup:.2f} x"
        lines.append(
            f"checked: {check.workload}: {check.default_s * 1e3:.3g} ms by default, "
            f"{check.chosen_s * 1e3:.3g} ms so: {verdict}"
        )
    return "\n".join(lines)


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "never" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
