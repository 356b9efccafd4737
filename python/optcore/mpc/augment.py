"""Problems rewritten so that the solver's one form covers them: input rates, a free first state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_BOUND", "with_free_start", "with_rates"]

_Floats = NDArray[np.float64]
_Arrays = dict[str, _Floats]

NO_BOUND = 1e30


def _wider(array: _Floats, axis: int, more: int, value: float = 0.0) -> _Floats:
    pad = [(0, 0)] * array.ndim
    pad[axis] = (0, more)
    return np.pad(array, pad, constant_values=value)


def with_rates(a: _Arrays, lower: _Floats, upper: _Floats) -> _Arrays:
    """The state carries the last input; rows bound lower <= u[k] - u[k-1] <= upper, both (nu,)."""
    N, n, m = a["B"].shape
    rows = a["lg"].shape[1]
    out = dict(a)
    out["A"] = _wider(_wider(a["A"], 1, m), 2, m)
    out["B"] = np.concatenate([a["B"], np.broadcast_to(np.eye(m), (N, m, m))], axis=1)
    out["b"] = _wider(a["b"], 1, m)
    out["Q"] = _wider(_wider(a["Q"], 1, m), 2, m)
    out["q"] = _wider(a["q"], 1, m)
    out["S"] = _wider(a["S"], 2, m)
    out["lbx"] = _wider(a["lbx"], 1, m, -NO_BOUND)
    out["ubx"] = _wider(a["ubx"], 1, m, NO_BOUND)
    out["C"] = _wider(_wider(a["C"], 2, m), 1, m)
    out["C"][:N, rows:, n:] = -np.eye(m)
    out["D"] = _wider(a["D"], 1, m)
    out["D"][:, rows:] = np.eye(m)
    out["lg"], out["ug"] = _wider(a["lg"], 1, m, -NO_BOUND), _wider(a["ug"], 1, m, NO_BOUND)
    out["lg"][:N, rows:], out["ug"][:N, rows:] = lower, upper
    out["l1"], out["l2"] = _wider(a["l1"], 1, m, NO_BOUND), _wider(a["l2"], 1, m)
    return {name: np.ascontiguousarray(array) for name, array in out.items()}


def with_free_start(a: _Arrays) -> _Arrays:
    """One more stage whose input is the first state; stage 0 then costs and bounds its state."""
    n, m = a["B"].shape[1:]
    wide = max(n, m)
    first = {
        "A": np.zeros((n, n)),
        "B": np.eye(n, wide),
        "b": np.zeros(n),
        "Q": np.zeros((n, n)),
        "R": np.diag(np.r_[np.zeros(n), np.ones(wide - n)]),
        "S": np.zeros((wide, n)),
        "q": np.zeros(n),
        "r": np.zeros(wide),
        "lbx": np.full(n, -NO_BOUND),
        "ubx": np.full(n, NO_BOUND),
        "lbu": np.full(wide, -NO_BOUND),
        "ubu": np.full(wide, NO_BOUND),
        "C": np.zeros_like(a["C"][0]),
        "D": np.zeros((a["D"].shape[1], wide)),
        "lg": np.full_like(a["lg"][0], -NO_BOUND),
        "ug": np.full_like(a["ug"][0], NO_BOUND),
        "l1": a["l1"][0],
        "l2": a["l2"][0],
    }
    rest = dict(a)
    extra = wide - m
    rest["B"], rest["D"] = _wider(a["B"], 2, extra), _wider(a["D"], 2, extra)
    rest["R"] = _wider(_wider(a["R"], 1, extra), 2, extra)
    rest["R"][:, np.arange(m, wide), np.arange(m, wide)] = 1.0
    rest["S"], rest["r"] = _wider(a["S"], 1, extra), _wider(a["r"], 1, extra)
    rest["lbu"], rest["ubu"] = (
        _wider(a["lbu"], 1, extra, -NO_BOUND),
        _wider(a["ubu"], 1, extra, NO_BOUND),
    )
    return {name: np.ascontiguousarray(np.r_[first[name][None], rest[name]]) for name in first}
