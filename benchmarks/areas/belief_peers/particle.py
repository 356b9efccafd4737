"""Particle filters beside NumPy, particles (numba) and JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import Trial, agree

_Floats = NDArray[np.float64]
DT, POSITION, VELOCITY, MEASURED = 0.1, 0.05, 0.1, 0.5
Z = np.array([0.3, -0.2])


def resampling(trial: Trial, n: int) -> None:
    """Systematic ancestors from weights."""
    weights = np.random.default_rng(5).uniform(0.01, 1, n)
    weights /= weights.sum()

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore._native.belief import RandomKey, resample

        key = RandomKey(1)
        return lambda: resample(weights, "systematic", key)

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        rng = np.random.default_rng(1)

        def draw() -> Any:
            positions = (rng.random() + np.arange(n)) / n
            return np.searchsorted(np.cumsum(weights), positions).clip(max=n - 1)

        return draw

    @trial.contestant("particles")
    def _() -> Callable[[], Any]:
        from particles.resampling import systematic

        return lambda: systematic(weights, M=n)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # different uniforms: offspring within one of n times the weight
        excess = {
            name: np.maximum(np.abs(np.bincount(a, minlength=n) - n * weights) - 1, 0).max()
            for name, a in answers.items()
        }
        return {"excess": agree(excess, reference=0.0, atol=1e-6)}


def step(trial: Trial, n: int) -> None:
    """A full step with d = 4: move with noise, weigh, resample systematically each time."""
    start = np.random.default_rng(6).normal(size=(n, 4))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import ConstantVelocity, ParticleFilter

        cloud = ParticleFilter(start, ess_threshold=1.1)
        model = ConstantVelocity(DT, POSITION, VELOCITY, MEASURED)
        return _settled(lambda: cloud.step(model, Z), lambda: cloud.mean)

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        rng = np.random.default_rng(1)
        x = np.ascontiguousarray(start.T)
        scale = np.array([POSITION, POSITION, VELOCITY, VELOCITY])[:, None]

        def move() -> None:
            nonlocal x
            x[:2] += DT * x[2:]
            x += scale * rng.standard_normal((4, n))
            log = ((x[0] - Z[0]) ** 2 + (x[1] - Z[1]) ** 2) * (-0.5 / MEASURED**2)
            weights = np.exp(log - log.max())
            running = np.cumsum(weights)
            positions = (rng.random() + np.arange(n)) * (running[-1] / n)
            x = x[:, np.searchsorted(running, positions).clip(max=n - 1)]

        return _settled(move, lambda: x.mean(axis=1))

    @trial.contestant("particles")
    def _() -> Callable[[], Any]:
        from particles.resampling import exp_and_normalise, systematic

        rng = np.random.default_rng(2)
        x = np.ascontiguousarray(start.T)
        scale = np.array([POSITION, POSITION, VELOCITY, VELOCITY])[:, None]

        def move() -> None:
            nonlocal x
            x[:2] += DT * x[2:]
            x += scale * rng.standard_normal((4, n))
            log = ((x[0] - Z[0]) ** 2 + (x[1] - Z[1]) ** 2) * (-0.5 / MEASURED**2)
            x = x[:, systematic(exp_and_normalise(log), M=n)]

        return _settled(move, lambda: x.mean(axis=1))

    @trial.contestant("jax")
    def _() -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        scale = jnp.array([POSITION, POSITION, VELOCITY, VELOCITY])[:, None]

        @jax.jit
        def advance(x: Any, key: Any) -> Any:
            key, noise, draw = jax.random.split(key, 3)
            x = x.at[:2].add(DT * x[2:]) + scale * jax.random.normal(noise, (4, n))
            log = ((x[0] - Z[0]) ** 2 + (x[1] - Z[1]) ** 2) * (-0.5 / MEASURED**2)
            running = jnp.cumsum(jnp.exp(log - log.max()))
            positions = (jax.random.uniform(draw) + jnp.arange(n)) * (running[-1] / n)
            return x[:, jnp.searchsorted(running, positions).clip(max=n - 1)], key

        state: Any = (jnp.asarray(start.T), jax.random.PRNGKey(3))

        def move() -> None:
            nonlocal state
            state = advance(*state)
            state[0].block_until_ready()

        return _settled(move, lambda: np.asarray(state[0]).mean(axis=1))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # posterior means of clouds with different random numbers
        return {"difference": agree(answers, rtol=0, atol=2 / np.sqrt(n) + 0.02)}


def _settled(move: Callable[[], Any], mean: Callable[[], _Floats]) -> Callable[[], _Floats]:
    for _ in range(60):
        move()
    found = mean()

    def call() -> _Floats:
        move()
        return found

    return call
