"""Beliefs over models beside NumPy, SciPy and JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import Trial, agree

_Floats = NDArray[np.float64]


def dirichlet_sample(trial: Trial) -> None:
    """Transitions of 100 states x 10 actions, 10^5 gammas, some way into learning."""
    counts = 1.0 + np.random.default_rng(0).poisson(5, size=(1000, 100))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore._native.belief import RandomKey, dirichlet_sample

        key = RandomKey(1)

        def draw() -> _Floats:
            key.step += 1
            return dirichlet_sample(counts, key)

        return draw

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        rng = np.random.default_rng(1)

        def draw() -> _Floats:
            rows = rng.standard_gamma(counts)
            rows /= rows.sum(axis=1, keepdims=True)
            return rows

        return draw

    @trial.contestant("numpy-float32")
    def _() -> Callable[[], Any]:
        rng = np.random.default_rng(1)
        single = counts.astype(np.float32)

        def draw() -> Any:
            rows = rng.standard_gamma(single, dtype=np.float32)
            rows /= rows.sum(axis=1, keepdims=True)
            return rows

        return draw

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # different random numbers: the mean square of standardised entries is 1
        total = counts.sum(axis=1, keepdims=True)
        mean = counts / total
        deviation = np.sqrt(mean * (1 - mean) / (total + 1))
        spread = {n: float(np.mean(((a - mean) / deviation) ** 2)) for n, a in answers.items()}
        return {"spread_error": agree(spread, reference=1.0, rtol=0.03)}


def value_iteration(trial: Trial) -> None:
    """A dense random process, values within 1e-4; MacQueen's bounds stop everybody."""
    rng = np.random.default_rng(2)
    S, A, discount, tolerance = 100, 10, 0.95, 1e-4
    P = rng.dirichlet(np.ones(S), size=S * A)
    R = rng.uniform(size=(S, A))
    amplify = discount / (1 - discount)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore._native.belief import value_iteration

        table = P.astype(np.float32)

        def solve() -> _Floats:
            value = np.zeros(S)
            value_iteration(table, R, discount, tolerance, 10000, value)
            return value

        return solve

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        def solve() -> _Floats:
            value = np.zeros(S)
            while True:
                new = (R + discount * (P @ value).reshape(S, A)).max(axis=1)
                low, high = (new - value).min(), (new - value).max()
                value = new
                if amplify * (high - low) / 2 <= tolerance:
                    shifted: _Floats = value + amplify * (high + low) / 2
                    return shifted

        return solve

    @trial.contestant("jax")
    def _() -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        table, reward = jnp.asarray(P), jnp.asarray(R)

        @jax.jit
        def solve(table: Any, reward: Any) -> Any:
            def sweep(state: Any) -> Any:
                value, _, _ = state
                new = (reward + discount * (table @ value).reshape(S, A)).max(axis=1)
                return new, (new - value).min(), (new - value).max()

            def going(state: Any) -> Any:
                return amplify * (state[2] - state[1]) / 2 > tolerance

            value, low, high = jax.lax.while_loop(going, sweep, (jnp.zeros(S), -jnp.inf, jnp.inf))
            return value + amplify * (high + low) / 2

        return lambda: solve(table, reward).block_until_ready()

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, np.asarray, rtol=0, atol=2e-4)}


def regression(trial: Trial, d: int) -> None:
    """Rank-1 update of a posterior: mean and covariance of one output."""
    rng = np.random.default_rng(3)
    X, y = rng.uniform(-0.5, 0.5, size=(64, d)), rng.normal(size=64)
    variance = 10.0

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import BayesianLinearRegression

        model = BayesianLinearRegression(d, variance=variance)
        update, pairs = model.update, list(zip(X, y, strict=True))
        return _feed(update, pairs, lambda: model.coefficients[:, 0])

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        V, m = variance * np.eye(d), np.zeros(d)
        room = np.empty((d, d))

        def update(x: _Floats, target: float) -> None:
            nonlocal m
            k = V @ x
            spread = 1 + k @ x
            m += k * ((target - m @ x) / spread)
            np.multiply.outer(k / spread, k, out=room)
            np.subtract(V, room, out=V)

        return _feed(update, list(zip(X, y, strict=True)), m.copy)

    @trial.contestant("scipy-blas")
    def _() -> Callable[[], Any]:
        from scipy.linalg.blas import ddot, dsymv, dsyr

        V, m = np.asfortranarray(variance * np.eye(d)), np.zeros(d)

        def update(x: _Floats, target: float) -> None:
            k = dsymv(1.0, V, x, lower=1)
            spread = 1 + ddot(k, x)
            m[:] += k * ((target - ddot(m, x)) / spread)
            dsyr(-1 / spread, k, lower=1, a=V, overwrite_a=1)

        return _feed(update, list(zip(X, y, strict=True)), m.copy)

    @trial.contestant("jax")
    def _() -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        @jax.jit
        def revise(V: Any, m: Any, x: Any, target: Any) -> Any:
            k = V @ x
            spread = 1 + k @ x
            return V - jnp.outer(k, k / spread), m + k * ((target - m @ x) / spread)

        V, m = variance * jnp.eye(d), jnp.zeros(d)

        def update(x: Any, target: Any) -> None:
            nonlocal V, m
            V, m = revise(V, m, x, target)
            m.block_until_ready()

        pairs = [(jnp.asarray(x), jnp.asarray(t)) for x, t in zip(X, y, strict=True)]
        return _feed(update, pairs, lambda: np.asarray(m))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-8)}


def _feed(
    update: Callable[..., Any], pairs: list[tuple[Any, Any]], answer: Callable[[], _Floats]
) -> Callable[[], _Floats]:
    """Observations in turns; the answer is the mean after the first time round."""
    for x, y in pairs:
        update(x, y)
    found, following = answer(), cycle(pairs)

    def call() -> _Floats:
        update(*next(following))
        return found

    return call
