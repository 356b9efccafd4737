"""One face for a local cluster of processes and a Dask scheduler anywhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from optcore._machine import usable_cpus
from optcore.distributed.checkpoint import Checkpoint, task_key
from optcore.errors import ConfigError, MissingDependency, OptcoreError

__all__ = ["Executor", "TaskFailed"]

Told = Callable[[float, str], object]


class TaskFailed(OptcoreError, RuntimeError):
    """A task raised, or its worker died, more often than it is retried; `index` says which."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        super().__init__(f"task {index}: {reason}")


class Executor:
    """Runs tasks on Dask workers. A task is a pure function of its input: it may run twice, when
    the worker that held it dies, and must then give the same result.

    Args:
        scheduler: address of a Dask scheduler, such as tcp://host:8786 (started by hand, or by
            dask-jobqueue on SLURM, dask-kubernetes, or SSHCluster); None: a cluster of processes
            on this machine, ended with the executor.
        workers: processes of the local cluster; default the usable processors.
        retries: how often a task that raised is tried again.
        deaths: how many workers may die under a task before it is given up.
    """

    def __init__(
        self,
        scheduler: str | None = None,
        *,
        workers: int | None = None,
        retries: int = 2,
        deaths: int = 5,
    ) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"workers must be at least 1, got {workers}")
        if retries < 0 or deaths < 0:
            raise ConfigError(f"retries and deaths must be 0 or more, got {retries} and {deaths}")
        try:
            import dask

            import distributed
        except ImportError:
            raise MissingDependency(
                "more machines need Dask: pip install 'optcore[distributed]'"
            ) from None
        self._retries = retries
        self._distributed = distributed
        self._cluster: Any = None
        with dask.config.set({"distributed.scheduler.allowed-failures": deaths}):
            if scheduler is None:
                self._cluster = distributed.LocalCluster(
                    n_workers=workers or usable_cpus(), threads_per_worker=1, processes=True,
                    dashboard_address=None, silence_logs=50,
                )  # fmt: skip
            try:
                self.client: Any = distributed.Client(self._cluster or scheduler, timeout=20)
            except (OSError, ValueError, TimeoutError) as error:
                raise ConfigError(f"scheduler {scheduler!r} cannot be reached: {error}") from None

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the scheduler; end the local cluster. Closing twice is harmless."""
        self.client.close()
        if self._cluster is not None:
            self._cluster.close()

    def run(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        checkpoint: str | Path | None = None,
        version: str = "",
        progress: Told | None = None,
    ) -> list[Any]:
        """function(item) for each item, results in the order of the items.

        Args:
            function: importable by the workers, or picklable.
            checkpoint: folder of finished results; those found there are not computed again. The
                function must then be one at the top of its module.
            version: changes with the function's meaning, so that old checkpoints do not count.

        Raises:
            TaskFailed: a task raised on its last try, or its workers kept dying. What the others
                finished until then is in the checkpoint.
            ConfigError: with `checkpoint`, for a lambda, a closure or the like, an input that
                cannot be pickled, or a result that cannot be kept without pickle.
        """
        inputs = list(items)
        kept = Checkpoint(checkpoint) if checkpoint is not None else None
        keys = [task_key(function, item, version) for item in inputs] if kept is not None else []
        results: list[Any] = [None] * len(inputs)
        open_tasks = []
        for i in range(len(inputs)):
            results[i], there = kept.load(keys[i]) if kept is not None else (None, False)
            if not there:
                open_tasks.append(i)
        done = len(inputs) - len(open_tasks)
        run = secrets.token_hex(8)  # keys of an earlier run may still be on their way out
        futures = {
            self.client.submit(
                function, inputs[i], pure=False, retries=self._retries,
                key=f"optcore-{run}-{i}",
            ): i
            for i in open_tasks
        }  # fmt: skip
        try:
            for future in self._distributed.as_completed(list(futures)):
                i = futures[future]
                try:
                    results[i] = future.result()
                except Exception as error:
                    raise TaskFailed(i, f"{type(error).__name__}: {error}") from error
                if kept is not None:
                    kept.save(keys[i], results[i])
                done += 1
                if progress is not None:
                    progress(done / len(inputs), f"{done} of {len(inputs)} tasks")
        finally:
            self.client.cancel(list(futures))
        return results
