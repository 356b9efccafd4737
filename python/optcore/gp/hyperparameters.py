"""Choice of hyper-parameters: L-BFGS-B on the log marginal likelihood, in log space.

SciPy's optimiser drives; the native core gives value and all gradients in one n x n buffer.
Source   Rasmussen & Williams (2006), section 5.4.1; Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput.
         16(5) (1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError
from optcore.gp.kernels import StationaryKernel

__all__ = ["LogNormal", "OptimizationResult", "maximise"]

Array = NDArray[np.float64]
NAMES = ("length_scale", "variance", "noise")


@dataclass(frozen=True)
class LogNormal:
    """Prior of a positive hyper-parameter: its logarithm is normal about log(median)."""

    median: float
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not (self.median > 0 and self.sigma > 0):
            raise ConfigError(f"LogNormal: median and sigma must be > 0, got {self}")


@dataclass(frozen=True)
class OptimizationResult:
    """What optimize() did."""

    log_marginal_likelihood: float  # nats, of the data alone
    objective: float  # nats, with the log density of the priors in log space
    evaluations: int
    starts: int
    converged: bool
    message: str


@dataclass(frozen=True)
class Problem:
    """Data and fixed parts of the model whose hyper-parameters are sought."""

    X: Array  # (n, d)
    Y: Array  # (n, outputs), the mean subtracted
    kernel: StationaryKernel
    noise: float
    point_noise: Array | None

    def start(self) -> Array:
        """Logarithms: (length scales, variance, noise)."""
        dims = self.X.shape[1]
        scales = self.kernel.length_scales(dims)
        values = np.concatenate([scales, [self.kernel.variance, max(self.noise, 1e-300)]])
        logs: Array = np.log(values)
        return logs

    def with_parameters(self, logs: Array) -> tuple[StationaryKernel, float]:
        values = np.exp(logs)
        kernel = replace(
            self.kernel, length_scale=tuple(values[:-2].tolist()), variance=float(values[-2])
        )
        return kernel, float(values[-1])


def maximise(
    problem: Problem,
    *,
    restarts: int,
    bounds: Mapping[str, tuple[float, float]],
    priors: Mapping[str, LogNormal],
    max_iterations: int,
    tolerance: float,
    seed: int,
) -> tuple[StationaryKernel, float, OptimizationResult]:
    """The best kernel and noise over 1 + restarts climbs, and what it took."""
    from scipy.optimize import minimize

    dims = problem.X.shape[1]
    first = problem.start()
    limits = _limits(problem, dims, bounds)
    low, high = np.array(limits).T
    objective, counter = _objective(problem, dims, priors)
    random = np.random.default_rng(seed)
    best = None
    for start in range(1 + restarts):
        begin = first if start == 0 else first + random.normal(0, 1.0, first.size)
        result = minimize(
            objective,
            np.clip(begin, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"maxiter": max_iterations, "ftol": tolerance, "maxcor": 20},
        )
        if np.isfinite(result.fun) and (best is None or result.fun < best.fun):
            best = result
    if best is None or best.fun >= _REFUSED:
        raise InferenceError(
            "optimize: no start has a positive definite covariance; give a larger noise"
        )
    kernel, noise = problem.with_parameters(best.x)
    prior = _log_prior(best.x, dims, priors)[0]
    summary = OptimizationResult(
        log_marginal_likelihood=-float(best.fun) - prior,
        objective=-float(best.fun),
        evaluations=counter[0],
        starts=1 + restarts,
        converged=bool(best.success),
        message=str(best.message),
    )
    return kernel, noise, summary


_REFUSED = 1e25  # stands for minus infinity: the line search steps back from it


def _limits(
    problem: Problem, dims: int, bounds: Mapping[str, tuple[float, float]]
) -> list[tuple[float, float]]:
    unknown = set(bounds) - set(NAMES)
    if unknown:
        raise ConfigError(f"bounds: unknown name {sorted(unknown)}; there are {NAMES}")
    for name, (lowest, highest) in bounds.items():
        if not 0 < lowest <= highest < math.inf:
            raise ConfigError(f"bounds: {name} needs 0 < low <= high, got {(lowest, highest)}")
    spread = np.maximum(problem.X.std(axis=0), 1e-300)
    power = float(np.maximum(np.mean(problem.Y**2), 1e-300))
    given = bounds.get("length_scale")
    scales = [given or (1e-3 * s, 1e4 * s) for s in spread]
    variance = bounds.get("variance", (1e-4 * power, 1e5 * power))
    noise = bounds.get("noise", (1e-8 * power, 1e2 * power))
    return [(math.log(lo), math.log(hi)) for lo, hi in [*scales, variance, noise]]


def _log_prior(logs: Array, dims: int, priors: Mapping[str, LogNormal]) -> tuple[float, Array]:
    unknown = set(priors) - set(NAMES)
    if unknown:
        raise ConfigError(f"priors: unknown name {sorted(unknown)}; there are {NAMES}")
    places = {
        "length_scale": slice(0, dims),
        "variance": slice(dims, dims + 1),
        "noise": slice(dims + 1, dims + 2),
    }
    value, slope = 0.0, np.zeros_like(logs)
    for name, prior in priors.items():
        z = (logs[places[name]] - math.log(prior.median)) / prior.sigma
        value -= float(np.sum(0.5 * z**2 + math.log(prior.sigma) + 0.5 * math.log(2 * math.pi)))
        slope[places[name]] -= z / prior.sigma
    return value, slope


def _objective(
    problem: Problem, dims: int, priors: Mapping[str, LogNormal]
) -> tuple[Callable[[Array], tuple[float, Array]], list[int]]:
    evaluator = _native.gp.Likelihood(len(problem.X), dims, problem.Y.shape[1], True)
    counter = [0]

    def negative(logs: Array) -> tuple[float, Array]:
        counter[0] += 1
        values = np.exp(logs)
        hyper = _native.gp.Hyper(
            problem.kernel.family,
            values[-2],
            np.ascontiguousarray(values[:-2]),
            values[-1],
            None,
            problem.point_noise,
        )
        try:
            value, by_variance, by_scales, by_noise, _ = evaluator.evaluate(
                problem.X, problem.Y, hyper
            )
        except InferenceError:
            return _REFUSED, np.zeros_like(logs)
        slope = np.concatenate([by_scales, [by_variance, by_noise]])
        prior, prior_slope = _log_prior(logs, dims, priors)
        return -(value + prior), -(slope + prior_slope)

    return negative, counter
