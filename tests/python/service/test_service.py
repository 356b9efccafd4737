"""The service as its clients meet it: real processes and sockets, bad requests among good."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from optcore import gp
from optcore.belief import update_beliefs
from optcore.errors import ConfigError
from optcore.mpc import OcpQp, QpSolver
from optcore.service import ServiceConfig, load_model
from optcore.service.batching import Batcher

TOKEN = "correct horse battery staple"
POST = b"POST /v1/gp/predict HTTP/1.1\r\nHost: a\r\n"
AUTHORIZED = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
PROBLEM: dict[str, Any] = {
    "A": [[1.0, 0.1], [0.0, 1.0]], "B": [[0.005], [0.1]], "Q": [[1.0, 0.0], [0.0, 1.0]],
    "R": [[0.1]], "N": 20, "lbu": [-1.0], "ubu": [1.0],
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    random = np.random.default_rng(0)
    X = random.uniform(-3, 3, (60, 2))
    process = gp.GaussianProcess(gp.RBF(1.0, 1.0), noise=1e-2).fit(X, np.sin(X[:, 0]) + X[:, 1])
    path = tmp_path_factory.mktemp("model") / "model.npz"
    process.save(path)
    return path, process


@contextmanager
def serving(path: Path, *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "optcore", "serve", str(path), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("optcore: serving"), process.communicate(timeout=10)
        yield line.split()[-1]
        assert process.poll() is None, "the service died"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def url(model: tuple[Path, Any]) -> Iterator[str]:
    token = model[0].with_suffix(".token")
    token.write_text(TOKEN + "\n")
    options = ("--token-file", str(token), "--max-body", "20000", "--timeout", "3")
    with serving(model[0], *options) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as found:
        yield found


def test_predictions_are_the_models(client: httpx.Client, model: tuple[Path, Any]) -> None:
    X = np.random.default_rng(1).normal(size=(5, 2))
    answer = client.post("/v1/gp/predict", json={"X": X.tolist()})
    assert answer.status_code == 200
    mean, variance = model[1].predict(X)
    assert answer.json()["mean"] == pytest.approx(mean, rel=1e-9)
    assert answer.json()["variance"] == pytest.approx(variance, rel=1e-9)


def test_beliefs_are_updated(client: httpx.Client) -> None:
    prior, likelihood = np.log([[0.8, 0.2], [0.5, 0.5]]), np.log([[0.1, 0.9], [0.3, 0.6]])
    answer = client.post("/v1/belief/update", json={
        "log_beliefs": prior.tolist(), "log_likelihoods": likelihood.tolist()})  # fmt: skip
    assert answer.json()["log_beliefs"] == update_beliefs(prior, likelihood).tolist()
    shapes = {"log_beliefs": [[0.0]], "log_likelihoods": [[0.0, 1.0]]}
    assert client.post("/v1/belief/update", json=shapes).status_code == 422


def test_plans_do_not_depend_on_who_asked_before(client: httpx.Client) -> None:
    def ask(x0: list[float]) -> Any:
        return client.post("/v1/mpc/solve", json={"problem": PROBLEM, "x0": x0}).json()

    first = ask([1.0, 0.0])
    ask([-3.0, 1.0])
    assert ask([1.0, 0.0]) == first
    here = QpSolver(OcpQp(**PROBLEM), method="riccati").solve([1.0, 0.0], warm_start=False)
    assert first["status"] == "ok"
    assert np.array(first["u"]) == pytest.approx(here.u, abs=1e-9)


BAD = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[" * 9000, 400, "not JSON"),
    (b"[1]", 400, "JSON object"),
    (b'{"X": [[NaN, 1]]}', 400, "NaN is not a number"),
    (b'{"X": [[1e999, 1]]}', 422, "finite"),
    (b'{"X": [["1", "2"]]}', 422, "array of numbers"),
    (b'{"X": [[true, false]]}', 422, "array of numbers"),
    (b'{"X": [[1], [1, 2]]}', 422, "one length"),
    (b'{"X": [[1, 2, 3]]}', 422, "must be (m, 2)"),
    (b'{"X": [1, 2]}', 422, "2 axes"),
    (b'{"X": []}', 422, "array of numbers|2 axes"),
    (b'{"X": {"a": 1}}', 422, "array of numbers"),
    (b"{}", 422, "X is missing"),
    (b'{"X": [[1, 2]], "Y": 1}', 422, "unknown field 'Y'"),
    (b'{"X": [[' + b"9" * 5000 + b", 1]]}", 400, "not JSON"),
    (b'{"X": [[' + b"9" * 400 + b", 1]]}", 422, "array of numbers"),
    (b'{"X": [[true, 2]]}', 422, "true or false among"),
    (b'{"X": [[1, null]]}', 422, "array of numbers"),
    (b'{"X": [[1, 2]], "X": [[3, 4]]}', 400, "field 'X' stands twice"),
    ('{"X": [[1, 2]]}'.encode("utf-16"), 400, "not JSON"),
    (b'{"X": "\\ud800"}', 422, "array of numbers"),
    (b'{"\\ud800": 1}', 422, "unknown field"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD, ids=range(len(BAD)))
def test_a_malformed_body_is_refused_with_a_reason(
    client: httpx.Client, body: bytes, status: int, message: str
) -> None:
    answer = client.post("/v1/gp/predict", content=body)
    assert answer.status_code == status, answer.text
    assert any(part in answer.json()["error"] for part in message.split("|"))


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"N": 0}, 422, "N must be a whole number"),
        ({"N": True}, 422, "N must be a whole number"),
        ({"A": [[1.0]]}, 422, "problem:"),
        ({"lbu": [2.0]}, 422, "lbu must not exceed ubu"),
        ({"A": [[1e308, 0.0], [0.0, 1e308]]}, 422, "the answer is not finite"),
        ({"Q": [[1.0, 5.0], [0.0, 1.0]]}, 422, "Q must be symmetric"),
        ({"file": "/etc/passwd"}, 422, "unknown field 'file'"),
        ({"A": np.eye(40).tolist(), "B": np.ones((40, 1)).tolist(), "N": 1000}, 413, "exceed"),
    ],
)
def test_a_problem_that_cannot_be_solved_is_refused(
    client: httpx.Client, change: dict[str, Any], status: int, message: str
) -> None:
    body = {"problem": PROBLEM | change, "x0": [1.0, 0.0]}
    answer = client.post("/v1/mpc/solve", json=body)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text


def test_the_token_is_needed_for_all_but_health(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as anyone:
        assert anyone.get("/health").json()["inputs"] == 2
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"},
                        {"Authorization": TOKEN}):  # fmt: skip
            answer = anyone.post("/v1/gp/predict", json={"X": [[0, 0]]}, headers=headers)
            assert answer.status_code == 401
            assert "mean" not in answer.text
        assert anyone.get("/metrics").status_code == 401


BODY = b'{"X": [[1, 2]]}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 4\r\n" + CHUNKED, b"400"),
        (LENGTH + b"Content-Length: 4\r\n", b"400"),
        (CHUNKED + CHUNKED, b"400"),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"501"),
        (b"Content-Length: +15\r\n", b"400"),
        (b"Content-Length : 15\r\n", b"400"),
        (LENGTH + b"X: " + b"a" * 17_000 + b"\r\n", b"431"),
        (LENGTH + b"".join(b"X%d: a\r\n" % i for i in range(2000)), b"431"),
    ],
    ids=["both lengths", "two lengths", "chunked twice", "coded", "sign", "space", "long", "many"],
)
def test_a_request_whose_end_is_in_doubt_is_refused_and_the_connection_ends(
    url: str, headers: bytes, status: bytes
) -> None:
    hidden = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    received = talk(url, POST + AUTHORIZED + headers + b"\r\n" + chunks + hidden)
    first = received.split(b"\r\n", 1)[0]
    assert first.split()[1] in (status, b"400")
    assert received.count(b"HTTP/1.1 ") == 1, "what came behind was read as a request"


def test_two_tokens_are_none(url: str) -> None:
    other = b"Authorization: Bearer wrong\r\nConnection: close\r\n"
    for headers in (AUTHORIZED + other, other + AUTHORIZED):
        assert b" 401 " in talk(url, POST + headers + LENGTH + b"\r\n" + BODY)


def test_sizes_declared_and_true_are_limited(client: httpx.Client) -> None:
    big = json.dumps({"X": [[0.0, 0.0]] * 3000}).encode()
    assert client.post("/v1/gp/predict", content=big).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"[" * 1000

    assert client.post("/v1/gp/predict", content=endless()).status_code == 413
    huge = POST + AUTHORIZED + b"Content-Length: 99999999999\r\n\r\n"
    assert b" 413 " in talk(str(client.base_url), huge)


def talk(url: str, sent: bytes) -> bytes:
    """Send bytes and no end; what came back until the service closed the connection."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        received = b""
        try:
            connection.sendall(sent)
            while part := connection.recv(4096):
                received += part
        except ConnectionError:  # closed with some of ours unread
            pass
    return received


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (POST + AUTHORIZED + b"Content-Length: 100\r\n\r\n{", b" 408 "),
        (POST + b"X-Sl", b""),
        (b"", b""),
    ],
    ids=["body", "headers", "nothing"],
)  # fmt: skip
def test_whoever_does_not_finish_is_let_go(url: str, head: bytes, answer: bytes) -> None:
    assert answer in talk(url, head)  # and comes back at all


def test_metrics_are_prometheus(client: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    client.post("/v1/gp/predict", json={"X": [[0, 0]]})
    client.get("/no/such/path")
    client.get(f"/{time.time()}")
    families = {f.name: f for f in text_string_to_metric_families(client.get("/metrics").text)}
    counts = {
        (s.labels["path"], s.labels["status"]): s.value
        for s in families["optcore_requests"].samples
        if s.name.endswith("_total")
    }
    assert counts["/v1/gp/predict", "200"] >= 1
    assert counts["other", "404"] >= 2  # paths of strangers make no labels
    assert {"optcore_request_seconds", "optcore_requests_pending", "optcore_batch_rows"} <= set(
        families
    )


def test_an_address_is_held_to_its_rate(model: tuple[Path, Any]) -> None:
    with (
        serving(model[0], "--max-rate", "1e-5") as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        answers = [
            client.get("/health", headers={"X-Forwarded-For": f"10.0.0.{i}"}) for i in range(120)
        ]
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: 100, 429: 20}  # the burst, wherever they say they come from
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"


async def storm(url: str, model: Any, requests: int) -> Counter[str]:
    """Good, malformed, oversized, slow and abandoned requests together; every answer is checked."""
    random = np.random.default_rng(7)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    seen: Counter[str] = Counter()
    gate, solver = asyncio.Semaphore(64), QpSolver(OcpQp(**PROBLEM), method="riccati")

    async def good(client: httpx.AsyncClient) -> None:
        X = random.normal(size=(int(random.integers(1, 9)), 2))
        answer = await client.post("/v1/gp/predict", json={"X": X.tolist()})
        assert answer.status_code == 200, answer.text
        mean, variance = model.predict(X)
        for name, truth in (("mean", mean), ("variance", variance)):
            np.testing.assert_allclose(answer.json()[name], truth, rtol=1e-9, atol=1e-12)

    async def beliefs(client: httpx.AsyncClient) -> None:
        prior, likelihood = random.normal(size=(2, 3, 4))
        answer = await client.post("/v1/belief/update", json={
            "log_beliefs": prior.tolist(), "log_likelihoods": likelihood.tolist()})  # fmt: skip
        assert answer.json()["log_beliefs"] == update_beliefs(prior, likelihood).tolist()

    async def plan(client: httpx.AsyncClient) -> None:
        x0 = random.normal(size=2)
        answer = await client.post("/v1/mpc/solve", json={"problem": PROBLEM, "x0": x0.tolist()})
        here = solver.solve(x0, warm_start=False)
        np.testing.assert_allclose(answer.json()["u"], here.u, atol=1e-9)

    async def malformed(client: httpx.AsyncClient) -> None:
        body, status, _ = BAD[int(random.integers(len(BAD)))]
        answer = await client.post("/v1/gp/predict", content=body)
        assert answer.status_code == status

    async def oversized(client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/gp/predict", content=b"[" * 30_000)
        assert answer.status_code == 413

    async def slow(_: httpx.AsyncClient) -> None:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(POST + b"Content-Length: 9\r\n" + AUTHORIZED + b"\r\n")
        assert b" 408 " in await asyncio.wait_for(reader.read(), 20)
        writer.close()

    async def abandoned(_: httpx.AsyncClient) -> None:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(POST + b"Content-Le")
        writer.close()

    kinds = [good] * 60 + [beliefs] * 15 + [plan] * 10 + [malformed] * 8 + [oversized] * 4
    kinds += [slow] * 1 + [abandoned] * 2

    async def one(client: httpx.AsyncClient, kind: Any) -> None:
        async with gate:
            await kind(client)
        seen[kind.__name__] += 1

    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30, limits=limits, trust_env=False
    ) as client:
        chosen = [kinds[i] for i in random.integers(len(kinds), size=requests)]
        await asyncio.wait_for(asyncio.gather(*(one(client, kind) for kind in chosen)), 300)
    return seen


def test_a_storm_of_good_and_bad_requests_brings_no_wrong_answer(
    url: str, model: tuple[Path, Any]
) -> None:
    requests = int(os.environ.get("OPTCORE_STORM", "1000"))  # 10000 in a longer trial
    seen = asyncio.run(storm(url, model[1], requests))
    assert seen.total() == requests
    assert len(seen) == 7


def test_another_address_than_loopback_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="open to other machines"):
        ServiceConfig(host="0.0.0.0")
    assert ServiceConfig(host="0.0.0.0", token="a").token == "a"
    assert "secret" not in repr(ServiceConfig(token="secret"))
    for unsent in ("", " ", "a ", "a\n", "\ud800"):
        with pytest.raises(ConfigError, match="token must"):
            ServiceConfig(token=unsent)


def test_rows_of_another_length_fail_alone() -> None:
    def predict(rows: Any) -> Any:
        if rows.shape[1] != 2:
            raise ValueError("two inputs")
        return rows.sum(axis=1), rows[:, 0]

    async def ask() -> list[Any]:
        batcher = Batcher(predict, 1 << 30, 64, 0.0, lambda _: None)
        rows = [np.full((1 + i % 2, 3 if i == 4 else 2), float(i)) for i in range(9)]
        waiting = asyncio.gather(*map(batcher, rows), return_exceptions=True)
        try:
            return await asyncio.wait_for(waiting, 60)
        finally:
            batcher.close()

    answers = asyncio.run(ask())
    assert isinstance(answers.pop(4), ValueError)
    assert [mean[0] for mean, _ in answers] == [2.0 * i for i in range(9) if i != 4]


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, format="something")
    with pytest.raises(ConfigError, match="holds 'something'"):
        load_model(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_model(tmp_path / "missing.npz")
