"""A Gaussian process that learns from a stream in constant memory.

Shapes   d = inputs, o = outputs, m = queries; at most `capacity` points are held.
Source   Rasmussen & Williams (2006), algorithm 2.1, kept up to date by bordering (append) and by
         plane rotations (drop): Gill, Golub, Murray & Saunders, Math. Comp. 28 (1974), method C1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore.errors import ConfigError, InferenceError, OptcoreError, ShapeError
from optcore.gp import store
from optcore.gp.data import numbers, training_data
from optcore.gp.gaussian_process import GaussianProcess
from optcore.gp.kernels import Kernel, from_tree, tree

__all__ = ["StreamingGaussianProcess", "StreamingReport"]

Array = NDArray[np.float64]
_FORMAT, _VERSION = "optcore.gp.streaming", 1


@dataclass(frozen=True)
class StreamingReport:
    """What a stream has done so far."""

    appended: int  # points ever learnt
    dropped: int  # points ever forgotten
    refactorisations: int  # scheduled ones, O(n^3), which end the drift of updates
    since_refactorisation: int  # append and drop calls since the last one, or since the start
    refused: int  # points that would not have left the covariance positive definite


class StreamingGaussianProcess:
    """A sliding window: each new point costs O(n^2), and the oldest leaves when there is no room.

    Args:
        kernel, noise, mean: as for GaussianProcess; mean a number or (o,) numbers.
        capacity: most points held, >= 2. All memory of the native core is taken at the first point.
        refactor_every: updates (append or drop) after which the factor is computed anew, O(n^3), to
            bound the drift of rounding; None: never. With noise at 1e-6 of the signal or more 10^5
            updates move no prediction by 1e-8, so the default is rare.

    The order of points is that of their arrival. Not for use by two threads at once.

    Example:
        >>> import numpy as np
        >>> gp = StreamingGaussianProcess(noise=1e-4, capacity=20)
        >>> for t in np.arange(0, 10, 0.1):
        ...     gp.append([t], np.sin(t))
        >>> len(gp), round(float(gp.predict([[9.25]])[0][0] - np.sin(9.25)), 3)
        (20, 0.0)
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        noise: float = 1e-2,
        mean: float | ArrayLike = 0.0,
        *,
        capacity: int,
        refactor_every: int | None = 100_000,
    ) -> None:
        if capacity < 2:
            raise ConfigError(f"capacity: must be >= 2, got {capacity}")
        if refactor_every is not None and refactor_every < 1:
            raise ConfigError(f"refactor_every: must be >= 1 or None, got {refactor_every}")
        if not noise > 0:
            raise ConfigError(f"noise: must be > 0 in a stream, where points repeat; got {noise}")
        if callable(mean) or isinstance(mean, str):
            raise ConfigError("mean: a stream takes a number or one per output, no function")
        self.capacity = int(capacity)
        self.refactor_every = refactor_every
        self._gp = GaussianProcess(kernel, noise, mean)
        self._appended = self._dropped = self._refactored = self._since = self._refused = 0

    def append(self, x: ArrayLike, y: ArrayLike) -> None:
        """Learn one point, x (d,) and y a number or (o,); forget the oldest when full.

        Raises:
            ShapeError: shapes that do not agree with the points held.
            InferenceError: NaN or infinity, or a point that leaves no positive definite covariance;
                the window is then as before.
        """
        if np.ndim(x) != 1 or np.ndim(y) > 1:
            raise ShapeError(
                f"append: need x (d,) and y a number or (o,), got {np.shape(x)} and {np.shape(y)}"
            )
        if len(self._gp) == 0:
            self._start(x, y)
            return
        if len(self._gp) == self.capacity:
            # there is room for one more, so that a refused point costs none of those held
            self._try(x, y)
            self._gp.drop(0)
            self._dropped += 1
            self._since += 1
        else:
            self._try(x, y)
        if self.refactor_every is not None and self._since >= self.refactor_every:
            self.refactor()

    def drop_oldest(self, count: int = 1) -> None:
        """Forget the `count` oldest points; at least one must be left."""
        if not 1 <= count < len(self._gp):
            raise ConfigError(f"drop_oldest: count must be in [1, {len(self._gp)}), got {count}")
        for _ in range(count):
            self._gp.drop(0)
        self._dropped += count
        self._since += count

    def refactor(self) -> None:
        """Compute the factor anew from the points held, O(n^3)."""
        self._gp.refactor()
        self._refactored += 1
        self._since = 0

    def predict(self, X: ArrayLike, *, covariance: bool = False) -> tuple[Array, Array]:
        """As GaussianProcess.predict: mean (m,) or (m, o), variance (m,) or covariance (m, m)."""
        return self._gp.predict(X, covariance=covariance)

    def gradient(self, X: ArrayLike, *, variance: bool = False) -> Array | tuple[Array, Array]:
        """As GaussianProcess.gradient."""
        return self._gp.gradient(X, variance=variance)

    def log_marginal_likelihood(self) -> float:
        """Of the points held, nats."""
        value = self._gp.log_marginal_likelihood()
        assert isinstance(value, float)
        return value

    def save(self, path: str | Path) -> None:
        """Write window, hyper-parameters and counts to one npz file (no pickle).

        Raises:
            OptcoreError: nothing was appended yet.
        """
        if len(self) == 0:
            raise OptcoreError("StreamingGaussianProcess.save: append() first")
        saved = self._gp.constants()
        nodes, parameters = tree(saved.kernel, saved.X.shape[1])
        store.write_arrays(
            path, _FORMAT, _VERSION, nodes=nodes, parameters=parameters, noise=saved.noise,
            mean=saved.mean, X=saved.X, Y=saved.Y, flat=saved.flat, capacity=self.capacity,
            refactor_every=-1 if self.refactor_every is None else self.refactor_every,
            counts=[self._appended, self._dropped, self._refactored, self._refused],
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> StreamingGaussianProcess:
        """Read what save() wrote; the factor is computed afresh, so no update has drifted it.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: another kind of file, or of another version.
        """
        with store.interpreting(path, _FORMAT, _VERSION) as found:
            every = int(found["refactor_every"])
            gp = cls(
                from_tree(found["nodes"], found["parameters"]), float(found["noise"]),
                found["mean"], capacity=int(found["capacity"]),
                refactor_every=None if every == -1 else every,
            )  # fmt: skip
            X, Y, _ = training_data(found["X"], found["Y"])
            if len(X) > gp.capacity:
                raise ConfigError(f"{path}: {len(X)} points in a window of {gp.capacity}")
            gp._gp.fit(X, Y[:, 0] if bool(found["flat"]) else Y, capacity=gp.capacity + 1)
            counts = [int(count) for count in found["counts"]]
            gp._appended, gp._dropped, gp._refactored, gp._refused = counts
        return gp

    @property
    def report(self) -> StreamingReport:
        """Counts since the start."""
        return StreamingReport(
            self._appended, self._dropped, self._refactored, self._since, self._refused
        )

    @property
    def kernel(self) -> Kernel:
        return self._gp.kernel

    @property
    def noise(self) -> float:
        return self._gp.noise

    @property
    def X(self) -> Array:  # noqa: N802 - the literature's name
        """(n, d) the points held, oldest first (a view)."""
        return self._gp.X

    @property
    def Y(self) -> Array:  # noqa: N802 - the literature's name
        """(n, o) their outputs (a view)."""
        return self._gp.Y

    def __len__(self) -> int:
        return len(self._gp)

    # --- inside -------------------------------------------------------------------------------

    def _try(self, x: ArrayLike, y: ArrayLike) -> None:
        try:
            self._gp.append(x, y)
        except InferenceError:
            self._refused += 1
            raise
        self._appended += 1
        self._since += 1

    def _start(self, x: ArrayLike, y: ArrayLike) -> None:
        point, value = numbers(x, "x"), numbers(y, "y")
        self._gp.fit(point[None, :], value.reshape(1, *value.shape), capacity=self.capacity + 1)
        self._appended += 1
