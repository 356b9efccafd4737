"""Gaussian process regression on many rows through a few inducing inputs.

Shapes   n = rows, d = inputs, o = outputs, m = inducing inputs, q = queries.
Units    as in optcore.gp.gaussian_process; the bound is in nats.
Source   Titsias, "Variational Learning of Inducing Variables in Sparse Gaussian Processes",
         AISTATS (2009); choice of inducing inputs: Burt, Rasmussen & van der Wilk, JMLR 21 (2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore import _native
from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import store
from optcore.gp.hyperparameters import OptimizationResult, Problem, limits_of
from optcore.gp.kernels import RBF, Kernel, White, from_tree, tree
from optcore.gp.likelihood import Coordinates, is_fused, native_hyper, parameter_count
from optcore.gp.means import PriorMean

__all__ = ["SparseGaussianProcess"]

Array = NDArray[np.float64]

_FORMAT, _VERSION = "optcore.gp.sparse", 1
_ROWS = 8192  # given to the native core at a time
_CANDIDATES = 8  # rows looked at for each inducing input to choose: memory stays O(m^2)
_REFUSED = 1e25  # stands for minus infinity: the line search steps back from it


class SparseGaussianProcess:
    """Regression that costs O(n m^2) time and O(m^2) memory: n may be anything.

    The posterior maximises a lower bound of the log marginal likelihood over all posteriors that
    know the data through m inducing inputs; with m = n it is the exact one.

    Args:
        kernel: sums and products included, but white noise, which is `noise`; default RBF() with
            unit parameters. One RBF or Matern has the fastest loops.
        noise: variance of the observations' noise, output units squared, > 0.
        inducing: how many inducing inputs to choose from the rows by pivoted Cholesky, or (m, d)
            inputs to use.
        mean: constant prior mean: a number or (o,) numbers.
        jitter: added to the inducing inputs' variance, as a fraction of it.
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
        self.kernel: Kernel = kernel if kernel is not None else RBF()
        if not isinstance(self.kernel, Kernel):
            raise ConfigError(f"kernel: need a kernel of optcore.gp, got {type(kernel).__name__}")
        if any(isinstance(leaf, White) for leaf in self.kernel.leaves()):
            raise ConfigError("kernel: white noise is no part of the latent function; use noise")
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
            if (
                self.inducing_inputs.ndim != 2
                or 0 in self.inducing_inputs.shape
                or not np.isfinite(self.inducing_inputs).all()
            ):
                raise ShapeError(
                    "inducing: need a number or a finite (m, d) array with m >= 1, "
                    f"got {self.inducing_inputs.shape}"
                )
        elif self._wanted < 1:
            raise ConfigError(f"inducing: must be >= 1, got {self._wanted}")
        if callable(mean) or isinstance(mean, str):
            raise ConfigError("mean: a sparse process takes a number or one per output")
        self._mean = PriorMean(mean).values
        self._native: _native.gp.Sparse | None = None
        self._X: Any = None
        self._y: Any = None
        self._flat = True
        self._shape = (0, 0, 0, 0)  # of the native model
        self._count = 0  # rows conditioned on

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
        native_hyper(self.kernel, points.shape[1], self.noise, None, None)  # errors before changes
        before = self.__dict__.copy()
        try:
            self._X, self._y, self._flat = points, values, values.ndim == 1
            self._native = None
            self._choose()
            self._condition()
        except BaseException:  # bad rows, or an interrupt: as it was
            self.__dict__.update(before)
            raise
        return self

    def optimize(
        self,
        *,
        rounds: int = 2,
        max_iterations: int = 50,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        tolerance: float = 1e-7,
    ) -> OptimizationResult:
        """Set the kernel's parameters (length scales: one per input) and the noise to a maximum of
        the bound.

        Args:
            rounds: most climbs; before each but the first the inducing inputs are chosen again with
                the kernel found so far, and the last ones kept if those are no better.
            max_iterations: of L-BFGS-B in each climb; every evaluation reads all rows twice.
            bounds: (low, high) by name as for GaussianProcess.optimize.
            tolerance: relative rise that ends a climb.

        The first climb starts from the present kernel, and the noise raised by the variance that
        the inducing inputs leave.

        Raises:
            InferenceError: the bound does not exist at the start.
        """
        from scipy.optimize import minimize

        self._fitted("optimize")
        self._with_rows("optimize")
        if rounds < 1 or max_iterations < 1:
            raise ConfigError("optimize: rounds and max_iterations must be >= 1")
        coordinates = Coordinates(self.kernel, self._X.shape[1])
        low, high = self._limits(coordinates, bounds or {}).T
        evaluations = 0

        def negative(at: Array) -> tuple[float, Array]:
            nonlocal evaluations
            evaluations += 1
            self.kernel, self.noise = coordinates.kernel_and_noise(at)
            try:
                model = self._condition()
                return -model.bound, -self._slopes(model)
            except InferenceError:
                return _REFUSED, np.zeros_like(at)

        start = (self.kernel, self.noise, self.inducing_inputs)
        result = None
        try:
            # below what the inducing inputs leave unexplained, the noise makes the bound a wall
            self.noise += float(np.mean(self.predict(next(self._blocks())[0])[1]))
            for turn in range(rounds):
                if turn > 0 and not self._choose_better():
                    break
                at = coordinates.of(self.kernel, self.noise)
                result = minimize(
                    negative, np.clip(at, low, high), jac=True, method="L-BFGS-B",
                    bounds=np.column_stack([low, high]),
                    options={"maxiter": max_iterations, "ftol": tolerance, "maxcor": 20},
                )  # fmt: skip
                if not result.fun < _REFUSED:
                    raise InferenceError("optimize: the bound does not exist; give a larger noise")
                self.kernel, self.noise = coordinates.kernel_and_noise(result.x)
        except BaseException:  # an interrupt as well: as it was
            self.kernel, self.noise, self.inducing_inputs = start
            self._condition()
            raise
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
        if queries.ndim != 2 or queries.shape[1] != self._dims:
            raise ShapeError(f"X: need (q, {self._dims}), got {queries.shape}")
        mean, variance = model.predict(queries)
        return (mean[:, 0] if self._flat else mean), variance

    def bound(self, *, gradient: bool = False) -> Any:
        """Lower bound of the log marginal likelihood, nats, summed over the outputs.

        With `gradient` also its derivatives by name as GaussianProcess.log_marginal_likelihood()
        gives them, the inducing inputs held: a second pass over the rows.
        """
        model = self._fitted("bound")
        if not gradient:
            return model.bound
        self._with_rows("bound")
        coordinates = Coordinates(self.kernel, self._dims)
        return model.bound, coordinates.named_slopes(self._slopes(model))

    # --- state --------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write inducing inputs, hyper-parameters and what the rows said to one npz file (no
        pickle): O(m^2) numbers; the rows themselves are not written."""
        model = self._fitted("save")
        nodes, parameters = tree(self.kernel, self._dims)
        gram, moments, squares, prior, rows = model.statistics()
        store.write_arrays(
            path, _FORMAT, _VERSION, nodes=nodes, parameters=parameters, noise=self.noise,
            mean=self._mean, jitter=self.jitter, inducing=self.inducing_inputs, gram=gram,
            moments=moments, squares=squares, prior=prior, rows=rows, flat=self._flat,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> SparseGaussianProcess:
        """Read what save() wrote. It answers as before; to optimise, fit it to rows again, which
        keeps these inducing inputs.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: another kind of file, or of another version.
        """
        with store.interpreting(path, _FORMAT, _VERSION) as found:
            gp = cls(
                from_tree(found["nodes"], found["parameters"]), float(found["noise"]),
                found["inducing"], found["mean"], jitter=float(found["jitter"]),
            )  # fmt: skip
            gp._flat = bool(found["flat"])
            outputs = len(found["moments"])
            model = gp._begin(gp.inducing_inputs.shape[1], outputs)
            model.restore(
                found["gram"], found["moments"], float(found["squares"]), float(found["prior"]),
                int(found["rows"]),
            )  # fmt: skip
            model.finish()
            gp._native, gp._count = model, int(found["rows"])
        return gp

    def __len__(self) -> int:
        return 0 if self._native is None else self._count

    # --- inside -------------------------------------------------------------------------------

    def _fitted(self, name: str) -> _native.gp.Sparse:
        if self._native is None:
            raise OptcoreError(f"SparseGaussianProcess.{name}: call fit() first")
        return self._native

    def _with_rows(self, name: str) -> None:
        if self._X is None:
            raise OptcoreError(f"SparseGaussianProcess.{name}: loaded without rows; call fit()")

    @property
    def _dims(self) -> int:
        return int(self.inducing_inputs.shape[1])

    def _blocks(self) -> Iterator[tuple[Array, Array]]:
        for first in range(0, len(self._X), _ROWS):
            rows = slice(first, first + _ROWS)
            X = np.ascontiguousarray(self._X[rows], dtype=np.float64)
            y = np.ascontiguousarray(self._y[rows], dtype=np.float64).reshape(len(X), -1)
            for name, block in (("X", X), ("y", y)):
                if not np.isfinite(block).all():
                    bad = first + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                    raise InferenceError(f"{name}: row {bad} holds NaN or infinity; leave it out")
            yield X, y

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
            candidates, native_hyper(self.kernel, candidates.shape[1], self.noise, None, None),
            wanted, max(self.jitter, 1e-12),
        )  # fmt: skip
        if len(chosen) == 0:
            raise InferenceError("kernel: its variance is zero at all rows looked at")
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

    def _begin(self, dims: int, outputs: int) -> _native.gp.Sparse:
        m, own = self.inducing_inputs.shape
        if own != dims:
            raise ShapeError(f"inducing: need (m, {dims}), got {(m, own)}")
        model = self._native
        shape = (m, dims, outputs, parameter_count(self.kernel, dims))
        if model is None or self._shape != shape:
            model = _native.gp.Sparse(*shape)
            self._shape = shape
        self._native = None
        mean = np.ascontiguousarray(np.broadcast_to(self._mean, (outputs,)))
        hyper = native_hyper(self.kernel, dims, self.noise, mean, None)
        model.begin(self.inducing_inputs, hyper, self.jitter)
        return model

    def _condition(self) -> _native.gp.Sparse:
        model = self._begin(self._X.shape[1], 1 if self._flat else self._y.shape[1])
        for X, Y in self._blocks():
            model.add(X, Y)
        model.finish()
        self._native, self._count = model, len(self._X)
        return model

    def _slopes(self, model: _native.gp.Sparse) -> Array:
        """Of the bound, in the order of Coordinates."""
        model.begin_gradient()
        for X, Y in self._blocks():
            model.add_gradient(X, Y)
        variance, scales, noise, each = model.finish_gradient()
        if is_fused(self.kernel):
            return np.concatenate([[variance], scales, [noise]])
        coordinates = Coordinates(self.kernel, self._dims)
        values = tree(self.kernel, self._dims)[1]
        return np.append(each * np.where(coordinates.logarithmic[:-1], values, 1.0), noise)

    def _limits(self, coordinates: Coordinates, bounds: Mapping[str, tuple[float, float]]) -> Array:
        X, Y = next(self._blocks())
        problem = Problem(X, Y - self._mean, self.kernel, self.noise, None)
        power = max(float(np.mean(problem.Y**2)), 1e-300)
        return limits_of(problem, coordinates, {"noise": (1e-6 * power, 1e2 * power), **bounds})


def _rows(values: ArrayLike, name: str) -> NDArray[Any]:
    """As it is when it is an array of numbers (a memory map stays one)."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"{name}: need an array of numbers, got dtype {array.dtype}")
    return array
