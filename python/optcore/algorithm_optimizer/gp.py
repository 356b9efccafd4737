"""Gaussian-process inference in one call; the factor is kept while the training data stay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.algorithm_optimizer.approximation import ErrorBound, approximate
from optcore.algorithm_optimizer.config import OptimizationConfig
from optcore.algorithm_optimizer.fitted_models import FittedModels, Model
from optcore.algorithm_optimizer.kernel_parameters import complete, content_key, digest, kernel_of
from optcore.errors import ConfigError, InferenceError, ShapeError
from optcore.gp import RBF, GaussianProcess, GaussianProcessBatch, Matern, SparseGaussianProcess

__all__ = ["GPInferenceOptimizer", "GPInferenceStatistics"]

_log = logging.getLogger(__name__)

_Floats = NDArray[np.float64]
_LEAST_SHARE = 8  # data sets of a thread


@dataclass(frozen=True)
class GPInferenceStatistics:
    """What predict() did so far."""

    predictions: int  # calls
    fits: int  # of them, those that had to factor
    reused: int  # and those that did not
    approximate: int  # calls answered by inducing inputs
    cached_models: int
    cached_mb: float
    largest_error: float = 0.0
    """bound on the error of any approximation made by choice, as approximation_threshold counts"""
    unverified: int = 0  # models of more than max_exact rows, approximated without such a bound

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class GPInferenceOptimizer:
    """Posterior means and variances from training data given anew with each call.

    The model fitted to the same numbers is found again by a hash of their content: the arrays may
    be copies, and an array changed in place is a new data set. May be called from several threads.

    Args:
        config: cache_size (models kept), max_iterations and convergence_tolerance (of optimize()),
            approximation_threshold (see approximate_from).
        max_exact: more training points than this are answered by a SparseGaussianProcess of
            `inducing` inputs whatever that costs in accuracy; statistics() counts such models as
            unverified, and a warning is logged.
        inducing: most inducing inputs.
        cache_mb: most memory of the models kept, MB; the one used longest ago leaves first.
        approximate_from: from so many training points on, a sparse process takes the exact one's
            place where its error is proven to stay below approximation_threshold on held-out rows
            and it costs much less. None: never. AlgorithmOptimizerSuite measures from where on
            that pays.

    Example:
        >>> import numpy as np
        >>> from optcore.algorithm_optimizer import GPInferenceOptimizer
        >>> gp = GPInferenceOptimizer()
        >>> X = np.linspace(0, 6, 50)[:, None]
        >>> params = {"length_scale": 1.0, "variance": 1.0, "noise": 1e-4}
        >>> for _ in range(3):
        ...     mean, variance = gp.predict(X, np.sin(X[:, 0]), [[1.5]], params)
        >>> round(float(mean[0]), 3), gp.statistics().fits, gp.statistics().reused
        (0.997, 1, 2)
    """

    def __init__(
        self,
        config: OptimizationConfig | None = None,
        *,
        max_exact: int = 8192,
        inducing: int = 1024,
        cache_mb: float = 512.0,
        approximate_from: int | None = None,
    ) -> None:
        if max_exact < 1 or inducing < 1 or not cache_mb >= 0:
            raise ConfigError(
                "max_exact and inducing must be >= 1 and cache_mb >= 0, got "
                f"{max_exact}, {inducing}, {cache_mb}"
            )
        if approximate_from is not None and not approximate_from >= 1:
            raise ConfigError(f"approximate_from must be >= 1 or None, got {approximate_from}")
        self.config = config if config is not None else OptimizationConfig()
        self.max_exact, self.inducing, self.cache_mb = int(max_exact), int(inducing), cache_mb
        self.approximate_from = approximate_from
        self.use_cache = self.config.cache_size > 0
        self.threads = 1  # of predict_many; AlgorithmOptimizerSuite measures how many pay
        self._refused: set[bytes] = set()  # kinds of problem that no sparse process serves
        self._largest_error, self._unverified = 0.0, 0
        self._models = FittedModels(self.config.cache_size)
        self._lock = threading.Lock()
        self._predictions = self._fits = self._approximate = 0

    def predict(
        self,
        X_train: ArrayLike,
        y_train: ArrayLike,
        X_test: ArrayLike,
        kernel_params: Mapping[str, Any] | None = None,
    ) -> tuple[_Floats, _Floats]:
        """Posterior of the latent function at X_test.

        Args:
            X_train: (n, d), or (n,) for one input.
            y_train: (n,) or (n, o).
            X_test: (m, d), or (m,) for one input.
            kernel_params: "length_scale" (a number or (d,)), "variance", "noise" (a variance, 1e-2
                when left out), "mean", "kernel" ("rbf", "matern12", "matern32", "matern52").

        Returns:
            mean (m,) or (m, o), and variance (m,) without the noise.

        Raises:
            ShapeError, ConfigError, InferenceError: naming the argument.
        """
        X, y = _inputs(X_train, "X_train"), _numbers(y_train, "y_train")
        Z = _inputs(X_test, "X_test")
        key = content_key(X, y, kernel_params) if self.use_cache else b""
        with self._lock:  # a model answers one call at a time
            self._predictions += 1
            model = self._models.find(key) if self.use_cache else None
            if model is None:
                model = self._fit(X, y, complete(kernel_params))
                self._fits += 1
                if self.use_cache:
                    self._models.keep(key, model, self.cache_mb)
            self._approximate += isinstance(model, SparseGaussianProcess)
            return model.predict(Z)

    def predict_many(
        self,
        X_train: ArrayLike | Sequence[ArrayLike],
        y_train: ArrayLike | Sequence[ArrayLike],
        X_test: ArrayLike,
        kernel_params: Mapping[str, Any] | None = None,
    ) -> tuple[_Floats, _Floats]:
        """Posteriors of b small data sets in one call, on `threads` threads; nothing is kept.

        Args:
            X_train: (b, n, d), or b arrays (n_i, d), n_i <= 256.
            y_train: (b, n), or b arrays (n_i,).
            X_test: (m, d) asked of every data set, or (b, m, d).
            kernel_params: as for predict(), shared by all.

        Returns:
            mean (b, m) and variance (b, m) without the noise.
        """
        params = complete(kernel_params)
        kernel = kernel_of(params)
        Z = _numbers(X_test, "X_test")
        try:
            b, answers = len(X_train), len(y_train)  # type: ignore[arg-type]
        except TypeError:
            raise ShapeError("X_train, y_train: need (b, n, d) and (b, n), or b arrays") from None
        if b != answers:
            raise ShapeError(f"y_train: need {b} data sets as X_train, got {answers}")
        if Z.ndim == 3 and len(Z) != b:
            raise ShapeError(f"X_test: need (m, d) or ({b}, m, d), got {Z.shape}")
        threads = max(1, min(self.threads, b // _LEAST_SHARE))

        def part(k: int) -> tuple[_Floats, _Floats]:
            rows = slice(k * b // threads, (k + 1) * b // threads)
            batch = GaussianProcessBatch(kernel, params["noise"], params["mean"])
            batch.fit(X_train[rows], y_train[rows])  # type: ignore[index]
            if any(status != "ok" for status in batch.status):
                at = next(i for i, status in enumerate(batch.status) if status != "ok")
                raise InferenceError(f"data set {rows.start + at}: {batch.status[at]}")
            return batch.predict(Z[rows] if Z.ndim == 3 else Z)

        if threads == 1:
            return part(0)
        with ThreadPoolExecutor(threads) as pool:
            means, variances = zip(*pool.map(part, range(threads)), strict=True)
        return np.concatenate(means), np.concatenate(variances)

    def optimize(
        self,
        X_train: ArrayLike,
        y_train: ArrayLike,
        kernel_params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """kernel_params of a maximum of the likelihood (or its bound, beyond max_exact).

        The search starts from `kernel_params` and frees a length scale for each input.
        """
        X, y = _inputs(X_train, "X_train"), _numbers(y_train, "y_train")
        params = complete(kernel_params)
        model = self._fit(X, y, params)
        model.optimize(
            max_iterations=self.config.max_iterations, tolerance=self.config.convergence_tolerance
        )
        kernel = model.kernel
        assert isinstance(kernel, RBF | Matern)
        return {
            **params,
            "length_scale": kernel.length_scales(X.shape[1]),
            "variance": kernel.variance,
            "noise": model.noise,
        }

    def clear_cache(self) -> None:
        """Forget all fitted models."""
        with self._lock:
            self._models.clear()

    def statistics(self) -> GPInferenceStatistics:
        """Counts since the start, and what the cache holds."""
        with self._lock:
            return GPInferenceStatistics(
                self._predictions, self._fits, self._predictions - self._fits, self._approximate,
                len(self._models), self._models.megabytes,
                self._largest_error, self._unverified,
            )  # fmt: skip

    # --- inside -------------------------------------------------------------------------------

    def _fit(self, X: _Floats, y: _Floats, params: dict[str, Any]) -> Model:
        kernel = kernel_of(params)
        if (proven := self._approximate_by_choice(kernel, X, y, params)) is not None:
            self._largest_error = max(self._largest_error, proven[1].worst)
            return proven[0]
        if len(X) <= self.max_exact:
            exact = GaussianProcess(kernel, params["noise"], params["mean"], max_jitter=1e-6)
            exact.fit(X, y)
            return exact
        self._unverified += 1
        _log.warning(
            "%d training points are more than max_exact = %d: approximated by %d inducing inputs, "
            "with no bound on the error", len(X), self.max_exact, self.inducing,
        )  # fmt: skip
        threshold = self.config.approximation_threshold
        noise = max(float(params["noise"]), 1e-6 * kernel.variance)
        return SparseGaussianProcess(
            kernel, noise, self.inducing, params["mean"], jitter=threshold
        ).fit(X.copy(), y.copy())

    def _approximate_by_choice(
        self, kernel: RBF | Matern, X: _Floats, y: _Floats, params: dict[str, Any]
    ) -> tuple[SparseGaussianProcess, ErrorBound] | None:
        """A sparse process that is proven good enough, where one is wanted and worth its while."""
        n = len(X)
        if self.approximate_from is None or n < self.approximate_from:
            return None
        if y.ndim not in (1, 2) or len(y) != n or X.ndim != 2:
            return None  # the exact process says what is wrong
        if not (np.isfinite(X).all() and np.isfinite(y).all()) or np.size(params["mean"]) > 1:
            return None
        # the same kernel on about as many rows was refused before: do not try each time anew
        kind = digest((X.shape[1], n.bit_length(), params))
        if kind in self._refused:
            return None
        found = approximate(
            kernel, float(params["noise"]), float(np.ravel(params["mean"])[0]), X, y,
            threshold=self.config.approximation_threshold, most=min(self.inducing, n // 10),
        )  # fmt: skip
        if found is None:
            self._refused.add(kind)
            _log.info("%d training points stay exact: no sparse process is both cheaper and within "
                      "%g", n, self.config.approximation_threshold)  # fmt: skip
        return found


def _numbers(values: ArrayLike, name: str) -> _Floats:
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: need an array of numbers ({error})") from None


def _inputs(values: ArrayLike, name: str) -> _Floats:
    array = _numbers(values, name)
    return array[:, None] if array.ndim == 1 else array
