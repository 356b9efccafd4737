"""The distributed level against a real server, and the ways in which a server fails."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import together
from redis_server import RedisServer, distributed, free_port, host, need_redis, until

from optcore.caching_system.frame import encode
from optcore.errors import ConfigError

need_redis()
import redis  # noqa: E402

CALLS: list[int] = []


def test_a_value_of_one_host_is_found_by_another(server: RedisServer) -> None:
    value = {"mean": np.arange(1000.0), "n": 3}
    with host(server.url) as a, host(server.url) as b:
        assert a.put("k", value, ttl=60)
        found = b.get("k")
        assert found.found
        np.testing.assert_array_equal(found.value["mean"], value["mean"])
        assert distributed(b)["hits"] == 1
        assert distributed(b)["latency_us"]["p50"] > 0
        assert b.get("k").found, "kept in memory"
        assert distributed(b)["hits"] == 1
        left = redis.Redis(port=server.port).pttl(redis.Redis(port=server.port).keys("*:v:*")[0])
        assert 50_000 < left <= 60_000
        assert b.delete("k")
        b.put("forever", 1, ttl=math.inf)
        a.clear()
        assert not a.get("forever").found


def test_many_keys_take_one_round_trip(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"k{i}": np.full(10, i) for i in range(50)}
    with host(server.url) as a, host(server.url) as b:
        assert a.put_many(values, ttl=60) == 50
        calls = redis.Redis(port=server.port).info("stats")["total_connections_received"]
        link, talks = b.levels.redis._link, []
        talk = link._talk
        monkeypatch.setattr(
            link, "_talk", lambda p, count, **k: (talks.append(count), talk(p, count, **k))[1]
        )
        found = b.get_many([*values, "absent"])
        assert talks == [51]
        assert (
            redis.Redis(port=server.port).info("stats")["total_connections_received"] <= calls + 2
        )
        assert set(found) == set(values)
        assert all((found[k] == v).all() for k, v in values.items())
        assert b.get_statistics()["global"]["hit_rate"] == pytest.approx(50 / 51)


def test_a_tag_is_invalid_on_all_hosts(server: RedisServer) -> None:
    with host(server.url) as a, host(server.url) as b:
        for cache in (a, b):
            cache.put("map", cache is a, tags=["office"])
            cache.put("other", 5, tags=["street"])
        until(lambda: b.levels.redis.listener and b.levels.redis.listener.ready.is_set())
        assert b.get("map").found
        a.invalidate("office")
        assert not a.get("map").found
        until(lambda: not b.get("map").found)
        assert a.get("other").value == b.get("other").value == 5
    with host(server.url) as c:  # a host that was not there
        assert not c.get("map").found
        assert c.get("other").value == 5


def test_a_tag_invalidated_without_redis_reaches_the_others_on_return(
    own_server: RedisServer,
) -> None:
    with host(own_server.url) as a, host(own_server.url) as b:
        for cache in (a, b):
            cache.put("map", 1, tags=["office"])
        until(lambda: b.levels.redis.listener and b.levels.redis.listener.ready.is_set())
        own_server.stop()
        a.invalidate("office")
        assert not a.get("map").found
        assert b.get("map").found
        own_server.start()
        until(lambda: not b.get("map").found)
        assert not a.get("map").found


def test_a_server_killed_while_many_write_is_missed_by_nobody(own_server: RedisServer) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        i = 0
        while not stop.is_set():
            i += 1
            try:
                with_id = np.full(20_000, float(worker * 1_000_000 + i))
                caches[worker].put(("k", i % 20), with_id)
                caches[worker].clear("memory")
                found = caches[worker].get(("k", i % 20))
                assert not found.found or (found.value == found.value[0]).all()
            except BaseException as error:
                failures.append(error)
                return

    caches = [host(own_server.url) for _ in range(3)]
    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: all(distributed(c)["hits"] > 3 for c in caches))
    own_server.stop()
    until(lambda: all(distributed(c)["circuit_open"] for c in caches))
    own_server.start()  # with an empty store
    before = [distributed(c)["hits"] for c in caches]
    until(lambda: all(distributed(c)["hits"] > b for c, b in zip(caches, before, strict=True)))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    for cache in caches:
        cache.close()


def test_a_server_that_stops_answering_costs_one_timeout(own_server: RedisServer) -> None:
    with host(own_server.url) as cache:
        cache.put("k", 1)
        cache.clear("memory")
        assert cache.get("k").found
        cache.clear("memory")
    with host(own_server.url, redis_timeout=0.05) as cache:
        assert own_server.process is not None
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            errors = distributed(cache)["errors"]
            assert not cache.get("k").found
            assert distributed(cache)["circuit_open"]
            for _ in range(100):
                assert not cache.get("k").found
            assert distributed(cache)["errors"] == errors + 1, "only one call asked"
            assert distributed(cache)["skipped"] >= 100
            time.sleep(2.0)
            assert not cache.get("k").found
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        until(lambda: not distributed(cache)["circuit_open"])
        assert cache.get("k").found, "the store was not lost"


def test_a_restart_with_an_empty_store_is_a_miss(own_server: RedisServer) -> None:
    with host(own_server.url) as cache:
        cache.put("k", 1)
        own_server.stop()
        own_server.start()
        cache.clear("memory")
        assert not cache.get("k").found
        assert not distributed(cache)["circuit_open"], "one new connection was enough"
        assert cache.put("k", 2)
        cache.clear("memory")
        assert cache.get("k").value == 2


def test_a_wrong_password_is_a_miss_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path) as server:
        redis.Redis(port=server.port).config_set("requirepass", "right")
        for url in (f"redis://:wrong@127.0.0.1:{server.port}", server.url):
            caplog.clear()
            with host(url, redis_retry_after=30.0) as cache:
                assert cache.put("k", 1), "memory took it"
                for _ in range(5):
                    assert not cache.get("absent").found
                assert distributed(cache)["circuit_open"]
                assert distributed(cache)["errors"] == 1
            warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
            assert len(warnings) == 1
            assert "wrong" not in warnings[0].split(": ")[0], "the password is not shown"
        with host(f"redis://:right@127.0.0.1:{server.port}") as cache:
            cache.put("k", 1)
            assert distributed(cache)["errors"] == 0


def test_another_type_at_the_key_is_a_miss_and_is_replaced(server: RedisServer) -> None:
    with host(server.url) as cache:
        cache.put("k", 1)
        client = redis.Redis(port=server.port)
        (name,) = client.keys("*:v:*")
        client.delete(name)
        client.lpush(name, "a list")
        cache.clear("memory")
        assert not cache.get("k").found
        assert cache.get_many(["k"]) == {}
        assert distributed(cache)["errors"] == 2
        assert not distributed(cache)["circuit_open"]
        assert cache.put("k", 2)
        cache.clear("memory")
        assert cache.get("k").value == 2


@pytest.mark.parametrize("secret", [None, "a secret"])
def test_what_others_wrote_is_refused_and_not_run(
    server: RedisServer, secret: str | None, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    client = redis.Redis(port=server.port)
    with host(server.url, signing_key=secret) as cache:
        cache.put("k", [1, 2])
        (name,) = client.keys("*:v:*")
        whole = client.get(name)
        assert isinstance(whole, bytes)
        key = cache._key("k")
        forged = [pickle.dumps(Evil()), b"", whole[:-1], whole + b"\0", encode(b"x" * 16, 1)]
        forged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
        if secret:
            forged.append(encode(key, "a frame without a signature"))
            forged.append(bytes(32) + encode(key, "with a wrong one"))
        for payload in forged:
            client.set(name, payload)
            cache.clear("memory")
            assert not cache.get("k").found
            assert client.get(name) is None, "removed"
        assert distributed(cache)["errors"] == 0
        assert cache.get_statistics()["global"]["refused_payloads"] == len(forged)
    if secret:
        with host(server.url, signing_key="another") as other:
            assert other._key("k") != key
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("what", ["garbage", "closes", "drops", "silent", "huge"])
def test_a_server_that_sends_garbage_is_left_alone(what: str) -> None:
    answers = {"garbage": b"\x16\x03\x01 no redis\r\n" * 3, "huge": b"$9223372036854775807\r\nxx"}
    listening = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while not done.is_set() and connection.recv(4096):
                    if what in answers:
                        connection.sendall(answers[what])
                    elif what == "closes":
                        return
                    while what == "drops" and not done.wait(0.01):
                        connection.sendall(b"+")
            except OSError:
                pass

    def accept() -> None:
        while not done.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    with host(f"redis://127.0.0.1:{port}", redis_timeout=0.05, redis_retry_after=30) as cache:
        for _ in range(3):
            assert not cache.get("k").found
        assert distributed(cache)["circuit_open"]
        assert distributed(cache)["errors"] == 1
    done.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_with_nobody_there_everything_else_works_and_recovers(tmp_path: Path) -> None:
    port = free_port()
    with host(f"redis://127.0.0.1:{port}") as cache:
        double = cache.cached(ttl=60)(_double)
        assert double(2) == double(2) == 4
        assert double.cache_info()["hits"] == 1
        assert distributed(cache)["circuit_open"]
        with RedisServer(tmp_path, port=port):
            until(lambda: not distributed(cache)["circuit_open"])
            assert double(3) == 6
            assert len(redis.Redis(port=port).keys("*:v:*")) == 1


def _double(x: Any) -> Any:
    CALLS.append(1)
    return 2 * x


def _client(url: str, number: int, results: Any) -> None:
    counted = 0
    with host(url) as cache:
        for i in range(60):
            key = ("shared", i % 7)
            found = cache.get(key)
            if found.found:
                assert (found.value == i % 7).all()
                counted += 1
            cache.clear("memory")
            cache.put(key, np.full(500, i % 7))
        results.put((number, counted, distributed(cache)["errors"]))


def test_sixteen_clients_read_and_write_the_same_keys(server: RedisServer) -> None:
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()
    clients = [context.Process(target=_client, args=(server.url, n, results)) for n in range(16)]
    for client in clients:
        client.start()
    told = [results.get(timeout=60) for _ in clients]
    for client in clients:
        client.join()
    assert sorted(n for n, _, _ in told) == list(range(16))
    assert all(errors == 0 for _, _, errors in told)
    assert sum(hits for _, hits, _ in told) > 500


def _slow_host(url: str, folder: str, start: Any) -> None:
    def slow() -> int:
        Path(folder, str(os.getpid())).touch()
        time.sleep(0.3)
        return 7

    with host(url) as cache:
        start.wait()
        assert cache.get_or_compute("slow", slow) == 7


def test_eight_hosts_compute_once(server: RedisServer, tmp_path: Path) -> None:
    together(8, _slow_host, server.url, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_lease_whose_holder_died_ends(server: RedisServer) -> None:
    with host(server.url, lock_timeout=1.0) as a, host(server.url, lock_timeout=5.0) as b:
        assert a.levels.redis is not None
        lost = a.levels.redis.lease(b._key("k"), 1.0)
        assert lost.try_acquire(), "and never gives it back"
        assert not b.levels.redis.lease(b._key("k"), 1.0).try_acquire()
        assert 0 < redis.Redis(port=server.port).pttl(lost._name) <= 1000
        assert b.get_or_compute("k", lambda: 5) == 5


def test_a_forked_child_has_connections_of_its_own(server: RedisServer) -> None:
    with host(server.url) as cache:
        cache.put("k", "parent")
        cache.put("in memory", 1)
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            cache.clear("memory")
            good = cache.get("k").value == "parent" and cache.put("child", 1)
            os.write(writer, b"1" if good else b"0")
            os._exit(0)
        for i in range(50):
            cache.put(("p", i), i)
        assert os.read(reader, 1) == b"1"
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
        cache.clear("memory")
        assert all(cache.get(("p", i)).value == i for i in range(50))
        assert cache.get("child").found


def test_sentinel_follows_the_master(tmp_path: Path, server: RedisServer) -> None:
    port = free_port()
    (tmp_path / "s.conf").write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor robots 127.0.0.1 {server.port} 1\n"
    )
    with (
        RedisServer(tmp_path, "s.conf", "--sentinel", port=port),
        host(f"redis+sentinel://127.0.0.1:{port}/robots") as cache,
    ):
        assert cache.put("k", 1)
        cache.clear("memory")
        assert cache.get("k").found
        assert distributed(cache)["errors"] == 0


def test_cluster_finds_every_slot(tmp_path: Path) -> None:
    (tmp_path / "c.conf").write_text('cluster-enabled yes\nsave ""\n')
    with RedisServer(tmp_path, "c.conf", port=free_port(below=55536)) as node:
        client = redis.Redis(port=node.port)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
        with host(f"redis+cluster://127.0.0.1:{node.port}") as cache:
            assert cache.put_many({i: i for i in range(20)}, tags=["t"]) == 20
            cache.clear("memory")
            assert cache.get(3).value == 3
            assert cache.get_many(range(20)) == {i: i for i in range(20)}
            cache.invalidate("t")
            assert not cache.get(3).found
            assert cache.get_or_compute("x", lambda: 9) == 9
            assert distributed(cache)["errors"] == 0
            assert distributed(cache)["hits"] >= 20


def test_an_unknown_kind_of_address_is_named() -> None:
    with pytest.raises(ConfigError, match=r"redis_url must begin with redis://.*got http://"):
        host("http://127.0.0.1")
    for url, what in [
        ("redis+cluster://nowhere", "need host:port,host:port, got nowhere"),
        ("redis+sentinel://h:1", "redis.sentinel://host:port,.*/service"),
        ("redis://h:notaport", "Port could not be cast"),
    ]:
        with pytest.raises(ConfigError, match=f"redis_url: .*{what}"):
            host(url)
