"""Settings of the scalability analyzer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optcore._config import Config, bounded
from optcore._machine import usable_cpus
from optcore.errors import ConfigError

__all__ = ["ScalabilityConfig"]

_PRICES = {"cpu_hour", "gb_hour", "gpu_hour"}


@dataclass(frozen=True, slots=True)
class ScalabilityConfig(Config):
    """How :class:`ScalabilityAnalyzer` loads its target and what it has to reach."""

    max_workers: int = bounded(default_factory=lambda: 2 * usable_cpus(), low=1)
    """operating-system processes of the generator; users are threads or tasks in them"""
    load_test_duration: float = bounded(60.0, low=0, open_low=True)
    """s of a scenario that names none, the ramp not counted"""
    ramp_up_time: float = bounded(10.0, low=0)
    """s in which the users start one after the other, left out of the figures"""
    target_throughput: float = bounded(100.0, low=0, open_low=True)
    """calls per second to be served"""
    max_response_time: float = bounded(1.0, low=0, open_low=True)
    """s, for the `percentile`-th percentile"""
    cpu_threshold: float = bounded(80.0, low=0, high=100, open_low=True)
    """percent of the usable processors from which the processor is what limits"""
    memory_threshold: float = bounded(80.0, low=0, high=100, open_low=True)
    """percent of the machine's memory from which memory is what limits"""
    enable_distributed_testing: bool = False
    """allow executor "dask", whose load comes from the workers of `scheduler`"""
    test_endpoints: list[str] = field(default_factory=list)
    """URLs that are tested beside the function"""
    enable_auto_scaling: bool = False
    """recommend replicas, as JSON and as a Kubernetes manifest; nothing is started"""
    min_replicas: int = bounded(1, low=1)
    max_replicas: int = bounded(10, low=1)
    max_users: int = bounded(4096, low=1)
    """threads or tasks at most: the users of a closed loop, the workers of an open one"""
    scheduler: str | None = None
    """address of a Dask scheduler, such as tcp://host:8786; None: `max_workers` processes here"""
    percentile: float = bounded(99.0, low=0, high=100, open_low=True)
    prices: dict[str, float] | None = None
    """per hour: cpu_hour of a processor, gb_hour of 2^30 bytes, gpu_hour; None: no money shown"""
    gpus_per_replica: int = bounded(0, low=0)
    """GPUs that one instance holds, for gpu_hour: no sampler sees how many it was given"""
    seed: int = bounded(0, low=0)

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.min_replicas > self.max_replicas:
            raise ConfigError(
                f"min_replicas must not exceed max_replicas, got {self.min_replicas} and "
                f"{self.max_replicas}"
            )
        _check_prices(self.prices)
        if (self.prices or {}).get("gpu_hour") and not self.gpus_per_replica:
            raise ConfigError(
                "prices: gpu_hour needs gpus_per_replica, the GPUs that one instance holds; it is 0"
            )


def _check_prices(prices: Mapping[str, float] | None) -> None:
    for name, value in (prices or {}).items():
        if name not in _PRICES:
            raise ConfigError(f"prices: unknown {name!r}; known are {', '.join(sorted(_PRICES))}")
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise ConfigError(f"prices: {name} must be a number from 0, got {value!r}")
