"""Exact Gaussian process regression on the native core.

Shapes   n = training points, d = inputs, o = outputs, m = queries. Outputs are independent and
         share one kernel, so the variance is one per query.
Units    outputs' units for means, squared for variances; inputs' units for length scales.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), algorithm 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import store
from optcore.gp.data import noises, numbers, training_data
from optcore.gp.hyperparameters import LogNormal, OptimizationResult, Problem, maximise
from optcore.gp.kernels import RBF, Kernel
from optcore.gp.likelihood import Evaluator, native_hyper, parameter_count
from optcore.gp.means import MeanFunction, PriorMean

__all__ = ["GaussianProcess"]

Array = NDArray[np.float64]

# Up to here the inverse factor is stored: single predictions cost half, memory doubles.
_INVERSE_UP_TO = 512


class GaussianProcess:
    """Regression with an exact posterior, which grows and shrinks point by point.

    Args:
        kernel: covariance of the latent function, sums and products included (optcore.gp.kernels);
            default RBF() with unit parameters. One RBF or Matern has the fastest loops.
        noise: variance of the observations' noise, output units squared, >= 0.
        mean: prior mean: a number, (o,) numbers, a function of X (m, d) giving (m,) or (m, o), or
            "linear": a constant and slopes, which fit() and optimize() set to their maximum of
            likelihood given the kernel; they are then taken as known. See ``.mean_coefficients``.
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
        kernel: Kernel | None = None,
        noise: float = 1e-2,
        mean: float | ArrayLike | Literal["linear"] | MeanFunction = 0.0,
        *,
        max_jitter: float = 0.0,
    ) -> None:
        if not (np.isfinite(noise) and noise >= 0):
            raise ConfigError(f"noise: must be >= 0 and finite, got {noise}")
        if not (np.isfinite(max_jitter) and max_jitter >= 0):
            raise ConfigError(f"max_jitter: must be >= 0 and finite, got {max_jitter}")
        self.kernel = kernel if kernel is not None else RBF()
        if not isinstance(self.kernel, Kernel):
            raise ConfigError(f"kernel: need a kernel of optcore.gp, got {type(kernel).__name__}")
        self.noise = float(noise)
        self.max_jitter = float(max_jitter)
        self.jitter = 0.0
        self._mean = PriorMean(mean)
        self._model: _native.gp.Model | None = None
        self._X = np.empty((0, 0))
        self._Y = np.empty((0, 0))
        self._point_noise: Array | None = None
        self._flat = True

    # --- data in ------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        point_noise: ArrayLike | None = None,
        capacity: int | None = None,
        threads: int = 1,
    ) -> Any:
        """Condition on data and return self. Earlier data are forgotten.

        Args:
            X: (n, d).
            y: (n,) or (n, o).
            point_noise: (n,) variances added to the noise of each point.
            capacity: points to have room for, so that append() allocates nothing up to there.
            threads: 2 factors more than 320 points on this thread and one made for the call, with
                the same answers. No other method waits for a thread.

        Raises:
            ShapeError: shapes that do not agree, no point, no input, text.
            InferenceError: NaN or infinity; a covariance that is not positive definite (points
                that repeat without noise): the message names the row.
        """
        if threads not in (1, 2):
            raise ConfigError(f"threads: must be 1 or 2, got {threads}")
        points, values, flat = training_data(X, y)
        own = noises(point_noise, len(points))
        self._flat = flat
        room = max(len(points), capacity or 0)
        self._condition(
            points, values, own, capacity=room, fit_mean=self._mean.linear, threads=threads
        )
        return self

    def append(self, x: ArrayLike, y: ArrayLike) -> None:
        """Condition on more points, O(n^2) each; on failure all is as before.

        Args:
            x: (d,) one point, or (k, d) a block.
            y: a number or (o,), or (k,) or (k, o) for a block.

        Raises:
            ShapeError: shapes that do not agree with the data held.
            InferenceError: NaN or infinity; a point that repeats others without noise.
        """
        model = self._fitted("append")
        dims, outputs = self._X.shape[1], self._Y.shape[1]
        points = np.ascontiguousarray(numbers(x, "x"))
        values = np.ascontiguousarray(numbers(y, "y"))
        count = len(points) if points.ndim == 2 else 1
        if points.shape not in ((dims,), (count, dims)) or values.size != count * outputs:
            raise ShapeError(
                f"append: need x ({dims},) or (k, {dims}) and {outputs} outputs each, "
                f"got {points.shape} and {values.shape}"
            )
        points, values = points.reshape(count, dims), values.reshape(count, outputs)
        residuals = values - self._prior(points) if self._mean.function else values
        n = model.size
        if n + count > model.capacity:
            model = self._condition(
                self.X, self.Y, self._noises(), capacity=max(16, 2 * n, n + count)
            )
        model.append(points, residuals)
        self._X[n : n + count], self._Y[n : n + count] = points, values
        if self._point_noise is not None:
            self._point_noise[n : n + count] = 0.0

    def refactor(self) -> None:
        """Compute the factor anew from the points held, O(n^3): ends the drift of many updates."""
        self._fitted("refactor").refactor()

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
        model = self._model or self._fitted("predict")
        if covariance:
            mean, spread = model.predict_joint(self._queries(X))
            mean = mean[:, 0] if self._flat else mean
        else:
            try:  # arrays as the core wants them, straight through
                answer = model.predict(X, self._flat)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                answer = model.predict(self._queries(X), self._flat)
            if self._mean.function is None:
                return answer
            mean, spread = answer
        if self._mean.function:
            prior = self._prior(self._queries(X))
            mean = mean + (prior[:, 0] if self._flat else prior)
        return mean, spread

    def mean(self, X: ArrayLike) -> Array:
        """Posterior mean alone: (m,) or (m, o)."""
        queries = self._queries(X)
        mean = self._fitted("mean").mean(queries)
        if self._mean.function:
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
        "variance" and "noise", and to the constant "mean" (o,). Parameters of several terms are
        named "k0.length_scale", "k1.period", ... from left to right; "weights" of a
        Coregionalization are differentiated as they are.
        """
        model = self._fitted("log_marginal_likelihood")
        if not gradient:
            return model.log_marginal_likelihood
        residuals = np.ascontiguousarray(self.Y - self._prior(self.X))
        evaluator = Evaluator(self.X, residuals, self.kernel, self._noises())
        coordinates = evaluator.coordinates
        value, slopes, of_mean = evaluator(coordinates.of(self.kernel, self.noise + self.jitter))
        return value, {**coordinates.named_slopes(slopes), "mean": of_mean}

    def leave_one_out(self) -> tuple[Array, Array]:
        """What the process would say of each of its points from all the others, O(n^3 / 3).

        Returns:
            mean (n,) or (n, o), and variance (n,) of the latent function, as predict() gives them.

        Source: Rasmussen & Williams (2006), section 5.4.2.
        """
        residual, variance = self._fitted("leave_one_out").leave_one_out()
        noises = self._noises()
        latent = variance - (self.noise + self.jitter) - (0.0 if noises is None else noises)
        mean = self.Y - residual
        return (mean[:, 0] if self._flat else mean), np.maximum(latent, 0.0)

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
        """Set all parameters of the kernel (length scales: one per input) and the noise to a
        maximum of the likelihood.

        Args:
            restarts: further climbs from random points about the start; the best one counts.
            bounds: (low, high) for "length_scale", "variance", "noise", and what other terms have;
                "k1.variance" means that of the second term alone. Default: wide ones from the
                spread of the data.
            priors: LogNormal for the same names; the sum of the logarithms is then maximised.
            max_iterations: of each climb.
            tolerance: relative decrease that ends a climb.
            seed: of the restarts.

        Raises:
            InferenceError: no start has a positive definite covariance.
        """
        self._fitted("optimize")
        problem = Problem(
            self.X.copy(),
            self.Y.copy() if self._mean.linear else self.Y - self._prior(self.X),
            self.kernel,
            self.noise,
            self._noises(),
            linear_mean=self._mean.linear,
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
        self._condition(
            self.X.copy(), self.Y.copy(), self._noises(), capacity=len(self.X),
            fit_mean=self._mean.linear,
        )  # fmt: skip
        return result

    # --- state --------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write data and hyper-parameters to one npz file (no pickle); see optcore.gp.store."""
        store.write(Path(path), self.constants())

    def constants(self) -> store.Saved:
        """All that the process is made of, as plain values.

        Raises:
            ConfigError: a mean function, which is no value.
        """
        self._fitted("constants")
        if self._mean.function:
            raise ConfigError("a mean function cannot be written; use a constant or linear mean")
        noise = self.noise + self.jitter
        return store.Saved(
            self.kernel, noise, self._mean.values, self.X, self.Y, self._noises(), self._flat
        )

    @classmethod
    def load(cls, path: str | Path) -> GaussianProcess:
        """Read what save() wrote and condition on it again.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: another kind of file, or of another version.
        """
        saved = store.read(Path(path))
        X, Y, _ = training_data(saved.X, saved.Y)
        constant = saved.mean.size in (1, Y.shape[1])
        gp = cls(saved.kernel, saved.noise, saved.mean if constant else "linear")
        gp._mean.values = saved.mean
        gp._flat = saved.flat
        gp._condition(X, Y, noises(saved.point_noise, len(X)), capacity=len(X))
        return gp

    @property
    def mean_coefficients(self) -> tuple[Array, Array]:
        """Constants (o,) and slopes (o, d) of the prior mean; a constant mean has slopes of 0."""
        self._fitted("mean_coefficients")
        dims, outputs = self._X.shape[1], self._Y.shape[1]
        values = self._mean.native(dims, outputs)
        if values is None:
            raise ConfigError("mean_coefficients: the mean is a function")
        slopes = values[outputs:] if values.size > outputs else np.zeros(outputs * dims)
        return values[:outputs].copy(), slopes.reshape(outputs, dims).copy()

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
        queries = np.ascontiguousarray(numbers(X, "X"))
        if queries.ndim != 2 or queries.shape[1] != self._X.shape[1]:
            raise ShapeError(f"X: need (m, {self._X.shape[1]}), got {queries.shape}")
        return queries

    def _prior(self, X: Array) -> Array:
        return self._mean.at(X, self._Y.shape[1])

    def _hyper(self, noises: Array | None) -> _native.gp.Hyper:
        dims = self._X.shape[1]
        mean = self._mean.native(dims, self._Y.shape[1])
        return native_hyper(self.kernel, dims, self.noise + self.jitter, mean, noises)

    def _condition(
        self,
        X: Array,
        Y: Array,
        noises: Array | None,
        *,
        capacity: int,
        fit_mean: bool = False,
        threads: int = 1,
    ) -> _native.gp.Model:
        n, dims = X.shape
        terms = parameter_count(self.kernel, dims)
        native_hyper(self.kernel, dims, self.noise, None, None)  # errors before any change
        model = _native.gp.Model(capacity, dims, Y.shape[1], capacity <= _INVERSE_UP_TO, terms)
        targets = Y
        if self._mean.function:
            targets = np.ascontiguousarray(Y - self._mean.at(X, Y.shape[1]))
        elif not fit_mean:
            self._mean.at(X[:1], Y.shape[1])
        self._X, self._Y = np.empty((capacity, dims)), np.empty((capacity, Y.shape[1]))
        self._X[:n], self._Y[:n] = X, Y
        self._point_noise = None
        if noises is not None:
            self._point_noise = np.zeros(capacity)
            self._point_noise[:n] = noises
        if fit_mean:
            self._mean.values = np.zeros(1)
        self._model = None
        self.jitter = 0.0
        while True:
            try:
                if fit_mean:
                    noise = self.noise + self.jitter
                    hyper = native_hyper(self.kernel, dims, noise, None, noises)
                    self._mean.fit(X, Y, hyper, terms)
                model.fit(X, targets, self._hyper(noises), threads)
                break
            except InferenceError as error:
                larger = max(1e-10 * self._prior_power(X), 10 * self.jitter)
                if "not_positive_definite" not in str(error):
                    raise
                if larger > self.max_jitter:
                    raise InferenceError(
                        f"{error}: points repeat or nearly so; give a larger noise, or max_jitter"
                    ) from None
                self.jitter = larger
        self._model = model
        return model

    def _prior_power(self, X: Array) -> float:
        """Variance of the latent function at the first point: the scale of a jitter."""
        return float(self.kernel(X[:1])[0, 0])
