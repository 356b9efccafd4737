"""Thousands of small Gaussian processes in one call.

Shapes   b = processes, n_i = points of process i, d = inputs, o = outputs, m = queries of each.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), algorithm 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp.kernels import RBF, StationaryKernel
from optcore.gp.likelihood import is_fused

__all__ = ["GaussianProcessBatch"]

Array = NDArray[np.float64]
LARGEST = 256  # points of one process; beyond that GaussianProcess is as fast


class GaussianProcessBatch:
    """Independent small processes, each with its own data and, where wanted, hyper-parameters.

    Args:
        kernel: RBF or Matern shared by all.
        noise: variance of the observations' noise: a number, or (b,).
        mean: constant prior mean: a number, or (o,).
        variance: (b,) in place of the kernel's.
        length_scale: (b, d) in place of the kernel's.

    A process whose covariance is not positive definite, or whose data are not finite, answers with
    its prior; ``.status`` says why. The others are not touched by it.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(0, 1, 20)[None, :, None] * np.ones((3, 1, 1))
        >>> y = np.sin(6 * X[:, :, 0]) * np.array([[1.0], [2.0], [3.0]])
        >>> gps = GaussianProcessBatch(RBF(0.3), noise=1e-4).fit(X, y)
        >>> mean, variance = gps.predict([[0.5]])
        >>> mean.shape, gps.status
        ((3, 1), ['ok', 'ok', 'ok'])
    """

    def __init__(
        self,
        kernel: StationaryKernel | None = None,
        noise: float | ArrayLike = 1e-2,
        mean: float | ArrayLike = 0.0,
        *,
        variance: ArrayLike | None = None,
        length_scale: ArrayLike | None = None,
    ) -> None:
        self.kernel = kernel if kernel is not None else RBF()
        if not (isinstance(self.kernel, StationaryKernel) and is_fused(self.kernel)):
            raise ConfigError("kernel: a batch takes one RBF or Matern; sums and products do not")
        self.noise = np.atleast_1d(np.asarray(noise, dtype=np.float64))
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self._variance = None if variance is None else np.asarray(variance, dtype=np.float64)
        self._scales = None if length_scale is None else np.asarray(length_scale, dtype=np.float64)
        for name, values in (("variance", self._variance), ("length_scale", self._scales)):
            if values is not None and not (np.isfinite(values).all() and (values > 0).all()):
                raise ConfigError(f"{name}: must be > 0 and finite")
        if not (np.isfinite(self.noise).all() and (self.noise >= 0).all()):
            raise ConfigError("noise: must be >= 0 and finite")
        self._native: _native.gp.Batch | None = None
        self._shape: tuple[bytes, int, int] | None = None
        self._codes = np.empty(0, dtype=np.int32)
        self._flat = True

    def fit(self, X: ArrayLike | Sequence[ArrayLike], y: ArrayLike | Sequence[ArrayLike]) -> Any:
        """Condition every process on its data and return self.

        Args:
            X: (b, n, d), or a sequence of b arrays (n_i, d), n_i <= 256.
            y: (b, n) or (b, n, o), or a sequence of b arrays (n_i,) or (n_i, o).

        Raises:
            ShapeError: shapes that do not agree; the message names the process.
        """
        points, sizes = _stacked(X, "X", 2)
        values, lengths = _stacked(y, "y", None)
        if not np.array_equal(sizes, lengths):
            raise ShapeError(f"y: need {sizes.tolist()[:5]}... values, got {lengths.tolist()[:5]}")
        self._flat = values.ndim == 1
        values = values.reshape(len(values), -1)
        b, dims, outputs = len(sizes), points.shape[1], values.shape[1]
        if sizes.max(initial=0) > LARGEST:
            raise ShapeError(f"X: a process of {sizes.max()} points; at most {LARGEST} each")
        variance = np.array([self.kernel.variance]) if self._variance is None else self._variance
        scales = self.kernel.length_scales(dims)[None] if self._scales is None else self._scales
        for name, array, shapes in (
            ("variance", variance, [(1,), (b,)]),
            ("noise", self.noise, [(1,), (b,)]),
            ("length_scale", scales, [(1, dims), (b, dims)]),
        ):
            if array.shape not in shapes:
                raise ShapeError(f"{name}: need {shapes[1]}, got {array.shape}")
        if self.mean.size not in (1, outputs):
            raise ShapeError(f"mean: {self.mean.size} numbers for {outputs} outputs")
        shape = (sizes.tobytes(), dims, outputs)
        # memory of the last fit serves again: fresh pages would cost as much as the work
        native = self._native if self._native is not None and shape == self._shape else None
        if native is None:
            native = _native.gp.Batch(sizes, dims, outputs)
        self._codes = native.fit(
            points,
            values,
            self.kernel.family,
            np.ascontiguousarray(variance),
            np.ascontiguousarray(scales),
            np.ascontiguousarray(self.noise),
            np.ascontiguousarray(np.broadcast_to(self.mean, (outputs,))),
        )
        self._native, self._shape, self._dims = native, shape, dims
        return self

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:
        """Posterior of each latent function (the noise is not added).

        Args:
            X: (m, d) queries asked of every process, or (b, m, d), its own for each.

        Returns:
            mean (b, m) or (b, m, o) as y was, variance (b, m).
        """
        native = self._fitted("predict")
        queries = np.ascontiguousarray(X, dtype=np.float64)
        b = len(self._codes)
        if queries.ndim not in (2, 3) or queries.shape[-1] != self._dims:
            raise ShapeError(f"X: need (m, {self._dims}) or ({b}, m, {self._dims}), got "
                             f"{queries.shape}")  # fmt: skip
        shared = queries.ndim == 2
        if not shared and len(queries) != b:
            raise ShapeError(f"X: need a block for each of {b} processes, got {len(queries)}")
        if not np.isfinite(queries).all():
            raise InferenceError("X: holds NaN or infinity")
        m = queries.shape[-2]
        mean, variance = native.predict(queries.reshape(-1, self._dims), shared)
        return mean.reshape((b, m) if self._flat else (b, m, -1)), variance.reshape(b, m)

    def log_marginal_likelihood(self) -> Array:
        """(b,) nats, summed over the outputs; 0 for a process without data."""
        return self._fitted("log_marginal_likelihood").log_marginal_likelihood()

    @property
    def status(self) -> list[str]:
        """One word per process: "ok", or why it answers with its prior."""
        self._fitted("status")
        return [_native.gp.status_name(int(code)) for code in self._codes]

    def __len__(self) -> int:
        return len(self._codes)

    def _fitted(self, name: str) -> _native.gp.Batch:
        if self._native is None:
            raise OptcoreError(f"GaussianProcessBatch.{name}: call fit() first")
        return self._native


def _stacked(
    data: ArrayLike | Sequence[ArrayLike], name: str, axes: int | None
) -> tuple[Array, NDArray[np.int32]]:
    """The rows of all processes after one another, and how many each has."""
    if isinstance(data, np.ndarray) and data.dtype != object and data.ndim >= 2:
        if axes is not None and data.ndim != axes + 1:
            raise ShapeError(f"{name}: need (b, n, d), got {data.shape}")
        b, n = data.shape[:2]
        flat = np.ascontiguousarray(data, dtype=np.float64).reshape(b * n, *data.shape[2:])
        return flat, np.full(b, n, dtype=np.int32)
    try:
        parts = [np.asarray(part, dtype=np.float64) for part in data]  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: need one array of numbers per process ({error})") from None
    if not parts:
        raise ShapeError(f"{name}: need at least one process")
    for i, part in enumerate(parts):
        wanted = parts[0].shape[1:]
        if part.shape[1:] != wanted or part.ndim not in ((axes,) if axes else (1, 2)):
            raise ShapeError(f"{name}: process {i} has shape {part.shape}, process 0 "
                             f"{parts[0].shape}")  # fmt: skip
    sizes = np.array([len(part) for part in parts], dtype=np.int32)
    return np.ascontiguousarray(np.concatenate(parts)), sizes
