"""tinygp on JAX: float64, every function compiled before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tinygp
from scipy.optimize import minimize

from areas.gp_peers.problem import Floats, Problem

assert jnp.zeros(1).dtype == jnp.float64, "one_thread.pin() asks for float64"


def model(logs: Any, X: Any) -> Any:
    """From the logarithms of (variance, length scales, noise)."""
    values = jnp.exp(logs)
    shape = tinygp.transforms.Linear(1 / values[1:-1], tinygp.kernels.ExpSquared())
    return tinygp.GaussianProcess(values[0] * shape, X, diag=values[-1])


def weights_of(gp: Any, y: Any) -> Any:
    whitened = gp.solver.solve_triangular(y)
    return gp.solver.solve_triangular(whitened, transpose=True)


def fit(p: Problem) -> Callable[[], Floats]:
    run = jax.jit(lambda logs, X, y: weights_of(model(logs, X), y))
    logs, X, y = map(jnp.asarray, (p.logs, p.X, p.y))
    return lambda: np.asarray(run(logs, X, y))


def likelihood(p: Problem) -> Callable[[], tuple[float, Floats]]:
    run = jax.jit(jax.value_and_grad(lambda logs, X, y: model(logs, X).log_probability(y)))
    logs, X, y = map(jnp.asarray, (p.logs, p.X, p.y))

    def evaluate() -> tuple[float, Floats]:
        value, slope = run(logs, X, y)
        return float(value), np.asarray(slope)

    return evaluate


def predictor(p: Problem, Z: Floats) -> Callable[[], tuple[Floats, Floats]]:
    """As `condition` does, from a factor and weights computed once."""
    gp, weights, X = _conditioned(p)

    @jax.jit
    def run(Z: Any) -> tuple[Any, Any]:
        k = gp.kernel(X, Z)
        v = gp.solver.solve_triangular(k)
        return weights @ k, p.variance - jnp.sum(v * v, axis=0)

    def predict() -> tuple[Floats, Floats]:
        mean, variance = run(Z)
        return np.asarray(mean), np.asarray(variance)

    return predict


def mean_gradient(p: Problem, Z: Floats) -> Callable[[], Floats]:
    """d mean / d x at each row of Z."""
    gp, weights, X = _conditioned(p)
    run = jax.jit(jax.vmap(jax.grad(lambda x: (gp.kernel(x[None, :], X) @ weights)[0])))
    return lambda: np.asarray(run(Z))


def batch(X: Floats, Y: Floats, Z: Floats, p: Problem) -> Callable[[], tuple[Floats, Floats]]:
    """Fit and predict of every (X[b], Y[b]) at Z[b]; hyper-parameters are those of p."""
    logs = jnp.asarray(p.logs)

    @jax.jit
    @jax.vmap
    def run(X: Any, y: Any, Z: Any) -> tuple[Any, Any]:
        gp = model(logs, X)
        k = gp.kernel(X, Z)
        v = gp.solver.solve_triangular(k)
        return weights_of(gp, y) @ k, p.variance - jnp.sum(v * v, axis=0)

    data = [jnp.asarray(a) for a in (X, Y, Z)]

    def predict() -> tuple[Floats, Floats]:
        mean, variance = run(*data)
        return np.asarray(mean), np.asarray(variance)

    return predict


def maximiser(p: Problem) -> Callable[[], float]:
    """L-BFGS-B of SciPy on the compiled value and gradient."""
    run = jax.jit(jax.value_and_grad(lambda logs, X, y: -model(logs, X).log_probability(y)))
    X, y = jnp.asarray(p.X), jnp.asarray(p.y)

    def objective(logs: Floats) -> tuple[float, Floats]:
        value, slope = run(logs, X, y)
        return float(value), np.asarray(slope, dtype=float)

    objective(p.logs)
    return lambda: -float(minimize(objective, p.logs, jac=True, method="L-BFGS-B").fun)


def _conditioned(p: Problem) -> tuple[Any, Any, Any]:
    X = jnp.asarray(p.X)
    gp = model(jnp.asarray(p.logs), X)
    return gp, weights_of(gp, jnp.asarray(p.y)), X
