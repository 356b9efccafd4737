"""A scikit-learn estimator on the native Gaussian process; imported only on request.

    from optcore.sklearn import GaussianProcessRegressor

Needs scikit-learn, which optcore itself does not. Source of the interface: scikit-learn,
"Developing scikit-learn estimators".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import MissingDependency
from optcore.gp import RBF, GaussianProcess
from optcore.gp.kernels import Kernel

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as missing:
    raise MissingDependency(
        f"optcore.sklearn needs scikit-learn >= 1.6: pip install scikit-learn ({missing})"
    ) from None

__all__ = ["GaussianProcessRegressor"]

Array = NDArray[np.float64]


# scikit-learn has no types
class GaussianProcessRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Exact Gaussian process regression as a scikit-learn estimator.

    Args:
        kernel: of optcore.gp; None: an RBF with a length scale for each input.
        noise: variance of the observations' noise, in normalised units with normalize_y, >= 0.
        optimize: set kernel and noise to a maximum of the likelihood in fit().
        restarts: further starts of that climb.
        normalize_y: model y with its mean and spread removed.
        max_jitter: most that may be added to the noise when points repeat, as a fraction of the
            outputs' variance.
        random_state: seed of the restarts and of sample_y(); an integer or None.

    Attributes:
        kernel_, noise_, gp_ (the fitted optcore.gp.GaussianProcess), log_marginal_likelihood_.
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        noise: float = 1e-2,
        optimize: bool = True,
        restarts: int = 0,
        normalize_y: bool = True,
        max_jitter: float = 1e-4,
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.noise = noise
        self.optimize = optimize
        self.restarts = restarts
        self.normalize_y = normalize_y
        self.max_jitter = max_jitter
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> GaussianProcessRegressor:
        """Condition on X (n, d) and y (n,) or (n, o)."""
        points, values = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, order="C"
        )
        values = np.asarray(values, dtype=np.float64)
        level, spread = np.zeros(values.shape[1:]), np.ones(values.shape[1:])
        if self.normalize_y:
            level, spread = values.mean(axis=0), values.std(axis=0)
            spread = np.where(spread > 0, spread, 1.0)
        self._level, self._spread = level, spread
        kernel = self.kernel if self.kernel is not None else RBF(np.ones(points.shape[1]))
        gp = GaussianProcess(kernel, self.noise, max_jitter=self.max_jitter)
        gp.fit(points, (values - level) / spread)
        if self.optimize and len(points) > 1:
            gp.optimize(restarts=self.restarts, seed=self.random_state or 0)
        self.gp_ = gp
        self.kernel_, self.noise_ = gp.kernel, gp.noise
        self.log_marginal_likelihood_ = gp.log_marginal_likelihood()
        return self

    def predict(
        self, X: ArrayLike, return_std: bool = False, return_cov: bool = False
    ) -> Array | tuple[Array, Array]:
        """Mean (m,) or (m, o), and on request the standard deviation or covariance of the latent
        function, (m,) or (m, m); with several outputs (m, o) or (m, m, o)."""
        if return_std and return_cov:
            raise ValueError("predict: return_std and return_cov exclude each other")
        check_is_fitted(self)
        queries = validate_data(self, X, reset=False, dtype=np.float64, order="C")
        if not return_std and not return_cov:
            return np.asarray(self.gp_.mean(queries) * self._spread + self._level)
        mean, variance = self.gp_.predict(queries, covariance=return_cov)
        own = np.sqrt(variance) if return_std else variance
        scale = self._spread if return_std else self._spread**2
        if np.ndim(scale) > 0:
            own = own[..., None]
        return mean * self._spread + self._level, own * scale

    def sample_y(self, X: ArrayLike, n_samples: int = 1, random_state: int | None = 0) -> Array:
        """Draws of the latent function, (m, n_samples) or (m, o, n_samples)."""
        check_is_fitted(self)
        queries = validate_data(self, X, reset=False, dtype=np.float64, order="C")
        draws = self.gp_.sample(queries, n_samples, seed=random_state or 0)
        return np.moveaxis(draws * self._spread + self._level, 0, -1)

    def __getstate__(self) -> dict[str, Any]:
        """The native model is written as the data and hyper-parameters it came from."""
        state = dict(super().__getstate__())
        if (gp := state.pop("gp_", None)) is not None:
            state["_saved"] = (gp.X.copy(), gp.Y.copy(), gp.kernel, gp.noise, gp._flat)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved is not None:
            X, Y, kernel, noise, flat = saved
            self.gp_ = GaussianProcess(kernel, noise, max_jitter=self.max_jitter)
            self.gp_.fit(X, Y[:, 0] if flat else Y)
