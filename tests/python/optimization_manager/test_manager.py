"""Functions that are made faster only by what is shown of them, and never changed otherwise."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import optcore
from optcore.errors import ConfigError
from optcore.optimization_manager import OptimizationManager, OptimizedFunction, Proposal

SCALES = {0: 1.0}  # a global that could change


def sum_of_squares(n: int) -> int:
    return sum(k * k for k in range(n))


def scaled(n: int) -> float:
    return SCALES[0] * sum(k * k for k in range(n))


def noisy(n: int) -> float:
    return sum(k for k in range(n)) + random.random()


def smooth(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    return np.multiply(x, 0.5, out=out)


def weighted(rows: np.ndarray, matrix: np.ndarray | None = None) -> np.ndarray:
    return np.tanh(rows @ np.ones((3, 50))).sum(axis=1)


def norm_of_all(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt(np.square(rows).sum())


@pytest.fixture
def manager() -> Iterator[OptimizationManager]:
    with OptimizationManager() as one:
        yield one


@pytest.fixture(autouse=True)
def _processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are won or lost by processor time, whatever else the machine is doing."""
    clock = SimpleNamespace(perf_counter=time.thread_time)
    for module in ("optimized", "observation", "proposals"):
        monkeypatch.setattr(f"optcore.optimization_manager.{module}.time", clock)


def of_kind(f: OptimizedFunction, kind: str) -> Proposal:
    (found,) = [one for one in f.proposals if one.kind == kind]
    return found


def optimized(manager: OptimizationManager, *args: Any, **kwargs: Any) -> OptimizedFunction:
    made = manager.optimize_function(*args, **kwargs)
    assert isinstance(made, OptimizedFunction)
    return made


def test_none_is_the_function_itself(manager: OptimizationManager) -> None:
    assert manager.optimize_function(sum_of_squares, "none") is sum_of_squares
    assert optcore.OptimizationManager is OptimizationManager


@pytest.mark.parametrize("level", ["medium", "aggressive"])
def test_repeated_pure_calls_are_cached(manager: OptimizationManager, level: str) -> None:
    fast = optimized(manager, sum_of_squares, level)
    for k in range(200):
        assert fast(20_000 + k % 3) == sum_of_squares(20_000 + k % 3)
    assert fast.state == "adopted"
    assert fast.speedup > 2
    cache = of_kind(fast, "cache")
    assert cache.applied
    assert cache.evidence.startswith("47 of 50 calls had arguments seen before")
    assert "proposed and applied" in fast.report()
    assert fast.__wrapped__ is sum_of_squares  # type: ignore[attr-defined]


def test_without_repeats_nothing_is_proposed(manager: OptimizationManager) -> None:
    plain = optimized(manager, sum_of_squares, calls=[(k,) for k in range(60)])
    assert (plain.state, plain.proposals) == ("unchanged", [])
    assert plain(10) == 285


def test_what_reads_a_global_is_cached_only_when_asked_and_taken_back_when_it_changes(
    manager: OptimizationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    careful = optimized(manager, scaled, calls=[(5000,)] * 200)
    assert careful.state == "unchanged"
    assert "it reads SCALES" in of_kind(careful, "cache").reason
    bold = optimized(manager, scaled, "aggressive", calls=[(5000,)] * 200)
    assert bold.state == "adopted"
    monkeypatch.setitem(SCALES, 0, 3.0)
    for _ in range(150):
        bold(5000)
    assert bold.state == "rolled back"
    assert "has changed" in bold.reason
    assert bold(5000) == scaled(5000)


def test_what_is_not_a_function_of_its_arguments_is_left_alone(
    manager: OptimizationManager,
) -> None:
    chance = optimized(manager, noisy, "aggressive", calls=[(2000,)] * 60)
    assert chance.state == "unchanged"
    assert of_kind(chance, "cache").reason == "equal arguments gave different results"

    def grows(values: np.ndarray) -> float:
        values += 1
        return float(values.sum())

    data = np.zeros(1000)
    changing = optimized(manager, grows, "aggressive")
    for k in range(60):
        assert changing(data) == 1000.0 * (k + 1)
        data[:] = k + 1
    assert changing.state == "unchanged"

    calls = 0

    def counts(n: int) -> int:
        nonlocal calls
        calls += 1
        return sum(range(n))

    effect = optimized(manager, counts, "aggressive", calls=[(2000,)] * 150)
    assert (effect.state, calls) == ("unchanged", 150)


def test_what_does_not_pay_is_taken_back(manager: OptimizationManager) -> None:
    def uneven(n: int) -> int:
        return sum(range(n))

    plain = optimized(manager, uneven)
    for _ in range(50):  # slow while it is watched, quick afterwards
        plain(20_000)
    assert plain.state == "trying"
    for k in range(100):
        plain(k % 2)
    assert plain.state == "rolled back"
    assert "no gain" in plain.reason
    assert plain(5) == 10


def test_results_stay_the_callers_own(manager: OptimizationManager) -> None:
    def table(n: int) -> np.ndarray:
        values = np.arange(n) + 0.5
        for _ in range(10):
            values = np.sin(values).cumsum()
        return values

    fast = optimized(manager, table, calls=[(100_000,)] * 160)
    assert fast.state == "adopted"
    first = fast(100_000)
    first[:] = -1  # must not poison the cache, and must be allowed
    np.testing.assert_array_equal(fast(100_000), table(100_000))


def test_results_of_functions_with_out_are_pooled(manager: OptimizationManager) -> None:
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(400, 500)) for _ in range(4)]
    fast = optimized(manager, smooth, observe=4, trial=20)
    kept = [fast(data[k % 4]) for k in range(12)]
    assert of_kind(fast, "pool").applied
    for k, result in enumerate(kept):
        np.testing.assert_array_equal(result, 0.5 * data[k % 4])
    assert len({result.ctypes.data for result in kept}) == 12  # none was handed out twice
    np.testing.assert_array_equal(fast(np.ones(3)), 0.5 * np.ones(3))  # another shape

    small = optimized(manager, smooth, calls=[(np.ones(3) * k,) for k in range(60)])
    assert "allocator" in of_kind(small, "pool").reason


def test_rows_are_joined_where_that_is_the_same(manager: OptimizationManager) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(1, 3)) for _ in range(60)]
    fast = optimized(manager, weighted, calls=[(row,) for row in rows])
    assert of_kind(fast, "batch").applied
    for got, row in zip(fast.map(rows), rows, strict=True):
        np.testing.assert_allclose(got, weighted(row))
    other = optimized(manager, norm_of_all, calls=[(row,) for row in rows])
    assert of_kind(other, "batch").reason == "several rows do not give the rows' results"
    for got, row in zip(other.map(rows), rows, strict=True):
        np.testing.assert_array_equal(got, norm_of_all(row))


def test_a_pooled_function_gives_other_arguments_their_own_shape_and_type(
    manager: OptimizationManager,
) -> None:
    def plus(x: np.ndarray, y: Any, out: np.ndarray | None = None) -> np.ndarray:
        return np.add(x, y, out=out)

    rng = np.random.default_rng(0)
    fast = optimized(manager, plus, observe=4, trial=1)
    for _ in range(4):
        fast(rng.normal(size=(400, 500)), 1.0)
    assert of_kind(fast, "pool").applied
    for args in [
        (np.ones(500), 1.0), (np.ones((1, 500)), 2.0), (np.ones((400, 500), int), 1),
        (np.ones((400, 500), np.float32), 1.0), (np.ones((400, 500)), np.ones((400, 1))),
    ] * 3:  # fmt: skip
        got, expected = fast._variant(*args), plus(*args)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(got, expected)


def test_what_fails_while_it_is_tried_does_not_reach_the_caller(
    manager: OptimizationManager,
) -> None:
    def refuses(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if out is not None:
            raise RuntimeError("out= is not written yet")
        return x + 1.0

    rng = np.random.default_rng(0)
    data = [rng.normal(size=(400, 500)) for _ in range(8)]
    for x in data:
        np.testing.assert_array_equal(optimized(manager, refuses, observe=1)(x), x + 1.0)
    fast = optimized(manager, refuses, observe=8)
    for x in data:
        np.testing.assert_array_equal(fast(x), x + 1.0)
    assert "not written yet" in of_kind(fast, "pool").reason


def test_rows_with_another_array_beside_them_are_joined_only_where_it_is_the_same(
    manager: OptimizationManager,
) -> None:
    def product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return np.tanh(rows @ matrix).sum(axis=1)

    rng = np.random.default_rng(0)
    rows, matrix = [rng.normal(size=(1, 3)) for _ in range(12)], rng.normal(size=(3, 40))
    same = optimized(manager, product, observe=12, calls=[(row, matrix.copy()) for row in rows])
    assert [one.kind for one in same.proposals] == ["batch"]
    other = optimized(manager, product, observe=12, calls=[(r, matrix + r[0, 0]) for r in rows])
    assert other.proposals == []


def test_rows_of_several_lengths_or_types_are_not_joined(manager: OptimizationManager) -> None:
    def total(rows: np.ndarray) -> np.ndarray:
        return rows.sum(axis=1)

    fast = optimized(manager, total)
    fast._batched = True
    mixed = [np.ones((1, 3)), np.ones((1, 2)), np.ones((1, 3), int)]
    got = fast.map(mixed)
    for one, row in zip(got, mixed, strict=True):
        np.testing.assert_array_equal(one, total(row))
        assert one.dtype == total(row).dtype


def test_arrays_made_on_the_way_are_named(manager: OptimizationManager) -> None:
    def wasteful(n: int) -> np.ndarray:
        first = np.ones(n)
        second = first + 1
        return first * second

    def thrifty(n: int) -> np.ndarray:
        values = np.full(n, 9.0)
        values += 0.0
        return values

    found = optimized(manager, wasteful, calls=[(300_000 + k,) for k in range(50)])
    spare = of_kind(found, "temporaries")
    assert not spare.applied
    assert "MB beside its result" in spare.evidence
    assert "temporary_array" in spare.reason
    clean = optimized(manager, thrifty, calls=[(300_000 + k,) for k in range(50)])
    assert clean.proposals == []


def test_a_long_call_is_profiled_once(manager: OptimizationManager) -> None:
    def slow(n: int) -> int:
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            n += 1
        return n

    seen = optimized(manager, slow, calls=[(k,) for k in range(6)], observe=6)
    assert seen.bottlenecks
    assert "profile:" in seen.report()


def test_exceptions_pass_through(manager: OptimizationManager) -> None:
    def picky(n: int) -> float:
        return 1 / n

    fast = optimized(manager, picky)
    for k in range(300):
        if k % 7 == 0:
            with pytest.raises(ZeroDivisionError):
                fast(0)
        else:
            assert fast(k % 7) == 1 / (k % 7)


def test_callers_that_wait_for_each_other_do_not_lock(manager: OptimizationManager) -> None:
    barrier = threading.Barrier(4, timeout=20)

    def together(k: int) -> int:
        barrier.wait()
        return k

    fast = manager.optimize_function(together, observe=3)
    results: list[int] = []
    threads = [threading.Thread(target=lambda k=k: results.append(fast(k))) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [0, 1, 2, 3]


def test_methods_keep_their_object(manager: OptimizationManager) -> None:
    class Robot:
        def __init__(self, speed: float) -> None:
            self.speed = speed

        @manager.optimize_function
        def after(self, seconds: float) -> float:
            return self.speed * seconds

    assert [Robot(k).after(2.0) for k in range(80)] == [2.0 * k for k in range(80)]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda m: m.optimize_function(abs, "most"), "optimization_level"),
        (lambda m: m.optimize_function(3), "func"),
        (lambda m: m.optimize_function(abs, observe=0), "observe"),
    ],
)
def test_wrong_calls_are_named(
    manager: OptimizationManager, call: Callable[[OptimizationManager], Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        call(manager)


def test_generators_and_coroutines_are_refused(manager: OptimizationManager) -> None:
    def steps() -> Iterator[int]:
        yield 1

    async def later() -> int:
        return 1

    for function in (steps, later):
        with pytest.raises(ConfigError, match="generator"):
            manager.optimize_function(function)
