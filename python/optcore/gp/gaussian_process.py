"""Exact Gaussian process regression on the native core.

Shapes   n = training points, d = inputs, o = outputs, m = queries. Outputs are independent and
         share one kernel, so the variance is one per query.
Units    outputs' units for means, squared for variances; inputs' units for length scales.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), algorithm 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import store
from optcore.gp.hyperparameters import LogNormal, OptimizationResult, Problem, maximise
from optcore.gp.kernels import RBF, StationaryKernel

__all__ = ["GaussianProcess"]

Array = NDArray[np.float64]
MeanFunction = Callable[[Array], ArrayLike]

# Up to here the inverse factor is stored: single predictions cost half, memory doubles.
_INVERSE_UP_TO = 512


class GaussianProcess:
    """Regression with an exact posterior, which grows and shrinks point by point.

    Args:
        kernel: covariance of the latent function; default RBF() with unit parameters.
        noise: variance of the observations' noise, output units squared, >= 0.
        mean: prior mean: a number, (o,) numbers, or a function of X (m, d) giving (m,) or (m, o).
        max_jitter: most that may be added to the noise when the covariance is not positive
            definite; what was added is in ``.jitter``. 0: such a matrix is an error.

    Not for use by two threads at once.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(0, 6, 30)[:, None]
        >>> gp = GaussianProcess(RBF(length_scale=1.0), noise=1e-4).fit(X, np.sin(X[:, 0]))
        >>> mean, variance = gp.predict([[1.5]])
        >>> round(float(mean[0]), 3)
        0.997
    """

    def __init__(
        self,
        kernel: StationaryKernel | None = None,
        noise: float = 1e-2,
        mean: float | ArrayLike | MeanFunction = 0.0,
        *,
        max_jitter: float = 0.0,
    ) -> None:
        if not (np.isfinite(noise) and noise >= 0):
            raise ConfigError(f"noise: must be >= 0 and finite, got {noise}")
        if not (np.isfinite(max_jitter) and max_jitter >= 0):
            raise ConfigError(f"max_jitter: must be >= 0 and finite, got {max_jitter}")
        self.kernel = kernel if kernel is not None else RBF()
        self.noise = float(noise)
        self.max_jitter = float(max_jitter)
        self.jitter = 0.0
        self._mean = mean if callable(mean) else np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self._model: _native.gp.Model | None = None
        self._X = np.empty((0, 0))
        self._Y = np.empty((0, 0))
        self._point_noise: Array | None = None
        self._flat = True

    # --- data in ------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike, *, point_noise: ArrayLike | None = None) -> Any:
        """Condition on data and return self. Earlier data are forgotten.

        Args:
            X: (n, d).
            y: (n,) or (n, o).
            point_noise: (n,) variances added to the noise of each point.

        Raises:
            ShapeError: shapes that do not agree, no point, no input, text.
            InferenceError: NaN or infinity; a covariance that is not positive definite (points
                that repeat without noise): the message names the row.
        """
        points, values, flat = _training_data(X, y)
        noises = None
        if point_noise is not None:
            noises = _numbers(point_noise, "point_noise")
            if noises.shape != (len(points),) or not np.all(np.isfinite(noises) & (noises >= 0)):
                raise ShapeError(
                    f"point_noise: need {len(points)} variances >= 0, got {noises.shape}"
                )
        self._flat = flat
        self._condition(points, values, noises, capacity=len(points))
        return self

    def append(self, x: ArrayLike, y: ArrayLike) -> None:
        """Condition on one more point, O(n^2): x (d,), y a number or (o,)."""
        model = self._fitted("append")
        point = np.ascontiguousarray(_numbers(x, "x")).reshape(-1)
        value = np.ascontiguousarray(_numbers(y, "y")).reshape(-1)
        if point.size != self._X.shape[1] or value.size != self._Y.shape[1]:
            raise ShapeError(
                f"append: need {self._X.shape[1]} inputs and {self._Y.shape[1]} outputs, "
                f"got {point.size} and {value.size}"
            )
        residual = value - self._prior(point[None, :])[0]
        if model.size == model.capacity:
            self._condition(self.X, self.Y, self._noises(), capacity=max(16, 2 * model.size))
            model = self._fitted("append")
        model.append(point, residual)
        n = model.size
        self._X[n - 1], self._Y[n - 1] = point, value
        if self._point_noise is not None:
            self._point_noise[n - 1] = 0.0

    def drop(self, index: int) -> None:
        """Forget point `index` (negative: from the end), O(n^2); the others keep their order."""
        model = self._fitted("drop")
        n = model.size
        at = index + n if index < 0 else index
        if not 0 <= at < n:
            raise ConfigError(f"drop: no point {index} among {n}")
        if n == 1:
            raise ConfigError("drop: the last point cannot be dropped; fit again")
        model.drop(at)
        kept = [self._X, self._Y, *([] if self._point_noise is None else [self._point_noise])]
        for rows in kept:
            rows[at : n - 1] = rows[at + 1 : n]

    # --- answers out --------------------------------------------------------------------------

    def predict(self, X: ArrayLike, *, covariance: bool = False) -> tuple[Array, Array]:
        """Posterior of the latent function (the noise is not added).

        Args:
            X: (m, d) queries.
            covariance: give the (m, m) covariance in place of the (m,) variance.

        Returns:
            mean (m,) or (m, o) as y was, and variance (m,) or covariance (m, m).
        """
        model = self._fitted("predict")
        native = model.predict_joint if covariance else model.predict
        try:
            mean, spread = native(X)  # type: ignore[arg-type]  # others than arrays: below
        except (TypeError, ValueError):
            mean, spread = native(self._queries(X))
        if callable(self._mean):
            mean = mean + self._prior(self._queries(X))
        return (mean[:, 0] if self._flat else mean), spread

    def mean(self, X: ArrayLike) -> Array:
        """Posterior mean alone: (m,) or (m, o)."""
        queries = self._queries(X)
        mean = self._fitted("mean").mean(queries)
        if callable(self._mean):
            mean = mean + self._prior(queries)
        return mean[:, 0] if self._flat else mean

    def gradient(self, X: ArrayLike, *, variance: bool = False) -> Array | tuple[Array, Array]:
        """Derivatives of the posterior mean, (m, d) or (m, o, d), with respect to the input.

        With `variance` also those of the variance, (m, d). The derivative of a mean function given
        by the caller is not included.
        """
        queries = self._queries(X)
        slopes, of_variance = self._fitted("gradient").gradient(queries, variance)
        if not self._flat:
            slopes = slopes.reshape(len(queries), self._Y.shape[1], queries.shape[1])
        return (slopes, cast("Array", of_variance)) if variance else slopes

    def sample(self, X: ArrayLike, count: int = 1, *, seed: int = 0) -> Array:
        """Draws of the latent function at X jointly: (count, m) or (count, m, o)."""
        mean, covariance = self.predict(X, covariance=True)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        means = mean[:, None] if self._flat else mean
        normal = np.random.default_rng(seed).standard_normal((count, len(root), means.shape[1]))
        draws: Array = means + root @ normal
        return draws[:, :, 0] if self._flat else draws

    def log_marginal_likelihood(
        self, *, gradient: bool = False
    ) -> float | tuple[float, dict[str, Any]]:
        """In nats, summed over the outputs.

        With `gradient` also its derivatives with respect to the logarithms of "length_scale" (d,),
        "variance" and "noise", and to the constant "mean" (o,).
        """
        model = self._fitted("log_marginal_likelihood")
        if not gradient:
            return model.log_marginal_likelihood
        points, residuals = self.X, self.Y - self._prior(self.X)
        evaluator = _native.gp.Likelihood(len(points), points.shape[1], residuals.shape[1], True)
        value, variance, scales, noise, mean = evaluator.evaluate(
            points, residuals, self._hyper(self._noises(), constant=False)
        )
        return value, {"length_scale": scales, "variance": variance, "noise": noise, "mean": mean}

    def optimize(
        self,
        *,
        restarts: int = 0,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        priors: Mapping[str, LogNormal] | None = None,
        max_iterations: int = 200,
        tolerance: float = 1e-9,
        seed: int = 0,
    ) -> OptimizationResult:
        """Set length scales (one per input), variance and noise to a maximum of the likelihood.

        Args:
            restarts: further climbs from random points about the start; the best one counts.
            bounds: (low, high) for "length_scale", "variance", "noise"; default wide ones from
                the spread of the data.
            priors: LogNormal for the same names; the sum of the logarithms is then maximised.
            max_iterations: of each climb.
            tolerance: relative decrease that ends a climb.
            seed: of the restarts.

        Raises:
            InferenceError: no start has a positive definite covariance.
        """
        self._fitted("optimize")
        problem = Problem(
            self.X.copy(), self.Y - self._prior(self.X), self.kernel, self.noise, self._noises()
        )
        self.kernel, self.noise, result = maximise(
            problem,
            restarts=restarts,
            bounds=bounds or {},
            priors=priors or {},
            max_iterations=max_iterations,
            tolerance=tolerance,
            seed=seed,
        )
        self._condition(self.X.copy(), self.Y.copy(), self._noises(), capacity=len(self.X))
        return result

    # --- state --------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write data and hyper-parameters to one npz file (no pickle); see optcore.gp.store."""
        self._fitted("save")
        if callable(self._mean):
            raise ConfigError("save: a mean function cannot be written; use a constant mean")
        store.write(
            Path(path), self.kernel, self.noise, self._mean, self.X, self.Y, self._noises(),
            self._flat,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> GaussianProcess:
        """Read what save() wrote and condition on it again.

        Raises:
            ConfigError: not such a file, or of another version.
        """
        saved = store.read(Path(path))
        gp = cls(saved.kernel, saved.noise, saved.mean)
        gp.fit(saved.X, saved.Y[:, 0] if saved.flat else saved.Y, point_noise=saved.point_noise)
        return gp

    @property
    def X(self) -> Array:  # noqa: N802 - the literature's name
        """(n, d) the points conditioned on (a view)."""
        return self._X[: self._fitted("X").size]

    @property
    def Y(self) -> Array:  # noqa: N802 - the literature's name
        """(n, o) their outputs (a view)."""
        return self._Y[: self._fitted("Y").size]

    def __len__(self) -> int:
        return 0 if self._model is None else self._model.size

    # --- inside -------------------------------------------------------------------------------

    def _fitted(self, name: str) -> _native.gp.Model:
        if self._model is None:
            raise OptcoreError(f"GaussianProcess.{name}: call fit() first")
        return self._model

    def _noises(self) -> Array | None:
        return None if self._point_noise is None else self._point_noise[: len(self)].copy()

    def _queries(self, X: ArrayLike) -> Array:
        queries = np.ascontiguousarray(_numbers(X, "X"))
        if queries.ndim != 2 or queries.shape[1] != self._X.shape[1]:
            raise ShapeError(f"X: need (m, {self._X.shape[1]}), got {queries.shape}")
        return queries

    def _prior(self, X: Array) -> Array:
        outputs = self._Y.shape[1]
        if not callable(self._mean):
            if self._mean.size not in (1, outputs):
                raise ShapeError(f"mean: {self._mean.size} numbers for {outputs} outputs")
            return np.broadcast_to(self._mean, (len(X), outputs))
        prior = np.asarray(self._mean(X), dtype=np.float64)
        if prior.shape not in ((len(X),), (len(X), outputs)) or not np.all(np.isfinite(prior)):
            raise ShapeError(f"mean(X): need finite {(len(X), outputs)}, got {prior.shape}")
        return prior.reshape(len(X), -1)

    def _hyper(self, noises: Array | None, *, constant: bool) -> _native.gp.Hyper:
        dims, outputs = self._X.shape[1], self._Y.shape[1]
        mean = None
        if constant and not callable(self._mean):
            mean = np.ascontiguousarray(np.broadcast_to(self._mean, (outputs,)))
        return _native.gp.Hyper(
            self.kernel.family,
            self.kernel.variance,
            self.kernel.length_scales(dims),
            self.noise + self.jitter,
            mean,
            noises,
        )

    def _condition(self, X: Array, Y: Array, noises: Array | None, *, capacity: int) -> None:
        n, dims = X.shape
        self.kernel.length_scales(dims)  # before anything is changed
        model = _native.gp.Model(capacity, dims, Y.shape[1], capacity <= _INVERSE_UP_TO)
        self._X, self._Y = np.empty((capacity, dims)), np.empty((capacity, Y.shape[1]))
        self._X[:n], self._Y[:n] = X, Y
        self._point_noise = None
        if noises is not None:
            self._point_noise = np.zeros(capacity)
            self._point_noise[:n] = noises
        targets = np.ascontiguousarray(Y - self._prior(X)) if callable(self._mean) else Y
        self._prior(X[:1])
        self._model = None
        self.jitter = 0.0
        while True:
            try:
                model.fit(X, targets, self._hyper(noises, constant=True))
                break
            except InferenceError as error:
                larger = max(1e-10 * self.kernel.variance, 10 * self.jitter)
                if "not_positive_definite" not in str(error):
                    raise
                if larger > self.max_jitter:
                    raise InferenceError(
                        f"{error}: points repeat or nearly so; give a larger noise, or max_jitter"
                    ) from None
                self.jitter = larger
        self._model = model


def _numbers(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: need an array of numbers ({error})") from None


def _training_data(X: ArrayLike, y: ArrayLike) -> tuple[Array, Array, bool]:
    points = np.ascontiguousarray(_numbers(X, "X"))
    values = np.ascontiguousarray(_numbers(y, "y"))
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] == 0:
        raise ShapeError(f"X: need (n, d) with n >= 1 and d >= 1, got {points.shape}")
    flat = values.ndim == 1
    if flat:
        values = values[:, None]
    if values.ndim != 2 or len(values) != len(points) or values.shape[1] == 0:
        raise ShapeError(f"y: need ({len(points)},) or ({len(points)}, o), got {np.shape(y)}")
    for name, array in (("X", points), ("y", values)):
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if bad.size:
            raise InferenceError(
                f"{name}: row {bad[0]} holds NaN or infinity; leave such rows out",
                rows=bad.tolist(),
            )
    return points, values, flat
