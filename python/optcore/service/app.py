"""The ASGI application: predictions, belief updates and MPC solves over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optcore import belief, gp
from optcore._files import read_npz
from optcore.errors import ConfigError, InferenceError, MissingDependency, ShapeError
from optcore.service.batching import Batcher
from optcore.service.body import Refused, array, only, parse
from optcore.service.config import ServiceConfig
from optcore.service.gate import App, Gate
from optcore.service.metrics import Metrics
from optcore.service.solving import Solvers

__all__ = ["Model", "create_app", "load_model"]

Array = NDArray[np.float64]
Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Model(Protocol):
    """What predicts: any Gaussian process of :mod:`optcore.gp`."""

    def predict(self, X: Array, /) -> tuple[Array, Array]: ...


_LOADERS: dict[str, Callable[[Path], Any]] = {
    "optcore.gp": gp.GaussianProcess.load,
    "optcore.gp.sparse": gp.SparseGaussianProcess.load,
    "optcore.gp.streaming": gp.StreamingGaussianProcess.load,
    "optcore.gp.committee": gp.CommitteeGaussianProcess.load,
}


def load_model(path: str | Path) -> Any:
    """A saved Gaussian process of whichever kind.

    Raises:
        ConfigError: no such file, or not one of ours.
    """
    found = str(read_npz(path, "a saved Gaussian process").get("format", "nothing"))
    if found not in _LOADERS:
        raise ConfigError(f"{path}: holds {found!r}; known are {', '.join(_LOADERS)}")
    return _LOADERS[found](Path(path))


def create_app(model: Model, config: ServiceConfig | None = None) -> App:
    """The application for any ASGI server.

    Args:
        model: a fitted process.
        config: limits; `host` and `port` are the server's affair.
    """
    try:
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise MissingDependency(
            "the service needs Starlette: pip install 'optcore[serve]'"
        ) from None
    settings = config if config is not None else ServiceConfig()
    metrics = Metrics()
    service = _Service(model, settings, metrics)

    def post(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                found = await answer(parse(await request.body()))
                try:
                    return JSONResponse(found)
                except ValueError:  # JSON has neither NaN nor infinity
                    raise Refused(
                        422, "the answer is not finite: the numbers are too large"
                    ) from None
            except Refused as refused:
                return JSONResponse({"error": str(refused)}, refused.status)

        return endpoint

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "model": type(model).__name__,
                             "inputs": service.inputs, "points": service.points})  # fmt: skip

    async def exposition(_: Request) -> Response:
        text, kind = metrics.text()
        return Response(text, headers={"content-type": kind})

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        service.close()

    routes = [
        Route("/v1/gp/predict", post(service.predict), methods=["POST"]),
        Route("/v1/belief/update", post(service.update), methods=["POST"]),
        Route("/v1/mpc/solve", post(service.solve), methods=["POST"]),
        Route("/health", health),
        Route("/metrics", exposition),
    ]
    inner = Starlette(routes=routes, lifespan=lifespan)
    return Gate(inner, settings, metrics, {route.path for route in routes})


class _Service:
    """The answers, apart from how they travel."""

    def __init__(self, model: Any, config: ServiceConfig, metrics: Metrics) -> None:
        self.inputs, self.points = _shape(model)
        self._config = config
        self._batcher = Batcher(
            model.predict, self.points, config.batch_rows, config.batch_window, metrics.batch
        )
        self._solvers = Solvers(
            config.max_problems, config.max_solver_mb * 2**20, config.max_solve_work
        )
        self._threads = ThreadPoolExecutor(2, "optcore-solve")

    def close(self) -> None:
        self._batcher.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def predict(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"X": (m, d)} to {"mean": (m,) or (m, o), "variance": (m,)}."""
        only(body, "X")
        rows = self._limited("X", array(body, "X", 2))
        if self.inputs is not None and rows.shape[1] != self.inputs:
            raise Refused(422, f"X must be (m, {self.inputs}), got {rows.shape}")
        mean, variance = await self._batcher(rows)
        return {"mean": mean.tolist(), "variance": variance.tolist()}

    async def update(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"log_beliefs": (B, K), "log_likelihoods": (B, K)} to {"log_beliefs": (B, K)}."""
        only(body, "log_beliefs", "log_likelihoods")
        prior = self._limited("log_beliefs", array(body, "log_beliefs", 2))
        likelihood = array(body, "log_likelihoods", 2)
        try:
            return {"log_beliefs": belief.update_beliefs(prior, likelihood).tolist()}
        except (ShapeError, InferenceError) as error:
            raise Refused(422, str(error)) from None

    async def solve(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"problem": {A, B, Q, R, N, ...}, "x0": (nx,)} to the plan and its status."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._solvers.solve, body)

    def _limited(self, name: str, values: Array) -> Array:
        if not 1 <= len(values) <= self._config.max_rows:
            raise Refused(
                413 if len(values) else 422,
                f"{name} must have 1 to {self._config.max_rows} rows, got {len(values)}",
            )
        return values


def _shape(model: Any) -> tuple[int | None, int]:
    """Inputs and training points, where the model tells them."""
    points = getattr(model, "X", None)
    if points is None:
        points = getattr(model, "Z", None)
    if points is None:
        return None, 1 << 30
    return int(np.shape(points)[1]), int(np.shape(points)[0])
