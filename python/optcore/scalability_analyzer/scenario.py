"""What a load test does: one scenario, from the dictionary that the caller wrote."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optcore.errors import ConfigError
from optcore.scalability_analyzer.config import ScalabilityConfig

__all__ = ["Scenario", "default_scenarios"]

Executor = Literal["thread", "process", "async", "dask"]
_MOST_CALLS = 1e8
_EXECUTORS = ("thread", "process", "async", "dask")


@dataclass(frozen=True)
class Scenario:
    """A closed loop of `concurrent_users`, or an open loop when `arrival_rate` is given.

    In a closed loop each user calls again when its answer has come (and `think_time` has passed):
    a slow server is asked less often. In an open loop calls are due at times that do not depend on
    the answers, as from many independent clients; latency counts from the time a call was due.
    """

    concurrent_users: int
    """users of a closed loop; workers of an open one, which bound the calls under way"""
    duration: float
    """s that count"""
    ramp_up: float = 0.0
    """s before, that do not count"""
    arrival_rate: float | None = None
    """calls per second"""
    arrival: Literal["poisson", "constant"] = "poisson"
    think_time: float = 0.0
    """s from an answer to the user's next call"""
    args: tuple[Any, ...] | None = None
    """arguments instead of the analysis' own"""
    executor: Executor = "thread"
    timeout: float = math.inf
    """s; a longer call counts as timed out (cancelled only under "async" and over HTTP)"""
    spin: bool = False
    """wait awake for the last 200 us before a call is due: exact starts for a core's time"""
    name: str = ""

    @property
    def is_open(self) -> bool:
        return self.arrival_rate is not None

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], config: ScalabilityConfig) -> Scenario:
        """Read a scenario; durations that are absent come from the configuration.

        Raises:
            ConfigError: an unknown key, a value out of range, or neither users nor rate.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise ConfigError(f"scenario: unknown key {key!r}; {hint}")
        rate = _number(given, "arrival_rate", None, low=0.0, open_low=True)
        users = given.get("concurrent_users")
        if users is None and rate is None:
            raise ConfigError("scenario: need concurrent_users (closed loop) or arrival_rate")
        if users is None:
            users = min(256, config.max_users)
        if not isinstance(users, int) or isinstance(users, bool) or users < 1:
            raise ConfigError(
                f"scenario: concurrent_users must be a whole number from 1, got {users!r}"
            )
        if users > config.max_users:
            raise ConfigError(
                f"scenario: {users} concurrent_users, but max_users is {config.max_users}"
            )
        executor, arrival = given.get("executor", "thread"), given.get("arrival", "poisson")
        for label, value, choices in (
            ("executor", executor, _EXECUTORS),
            ("arrival", arrival, ("poisson", "constant")),
        ):
            if value not in choices:
                raise ConfigError(f"scenario: {label} must be one of {choices}, got {value!r}")
        args = given.get("args")
        if args is not None and not isinstance(args, list | tuple):
            raise ConfigError(f"scenario: args must be a tuple, got {type(args).__name__}")
        duration = _number(given, "duration", config.load_test_duration, open_low=True)
        ramp_up = _number(given, "ramp_up", config.ramp_up_time)
        if rate is not None and rate * (duration + ramp_up) > _MOST_CALLS:
            raise ConfigError(
                f"scenario: {rate:g} calls/s for {duration + ramp_up:g} s are more than "
                f"{_MOST_CALLS:g} calls, whose times are kept"
            )
        think = _number(given, "think_time", 0.0)
        if rate is not None and think:
            raise ConfigError("scenario: think_time belongs to a closed loop, not to arrival_rate")
        return cls(
            concurrent_users=users,
            duration=duration,
            ramp_up=ramp_up,
            arrival_rate=rate,
            arrival=arrival,
            think_time=think,
            args=None if args is None else tuple(args),
            executor=executor,
            timeout=_number(given, "timeout", math.inf, open_low=True),
            spin=bool(given.get("spin", False)),
            name=str(given.get("name") or _name(users, rate)),
        )


def _name(users: int, rate: float | None) -> str:
    if rate is not None:
        return f"{rate:g} calls/s"
    return f"{users} user{'s' if users > 1 else ''}"


def _number(
    given: Mapping[str, Any], key: str, default: Any, low: float = 0.0, open_low: bool = False
) -> Any:
    value = given.get(key, default)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise ConfigError(f"scenario: {key} must be a number, got {value!r}")
    if math.isinf(value) and not math.isinf(default or 0.0):
        raise ConfigError(f"scenario: {key} must be finite, got {value!r}")
    if value < low or (open_low and value <= low):
        raise ConfigError(f"scenario: {key} must be {'above' if open_low else 'at least'} {low:g},"
                          f" got {value:g}")  # fmt: skip
    return float(value)


def default_scenarios(config: ScalabilityConfig) -> list[dict[str, Any]]:
    """Closed loops of 1, 2, 4 ... users: the ladder a scaling law can be fitted to."""
    users, ladder = 1, []
    while users <= min(config.max_users, 32):
        ladder.append({"concurrent_users": users})
        users *= 2
    return ladder
