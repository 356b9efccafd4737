"""Every exception optcore raises. Each says which argument, what came and what is needed."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ConfigError",
    "DeviceError",
    "DeviceUnavailable",
    "InferenceError",
    "MissingDependency",
    "ModelFileError",
    "OptcoreError",
    "SceneError",
    "ShapeError",
    "SolverError",
]


class OptcoreError(Exception):
    """Root of all errors of optcore."""


class ShapeError(OptcoreError, ValueError):
    """An array has the wrong shape, dtype or layout."""


class ConfigError(OptcoreError, ValueError):
    """A parameter is outside its range or unknown."""


class SceneError(OptcoreError, ValueError):
    """A recording of people cannot be used; one line naming file, row and remedy."""

    def __init__(
        self, file: str | Path, problem: str, *, row: int | None = None, remedy: str = ""
    ) -> None:
        self.file = str(file)
        self.row = row
        self.problem = problem
        self.remedy = remedy
        where = self.file if row is None else f"{self.file}, row {row}"
        super().__init__(f"{where}: {problem}" + (f"; {remedy}" if remedy else ""))


class ModelFileError(OptcoreError, ValueError):
    """A model file cannot be used; one line naming file, line and what is wrong."""

    def __init__(self, file: str | Path, problem: str, *, line: int | None = None) -> None:
        self.file = str(file)
        self.line = line
        self.problem = problem
        where = self.file if line is None else f"{self.file}, line {line}"
        super().__init__(f"{where}: {problem}")


class InferenceError(OptcoreError, ArithmeticError):
    """A posterior does not exist: non-PSD matrix, zero evidence, NaN."""

    def __init__(self, message: str, *, rows: list[int] | None = None) -> None:
        self.rows = rows or []
        super().__init__(message)


class SolverError(OptcoreError, ArithmeticError):
    """An optimisation problem has no solution within the limits."""


class DeviceError(OptcoreError, RuntimeError):
    """A computation on a device failed."""


class DeviceUnavailable(DeviceError):
    """The device asked for is not there; the message says why."""


class MissingDependency(OptcoreError, ImportError):
    """An optional package is needed; the message gives the install line."""
