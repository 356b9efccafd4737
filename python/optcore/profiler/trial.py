"""Everything that runs beside one profiled call: started before it, stopped after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from optcore._native import runtime
from optcore.profiler import collectors, passes, stacks
from optcore.profiler.config import ProfilerConfig
from optcore.profiler.data import StackNode, SystemSample

__all__ = ["Trial"]

_FEW = 20  # sampling intervals below which a line profile says little


class Trial:
    """Counters before and after, stack sampler, system sampler, collector time."""

    before: collectors.Counters
    after: collectors.Counters

    def __init__(self, config: ProfilerConfig, told: Callable[[float], object] | None) -> None:
        self.config = config
        sampled = config.enable_line_profiling and config.line_backend == "sampling"
        self.stack_sampler = runtime.StackSampler(config.line_interval) if sampled else None
        self.gpu = collectors.Gpu() if config.enable_gpu_profiling else None
        self.system = collectors.SystemSampler(
            config.sampling_interval, self.gpu, config.profile_duration, told
        )
        self.collector = collectors.CollectorTime()
        self.caller = threading.current_thread().name

    def start(self) -> None:
        self.system.start()
        self.collector.__enter__()
        self.before = self._count()
        if self.stack_sampler is not None:
            self.stack_sampler.start()

    def stop(self) -> None:
        if self.stack_sampler is not None:
            self.stack_sampler.stop()
        self.after = self._count()
        self.collector.__exit__()
        self.system.stop()

    def _count(self) -> collectors.Counters:
        return collectors.Counters.now(
            self.config.enable_memory_profiling, self.config.enable_io_profiling
        )

    @property
    def samples(self) -> tuple[SystemSample, ...]:
        return tuple(self.system.samples)

    @property
    def cost(self) -> float:
        """s of the processor that the samplers took."""
        return self.system.cost + (self.stack_sampler.cost if self.stack_sampler else 0.0)

    def trees(self) -> dict[str, tuple[StackNode, ...]]:
        if self.stack_sampler is None:
            return {}
        names = self.system.thread_names
        trees = stacks.call_trees(self.stack_sampler, names, passes.OWN_FILES, passes.CUT)
        return {k: v for k, v in trees.items() if not k.startswith("optcore-")}

    def notes(self, wall: float) -> Iterator[str]:
        """What the reader of the report has to know."""
        if self.gpu is not None and self.gpu.reason:
            yield self.gpu.reason
        sampler = self.stack_sampler
        if sampler is None:
            return
        if wall < _FEW * self.config.line_interval:
            yield (
                f"too short to sample: {wall * 1e3:.3g} ms is less than {_FEW} intervals of "
                f"{self.config.line_interval * 1e3:g} ms; repeat it with "
                "optcore.benchmark_framework's benchmark, or call it in a loop"
            )
        if sampler.interval > 1.5 * self.config.line_interval:
            yield f"sampling stretched itself to one look in {sampler.interval:.3g} s to stay cheap"
