"""Interacting multiple models beside filterpy and JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import Trial, agree

_Floats = NDArray[np.float64]


def imm(trial: Trial, d: int) -> None:
    """One step of five models of d states, two of them measured."""
    models, m = 5, 2
    F = np.eye(d) + 0.1 * np.eye(d, k=2)
    H, R, P = np.eye(m, d), 0.05 * np.eye(m), np.eye(d)
    Qs = [0.01 * (i + 1) * np.eye(d) for i in range(models)]
    switching = np.full((models, models), 0.02) + 0.9 * np.eye(models)
    zs = list(np.random.default_rng(4).normal(size=(64, m)))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import InteractingMultipleModel, LinearGaussian

        imm = InteractingMultipleModel(
            [LinearGaussian(F, Q, H, R, np.zeros(d), P) for Q in Qs], switching
        )
        return _follow(imm.step, zs, lambda: imm.combined()[0])

    @trial.contestant("filterpy")
    def _() -> Callable[[], Any]:
        from filterpy.kalman import IMMEstimator, KalmanFilter

        filters = []
        for Q in Qs:
            f = KalmanFilter(d, m)
            f.F, f.Q, f.H, f.R, f.x, f.P = F, Q, H, R, np.zeros(d), P.copy()
            filters.append(f)
        peer = IMMEstimator(filters, np.full(models, 1 / models), switching)

        def step(z: _Floats) -> None:
            peer.predict()
            peer.update(z)

        return _follow(step, zs, lambda: np.array(peer.x))

    @trial.contestant("jax")
    def _() -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        Q, T = jnp.asarray(np.array(Qs)), jnp.asarray(switching)

        @jax.jit
        def advance(mu: Any, x: Any, P: Any, z: Any) -> Any:
            cov: Any
            c = mu @ T
            share = (mu[:, None] * T / c).T  # (to, from)
            mixed = share @ x
            off = x[None] - mixed[:, None]
            spread = P[None] + off[..., :, None] * off[..., None, :]
            cov = jnp.einsum("ji,jiab->jab", share, spread)
            mean = mixed @ F.T
            cov = F @ cov @ F.T + Q
            S = H @ cov @ H.T + R
            gain = jnp.swapaxes(jnp.linalg.solve(S, H @ cov), 1, 2)
            y = z - mean @ H.T
            keep = jnp.eye(d) - gain @ H
            kept: Any = keep @ cov @ jnp.swapaxes(keep, 1, 2) + gain @ R @ jnp.swapaxes(gain, 1, 2)
            quadratic = jnp.einsum("ja,ja->j", y, jnp.linalg.solve(S, y[..., None])[..., 0])
            log = jnp.log(c) - 0.5 * (quadratic + jnp.linalg.slogdet(S)[1])
            return jax.nn.softmax(log), mean + jnp.einsum("jab,jb->ja", gain, y), kept

        state: Any = (
            jnp.full(models, 1 / models),
            jnp.zeros((models, d)),
            jnp.tile(P, (models, 1, 1)),
        )

        def step(z: Any) -> None:
            nonlocal state
            state = advance(*state, z)
            state[0].block_until_ready()

        return _follow(step, [jnp.asarray(z) for z in zs], lambda: np.asarray(state[0] @ state[1]))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-8, atol=1e-9)}


def _follow(
    step: Callable[[Any], Any], zs: list[Any], answer: Callable[[], _Floats]
) -> Callable[[], _Floats]:
    """Measurements in turns; the answer is the mean after the first time round."""
    for z in zs:
        step(z)
    found, following = answer(), cycle(zs)

    def call() -> _Floats:
        step(next(following))
        return found

    return call
