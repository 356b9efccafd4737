"""Settings of the benchmark framework."""

from __future__ import annotations

from dataclasses import dataclass

from optcore._config import Config, bounded
from optcore._machine import usable_cpus

__all__ = ["BenchmarkConfig"]


@dataclass(frozen=True, slots=True)
class BenchmarkConfig(Config):
    """How :class:`BenchmarkFramework` measures, compares and keeps."""

    num_iterations: int = bounded(100, low=1)
    """samples; a call under 50 us is repeated within a sample, and the sample divided"""
    warmup_iterations: int = bounded(10, low=0)
    """untimed samples at least; up to ten times as many until the running median settles"""
    timeout_seconds: float = bounded(300.0, low=0, open_low=True)
    """s for the whole benchmark, looked at between samples; `isolate` makes it hard, the start of
    the process left out. A verdict's second run has what is left of it."""
    enable_profiling: bool = True
    """a profile of some further calls, after the timing"""
    enable_memory_tracking: bool = True
    """peak memory of one further call, after the timing"""
    enable_regression_testing: bool = True
    """look for a baseline and judge against it"""
    baseline_tolerance_percent: float = bounded(10.0, low=0)
    """against a stored baseline, slower by more than this is a regression"""
    statistical_significance_level: float = bounded(0.05, low=1e-6, high=0.5)
    """of the Mann-Whitney test and, as 1 - level, of the intervals"""
    output_directory: str = "benchmark_results"
    """runs, history, baselines and reports"""
    enable_parallel_benchmarks: bool = False
    """let `benchmark_all` run several at once; their figures are then not comparable"""
    max_workers: int = bounded(default_factory=usable_cpus, low=1)
    """processes of `benchmark_all` with `enable_parallel_benchmarks`"""
    enable_visualization: bool = True
    """pictures in the HTML report (matplotlib)"""
    save_raw_data: bool = True
    """keep every sample of every run, compressed; a baseline keeps them always"""
    isolate: bool = False
    """measure in a process of its own, which is ended at the timeout"""
    interleave: bool = True
    """`compare` of two functions alternates them in blocks of five samples"""
    min_effect_percent: float = bounded(3.0, low=0)
    """interleaved, slower by more than this is a regression"""
    pin_cpu: int | None = bounded(None, low=0)
    """stay on this processor while measuring"""
    bootstrap_samples: int = bounded(2000, low=100)
    """resamples behind each interval"""
    baseline_directory: str | None = None
    """where baselines are, when not in the output directory: a folder under version control"""
    history_limit: int = bounded(1000, low=1)
    """runs of one name kept in its timeline"""
    allow_nonfinite: bool = False
    """take a result with NaN or infinity for a success"""
