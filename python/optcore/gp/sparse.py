"""Gaussian process regression on many rows through a few inducing inputs.

Shapes   n = rows, d = inputs, o = outputs, m = inducing inputs, q = queries.
Units    as in optcore.gp.gaussian_process; the bound is in nats.
Source   Titsias, "Variational Learning of Inducing Variables in Sparse Gaussian Processes",
         AISTATS (2009); choice of inducing inputs: Burt, Rasmussen & van der Wilk, JMLR 21 (2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp.hyperparameters import OptimizationResult
from optcore.gp.kernels import RBF, Kernel, Matern

__all__ = ["SparseGaussianProcess"]

Array = NDArray[np.float64]

_ROWS = 8192  # given to the native core at a time
_CANDIDATES = 8  # rows looked at for each inducing input to choose: memory stays O(m^2)
_REFUSED = 1e25  # stands for minus infinity: the line search steps back from it


class SparseGaussianProcess:
    """Regression that costs O(n m^2) time and O(m^2) memory: n may be anything.

    The posterior maximises a lower bound of the log marginal likelihood over all posteriors that
    know the data through m inducing inputs; with m = n it is the exact one.

    Args:
        kernel: RBF or Matern; default RBF() with unit parameters.
        noise: variance of the observations' noise, output units squared, > 0.
        inducing: how many inducing inputs to choose from the rows by pivoted Cholesky, or (m, d)
            inputs to use.
        mean: constant prior mean: a number or (o,) numbers.
        jitter: added to the inducing inputs' variance, as a fraction of the kernel's.
        seed: of the rows looked at when inducing inputs are chosen.

    X and y are kept by reference and read a block at a time: a `numpy.memmap` never enters memory
    whole. Not for use by two threads at once.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(0, 6, 5000)[:, None]
        >>> gp = SparseGaussianProcess(RBF(1.0), noise=1e-2, inducing=20).fit(X, np.sin(X[:, 0]))
        >>> mean, variance = gp.predict([[1.5]])
        >>> round(float(mean[0]), 3)
        0.997
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        noise: float = 1e-2,
        inducing: int | ArrayLike = 512,
        mean: float | ArrayLike = 0.0,
        *,
        jitter: float = 1e-8,
        seed: int = 0,
    ) -> None:
        chosen = kernel if kernel is not None else RBF()
        if not isinstance(chosen, RBF | Matern):
            raise ConfigError(f"kernel: need one RBF or Matern, not sums or others; got {chosen}")
        self.kernel: RBF | Matern = chosen
        if not (np.isfinite(noise) and noise > 0):
            raise ConfigError(f"noise: must be > 0 and finite, got {noise}")
        if not (np.isfinite(jitter) and 0 <= jitter < 1):
            raise ConfigError(f"jitter: must be in [0, 1), got {jitter}")
        self.noise = float(noise)
        self.jitter = float(jitter)
        self.seed = seed
        self.inducing_inputs: Array = np.empty((0, 0))
        self._wanted = inducing if isinstance(inducing, int | np.integer) else None
        if self._wanted is None:
            self.inducing_inputs = np.array(inducing, dtype=np.float64, order="C", ndmin=2)
            if self.inducing_inputs.ndim != 2 or not np.isfinite(self.inducing_inputs).all():
                raise ShapeError("inducing: need a number or a finite (m, d) array")
        elif self._wanted < 1:
            raise ConfigError(f"inducing: must be >= 1, got {self._wanted}")
        self._mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self._native: _native.gp.Sparse | None = None
        self._X: Any = None
        self._y: Any = None
        self._flat = True
        self._shape = (0, 0, 0)  # of the native model

    # --- data in ------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike) -> SparseGaussianProcess:
        """Choose inducing inputs (unless given) and condition on all rows; returns self.

        Args:
            X: (n, d).
            y: (n,) or (n, o).

        Raises:
            ShapeError: shapes that do not agree.
            InferenceError: NaN or infinity; inducing inputs that repeat: the message names one.
        """
        points, values = _rows(X, "X"), _rows(y, "y")
        if points.ndim != 2 or 0 in points.shape:
            raise ShapeError(f"X: need (n, d) with n >= 1 and d >= 1, got {points.shape}")
        if values.ndim not in (1, 2) or len(values) != len(points) or 0 in values.shape:
            raise ShapeError(f"y: need ({len(points)},) or ({len(points)}, o), got {values.shape}")
        outputs = 1 if values.ndim == 1 else values.shape[1]
        if self._mean.size not in (1, outputs):
            raise ShapeError(f"mean: {self._mean.size} numbers for {outputs} outputs")
        self.kernel.length_scales(points.shape[1])
        self._X, self._y, self._flat = points, values, values.ndim == 1
        self._native = None
        self._choose()
        self._condition()
        return self

    def optimize(
        self,
        *,
        rounds: int = 2,
        max_iterations: int = 50,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        tolerance: float = 1e-7,
    ) -> OptimizationResult:
        """Set length scales (one per input), variance and noise to a maximum of the bound.

        Args:
            rounds: most climbs; before each but the first the inducing inputs are chosen again with
                the kernel found so far, and the last ones kept if those are no better.
            max_iterations: of L-BFGS-B in each climb; every evaluation reads all rows twice.
            bounds: (low, high) for "length_scale", "variance", "noise".
            tolerance: relative rise that ends a climb.

        The first climb starts from the present kernel, and the noise raised by the variance that
        the inducing inputs leave.

        Raises:
            InferenceError: the bound does not exist at the start.
        """
        from scipy.optimize import minimize

        self._fitted("optimize")
        if rounds < 1 or max_iterations < 1:
            raise ConfigError("optimize: rounds and max_iterations must be >= 1")
        dims = self._X.shape[1]
        low, high = self._limits(dims, bounds or {}).T
        evaluations = 0

        def negative(logs: Array) -> tuple[float, Array]:
            nonlocal evaluations
            evaluations += 1
            self._adopt(logs)
            try:
                value, slope = self._evaluate()
            except InferenceError:
                return _REFUSED, np.zeros_like(logs)
            return -value, -np.concatenate(
                [slope["length_scale"], [slope["variance"], slope["noise"]]]
            )

        result = None
        start = (self.kernel, self.noise, self.inducing_inputs)
        # below what the inducing inputs leave unexplained, the noise makes the bound a steep wall
        self.noise += float(np.mean(self.predict(next(self._blocks())[0])[1]))
        for turn in range(rounds):
            if turn > 0 and not self._choose_better():
                break
            logs = np.log([*self.kernel.length_scales(dims), self.kernel.variance, self.noise])
            result = minimize(
                negative, np.clip(logs, low, high), jac=True, method="L-BFGS-B",
                bounds=np.column_stack([low, high]),
                options={"maxiter": max_iterations, "ftol": tolerance, "maxcor": 20},
            )  # fmt: skip
            if not result.fun < _REFUSED:
                self.kernel, self.noise, self.inducing_inputs = start
                self._condition()
                raise InferenceError("optimize: the bound does not exist; give a larger noise")
            self._adopt(result.x)
        assert result is not None
        self._condition()
        return OptimizationResult(
            log_marginal_likelihood=self.bound(),
            objective=self.bound(),
            evaluations=evaluations,
            starts=rounds,
            converged=bool(result.success),
            message=str(result.message),
        )

    # --- answers out --------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:
        """Posterior of the latent function (the noise is not added).

        Args:
            X: (q, d).

        Returns:
            mean (q,) or (q, o) as y was, and variance (q,).
        """
        model = self._fitted("predict")
        queries = np.ascontiguousarray(_rows(X, "X"), dtype=np.float64)
        if queries.ndim != 2 or queries.shape[1] != self._X.shape[1]:
            raise ShapeError(f"X: need (q, {self._X.shape[1]}), got {queries.shape}")
        mean, variance = model.predict(queries)
        return (mean[:, 0] if self._flat else mean), variance

    def bound(self, *, gradient: bool = False) -> Any:
        """Lower bound of the log marginal likelihood, nats, summed over the outputs.

        With `gradient` also its derivatives with respect to the logarithms of "length_scale" (d,),
        "variance" and "noise", the inducing inputs held: a second pass over the rows.
        """
        model = self._fitted("bound")
        return (model.bound, self._gradient(model)) if gradient else model.bound

    def __len__(self) -> int:
        return 0 if self._native is None else len(self._X)

    # --- inside -------------------------------------------------------------------------------

    def _fitted(self, name: str) -> _native.gp.Sparse:
        if self._native is None:
            raise OptcoreError(f"SparseGaussianProcess.{name}: call fit() first")
        return self._native

    def _blocks(self) -> Iterator[tuple[Array, Array]]:
        for first in range(0, len(self._X), _ROWS):
            rows = slice(first, first + _ROWS)
            X = np.ascontiguousarray(self._X[rows], dtype=np.float64)
            y = np.ascontiguousarray(self._y[rows], dtype=np.float64)
            yield X, y.reshape(len(y), -1)

    def _choose(self) -> None:
        if self._wanted is None:
            return
        n = len(self._X)
        wanted = min(int(self._wanted), n)
        looked_at = min(n, max(_CANDIDATES * wanted, 2048))
        random = np.random.default_rng(self.seed)
        rows = np.sort(random.choice(n, looked_at, replace=False)) if looked_at < n else slice(None)
        candidates = np.ascontiguousarray(self._X[rows], dtype=np.float64)
        if not np.isfinite(candidates).all():
            raise InferenceError("X: holds NaN or infinity; leave such rows out")
        chosen = _native.gp.choose_inducing(
            candidates, self.kernel.family, self.kernel.length_scales(candidates.shape[1]),
            wanted, max(self.jitter, 1e-12),
        )  # fmt: skip
        self.inducing_inputs = candidates[chosen]

    def _choose_better(self) -> bool:
        """Choose inducing inputs for the present kernel; False: no better, the former are kept."""
        if self._wanted is None:
            return False
        former, bound = self.inducing_inputs, self._condition().bound
        self._choose()
        if self._condition().bound > bound:
            return True
        self.inducing_inputs = former
        return False

    def _begin(self) -> _native.gp.Sparse:
        m, dims = self.inducing_inputs.shape
        outputs = 1 if self._flat else self._y.shape[1]
        if dims != self._X.shape[1]:
            raise ShapeError(f"inducing: need (m, {self._X.shape[1]}), got {(m, dims)}")
        model = self._native
        if model is None or self._shape != (m, dims, outputs):
            model = _native.gp.Sparse(m, dims, outputs)
            self._shape = (m, dims, outputs)
        self._native = None
        model.begin(
            self.inducing_inputs, self.kernel.family, self.kernel.variance,
            self.kernel.length_scales(dims), self.noise,
            np.ascontiguousarray(np.broadcast_to(self._mean, (outputs,))), self.jitter,
        )  # fmt: skip
        return model

    def _condition(self) -> _native.gp.Sparse:
        model = self._begin()
        for X, Y in self._blocks():
            model.add(X, Y)
        model.finish()
        self._native = model
        return model

    def _gradient(self, model: _native.gp.Sparse) -> dict[str, Any]:
        model.begin_gradient()
        for X, Y in self._blocks():
            model.add_gradient(X, Y)
        variance, scales, noise = model.finish_gradient()
        return {"length_scale": scales, "variance": variance, "noise": noise}

    def _evaluate(self) -> tuple[float, dict[str, Any]]:
        model = self._condition()
        return model.bound, self._gradient(model)

    def _adopt(self, logs: Array) -> None:
        values = np.exp(logs)
        self.kernel = replace(
            self.kernel, length_scale=tuple(values[:-2].tolist()), variance=float(values[-2])
        )
        self.noise = float(values[-1])

    def _limits(self, dims: int, bounds: Mapping[str, tuple[float, float]]) -> Array:
        names = ("length_scale", "variance", "noise")
        if unknown := set(bounds) - set(names):
            raise ConfigError(f"bounds: unknown name {sorted(unknown)}; there are {names}")
        for name, (low, high) in bounds.items():
            if not 0 < low <= high < math.inf:
                raise ConfigError(f"bounds: {name} needs 0 < low <= high, got {(low, high)}")
        sample, values = next(self._blocks())
        spread = np.maximum(sample.std(axis=0), 1e-300)
        power = max(float(np.mean((values - self._mean) ** 2)), 1e-300)
        scales = [bounds.get("length_scale", (1e-2 * s, 1e3 * s)) for s in spread]
        variance = bounds.get("variance", (1e-4 * power, 1e4 * power))
        noise = bounds.get("noise", (1e-6 * power, 1e2 * power))
        return np.asarray(np.log([*scales, variance, noise]))


def _rows(values: ArrayLike, name: str) -> NDArray[Any]:
    """As it is when it is an array of numbers (a memory map stays one)."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"{name}: need an array of numbers, got dtype {array.dtype}")
    return array
