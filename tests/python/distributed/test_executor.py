"""Tasks on local Dask workers: order, checkpoints, failures, and a worker killed mid-run."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tasks

from optcore.distributed import Executor, TaskFailed
from optcore.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, when workers end


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(workers=4) as made:
        made.client.upload_file(tasks.__file__)  # also to workers that come later
        yield made


def test_a_worker_killed_in_a_run_of_200_changes_no_bit_and_loses_no_task(
    executor: Executor, tmp_path: Path
) -> None:
    expected = [tasks.simulate(seed) for seed in range(200)]
    pids = list(executor.client.run(os.getpid).values())
    assert len(set(pids)) == 4
    killed = threading.Event()

    def told(share: float, _: str) -> None:
        if share >= 0.2 and not killed.is_set():
            killed.set()
            os.kill(pids[0], signal.SIGKILL)

    found = executor.run(tasks.simulate, range(200), checkpoint=tmp_path, progress=told)
    assert killed.is_set()
    assert [one["seed"] for one in found] == list(range(200))
    for one, other in zip(found, expected, strict=True):
        assert one["path"].tobytes() == other["path"].tobytes()
    assert len(list(tmp_path.glob("*.task"))) == 200
    again = executor.run(tasks.simulate, range(200), checkpoint=tmp_path)
    assert all(np.array_equal(a["path"], b["path"]) for a, b in zip(again, found, strict=True))


def test_a_restarted_run_computes_only_what_is_missing(executor: Executor, tmp_path: Path) -> None:
    marks, kept = tmp_path / "marks", tmp_path / "kept"
    marks.mkdir()
    items = [(str(marks), i) for i in range(8)]
    assert executor.run(tasks.counted, items[:5], checkpoint=kept) == [0, 1, 4, 9, 16]
    damaged = sorted(kept.glob("*.task"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert executor.run(tasks.counted, items, checkpoint=kept) == [i * i for i in range(8)]
    ran = sum(len(path.read_text()) for path in marks.iterdir())
    assert ran == 8 + 1, "the damaged one twice, the others once"


def test_a_function_whose_name_is_not_its_own_is_not_checkpointed(
    executor: Executor, tmp_path: Path
) -> None:
    def times(factor: int) -> Callable[[int], int]:
        return lambda x: factor * x

    assert executor.run(times(2), [1, 2]) == [2, 4]
    assert executor.run(functools.partial(pow, 2), [1, 2]) == [2, 4]
    for function in (times(3), functools.partial(pow, 2), [].count):
        with pytest.raises(ConfigError, match="at the top of its module"):
            executor.run(function, [1, 2], checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="input cannot be pickled"):
        executor.run(tasks.counted, [lambda: 1], checkpoint=tmp_path)  # type: ignore[list-item]
    assert not list(tmp_path.iterdir())


def test_a_task_that_raises_is_retried_and_then_named(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="task 1: ValueError: no -7") as failed:
        executor.run(tasks.counted, [(str(tmp_path), 1), (str(tmp_path), -7)])
    assert failed.value.index == 1
    assert len((tmp_path / "-7.ran").read_text()) == 3  # once, and two retries


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="workers"):
        Executor(workers=0)
    with pytest.raises(ConfigError, match="retries"):
        Executor(retries=-1)
