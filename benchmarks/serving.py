"""`optcore serve` beside the same model behind FastAPI and scikit-learn, under the same load.

    python benchmarks/serving.py [--points 500] [--rows 1] [--users 1,8,32] [--rate 200]

Both services run in processes of their own under uvicorn (h11), on loopback. The load comes from
`optcore.scalability_analyzer`, over plain sockets: httpx alone would take longer than the answer.
Throughput is of closed loops; p50 and p99 under --rate are of an open loop, from when a request was
due. Before anything is timed, both must give the same means and variances. Needs
`pip install 'optcore[serve,load]' fastapi scikit-learn`.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from optcore import gp
from optcore.scalability_analyzer import (
    FunctionTarget,
    ScalabilityAnalyzer,
    ScalabilityConfig,
    Scenario,
    ScenarioResult,
)

NOISE = 1e-2
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

# What a careful user of FastAPI writes: a typed body, the work in its thread pool.
_FASTAPI = """
import socket, sys
import numpy as np, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

data = np.load(sys.argv[1])
model = GaussianProcessRegressor(RBF(1.0), alpha=float(sys.argv[2]), optimizer=None)
model.fit(data["X"], data["y"])
app = FastAPI()

class Queries(BaseModel):
    X: list[list[float]]

class Answer(BaseModel):
    mean: list[float]
    variance: list[float]

@app.post("/v1/gp/predict")
def predict(queries: Queries) -> Answer:
    mean, deviation = model.predict(np.array(queries.X), return_std=True)
    return Answer(mean=mean.tolist(), variance=(deviation**2).tolist())

# with its protocol named: asyncio sets TCP_NODELAY only then
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listening.bind(("127.0.0.1", 0))
print(f"serving on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, http="h11"))
server.run(sockets=[listening])
"""


@contextmanager
def service(*command: str) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        for _ in range(200):  # the socket accepts before the application is up
            try:
                httpx.get(url, timeout=30, trust_env=False)
                break
            except httpx.TransportError:
                continue
        yield url
    finally:
        process.terminate()
        process.wait(20)


class Client:
    """One kept connection a thread, one prepared request; a status that is not 200 raises."""

    def __init__(self, url: str, body: Any) -> None:
        host, port = url.removeprefix("http://").split(":")
        content = json.dumps(body).encode()
        self._address = host, int(port)
        self._request = (
            f"POST /v1/gp/predict HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        ).encode() + content
        self._local = threading.local()
        self._all: list[socket.socket] = []

    def __call__(self) -> None:
        link = getattr(self._local, "link", None)
        if link is None:
            link = self._local.link = socket.create_connection(self._address, timeout=30)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._all.append(link)
        link.sendall(self._request)
        received = link.recv(65536)
        while b"\r\n\r\n" not in received:
            received += self._more(link)
        head, _, answer = received.partition(b"\r\n\r\n")
        length = int(_LENGTH.search(head)[1])  # type: ignore[index]
        while len(answer) < length:
            answer += self._more(link)
        if b" 200 " not in head[:16]:
            raise RuntimeError(head.splitlines()[0].decode())

    @staticmethod
    def _more(link: socket.socket) -> bytes:
        part = link.recv(65536)
        if not part:
            raise ConnectionError("the service closed the connection")
        return part

    def close(self) -> None:
        for link in self._all:
            link.close()


def load(url: str, body: Any, seconds: float, **scenario: Any) -> ScenarioResult:
    config = ScalabilityConfig(ramp_up_time=0.5)
    given = {"duration": seconds, **scenario}
    client = Client(url, body)
    try:
        return ScalabilityAnalyzer(config).run_scenario(
            FunctionTarget(client), Scenario.from_dict(given, config)
        )
    finally:
        client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="optcore serve beside FastAPI + scikit-learn")
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--users", default="1,8,32")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    X = random.uniform(-3, 3, (options.points, 2))
    y = np.sin(X[:, 0]) + np.cos(X[:, 1]) + 0.1 * random.standard_normal(options.points)
    body = {"X": random.uniform(-3, 3, (options.rows, 2)).tolist()}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data, model = Path(folder, "data.npz"), Path(folder, "model.npz")
        np.savez(data, X=X, y=y)
        gp.GaussianProcess(gp.RBF(1.0, 1.0), noise=NOISE).fit(X, y).save(model)
        with (
            service("-m", "optcore", "serve", str(model), "--port", "0") as ours,
            service("-c", _FASTAPI, str(data), str(NOISE)) as theirs,
        ):
            services = {"optcore serve": ours, "FastAPI + scikit-learn": theirs}
            answers = [
                httpx.post(f"{url}/v1/gp/predict", json=body, trust_env=False).json()
                for url in services.values()
            ]
            for name in ("mean", "variance"):
                np.testing.assert_allclose(answers[0][name], answers[1][name], rtol=1e-5, atol=1e-8)
            print(f"{options.points} training points, {options.rows} rows a request; answers agree")
            print(f"{'':<24}{'load':>14}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}")
            loads: list[dict[str, Any]] = [
                {"concurrent_users": int(n)} for n in options.users.split(",")
            ]
            loads.append({"arrival_rate": options.rate, "concurrent_users": 64})
            for scenario in loads:
                for name, url in services.items():
                    found = load(url, body, options.seconds, **scenario)
                    print(
                        f"{name:<24}{found.name:>14}{found.throughput:>12.0f}"
                        f"{found.response.p50 * 1e3:>9.2f}{found.response.p99 * 1e3:>9.2f}"
                        f"{found.errors:>8}{'  saturated' if found.saturated else ''}"
                    )
                    rows.append({"service": name, **found.to_dict()})
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1, default=str) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
