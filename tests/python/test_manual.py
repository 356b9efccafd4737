"""Every Python block of the user's manual runs, with `src.optimization` read as `optcore`.

The blocks are taken from the manual's own file. A block gets a prelude: the names that it leaves
open (your_function, test_data, ...), and after it ran, what it promises is checked. Three blocks
are read with a substitution, given below with its reason.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

import optcore
from optcore.algorithm_optimizer import GPInferenceOptimizer, MPCOptimizer, OptimizationConfig
from optcore.caching_system import CacheConfig, CacheSystem
from optcore.config import from_dict
from optcore.errors import ConfigError
from optcore.memory_manager import MemoryConfig, MemoryManager
from optcore.profiler import ProfilerConfig, SystemProfiler

REPOSITORY = Path(__file__).resolve().parents[2]
MANUAL = Path(
    os.environ.get(
        "OPTCORE_MANUAL", REPOSITORY.parent / "shared" / "spec" / "optimization_manual.md"
    )
)
BLOCKS = 33

SUBSTITUTIONS: dict[int, tuple[str, str]] = {
    # minutes of load become moments
    8: ("'duration': 60", "'duration': 0.2, 'ramp_up': 0"),
    # self.X_train, self.Q, ... are set nowhere in the block: a base class brings them
    12: ("class OptimizedInferenceSystem:", "class OptimizedInferenceSystem(RobotData):"),
}

Names = dict[str, Any]


def blocks() -> list[str]:
    if not MANUAL.is_file():
        return []
    found = re.findall(
        r"^```python\n(.*?)^```", MANUAL.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [block.replace("src.optimization", "optcore") for block in found]


def work(*_: Any) -> float:
    return float(np.sin(np.arange(1000.0)).sum())


RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-2, 2, (60, 2))
Y = np.sin(X[:, 0]) + X[:, 1]
DATA = {
    "X_train": X, "y_train": Y, "X_test": X[:5] + 0.1,
    "kernel_params": {"length_scale": 1.0, "variance": 1.0},
    "initial_state": np.array([0.0, 0.0]), "reference": np.array([1.0, 0.0]),
    "horizon": 10, "dt": 0.1, "Q": np.eye(2), "R": 0.1 * np.eye(1),
}  # fmt: skip


class RobotData:
    """What example 3 reads of itself."""

    X_train, y_train, kernel_params = X, Y, {"length_scale": 1.0, "variance": 1.0}
    reference_trajectory = np.zeros((11, 2))
    Q, R = np.eye(2), 0.1 * np.eye(1)


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch, **content: Any) -> None:
    """A module that no part of optcore needs, with the two names that the manual reads of it."""
    if importlib.util.find_spec(name) is None:
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def prelude(number: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Names:
    """The names that a block leaves open."""
    profiler = SystemProfiler()
    if number == 12:
        from optcore.caching_system import cache

        return {"cache": cache, "RobotData": RobotData, "test_observation": X[0],
                "test_robot_state": np.array([0.5, 0.0])}  # fmt: skip
    if number == 20:
        stand_in("numba", monkeypatch, config=types.SimpleNamespace(DISABLE_JIT=0))
        usable = optcore._native.describe(optcore.Device.cuda())[0]
        stand_in("torch", monkeypatch, cuda=types.SimpleNamespace(is_available=lambda: usable))
    names: dict[int, Names] = {
        2: {"profiler": profiler, "result": 1.0, "test_data": X},
        3: {"cache_system": CacheSystem(CacheConfig(cache_dir=str(folder / "cache"))),
            "memory_manager": MemoryManager(), "np": np, "result": 4.0,
            "your_data": np.ones((1000, 3))},
        4: {"your_function": work, "args": 3},
        5: DATA,
        7: {"result": 4.0, "compute_predictions": lambda: [1.0, 2.0]},
        8: {"your_inference_function": work},
        9: {"your_function": work},
        10: DATA,
        11: {"os": os, "unknown_shape": None, "data_shape": (1000, 4),
             "process_chunk": lambda chunk: chunk * 2},
        19: {"MemoryConfig": MemoryConfig, "MemoryManager": MemoryManager},
        20: {"profiler": profiler, "optimization_function": work},
        21: {"cache_system": CacheSystem(CacheConfig(cache_dir=str(folder / "cache")))},
        22: {"CacheConfig": CacheConfig},
        23: {"ProfilerConfig": ProfilerConfig},
        24: {"profiler": profiler, "your_function": work},
        25: {"profiler": profiler, "gp_inference": work, "mpc_solve": work},
        26: {"gp_metrics": profiler.profile_function(work),
             "mpc_metrics": profiler.profile_function(work),
             "GPInferenceOptimizer": GPInferenceOptimizer, "MPCOptimizer": MPCOptimizer},
        27: {"profiler": profiler, "optimized_function": work,
             "baseline_metrics": profiler.profile_function(work)},
        28: {"enable_optimization_flag": True, "optimized_function": lambda data: 2 * data,
             "original_function": lambda data: data, "data": 3},
        29: {"inference_function": lambda data: 2 * data},
        30: {"optimized_inference": lambda data: 1 / data, "baseline_inference": lambda data: -1.0,
             "logging": logging},
        31: {"SystemProfiler": SystemProfiler, "MemoryManager": MemoryManager,
             "CacheSystem": CacheSystem},
    }  # fmt: skip
    if 13 <= number <= 18:
        return {"dataclass": dataclasses.dataclass, "field": dataclasses.field,
                "Optional": Optional, "List": list, "mp": multiprocessing,
                "TORCH_AVAILABLE": False}  # fmt: skip
    return names.get(number, {})


def same_fields(theirs: type, ours: type, *, of_machine: set[str]) -> None:
    """The configuration of the manual, field for field, before any of ours, with its defaults."""
    wanted = [f.name for f in dataclasses.fields(theirs)]
    assert [f.name for f in dataclasses.fields(ours)][: len(wanted)] == wanted
    a, b = theirs(), ours()
    for name in wanted:
        if name not in of_machine:
            assert (
                list(getattr(a, name)) == list(getattr(b, name))
                if isinstance(getattr(a, name), list)
                else getattr(a, name) == getattr(b, name)
            ), name


def check(number: int, names: Names, out: str, folder: Path) -> None:
    """What the block promises."""
    if number == 2:
        assert names["profiler"].sites["optcore.manual.your_inference_function"].histogram.count
    elif number == 3:
        np.testing.assert_array_equal(names["expensive_function"](1), names["result"])
        assert names["result"].shape == (1000, 3)
        assert "optimized for speed" in out
    elif number == 4:
        assert names["result"] == work()
        assert "work" in out
    elif number == 5:
        assert names["mean"].shape == names["var"].shape == (5,)
        np.testing.assert_allclose(names["mean"], np.sin(X[:5, 0] + 0.1) + X[:5, 1] + 0.1, atol=0.1)
        assert names["controls"]["optimal_controls"].shape == (10, 1)
    elif number == 6:
        assert names["array"].shape == (1000, 1000)
        assert "Memory usage" in out
    elif number == 7:
        assert names["cache_system"].get("model_predictions_v1") == ([1.0, 2.0], True)
        assert names["expensive_computation"](3) == names["result"]
    elif number == 8:
        assert names["result"] is not None
        assert names["report"]
    elif number == 9:
        assert names["current"].mean_time > 0
        assert names["framework"].get_baseline("Core Function") is not None
    elif number == 10:
        truth = names["original_result"][0]
        np.testing.assert_allclose(names["optimized_mean"], truth, atol=0.2)
        assert "Speedup" in out
    elif number == 11:
        files = [folder / "a.npy", folder / "b.npy"]
        for k, file in enumerate(files):
            np.save(file, np.full((1000, 4), k + 1.0))
        recent = names["process_large_dataset_optimized"](files)
        assert [list(one) for one in recent] == [[2.0] * 10, [2.0] * 10 + [4.0] * 10]
    elif number == 12:
        assert "Performance target" in out
        assert names["performance"].success_rate == 1.0
        answer = names["system"].inference_pipeline(X[0], np.array([0.5, 0.0]))
        assert answer["controls"].shape == (1,)
    elif number == 13:
        same_fields(names["ProfilerConfig"], ProfilerConfig, of_machine=set())
    elif number == 14:
        same_fields(names["OptimizationConfig"], OptimizationConfig,
                    of_machine={"num_workers", "use_gpu"})  # fmt: skip
    elif number == 15:
        same_fields(names["MemoryConfig"], MemoryConfig, of_machine=set())
    elif number == 16:
        same_fields(names["CacheConfig"], CacheConfig, of_machine=set())
    elif number == 17:
        from optcore.scalability_analyzer import ScalabilityConfig

        same_fields(names["ScalabilityConfig"], ScalabilityConfig, of_machine={"max_workers"})
    elif number == 18:
        from optcore.benchmark_framework import BenchmarkConfig

        same_fields(names["BenchmarkConfig"], BenchmarkConfig, of_machine={"max_workers"})
    elif number == 19:
        assert names["memory_manager"].config.pool_max_size == 100
    elif number == 21:
        assert "Hit rate: 0.00%" in out
    elif number == 22:
        assert names["config"].default_ttl_seconds == 7200
    elif number == 23:
        assert names["config"].sampling_interval == 5.0
    elif number in (24, 27):
        assert re.search(r"(Baseline|Speedup): [0-9.]+", out)
    elif number == 26:
        assert isinstance(names.get("optimized_gp", names.get("optimized_mpc")),
                          GPInferenceOptimizer | MPCOptimizer)  # fmt: skip
    elif number == 28:
        assert names["result"] == 6
    elif number == 29:
        assert names["monitored_inference"](4) == 8
    elif number == 30:
        robust, ours = names["robust_inference"], optcore_robust_inference()
        assert robust(2) == ours(2) == 0.5
        assert robust(0) == ours(0) == -1.0
    elif number == 31:
        # the two methods that the block leaves out are ours
        manager = type("Manager", (names["OptimizationManager"], optcore.OptimizationManager), {})()
        assert manager.optimize_function(work, "none") is work
        for level in ("medium", "aggressive"):
            assert manager.optimize_function(work, level)() == work()
    elif number == 32:
        base, dev, prod = (
            from_dict(names[name]) for name in ("BASE_CONFIG", "DEV_CONFIG", "PROD_CONFIG")
        )
        assert (base.enable_profiling, base.enable_caching) == (False, True)
        assert (dev.enable_profiling, dev.cache.max_memory_mb) == (True, 100)
        assert (prod.cache.enable_distributed, prod.cache.max_memory_mb) == (True, 5000)
        with pytest.raises(ConfigError, match="enable_caching"):
            from_dict({"enable_caching": "yes"})


def optcore_robust_inference() -> Callable[[float], float]:
    """The same as the manual's robust_inference, by optcore.rollout."""
    from optcore.rollout import with_fallback

    return with_fallback(lambda data: 1 / data, lambda data: -1.0)


def test_the_manual_has_as_many_blocks_as_we_know() -> None:
    if not MANUAL.is_file():
        pytest.skip(f"the user's manual is not part of the repository: none at {MANUAL}")
    assert len(blocks()) == BLOCKS


@pytest.fixture(scope="module")
def tuning_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four blocks tune this machine: the first measures, the others read."""
    return tmp_path_factory.mktemp("tuning")


@pytest.mark.parametrize("number", range(1, BLOCKS + 1))
@pytest.mark.filterwarnings("ignore::pytest.PytestCollectionWarning")
def test_block(
    number: int,
    tmp_path: Path,
    tuning_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = blocks()
    if not found:
        pytest.skip(f"the user's manual is not part of the repository: none at {MANUAL}")
    text = found[number - 1]
    if number in SUBSTITUTIONS:
        old, new = SUBSTITUTIONS[number]
        assert old in text
        text = text.replace(old, new)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tuning_cache))
    if number == 33:
        run_as_tests(text, tmp_path)
        return
    names = {"__name__": "optcore.manual", **prelude(number, monkeypatch, tmp_path)}
    with np.errstate(all="ignore"):  # a temporary array holds whatever was there
        exec(compile(text, f"block {number}", "exec", dont_inherit=True), names)
    check(number, names, capsys.readouterr().out, tmp_path)


def run_as_tests(text: str, folder: Path) -> None:
    """The block that is a test file of its own."""
    given = "def inference_function():\n    return sum(range(100))\n"
    (folder / "test_performance.py").write_text(f"{text}\n{given}")
    (folder / "pytest.ini").write_text("[pytest]\n")
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:benchmark"]  # the latter's fixture is ours
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, str(folder)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr
