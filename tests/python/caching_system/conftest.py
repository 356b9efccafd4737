"""Servers that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer, need_redis


@pytest.fixture(scope="module")
def redis_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(redis_shared: RedisServer) -> RedisServer:
    import redis

    redis.Redis(port=redis_shared.port).flushall()
    return redis_shared


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path) as server:
        yield server
