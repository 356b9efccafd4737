"""Hits of the cache beside its peers: memory, disk, Redis, and Redis gone.

Everybody caches the same function and has its value before anything is timed; a hit includes
making the key from the arguments. All values live for an hour where a peer can say so, and every
peer is told to be safe for threads where it can be told.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import Case, Probe, Trial, agree
from harness.case import Absent

__all__ = ["cases"]


def total(x: Any) -> float:
    return float(np.sum(x))


def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="optcore-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _system(**options: Any) -> Any:
    from optcore.caching_system import CacheConfig, CacheSystem

    cache = CacheSystem(CacheConfig(cache_dir=str(_folder()), **options))
    atexit.register(cache.close)
    return cache


def _check(trial: Trial) -> None:
    trial.check(lambda answers: {"difference": agree(answers)})


def scalar(trial: Trial) -> None:
    """f(2.5), found in memory."""

    def build(decorate: Callable[[Callable[[Any], float]], Any]) -> Callable[[], Any]:
        cached = decorate(total)
        cached(2.5)
        return lambda: cached(2.5)

    trial.contestant("optcore")(lambda: build(_system().cached(ttl=3600)))
    trial.contestant("lru_cache")(lambda: build(functools.lru_cache))

    @trial.contestant("cachetools")
    def _() -> Callable[[], Any]:
        import cachetools

        store: Any = cachetools.TTLCache(1000, 3600)
        return build(cachetools.cached(store, lock=threading.RLock()))

    @trial.contestant("moka-py")
    def _() -> Callable[[], Any]:
        import moka_py

        return build(moka_py.cached(maxsize=1000, ttl=3600, wait_concurrent=True))

    trial.note("lru_cache", "no time to live, no single flight")
    _check(trial)


def array(trial: Trial, count: int) -> None:
    """f(array), found in memory; the key is made from the array's content."""
    x = np.random.default_rng(0).normal(size=count)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        cached = _system().cached(ttl=3600)(total)
        cached(x)
        return lambda: cached(x)

    @trial.contestant("joblib")
    def _() -> Callable[[], Any]:
        import joblib

        cached = joblib.Memory(_folder(), verbose=0).cache(total)
        cached(x)
        return lambda: cached(x)

    @trial.contestant("cachetools, key tobytes")
    def _() -> Callable[[], Any]:
        import cachetools

        store: Any = cachetools.TTLCache(1000, 3600)
        cached = cachetools.cached(store, key=lambda a: a.tobytes(), lock=threading.RLock())(total)
        cached(x)
        return lambda: cached(x)

    trial.contestant("no cache: numpy.sum")(lambda: lambda: total(x))
    trial.note("no cache: numpy.sum", "reads the array once, as the key must")
    _check(trial)


def disk(trial: Trial, count: int) -> None:
    """An array found on disk, by its key; memory holds nothing."""
    x = np.random.default_rng(1).normal(size=count)
    mapped = x.nbytes >= 1 << 20

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        cache = _system(max_memory_mb=0.0)
        cache.put("k", x)
        return lambda: cache.get("k").value

    @trial.contestant("diskcache")
    def _() -> Callable[[], Any]:
        import diskcache

        cache = diskcache.Cache(str(_folder()))
        cache.set("k", x.tobytes(), expire=3600)
        return lambda: np.frombuffer(cache.get("k"))

    @trial.contestant("joblib")
    def _() -> Callable[[], Any]:
        import joblib

        memory = joblib.Memory(_folder(), verbose=0, mmap_mode="r" if mapped else None)
        cached = memory.cache(_made)
        cached(count)
        return lambda: cached(count)

    if mapped:

        @trial.contestant("numpy.load, mapped")
        def _() -> Callable[[], Any]:
            path = _folder() / "x.npy"
            np.save(path, x)
            return lambda: np.load(path, mmap_mode="r")

    trial.note("diskcache", "the array's bytes, neither checked nor mapped")
    trial.note("optcore", "checked; a mapped file once, and again when it has changed")
    _check(trial)


def _made(count: int) -> Any:
    return np.random.default_rng(1).normal(size=count)


def _redis_server() -> str:
    """The URL of a server of our own, until this process ends."""
    if shutil.which("redis-server") is None:
        raise Absent("no redis-server (apt-get install redis-server)")
    port = _free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=_folder(),
    )
    atexit.register(server.kill)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            break
        except OSError:
            time.sleep(0.01)
    return f"redis://127.0.0.1:{port}/0"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_hit(trial: Trial) -> None:
    """8 kB found in Redis on this machine; memory and disk hold nothing."""
    x = np.random.default_rng(2).normal(size=1024)
    server = functools.cache(_redis_server)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        cache = _system(
            max_memory_mb=0.0, enable_persistence=False, enable_distributed=True, redis_url=server()
        )
        cache.put("k", x)
        return lambda: cache.get("k").value

    @trial.contestant("redis-py GET")
    def _() -> Callable[[], Any]:
        import redis

        client = redis.Redis.from_url(server())
        client.set("bare", x.tobytes())

        def get() -> Any:
            return np.frombuffer(client.get("bare"))

        return get

    _check(trial)


def _silent_port() -> int:
    """A port that accepts connections and never says a word."""
    listening = socket.create_server(("127.0.0.1", 0))
    atexit.register(listening.close)
    return int(listening.getsockname()[1])


def redis_down_first(trial: Trial) -> None:
    """The first call of a process whose Redis does not answer: a miss after one time-out."""

    def first(port: int) -> float:
        cache = _system(
            enable_persistence=False, enable_distributed=True, redis_retry_after=60.0,
            redis_url=f"redis://127.0.0.1:{port}",
        )  # fmt: skip
        start = time.perf_counter()
        found = cache.get("k").found
        taken = time.perf_counter() - start
        assert not found
        cache.close()
        return taken * 1e3

    first(_free_port())  # imports
    silent = _silent_port()
    trial.contestants["optcore"] = Probe(lambda count: [first(silent) for _ in range(count)])
    trial.contestants["optcore, refused"] = Probe(
        lambda count: [first(_free_port()) for _ in range(count)]
    )

    @trial.contestant("redis-py GET, refused, as it comes")
    def _() -> Probe:
        import redis

        def once() -> float:
            client = redis.Redis(port=_free_port())
            start = time.perf_counter()
            with contextlib.suppress(redis.RedisError):
                client.get("k")
            return (time.perf_counter() - start) * 1e3

        return Probe(lambda count: [once()])


def redis_down_later(trial: Trial) -> None:
    """A miss while Redis is away, beside a miss of a cache that has no Redis."""

    def system(distributed: bool) -> Callable[[], Any]:
        cache = _system(
            enable_persistence=False, enable_distributed=distributed, redis_retry_after=60.0,
            redis_url=f"redis://127.0.0.1:{_free_port()}",
        )  # fmt: skip
        cache.get("k")
        return lambda: cache.get("k").found

    trial.contestant("optcore")(lambda: system(True))
    trial.contestant("optcore without Redis")(lambda: system(False))

    def check(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"found": float(any(answers.values()))}

    trial.check(check)


def cases() -> list[Case]:
    def case(name: str, setup: Callable[[Trial], None], unit: str = "us") -> Case:
        return Case(f"workbench/cache_{name}", setup, unit, samples=51, seconds=6.0)

    down = "workbench/cache_redis_down"
    return [
        case("scalar", scalar, "ns"),
        case("8kb_array", lambda trial: array(trial, 1024)),
        case("8mb_array", lambda trial: array(trial, 1 << 20)),
        case("disk_8kb", lambda trial: disk(trial, 1024)),
        case("disk_8mb_mapped", lambda trial: disk(trial, 1 << 20)),
        case("redis_8kb", redis_hit),
        Case(down, redis_down_first, "ms", "first call", samples=12, seconds=20.0),
        Case(down, redis_down_later, "us", "later calls", samples=51, seconds=6.0),
    ]
