"""The log marginal likelihood of any kernel, in the coordinates that an optimiser moves in.

Coordinates   the logarithm of each positive parameter, the weights of a Coregionalization as they
              are, and last the logarithm of the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optcore import _native
from optcore.gp.kernels import Coregionalization, Kernel, StationaryKernel, rebuilt, term_dims, tree
from optcore.gp.means import basis, coefficients

__all__ = ["Coordinates", "Evaluator", "Part", "is_fused", "native_hyper", "parameter_count"]

Array = NDArray[np.float64]


def is_fused(kernel: Kernel) -> bool:
    """Whether the native core has loops of its own for it: one RBF or Matern."""
    return isinstance(kernel, StationaryKernel) and kernel.kind < 4


def parameter_count(kernel: Kernel, dims: int) -> int:
    """Parameters the native core must hold for a tree of terms; 0 for a fused kernel."""
    return 0 if is_fused(kernel) else int(tree(kernel, dims)[1].size)


def native_hyper(
    kernel: Kernel, dims: int, noise: float, mean: Array | None, point_noise: Array | None
) -> _native.gp.Hyper:
    """The native core's form of kernel, noise and mean."""
    if is_fused(kernel):
        assert isinstance(kernel, StationaryKernel)
        scales = kernel.length_scales(dims)
        return _native.gp.Hyper(kernel.family, kernel.variance, scales, noise, mean, point_noise)
    nodes, parameters = tree(kernel, dims)
    composite = 4
    return _native.gp.Hyper(
        composite, 1.0, np.empty(0), noise, mean, point_noise, nodes, parameters
    )


@dataclass(frozen=True)
class Part:
    """One named group of coordinates."""

    name: str  # "length_scale", or "k1.length_scale" for the second term of several
    field: str  # "length_scale"
    place: slice
    logarithmic: bool


class Coordinates:
    """The parameters of a kernel and the noise as one vector, and back."""

    def __init__(self, kernel: Kernel, dims: int) -> None:
        self.kernel, self.dims = kernel, dims
        leaves = list(kernel.leaves())
        seen = term_dims(kernel, dims)
        self.parts: list[Part] = []
        at = 0
        for i, leaf in enumerate(leaves):
            for field, values in leaf.values(seen).items():
                free = isinstance(leaf, Coregionalization) and field == "weights"
                name = field if len(leaves) == 1 else f"k{i}.{field}"
                self.parts.append(Part(name, field, slice(at, at + values.size), not free))
                at += values.size
        self.parts.append(Part("noise", "noise", slice(at, at + 1), True))
        self.size = at + 1
        self.logarithmic = np.ones(self.size, dtype=bool)
        for part in self.parts:
            self.logarithmic[part.place] = part.logarithmic

    def named(self, name: str) -> Iterator[Part]:
        """Parts of that name or field."""
        return (part for part in self.parts if name in (part.name, part.field))

    def of(self, kernel: Kernel, noise: float) -> Array:
        values = np.append(tree(kernel, self.dims)[1], max(noise, 1e-300))
        logs = np.log(np.where(self.logarithmic, values, 1.0))
        return np.where(self.logarithmic, logs, values)

    def values(self, coordinates: Array) -> Array:
        """Parameters and noise themselves."""
        grown = np.exp(np.where(self.logarithmic, coordinates, 0.0))
        return np.where(self.logarithmic, grown, coordinates)

    def named_slopes(self, slopes: Array) -> dict[str, Any]:
        """Derivatives by name: arrays where there may be one per input, else numbers."""
        many = ("length_scale", "period", "kappa", "weights")
        return {
            part.name: slopes[part.place]
            if part.place.stop - part.place.start > 1 or part.field in many
            else float(slopes[part.place.start])
            for part in self.parts
        }

    def kernel_and_noise(self, coordinates: Array) -> tuple[Kernel, float]:
        values = self.values(coordinates)
        return rebuilt(self.kernel, self.dims, values[:-1]), float(values[-1])


class Evaluator:
    """Value and slopes for one data set; holds one n x n buffer.

    Args:
        X: (n, d).   Y: (n, o), the mean subtracted.   point_noise: (n,) or None.
        linear_mean: subtract the best linear mean at each evaluation; since it is the best, the
            slopes are those with its coefficients held.
    """

    def __init__(
        self,
        X: Array,
        Y: Array,
        kernel: Kernel,
        point_noise: Array | None,
        *,
        linear_mean: bool = False,
    ) -> None:
        self.X, self.Y, self.point_noise = X, Y, point_noise
        self.coordinates = Coordinates(kernel, X.shape[1])
        self._fused = is_fused(kernel)
        self._native = _native.gp.Likelihood(
            len(X), X.shape[1], Y.shape[1], True, parameter_count(kernel, X.shape[1])
        )
        if not self._fused:
            self._nodes, _ = tree(kernel, X.shape[1])
        self._functions = basis(X)[0] if linear_mean else None
        if self._functions is not None:
            terms = parameter_count(kernel, X.shape[1])
            columns = Y.shape[1] + self._functions.shape[1]
            self._least_squares = _native.gp.Model(len(X), X.shape[1], columns, False, terms)

    def __call__(self, at: Array) -> tuple[float, Array, Array]:
        """Nats at these coordinates, slopes in them, and slopes in the constant mean (o,).

        Raises:
            InferenceError: the covariance is not positive definite.
        """
        values = self.coordinates.values(at)
        parameters, noise = np.ascontiguousarray(values[:-1]), float(values[-1])
        if self._fused:
            kernel = self.coordinates.kernel
            assert isinstance(kernel, StationaryKernel)
            hyper = _native.gp.Hyper(
                kernel.family,
                float(parameters[0]),
                np.ascontiguousarray(parameters[1:]),
                noise,
                None,
                self.point_noise,
            )
        else:
            hyper = _native.gp.Hyper(
                4, 1.0, np.empty(0), noise, None, self.point_noise, self._nodes, parameters
            )
        residuals = self.Y
        if self._functions is not None:
            best = coefficients(self._least_squares, self.X, self.Y, self._functions, hyper)
            residuals = np.ascontiguousarray(self.Y - self._functions @ best)
        value, by_variance, by_scales, by_noise, by_mean, by_each = self._native.evaluate(
            self.X, residuals, hyper
        )
        if self._fused:
            slopes = np.concatenate([[by_variance], by_scales, [by_noise]])
        else:
            logs = np.where(self.coordinates.logarithmic[:-1], parameters, 1.0)
            slopes = np.append(by_each * logs, by_noise)
        return value, slopes, by_mean
