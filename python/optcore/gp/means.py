"""Prior means: constant, linear in the input and fitted with the kernel, or the caller's function.

Shapes   n = points, d = inputs, o = outputs.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), section 2.7: the
         coefficients by generalised least squares, which is their maximum likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, ShapeError
from optcore.gp.data import numbers

__all__ = ["MeanFunction", "PriorMean", "basis", "coefficients"]

Array = NDArray[np.float64]
MeanFunction = Callable[[Array], ArrayLike]


class PriorMean:
    """What is subtracted from the outputs before, and added to the answers after.

    Args:
        given: a number, (o,) numbers, "linear", or a function of X (m, d) giving (m,) or (m, o).
    """

    def __init__(self, given: float | ArrayLike | Literal["linear"] | MeanFunction) -> None:
        self.function: MeanFunction | None = given if callable(given) else None
        self.linear = isinstance(given, str)
        if self.linear and given != "linear":
            raise ConfigError(f"mean: need numbers, 'linear' or a function, got {given!r}")
        # constants (o,), then slopes (o, d) by rows where it is linear: the native core's order
        self.values: Array = np.zeros(1)
        if self.function is None and not self.linear:
            self.values = np.atleast_1d(numbers(cast(ArrayLike, given), "mean"))
            if self.values.ndim != 1 or not np.isfinite(self.values).all():
                raise ConfigError(f"mean: need a number or one per output, got {given!r}")

    def native(self, dims: int, outputs: int) -> Array | None:
        """The numbers that the native core subtracts and adds itself; None for a function."""
        if self.function is not None:
            return None
        if self.linear and self.values.size == outputs * (1 + dims):
            return self.values
        if self.values.size not in (1, outputs):
            raise ShapeError(f"mean: {self.values.size} numbers for {outputs} outputs")
        return np.full(outputs, self.values)

    def at(self, X: Array, outputs: int) -> Array:
        """(n, o) at X (n, d)."""
        dims = X.shape[1]
        if self.function is None:
            values = self.native(dims, outputs)
            assert values is not None
            constants, slopes = values[:outputs], values[outputs:]
            level = np.full((len(X), outputs), constants)
            return level if slopes.size == 0 else level + X @ slopes.reshape(outputs, dims).T
        prior = np.asarray(self.function(X), dtype=np.float64)
        if prior.shape not in ((len(X),), (len(X), outputs)) or not np.all(np.isfinite(prior)):
            raise ShapeError(f"mean(X): need finite {(len(X), outputs)}, got {prior.shape}")
        return prior.reshape(len(X), -1)

    def fit(self, X: Array, Y: Array, hyper: _native.gp.Hyper, kernel_parameters: int) -> None:
        """Set a linear mean to its maximum of likelihood under these hyper-parameters, O(n^3).

        Raises:
            InferenceError: the covariance is not positive definite.
        """
        functions, to_inputs = basis(X)
        outputs = Y.shape[1]
        model = _native.gp.Model(
            len(X), X.shape[1], outputs + functions.shape[1], False, kernel_parameters
        )
        fitted = to_inputs @ coefficients(model, X, Y, functions, hyper)  # (1 + d, o)
        self.values = np.ascontiguousarray(np.concatenate([fitted[0], fitted[1:].T.ravel()]))


def basis(X: Array) -> tuple[Array, Array]:
    """A constant and the standardised inputs (n, 1 + d), and the matrix that turns coefficients of
    these into a constant and slopes of the inputs as they are."""
    level, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > 1e-12 * np.abs(X).max(axis=0)  # an input that does not has no slope
    spread = np.where(varies, spread, 1.0)
    functions = np.column_stack([np.ones(len(X)), np.where(varies, (X - level) / spread, 0.0)])
    back = np.diag(np.concatenate([[1.0], varies / spread]))
    back[0, 1:] = -(level / spread) * varies
    return functions, back


def coefficients(
    model: _native.gp.Model, X: Array, Y: Array, functions: Array, hyper: _native.gp.Hyper
) -> Array:
    """(H' K^-1 H)^-1 H' K^-1 Y, (p, o); the smallest ones where the data leave several.

    Args:
        model: with room for o + p outputs; it is fitted anew.
        functions: H (n, p).
        hyper: without a mean.
    """
    outputs = Y.shape[1]
    model.fit(X, np.ascontiguousarray(np.concatenate([Y, functions], axis=1)), hyper)
    moments = functions.T @ model.weights()
    normal = moments[:, outputs:]
    inverse = np.linalg.pinv(0.5 * (normal + normal.T), rcond=1e-12, hermitian=True)
    return np.asarray(inverse @ moments[:, :outputs], dtype=np.float64)
