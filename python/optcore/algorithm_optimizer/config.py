"""Settings of the algorithm optimizers, field for field those of the user's manual."""

from __future__ import annotations

from dataclasses import dataclass

from optcore import _native
from optcore._config import Config, bounded
from optcore._machine import usable_cpus

__all__ = ["OptimizationConfig"]


def _has_gpu() -> bool:
    available, _, _ = _native.describe(_native.Device.cuda())
    return available


@dataclass(frozen=True, slots=True)
class OptimizationConfig(Config):
    """Each field says what it governs; defaults that depend on the machine are found when built."""

    use_parallel: bool = True
    """several threads where a call has independent parts; one prediction never waits for them"""
    num_workers: int = bounded(default_factory=usable_cpus, low=1)
    """most threads of such a call"""
    use_gpu: bool = bounded(default_factory=_has_gpu)
    """batches may run on a CUDA device; single predictions and plans run on the CPU regardless"""
    use_numba: bool = True
    """accepted for older code: the native core does that work, with or without"""
    cache_size: int = bounded(1000, low=0)
    """fitted models kept, 0 for none"""
    approximation_threshold: float = bounded(1e-6, low=0, open_low=True, high=0.1)
    """largest error that an approximation made for speed may bring: of means in prior standard
    deviations, of variances in prior variances; verified on held-out rows"""
    max_iterations: int = bounded(1000, low=1)
    """of a search for hyper-parameters"""
    convergence_tolerance: float = bounded(1e-8, low=0, open_low=True)
    """relative rise that ends such a search"""
