"""A real redis-server on a free port, for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from optcore.caching_system import CacheConfig, CacheSystem

__all__ = ["RedisServer", "distributed", "free_port", "host", "need_redis", "until"]


def need_redis() -> None:
    """Skip the calling test, or module, where Redis or its client is absent."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server (apt-get install redis-server)", allow_module_level=True)
    pytest.importorskip("redis", reason="no redis (pip install optcore[redis])")
    pytest.importorskip("hiredis", reason="no hiredis (pip install optcore[redis])")


def free_port(below: int = 65536) -> int:
    """Nobody uses it. A node of a cluster listens 10000 higher too: one below 55536 for it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < below:
            return port


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for a condition that other threads or processes bring about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


class RedisServer:
    """Starts empty; `start()` after `stop()` starts an empty one on the same port."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._folder, self._options = folder, options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", *self._options, "--port", str(self.port), "--bind", "127.0.0.1"]
            + ([] if self._options[:1] else ["--save", "", "--appendonly", "no"]),
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            until(self._accepts)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(1) in b"+-"
        except OSError:
            return False

    def stop(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def host(url: str, **options: Any) -> CacheSystem:
    """A cache as another machine would have it: nothing shared but Redis."""
    given = {"enable_persistence": False, "redis_retry_after": 0.1, "redis_timeout": 3.0, **options}
    return CacheSystem(CacheConfig(enable_distributed=True, redis_url=url, **given))


def distributed(cache: CacheSystem) -> dict[str, Any]:
    return dict(cache.get_statistics()["distributed"])
