"""Choice of hyper-parameters: L-BFGS-B on the log marginal likelihood, in log space.

SciPy's optimiser drives; the native core gives value and all gradients in one n x n buffer.
Source   Rasmussen & Williams (2006), section 5.4.1; Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput.
         16(5) (1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore.errors import ConfigError, InferenceError
from optcore.gp.kernels import Kernel
from optcore.gp.likelihood import Coordinates, Evaluator

__all__ = ["LogNormal", "OptimizationResult", "Problem", "limits_of", "maximise"]

Array = NDArray[np.float64]


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
    kernel: Kernel
    noise: float
    point_noise: Array | None
    linear_mean: bool = False  # to be fitted beside, to Y as it is


def maximise(
    problem: Problem,
    *,
    restarts: int,
    bounds: Mapping[str, tuple[float, float]],
    priors: Mapping[str, LogNormal],
    max_iterations: int,
    tolerance: float,
    seed: int,
) -> tuple[Kernel, float, OptimizationResult]:
    """The best kernel and noise over 1 + restarts climbs, and what it took."""
    from scipy.optimize import minimize

    evaluator = Evaluator(
        problem.X, problem.Y, problem.kernel, problem.point_noise, linear_mean=problem.linear_mean
    )
    coordinates = evaluator.coordinates
    first = coordinates.of(problem.kernel, problem.noise)
    limits = limits_of(problem, coordinates, bounds)
    low, high = limits.T
    evaluations = 0

    def negative(at: Array) -> tuple[float, Array]:
        nonlocal evaluations
        evaluations += 1
        prior, prior_slopes = log_prior(at)
        try:
            value, slopes, _ = evaluator(at)
        except InferenceError:
            return _REFUSED, np.zeros_like(at)
        return -(value + prior), -(slopes + prior_slopes)

    log_prior = _log_prior(coordinates, priors)
    random = np.random.default_rng(seed)
    best = None
    for start in range(1 + restarts):
        begin = first if start == 0 else first + random.normal(0, 1.0, first.size)
        result = minimize(
            negative,
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
    kernel, noise = coordinates.kernel_and_noise(best.x)
    summary = OptimizationResult(
        log_marginal_likelihood=-float(best.fun) - log_prior(best.x)[0],
        objective=-float(best.fun),
        evaluations=evaluations,
        starts=1 + restarts,
        converged=bool(best.success),
        message=str(best.message),
    )
    return kernel, noise, summary


_REFUSED = 1e25  # stands for minus infinity: the line search steps back from it


def _check_names(kind: str, names: set[str], coordinates: Coordinates) -> None:
    known = {part.name for part in coordinates.parts} | {part.field for part in coordinates.parts}
    if names - known:
        raise ConfigError(
            f"{kind}: unknown name {sorted(names - known)}; there are {sorted(known)}"
        )


def limits_of(
    problem: Problem, coordinates: Coordinates, bounds: Mapping[str, tuple[float, float]]
) -> Array:
    """(p, 2) lowest and highest coordinates: as given, else wide ones from the data's spread."""
    _check_names("bounds", set(bounds), coordinates)
    deviation = problem.X.std(axis=0)
    # an input that does not vary leaves its length scale free: about one
    spread: Array = np.where(deviation > 1e-12 * np.abs(problem.X).max(axis=0), deviation, 1.0)
    power = float(np.maximum(np.mean(problem.Y**2), 1e-300))
    size = np.maximum(np.mean(problem.X**2, axis=0), 1e-300)
    limits = np.empty((coordinates.size, 2))
    for part in coordinates.parts:
        per_input = spread[: part.place.stop - part.place.start]
        limit: dict[str, tuple[Any, Any]] = {
            "length_scale": (1e-3 * per_input, 1e4 * per_input),
            "period": (1e-2 * per_input, 1e2 * per_input),
            "variance": (1e-4 * power, 1e5 * power),
            "noise": (1e-8 * power, 1e2 * power),
            "alpha": (1e-3, 1e4),
            "weights": (-1e3, 1e3),
            "kappa": (1e-8, 1e3),
        }
        low, high = limit[part.field]
        if part.field == "variance" and part.place.stop - part.place.start > 1:  # of Linear
            low, high = low / size[: per_input.size], high / size[: per_input.size]
        limits[part.place, 0], limits[part.place, 1] = low, high
    for name, (lowest, highest) in sorted(bounds.items(), key=lambda given: "." in given[0]):
        for part in coordinates.named(name):
            if not (lowest <= highest < math.inf and (lowest > 0 or not part.logarithmic)):
                raise ConfigError(f"bounds: {name} needs 0 < low <= high, got {(lowest, highest)}")
            limits[part.place] = lowest, highest
    logarithmic = coordinates.logarithmic[:, None]
    return np.where(logarithmic, np.log(np.where(logarithmic, limits, 1.0)), limits)


def _log_prior(
    coordinates: Coordinates, priors: Mapping[str, LogNormal]
) -> Callable[[Array], tuple[float, Array]]:
    """Log density of the priors in the coordinates, and its slopes."""
    _check_names("priors", set(priors), coordinates)
    chosen: list[tuple[slice, LogNormal]] = []
    for name, prior in priors.items():
        for part in coordinates.named(name):
            if not part.logarithmic:
                raise ConfigError(f"priors: {name} may be negative; LogNormal is for positive ones")
            chosen.append((part.place, prior))

    def density(at: Array) -> tuple[float, Array]:
        value, slopes = 0.0, np.zeros_like(at)
        for place, prior in chosen:
            z = (at[place] - math.log(prior.median)) / prior.sigma
            value -= float(np.sum(0.5 * z**2 + math.log(prior.sigma) + 0.5 * math.log(2 * math.pi)))
            slopes[place] -= z / prior.sigma
        return value, slopes

    return density
