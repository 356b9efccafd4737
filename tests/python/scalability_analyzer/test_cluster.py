"""Load from several Dask workers, here two processes: one schedule, one histogram."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optcore.distributed import Executor
from optcore.errors import ConfigError, OptcoreError
from optcore.scalability_analyzer import ScalabilityAnalyzer, ScalabilityConfig, ScalabilityResult

sys.path.insert(0, str(Path(__file__).parent))
import targets

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, when workers end


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with Executor(workers=2) as made:
        made.client.upload_file(targets.__file__)
        yield made.client.scheduler.address


def analyse(function: Any, scenario: dict[str, Any], inputs: Any = None, **changes: Any
            ) -> ScalabilityResult:  # fmt: skip
    config = ScalabilityConfig(
        ramp_up_time=0.0, load_test_duration=0.5, enable_distributed_testing=True, **changes
    )  # fmt: skip
    return ScalabilityAnalyzer(config).run_comprehensive_analysis(
        function, [{"executor": "dask", **scenario}], input_factory=inputs
    )


def callers(folder: Path) -> dict[int, str]:
    """Index of a call to the process that made it; none was made twice."""
    return {int(path.name): path.read_text().strip() for path in folder.iterdir()}


def test_two_workers_share_the_schedule_and_their_histograms_are_merged(
    scheduler: str, tmp_path: Path
) -> None:
    result = analyse(
        targets.marked, {"arrival_rate": 100, "arrival": "constant", "concurrent_users": 8},
        targets.Marking(str(tmp_path)), scheduler=scheduler,
    )  # fmt: skip
    seen, made = result.scenarios[0], callers(tmp_path)
    assert sorted(made) == list(range(50))
    even, odd = ({made[i] for i in range(first, 50, 2)} for first in (0, 1))
    assert len(even) == len(odd) == 1
    assert even != odd
    assert (seen.response.count, seen.start_lag.count, seen.errors) == (50, 50, 0)
    assert seen.response.histogram.sum() == seen.heat.sum() + seen.unstarted == 50
    assert result.targets[0].limit is None  # what limits them cannot be seen from here


def test_users_of_a_closed_loop_are_divided(scheduler: str, tmp_path: Path) -> None:
    result = analyse(targets.marked, {"concurrent_users": 3}, targets.Marking(str(tmp_path)),
                     scheduler=scheduler)  # fmt: skip
    seen, made = result.scenarios[0], callers(tmp_path)
    assert len(set(made.values())) == 2
    assert {made[0], made[2]} != {made[1]}
    # all due within the time are counted; each user's last may have been due after it
    assert len(made) - 3 <= seen.response.count <= len(made)


def test_coroutines_are_tasks_on_the_workers(scheduler: str) -> None:
    rate = {"arrival_rate": 60, "arrival": "constant", "concurrent_users": 4}
    seen = analyse(targets.wait_ms, rate, scheduler=scheduler).scenarios[0]
    assert seen.scenario.executor == "dask"
    assert seen.response.count == 30
    assert seen.response.p50 >= 1e-3


def test_without_a_scheduler_there_are_processes_and_one_that_dies_is_told() -> None:
    with pytest.raises(OptcoreError, match=r"load worker tcp://.* died|KilledWorker"):
        analyse(targets.dying, {"concurrent_users": 2, "duration": 30.0}, max_workers=1)


def test_what_cannot_be_distributed_is_told(scheduler: str) -> None:
    with pytest.raises(OptcoreError, match=r"load worker tcp://.*: ZeroDivisionError"):
        analyse(targets.nothing, {"concurrent_users": 2}, lambda i: 1 // 0, scheduler=scheduler)
    with pytest.raises(ConfigError, match="cannot be reached"):
        analyse(targets.nothing, {"concurrent_users": 1}, scheduler="tcp://127.0.0.1")
