"""Fitted processes kept under a key, within a number and a size; the longest unused leave first."""

from __future__ import annotations

from collections import OrderedDict

from optcore.gp import GaussianProcess, SparseGaussianProcess

__all__ = ["FittedModels", "Model"]

Model = GaussianProcess | SparseGaussianProcess


class FittedModels:
    """At most `most` models. Not for several threads at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._models: OrderedDict[bytes, tuple[Model, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._models)

    @property
    def megabytes(self) -> float:
        """Of all models kept, about."""
        return sum(size for _, size in self._models.values())

    def find(self, key: bytes) -> Model | None:
        """The model under the key, now the latest used."""
        if (found := self._models.get(key)) is None:
            return None
        self._models.move_to_end(key)
        return found[0]

    def keep(self, key: bytes, model: Model, megabytes: float) -> None:
        """Keep a model, unless it alone is too large for so many MB."""
        size = _megabytes(model)
        if size > megabytes:
            return
        self._models[key] = (model, size)
        total = self.megabytes
        while len(self._models) > self._most or total > megabytes:
            _, (_, freed) = self._models.popitem(last=False)
            total -= freed

    def clear(self) -> None:
        self._models.clear()


def _megabytes(model: Model) -> float:
    """Of the native matrices, about: n^2 twice while the inverse factor is held, or 9 m^2."""
    if isinstance(model, SparseGaussianProcess):
        return 9 * 8e-6 * len(model.inducing_inputs) ** 2
    n = len(model)
    return (2 if n <= 512 else 1) * 8e-6 * n * n
