"""Tables of a controller in a tenth of the flash: the inputs' share alone, and the model.

    optcore.mpc.export_header(problem, "controller.hpp", name="controller", compact=True)

for mpc::CompactController (optcore/mpc/compact.hpp), which computes the states' share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optcore._header import SCALARS, array_lines, check_name, check_scalar, padded
from optcore.errors import ConfigError
from optcore.mpc.augment import NO_BOUND
from optcore.mpc.condensed import CondensedProblem, check_condition, condense
from optcore.mpc.ocp import OcpQp

__all__ = ["compact_header", "compact_tables"]

_Floats = NDArray[np.float64]


def compact_header(
    problem: OcpQp,
    disturbance: ArrayLike | None = None,
    *,
    name: str = "controller",
    scalar: str = "float",
) -> tuple[str, int]:
    """The tables as C++, and their size in bytes.

    Args:
        problem, disturbance: as of compact_tables().
        name: its namespace, a C++ identifier.
        scalar: "float" or "double".

    Raises:
        ConfigError, ShapeError: as compact_tables(); a Hessian or a set of equalities so badly
            conditioned that `scalar` cannot carry it; a number beyond it.
    """
    check_name(name)
    check_scalar(scalar)
    sizes, arrays, condensed = compact_tables(problem, disturbance)
    check_condition(condensed, scalar)
    n, m, N = sizes[:3]
    lines = [
        f"// {n} states, {m} inputs, {N} stages. Written by optcore.mpc.export_header.",
        "#pragma once",
        "",
        '#include "optcore/core/math.hpp"',
        '#include "optcore/mpc/compact_tables.hpp"',
        "",
        f"namespace {name} {{",
        "",
    ]
    for key, array in arrays.items():
        if array.size:
            lines += array_lines(key, array, scalar)
    given = ", ".join(key if array.size else "nullptr" for key, array in arrays.items())
    lines += [
        f"inline constexpr optcore::CompactTables<{scalar}> tables = {{",
        f"    {', '.join(map(str, sizes))},",
        f"    {given}}};",
        "",
        f"}}  // namespace {name}",
        "",
    ]
    itemsize = np.dtype(SCALARS[scalar][0]).itemsize
    return "\n".join(lines), int(sum(array.size for array in arrays.values()) * itemsize)


def compact_tables(
    problem: OcpQp, disturbance: ArrayLike | None = None
) -> tuple[tuple[int, ...], dict[str, _Floats], CondensedProblem]:
    """Sizes and arrays in the order of CompactTables, and what they were made of.

    Args:
        problem: with bounds on states and inputs alone.
        disturbance: as of condense().

    Raises:
        ConfigError: rows; as condense().
        ShapeError: disturbance.
    """
    a = problem.arrays
    used = (a["lg"] > -NO_BOUND / 10) | (a["ug"] < NO_BOUND / 10)
    if used.any():
        raise ConfigError("problem: rows have no compact tables, only bounds; leave compact out")
    condensed = condense(problem, disturbance)
    n, m, N, _ = problem.size
    E = np.zeros((n, 0)) if disturbance is None else np.asarray(disturbance, np.float64)
    inputs, stride = N * m, padded(N * (n + m))
    low = np.concatenate([a["lbu"].reshape(-1), a["lbx"][1:].reshape(-1)])
    high = np.concatenate([a["ubu"].reshape(-1), a["ubx"][1:].reshape(-1)])
    inverse = condensed.gram[:inputs, :inputs]  # rows of the inputs themselves
    of_x, of_u = _units(problem, low, high, inverse)
    per_input = np.tile(of_u, N)
    units = np.concatenate([per_input, np.tile(of_x, N)])
    same = all((a[key] == a[key][:1]).all() for key in ("A", "B", "b"))
    models = 1 if same else N
    model = np.concatenate([a["A"] * of_x, a["B"] * of_u], axis=2)[:models] / of_x[:, None]
    rest = (0, stride - len(units))
    low = np.where(low > -NO_BOUND / 10, low / units, -np.inf)
    high = np.where(high < NO_BOUND / 10, high / units, np.inf)
    sizes = (n, m, N, E.shape[1], len(units), stride, inputs + 1, models)
    arrays = {
        "response": condensed.response[:inputs].T / per_input,
        "offset": condensed.offset[:inputs] / per_input,
        "inverse": inverse / np.outer(per_input, per_input),
        "model": model,
        "drift": a["b"][:models] / of_x,
        "disturbance": E / of_x[:, None],
        "low": np.pad(low, rest, constant_values=-np.inf),
        "high": np.pad(high, rest, constant_values=np.inf),
        "unit": np.concatenate([of_x, of_u]),
    }
    return sizes, arrays, condensed


def _units(
    problem: OcpQp, low: _Floats, high: _Floats, inverse: _Floats
) -> tuple[_Floats, _Floats]:
    """(nx,) and (nu,): of each component over all stages, powers of 16 near the size of its
    bounds, or of how far the inputs can move it where it has none."""
    n, m, N, _ = problem.size
    a = problem.arrays
    moved = np.zeros((N, n, N * m))
    for k in range(N):
        if k > 0:
            moved[k] = a["A"][k] @ moved[k - 1]
        moved[k][:, k * m : (k + 1) * m] += a["B"][k]
    reach = np.sqrt(np.maximum(np.einsum("kiu,uv,kiv->ki", moved, inverse, moved), 0))
    free = np.concatenate([np.sqrt(inverse.diagonal()), reach.reshape(-1)])
    bounds = np.abs(np.stack([low, high]))
    size = np.where((bounds < NO_BOUND / 10) & (bounds > 0), bounds, np.inf).min(axis=0)
    room = np.where((low > -NO_BOUND / 10) & (high < NO_BOUND / 10), (high - low) / 2, 0.0)
    size = np.maximum(size, 1e-3 * room)
    size = np.where(np.isfinite(size), size, np.where(free > 0, free, 1.0))
    exponents = 4 * np.round(np.log2(size) / 4)
    of_u = np.exp2(np.median(exponents[: N * m].reshape(N, m), axis=0).round())
    of_x = np.exp2(np.median(exponents[N * m :].reshape(N, n), axis=0).round())
    return of_x, of_u
