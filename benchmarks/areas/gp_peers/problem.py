"""What is asked of everybody: data and hyper-parameters of an ARD squared-exponential GP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Points (n, d), values (n,), length scales (d,), signal and noise variance."""

    X: Floats
    y: Floats
    scales: Floats
    variance: float = 1.3
    noise: float = 0.01

    @property
    def logs(self) -> Floats:
        """Logarithms of (variance, length scales, noise)."""
        return np.asarray(np.log([self.variance, *self.scales, self.noise]))


def synthetic(n: int, d: int = 8, seed: int = 0) -> Problem:
    """Smooth function of normal inputs, noise of the model's own size."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.sin(X @ rng.normal(0, 0.5, d)) + 0.1 * rng.normal(size=n)
    return Problem(X, y, np.linspace(1.5, 3.0, d))


def queries(p: Problem, count: int, seed: int = 1) -> Floats:
    """Points (count, d) to predict at, spread as the data."""
    return np.random.default_rng(seed).normal(size=(count, p.X.shape[1]))


@dataclass(frozen=True)
class Split:
    """A data set standardised by its training part; rows of it to train on, and a test part."""

    X: Floats
    y: Floats
    X_test: Floats
    y_test: Floats


def read_split(
    path: Path, rows: int | None = None, test_rows: int = 1000, output: int | None = None
) -> Split:
    """Training part: first split of `test_mask`, standardised; of it `rows` by a seeded shuffle."""
    with np.load(path) as file:
        X, mask = file["X"], file["test_mask"].reshape(len(file["X"]), -1)[:, 0]
        y = file["y"] if output is None else file["Y"][:, output]
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float).reshape(len(X))
    train, test = ~mask, np.flatnonzero(mask)[:test_rows]
    spread = X[train].std(axis=0)
    X = (X - X[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    y = (y - y[train].mean()) / y[train].std()
    chosen = np.flatnonzero(train)
    if rows is not None:
        chosen = chosen[np.random.default_rng(0).permutation(len(chosen))[:rows]]
    return Split(np.ascontiguousarray(X[chosen]), y[chosen], np.ascontiguousarray(X[test]), y[test])


def scores(y: Floats, mean: Floats, variance: Floats) -> tuple[float, float]:
    """RMSE and mean negative log density of y under normals with the noise in the variance."""
    error = y - mean
    rmse = float(np.sqrt(np.mean(error**2)))
    return rmse, float(np.mean(0.5 * np.log(2 * np.pi * variance) + 0.5 * error**2 / variance))
