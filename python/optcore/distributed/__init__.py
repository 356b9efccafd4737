"""Many tasks on many processes or machines, through Dask, with nothing lost when one dies."""

from __future__ import annotations

from optcore.distributed.executor import Executor, TaskFailed

__all__ = ["Executor", "TaskFailed"]
