"""Covariance functions of Gaussian processes, as values.

    RBF(length_scale=[1.0, 2.0]) + Periodic(period=24.0) * Constant(0.5) + White(0.1)

Shapes   d = inputs. Length scales, periods and linear variances are one number for all inputs or
         one per input (ARD).
Units    length scales and periods: those of the inputs; variances: output units squared.
Source   Rasmussen & Williams, *Gaussian Processes for Machine Learning* (2006), section 4.2;
         Alvarez, Rosasco & Lawrence, *Kernels for Vector-Valued Functions* (2012), section 4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, ShapeError

__all__ = [
    "RBF",
    "Constant",
    "Coregionalization",
    "Kernel",
    "Linear",
    "Matern",
    "Periodic",
    "Product",
    "RationalQuadratic",
    "StationaryKernel",
    "Sum",
    "White",
]

Array = NDArray[np.float64]
Numbers = float | Sequence[float] | Array

SUM, PRODUCT = 10, 11  # kinds of the operators, as gp/kernel_node.hpp numbers them
MAX_NODES = 16


class Kernel(ABC):
    """What all covariance functions share: sums, products, their values."""

    def __add__(self, other: Kernel | float) -> Kernel:
        return Sum(self, _kernel(other))

    def __radd__(self, other: float) -> Kernel:
        return Sum(_kernel(other), self)

    def __mul__(self, other: Kernel | float) -> Kernel:
        return Product(self, _kernel(other))

    def __rmul__(self, other: float) -> Kernel:
        return Product(_kernel(other), self)

    def __call__(self, X: ArrayLike, Z: ArrayLike | None = None) -> Array:
        """Covariances (n, m) of X (n, d) with Z (m, d); without Z those of X with itself, where
        white noise counts."""
        points = _points(X, "X")
        others = points if Z is None else _points(Z, "Z")
        if points.shape[1] != others.shape[1]:
            raise ShapeError(f"Z: need (m, {points.shape[1]}), got {others.shape}")
        nodes, parameters = tree(self, points.shape[1])
        return _native.gp.covariance(nodes, parameters, points, others, Z is None)

    @abstractmethod
    def leaves(self) -> Iterator[Leaf]:
        """The terms, from left to right."""


@dataclass(frozen=True)
class Leaf(Kernel):
    """A term with parameters; each field is a number or one number per input."""

    per_input: ClassVar[tuple[str, ...]] = ()  # names of fields that may have a number per input

    def leaves(self) -> Iterator[Leaf]:
        yield self

    @property
    def kind(self) -> int:
        """Number of the term in the native core."""
        raise TypeError(f"{type(self).__name__} is no covariance function of its own")

    def values(self, dims: int) -> dict[str, Array]:
        """Parameters by name, in the native order, for `dims` inputs."""
        return {
            name: self._expanded(name, dims)
            if name in self.per_input
            else np.array([getattr(self, name)], dtype=np.float64)
            for name in self.order()
        }

    def order(self) -> tuple[str, ...]:
        """Names of the parameters in the native order."""
        return tuple(field.name for field in fields(self))

    def replaced(self, values: dict[str, Array]) -> Leaf:
        """The same term with other parameters."""
        given = {
            name: tuple(array.tolist()) if name in self.per_input else float(array[0])
            for name, array in values.items()
        }
        return self._with(given)

    def _with(self, given: dict[str, Any]) -> Leaf:
        return type(self)(**given)

    def _expanded(self, name: str, dims: int) -> Array:
        values = getattr(self, name)
        if isinstance(values, tuple) and len(values) not in (1, dims):
            raise ShapeError(f"{name}: {len(values)} numbers for {dims} inputs")
        return np.full(dims, values, dtype=np.float64)

    def __post_init__(self) -> None:
        for name in self.order():
            if type(value := getattr(self, name)) is float and 0 < value < np.inf:
                continue  # as most are
            values = np.array(getattr(self, name), dtype=np.float64)
            many = name in self.per_input
            if values.ndim > int(many) or values.size == 0:
                needed = "one number or one per input" if many else "one number"
                raise ShapeError(f"{name}: need {needed}, got shape {values.shape}")
            if not (np.all(np.isfinite(values)) and np.all(values > 0)):
                raise ConfigError(f"{name}: must be > 0 and finite, got {getattr(self, name)}")
            kept = float(values) if values.ndim == 0 else tuple(values.tolist())
            object.__setattr__(self, name, kept)


@dataclass(frozen=True)
class StationaryKernel(Leaf):
    """variance * correlation(r), r the distance of two inputs divided by the length scales."""

    per_input = ("length_scale",)
    length_scale: Numbers = 1.0
    variance: float = 1.0

    @property
    def family(self) -> int:
        """Number of the correlation function in the native core."""
        return self.kind

    def order(self) -> tuple[str, ...]:
        return ("variance", "length_scale")

    def length_scales(self, dims: int) -> Array:
        """One length scale for each of `dims` inputs, as (d,)."""
        return self._expanded("length_scale", dims)


@dataclass(frozen=True)
class RBF(StationaryKernel):
    """Squared exponential: variance * exp(-r^2 / 2)."""

    @property
    def kind(self) -> int:
        return 0


@dataclass(frozen=True)
class Matern(StationaryKernel):
    """Matérn function of smoothness nu = 0.5, 1.5 or 2.5."""

    nu: float = 2.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nu not in (0.5, 1.5, 2.5):
            raise ConfigError(f"nu: must be 0.5, 1.5 or 2.5, got {self.nu}")

    @property
    def kind(self) -> int:
        return {0.5: 1, 1.5: 2, 2.5: 3}[self.nu]

    def _with(self, given: dict[str, Any]) -> Leaf:
        return Matern(nu=self.nu, **given)


@dataclass(frozen=True)
class RationalQuadratic(StationaryKernel):
    """variance * (1 + r^2 / (2 alpha))^-alpha: RBFs of many length scales."""

    alpha: float = 1.0

    @property
    def kind(self) -> int:
        return 4

    def order(self) -> tuple[str, ...]:
        return ("variance", "alpha", "length_scale")


@dataclass(frozen=True)
class Periodic(Leaf):
    """variance * exp(-2 sum_f (sin(pi (x_f - z_f) / period_f) / length_scale_f)^2)."""

    per_input = ("length_scale", "period")
    length_scale: Numbers = 1.0
    variance: float = 1.0
    period: Numbers = 1.0

    @property
    def kind(self) -> int:
        return 5

    def order(self) -> tuple[str, ...]:
        return ("variance", "period", "length_scale")


@dataclass(frozen=True)
class Linear(Leaf):
    """sum_f variance_f x_f z_f; add a Constant for an intercept."""

    per_input = ("variance",)
    variance: Numbers = 1.0

    @property
    def kind(self) -> int:
        return 6


@dataclass(frozen=True)
class Constant(Leaf):
    """The same covariance everywhere."""

    variance: float = 1.0

    @property
    def kind(self) -> int:
        return 7


@dataclass(frozen=True)
class White(Leaf):
    """Noise of the latent function: variance where two points are the same one, else 0."""

    variance: float = 1.0

    @property
    def kind(self) -> int:
        return 8


@dataclass(frozen=True)
class Coregionalization(Leaf):
    """Covariance B[t, u] = (W W' + diag(kappa))[t, u] of the outputs t and u that the last input
    column holds (0, 1, ...): the intrinsic model of correlated outputs is a product with it.

    Args:
        weights: W (outputs, rank), of any sign.
        kappa: (outputs,) what each output has alone, > 0; or one number for all.

    Other terms of the same kernel do not see the last column.
    """

    weights: Sequence[Sequence[float]] | Array = ((1.0,), (1.0,))
    kappa: Numbers = 0.1

    @property
    def kind(self) -> int:
        return 9

    @property
    def outputs(self) -> int:
        return len(self.weights)

    @property
    def rank(self) -> int:
        return len(self.weights[0])

    def values(self, dims: int) -> dict[str, Array]:
        del dims
        return {
            "weights": np.asarray(self.weights, dtype=np.float64).reshape(-1),
            "kappa": np.asarray(self.kappa, dtype=np.float64),
        }

    def replaced(self, values: dict[str, Array]) -> Leaf:
        return Coregionalization(
            values["weights"].reshape(self.outputs, self.rank), values["kappa"]
        )

    def __post_init__(self) -> None:
        weights = np.array(self.weights, dtype=np.float64)
        if weights.ndim != 2 or weights.size == 0 or not np.all(np.isfinite(weights)):
            raise ShapeError(f"weights: need finite (outputs, rank), got shape {weights.shape}")
        kappa = np.atleast_1d(np.array(self.kappa, dtype=np.float64))
        if kappa.shape not in ((1,), (len(weights),)):
            raise ShapeError(f"kappa: {kappa.shape} numbers for {len(weights)} outputs")
        if not (np.all(np.isfinite(kappa)) and np.all(kappa > 0)):
            raise ConfigError(f"kappa: must be > 0 and finite, got {self.kappa}")
        full = np.broadcast_to(kappa, (len(weights),))
        object.__setattr__(self, "weights", tuple(tuple(row) for row in weights.tolist()))
        object.__setattr__(self, "kappa", tuple(full.tolist()))


@dataclass(frozen=True)
class _Pair(Kernel):
    left: Kernel
    right: Kernel

    def leaves(self) -> Iterator[Leaf]:
        yield from self.left.leaves()
        yield from self.right.leaves()


@dataclass(frozen=True)
class Sum(_Pair):
    """left + right"""


@dataclass(frozen=True)
class Product(_Pair):
    """left * right"""


# --- from and to the native core ------------------------------------------------------------------


def term_dims(kernel: Kernel, dims: int) -> int:
    """Inputs that the terms see: all but the column of outputs, where there is one."""
    indexed = any(isinstance(leaf, Coregionalization) for leaf in kernel.leaves())
    if indexed and dims < 2:
        raise ShapeError("Coregionalization: X needs a last column of outputs beside its inputs")
    return dims - 1 if indexed else dims


def tree(kernel: Kernel, dims: int) -> tuple[NDArray[np.int32], Array]:
    """Nodes (k, 5) in postfix, as gp/kernel_node.hpp says, and all parameters (p,)."""
    seen = term_dims(kernel, dims)
    nodes: list[tuple[int, int, int, int, int]] = []
    parameters: list[Array] = []

    def add(part: Kernel) -> None:
        if isinstance(part, _Pair):
            add(part.left)
            add(part.right)
            nodes.append((SUM if isinstance(part, Sum) else PRODUCT, 0, 0, 0, 0))
            return
        if not isinstance(part, Leaf):
            raise ConfigError(f"kernel: need a kernel of optcore.gp, got {part!r}")
        outputs, rank = (part.outputs, part.rank) if isinstance(part, Coregionalization) else (0, 0)
        nodes.append((part.kind, seen, sum(p.size for p in parameters), outputs, rank))
        parameters.extend(part.values(seen).values())

    add(kernel)
    if len(nodes) > MAX_NODES:
        raise ConfigError(f"kernel: {len(nodes)} terms and operators; at most {MAX_NODES}")
    return np.array(nodes, dtype=np.int32), np.concatenate(parameters)


def from_tree(nodes: NDArray[np.int32], parameters: Array) -> Kernel:
    """The kernel that tree() wrote.

    Raises:
        ValueError: no such tree.
    """
    simple = {0: RBF(), 4: RationalQuadratic(), 5: Periodic(), 6: Linear(), 7: Constant(),
              8: White(), 1: Matern(nu=0.5), 2: Matern(nu=1.5), 3: Matern(nu=2.5)}  # fmt: skip
    stack: list[Kernel] = []
    for kind, dims, first, outputs, rank in np.asarray(nodes).tolist():
        if kind in (SUM, PRODUCT):
            right, left = stack.pop(), stack.pop()
            stack.append(Sum(left, right) if kind == SUM else Product(left, right))
            continue
        leaf = (
            Coregionalization(np.ones((outputs, rank)), np.ones(outputs))
            if kind == 9
            else simple[kind]
        )
        values, at = {}, first
        for name, array in leaf.values(dims).items():
            values[name] = parameters[at : at + array.size]
            at += array.size
        stack.append(leaf.replaced(values))
    if len(stack) != 1:
        raise ValueError("the nodes make no tree")
    return stack[0]


def rebuilt(kernel: Kernel, dims: int, parameters: Array) -> Kernel:
    """The same tree with other parameters, in the order of tree()."""
    nodes, _ = tree(kernel, dims)
    return from_tree(nodes, parameters)


def _kernel(value: Kernel | float) -> Kernel:
    return value if isinstance(value, Kernel) else Constant(value)


def _points(X: ArrayLike, name: str) -> Array:
    points = np.ascontiguousarray(X, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] == 0:
        raise ShapeError(f"{name}: need (n, d), got {points.shape}")
    if not np.all(np.isfinite(points)):
        raise InferenceError(f"{name}: holds NaN or infinity")
    return points
