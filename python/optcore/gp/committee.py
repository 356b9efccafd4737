"""Many exact experts, each on its part of the data, answering as one.

Shapes   n = rows, d = inputs, o = outputs, e = experts, m = queries.
Source   Deisenroth & Ng, "Distributed Gaussian Processes", ICML (2015), section 3: the robust
         Bayesian committee machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import store
from optcore.gp.data import training_data
from optcore.gp.gaussian_process import GaussianProcess
from optcore.gp.hyperparameters import OptimizationResult, Problem, limits_of
from optcore.gp.kernels import RBF, Kernel, StationaryKernel, from_tree, tree
from optcore.gp.likelihood import Evaluator

__all__ = ["CommitteeGaussianProcess"]

Array = NDArray[np.float64]
_FORMAT, _VERSION = "optcore.gp.committee", 1
_Result = TypeVar("_Result")


class CommitteeGaussianProcess:
    """A robust Bayesian committee machine: n rows at the cost of n / expert_size small exact fits.

    Experts share the hyper-parameters. Each answers at a query with mean and variance; precisions
    are added, weighted by how much the expert's data say there (half the logarithm of prior over
    posterior variance), and corrected by the prior, so that far from all data the prior comes back.

    Args:
        kernel, noise, mean: as for GaussianProcess; mean a number or (o,) numbers.
        expert_size: rows of each expert, about.
        partition: "random" gives every expert the whole region; "local" splits it along the inputs'
            widest directions, which suits data that vary quickly.
        workers: threads that fit, predict and optimise; the core works without Python's lock.
            None: one per processor.
        seed: of the random partition.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(0, 6, 600)[:, None]
        >>> gp = CommitteeGaussianProcess(RBF(1.0), noise=1e-3, expert_size=100)
        >>> mean, variance = gp.fit(X, np.sin(X[:, 0])).predict([[1.5]])
        >>> len(gp.experts), round(float(mean[0]), 2)
        (6, 1.0)
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        noise: float = 1e-2,
        mean: float | ArrayLike = 0.0,
        *,
        expert_size: int = 512,
        partition: Literal["random", "local"] = "random",
        workers: int | None = None,
        seed: int = 0,
    ) -> None:
        if expert_size < 1:
            raise ConfigError(f"expert_size: must be >= 1, got {expert_size}")
        if partition not in ("random", "local"):
            raise ConfigError(f"partition: must be 'random' or 'local', got {partition!r}")
        if workers is not None and workers < 1:
            raise ConfigError(f"workers: must be >= 1 or None, got {workers}")
        if callable(mean) or isinstance(mean, str):
            raise ConfigError("mean: a committee takes a number or one per output, no function")
        self.kernel = kernel if kernel is not None else RBF()
        self.noise = float(noise)
        self.expert_size = int(expert_size)
        self.partition = partition
        self.workers = workers if workers is not None else (os.cpu_count() or 1)
        self.seed = seed
        self.experts: list[GaussianProcess] = []
        self._mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self._parts: list[tuple[Array, Array]] = []
        self._flat = True

    def fit(self, X: ArrayLike, y: ArrayLike) -> CommitteeGaussianProcess:
        """Divide the rows among experts and fit them side by side; returns self.

        Args:
            X: (n, d).
            y: (n,) or (n, o).

        Raises:
            ShapeError, InferenceError: as GaussianProcess.fit.
        """
        points, values, self._flat = training_data(X, y)
        count = max(1, math.ceil(len(points) / self.expert_size))
        if self.partition == "random":
            order = np.random.default_rng(self.seed).permutation(len(points))
            groups = np.array_split(order, count)
        else:
            groups = _local_groups(points, np.arange(len(points)), count)
        self._parts = [(points[rows], values[rows]) for rows in groups]
        self._condition()
        return self

    def optimize(
        self,
        *,
        max_iterations: int = 100,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        tolerance: float = 1e-8,
    ) -> OptimizationResult:
        """Set the shared hyper-parameters to a maximum of the sum of the experts' likelihoods.

        Args:
            max_iterations: of L-BFGS-B.
            bounds: (low, high) by name as for GaussianProcess.optimize.
            tolerance: relative rise that ends the climb.

        Raises:
            InferenceError: no positive definite covariance at the start.
        """
        from scipy.optimize import minimize

        self._fitted("optimize")
        evaluators = [Evaluator(X, Y - self._mean, self.kernel, None) for X, Y in self._parts]
        coordinates = evaluators[0].coordinates
        start = coordinates.of(self.kernel, self.noise)
        X, Y = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        whole = Problem(X, Y - self._mean, self.kernel, self.noise, None)
        limits = limits_of(whole, coordinates, bounds or {})
        evaluations = 0

        def negative(at: Array) -> tuple[float, Array]:
            nonlocal evaluations
            evaluations += 1
            try:
                parts = self._each(lambda evaluator: evaluator(at), evaluators)
            except InferenceError:
                return _REFUSED, np.zeros_like(at)
            return -sum(part[0] for part in parts), -np.sum([part[1] for part in parts], axis=0)

        low, high = limits.T
        found = minimize(
            negative, np.clip(start, low, high), jac=True, method="L-BFGS-B", bounds=limits,
            options={"maxiter": max_iterations, "ftol": tolerance, "maxcor": 20},
        )  # fmt: skip
        if not found.fun < _REFUSED:
            raise InferenceError(
                "optimize: no positive definite covariance at the start; give a larger noise"
            )
        self.kernel, self.noise = coordinates.kernel_and_noise(found.x)
        self._condition()
        return OptimizationResult(
            log_marginal_likelihood=-float(found.fun),
            objective=-float(found.fun),
            evaluations=evaluations,
            starts=1,
            converged=bool(found.success),
            message=str(found.message),
        )

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:
        """Posterior of the latent function (the noise is not added).

        Args:
            X: (m, d).

        Returns:
            mean (m,) or (m, o) as y was, and variance (m,).
        """
        self._fitted("predict")
        queries = np.ascontiguousarray(X, dtype=np.float64)
        answers = self._each(lambda expert: expert.predict(queries), self.experts)
        if len(answers) == 1:  # the exact model: there is nobody to agree with
            mean, variance = answers[0]
            return mean, variance
        prior = self._prior_variance(queries)
        precision, weighted, said = np.zeros(len(queries)), 0.0, np.zeros(len(queries))
        floor = np.finfo(np.float64).eps * prior
        for own, spread in answers:
            variance = np.maximum(spread, floor)
            weight = np.maximum(0.5 * np.log(prior / variance), 0.0)
            said += weight
            precision += weight / variance
            deviation = (own if own.ndim == 2 else own[:, None]) - self._mean
            weighted = weighted + (weight / variance)[:, None] * deviation
        precision += (1.0 - said) / prior
        total = self._mean + weighted / precision[:, None]
        return (total[:, 0] if self._flat else total), 1.0 / precision

    def log_marginal_likelihood(self) -> float:
        """Sum over the experts, nats: that of the data if the parts were independent."""
        self._fitted("log_marginal_likelihood")
        total = 0.0
        for expert in self.experts:
            value = expert.log_marginal_likelihood()
            assert isinstance(value, float)  # no gradient was asked for
            total += value
        return total

    def save(self, path: str | Path) -> None:
        """Write the experts' data and the hyper-parameters to one npz file (no pickle)."""
        self._fitted("save")
        X, Y = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        nodes, parameters = tree(self.kernel, X.shape[1])
        store.write_arrays(
            path, _FORMAT, _VERSION, nodes=nodes, parameters=parameters, noise=self.noise,
            mean=self._mean, X=X, Y=Y, flat=self._flat, sizes=[len(x) for x, _ in self._parts],
            expert_size=self.expert_size, partition=self.partition, seed=self.seed,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path, *, workers: int | None = None) -> CommitteeGaussianProcess:
        """Read what save() wrote and fit the experts again, on `workers` threads.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: another kind of file, or of another version.
        """
        with store.interpreting(path, _FORMAT, _VERSION) as found:
            gp = cls(
                from_tree(found["nodes"], found["parameters"]), float(found["noise"]),
                found["mean"], expert_size=int(found["expert_size"]),
                partition=cast("Literal['random', 'local']", str(found["partition"])),
                workers=workers, seed=int(found["seed"]),
            )  # fmt: skip
            X, Y, _ = training_data(found["X"], found["Y"])
            sizes = found["sizes"]
            if sizes.ndim != 1 or (sizes < 1).any() or sizes.sum() != len(X):
                raise ConfigError(f"{path}: experts of {sizes.tolist()} rows, {len(X)} rows held")
            gp._flat = bool(found["flat"])
            ends = np.cumsum(sizes)[:-1]
            gp._parts = list(zip(np.split(X, ends), np.split(Y, ends), strict=True))
            gp._condition()
        return gp

    def __len__(self) -> int:
        return sum(len(expert) for expert in self.experts)

    # --- inside -------------------------------------------------------------------------------

    def _fitted(self, name: str) -> None:
        if not self.experts:
            raise OptcoreError(f"CommitteeGaussianProcess.{name}: call fit() first")

    def _condition(self) -> None:
        def one(part: tuple[Array, Array]) -> GaussianProcess:
            X, Y = part
            expert = GaussianProcess(self.kernel, self.noise, self._mean)
            expert.fit(X, Y[:, 0] if self._flat else Y)
            return expert

        self.experts = self._each(one, self._parts)

    def _each(self, call: Callable[[Any], _Result], items: list[Any]) -> list[_Result]:
        """In the order of the items, on the committee's threads."""
        if self.workers == 1 or len(items) == 1:
            return [call(item) for item in items]
        with ThreadPoolExecutor(min(self.workers, len(items))) as pool:
            return list(pool.map(call, items))

    def _prior_variance(self, X: Array) -> Array:
        if X.ndim != 2 or len(X) == 0:
            raise ShapeError(f"X: need (m, d) with m >= 1, got {X.shape}")
        if isinstance(self.kernel, StationaryKernel):
            return np.full(len(X), self.kernel.variance)
        return np.array([float(self.kernel(x[None])[0, 0]) for x in X])


_REFUSED = 1e25  # stands for minus infinity: the line search steps back from it


def _local_groups(X: Array, rows: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """Halve along the widest input until there are `count` groups of nearly equal size."""
    if count == 1:
        return [rows]
    left = count // 2
    widest = int(np.argmax(np.ptp(X[rows], axis=0)))
    order = rows[np.argsort(X[rows, widest], kind="stable")]
    cut = len(rows) * left // count
    return [*_local_groups(X, order[:cut], left), *_local_groups(X, order[cut:], count - left)]
