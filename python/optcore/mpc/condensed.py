"""A model-predictive controller whose model never changes, condensed to constant tables.

    optcore.mpc.export_header(problem, "controller.hpp", name="controller")

and on the robot, with no heap and no factorisation:

    #include "optcore/mpc/condensed.hpp"
    #include "controller.hpp"
    optcore::mpc::CondensedController<float> mpc;
    mpc.attach(arena, controller::tables);  // once

Source: Borrelli, Bemporad & Morari, Predictive Control (2017), section 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from optcore._files import replace_file
from optcore._header import SCALARS, array_lines, check_name, check_scalar, padded
from optcore.errors import ConfigError, ShapeError
from optcore.mpc.augment import NO_BOUND
from optcore.mpc.ocp import OcpQp

__all__ = ["CondensedProblem", "condense", "export_header"]

_Floats = NDArray[np.float64]
_Long = NDArray[Any]  # np.longdouble


@dataclass(frozen=True)
class CondensedProblem:
    """The plan y as a function of what is measured and of its bounds' multipliers.

    y = response p + offset - gram lambda, p = (x0, w); y holds all inputs in the order of stages,
    then the bounded states and rows stage by stage.
    """

    states: int
    inputs: int
    horizon: int
    disturbances: int
    response: _Floats
    """(v, states + disturbances)"""
    offset: _Floats
    """(v,)"""
    low: _Floats
    """(v,), -inf where there is none"""
    high: _Floats
    """(v,)"""
    gram: _Floats
    """(v, v), positive semi-definite"""
    condition: float
    """of the condensed Hessian"""
    priced: int
    """rows that may be violated at a price"""

    @property
    def capacity(self) -> int:
        """Most bounds that can be active at once (gram's rank), and one that is on its way."""
        return min(self.horizon * self.inputs + self.priced, len(self.offset)) + 1

    @property
    def unit(self) -> _Floats:
        """(v,) powers of 16 near the size of each value's bounds, for one tolerance.

        Coarse, so that values of about the same size keep it: which bound is broken most, and so
        enters the active set first, should not depend on rounding to a power.
        """
        bounds = np.abs(np.stack([self.low, self.high]))
        room = np.where(np.isfinite(self.high - self.low), (self.high - self.low) / 2, np.inf)
        size = np.where(np.isfinite(bounds) & (bounds > 0), bounds, np.inf).min(axis=0)
        size = np.maximum(size, np.where(np.isfinite(room), 1e-3 * room, 0.0))
        free = np.sqrt(np.maximum(self.gram.diagonal(), 0.0))
        size = np.where(np.isfinite(size), size, np.where(free > 0, free, 1.0))
        return np.exp2(4 * np.round(np.log2(size) / 4))


def condense(problem: OcpQp, disturbance: ArrayLike | None = None) -> CondensedProblem:
    """Eliminate the states.

    Args:
        problem: hard bounds and rows, and rows at a quadratic price (soft l1 = 0, l2 > 0).
        disturbance: E (nx, nw); x[k+1] = A x + B u + b + E w with w (nw,) measured at each step and
            constant over the horizon.

    Raises:
        ConfigError: a free first state, rows at a linear price, a Hessian that is not positive
            definite (an input without cost or effect).
        ShapeError: disturbance.
    """
    if problem.free_x0:
        raise ConfigError("problem: free_x0 cannot be condensed: nothing is measured")
    # in extended precision: what a long horizon of an unstable model cancels is then not missed
    a = {name: array.astype(np.longdouble) for name, array in problem.arrays.items()}
    n, m, N, _ = problem.size
    E: _Long = np.zeros((n, 0)) if disturbance is None else np.asarray(disturbance, np.longdouble)
    if E.ndim != 2 or E.shape[0] != n or not np.isfinite(E).all():
        raise ShapeError(f"disturbance must be finite and ({n}, nw), got {E.shape}")
    priced = (a["l1"] < NO_BOUND / 10) & (a["l1"] > 0)
    if priced.any():
        raise ConfigError(
            "problem: rows at a linear price l1 cannot be condensed; give l1=0 and l2"
        )
    measured, unknowns = n + E.shape[1], N * m
    # x[k] = of_u[k] U + of_p[k] p + constant[k]
    of_u = np.zeros((N + 1, n, unknowns), np.longdouble)
    of_p = np.zeros((N + 1, n, measured), np.longdouble)
    constant = np.zeros((N + 1, n), np.longdouble)
    of_p[0, :, :n] = np.eye(n)
    for k in range(N):
        of_u[k + 1] = a["A"][k] @ of_u[k]
        of_u[k + 1, :, k * m : (k + 1) * m] += a["B"][k]
        of_p[k + 1] = a["A"][k] @ of_p[k]
        of_p[k + 1, :, n:] += E
        constant[k + 1] = a["A"][k] @ constant[k] + a["b"][k]
    hessian: _Long = np.zeros((unknowns, unknowns), np.longdouble)
    linear, const = np.zeros((unknowns, measured), np.longdouble), a["r"].reshape(-1).copy()
    for k in range(N + 1):
        weighted = of_u[k].T @ a["Q"][k]
        hessian += weighted @ of_u[k]
        linear += weighted @ of_p[k]
        const += weighted @ constant[k] + of_u[k].T @ a["q"][k]
        if k < N:
            own = slice(k * m, (k + 1) * m)
            cross = a["S"][k] @ of_u[k]
            hessian[own, own] += a["R"][k]
            hessian[own] += cross
            hessian[:, own] += cross.T
            linear[own] += a["S"][k] @ of_p[k]
            const[own] += a["S"][k] @ constant[k]
    hessian = (hessian + hessian.T) / 2
    try:
        factor = scipy.linalg.cho_factor(hessian.astype(np.float64), lower=True)
    except scipy.linalg.LinAlgError:
        raise ConfigError(
            "problem: the condensed Hessian is not positive definite; give every input a cost in R"
        ) from None
    condition = float(np.linalg.cond(hessian.astype(np.float64)))

    rows_u, rows_p = [np.eye(unknowns)], [np.zeros((unknowns, measured))]
    rows_c, slack = [np.zeros(unknowns)], [np.zeros(unknowns)]
    low, high = [a["lbu"].reshape(-1)], [a["ubu"].reshape(-1)]
    for k in range(N + 1):
        bounded = (a["lbx"][k] > -NO_BOUND / 10) | (a["ubx"][k] < NO_BOUND / 10)
        if k > 0 and bounded.any():
            rows_u.append(of_u[k][bounded])
            rows_p.append(of_p[k][bounded])
            rows_c.append(constant[k][bounded])
            low.append(a["lbx"][k][bounded])
            high.append(a["ubx"][k][bounded])
            slack.append(np.zeros(int(bounded.sum())))
        used = (a["lg"][k] > -NO_BOUND / 10) | (a["ug"][k] < NO_BOUND / 10)
        if k == 0:  # rows without inputs say nothing that could be chosen
            used &= np.abs(a["D"][0]).max(axis=-1, initial=0) > 0
        if used.any():
            C = a["C"][k][used]
            of_inputs = C @ of_u[k]
            if k < N:
                of_inputs[:, k * m : (k + 1) * m] += a["D"][k][used]
            rows_u.append(of_inputs)
            rows_p.append(C @ of_p[k])
            rows_c.append(C @ constant[k])
            low.append(a["lg"][k][used])
            high.append(a["ug"][k][used])
            soft = a["l1"][k][used] == 0
            price = np.where(soft, a["l2"][k][used], 1.0)
            slack.append(np.where(soft, 1 / price, 0.0))
    G = np.concatenate(rows_u)
    effect = _solve(factor, hessian, G.T)  # H^-1 G'
    low_all, high_all = np.concatenate(low), np.concatenate(high)
    gram = G @ effect
    return CondensedProblem(
        states=n,
        inputs=m,
        horizon=N,
        disturbances=E.shape[1],
        response=(np.concatenate(rows_p) - effect.T @ linear).astype(np.float64),
        offset=(np.concatenate(rows_c) - effect.T @ const).astype(np.float64),
        low=np.where(low_all > -NO_BOUND / 10, low_all, -np.inf).astype(np.float64),
        high=np.where(high_all < NO_BOUND / 10, high_all, np.inf).astype(np.float64),
        gram=((gram + gram.T) / 2 + np.diag(np.concatenate(slack))).astype(np.float64),
        condition=condition,
        priced=int(np.count_nonzero(np.concatenate(slack))),
    )


def _solve(factor: tuple[_Floats, bool], hessian: _Long, right: _Long) -> _Long:
    """H^-1 right, refined in extended precision."""
    x = np.zeros_like(right)
    for _ in range(4):
        residual = (right - hessian @ x).astype(np.float64)
        x += scipy.linalg.cho_solve(factor, residual)
    return x


def check_condition(p: CondensedProblem, scalar: str) -> None:
    """
    Raises:
        ConfigError: `scalar` cannot carry its Hessian or its equalities.
    """
    limit = 1 / float(np.finfo(SCALARS[scalar][0]).eps)
    if p.condition > limit:
        raise ConfigError(
            f"problem: the condensed Hessian's condition {p.condition:.1e} is too large for "
            f"{scalar} (at most {limit:.0e}); shorten the horizon, stabilise the model by "
            "feedback, scale the inputs, or export double"
        )
    equal = p.low == p.high
    if equal.any():
        fixed = float(np.linalg.cond(p.gram[np.ix_(equal, equal)]))
        if fixed > 0.1 * limit:
            raise ConfigError(
                f"problem: the condition {fixed:.1e} of its equalities is too large for {scalar} "
                f"(at most {0.1 * limit:.0e}); leave them a margin, or export double"
            )


def export_header(
    problem: OcpQp | CondensedProblem,
    path: str | Path,
    *,
    name: str = "controller",
    scalar: str = "float",
    compact: bool = False,
) -> int:
    """Write the tables that mpc::CondensedController answers from; returns their size in bytes.

    Args, Raises: as header(); path: of the file; compact: for mpc::CompactController, see
        compact_header().
    """
    if compact:
        if isinstance(problem, CondensedProblem):
            raise ConfigError("problem: compact tables are made of the OcpQp itself")
        from optcore.mpc.compact import compact_header

        text, size = compact_header(problem, name=name, scalar=scalar)
    else:
        text, size = header(problem, name=name, scalar=scalar)
    replace_file(path, lambda file: file.write(text.encode()))
    return size


def header(
    problem: OcpQp | CondensedProblem, *, name: str = "controller", scalar: str = "float"
) -> tuple[str, int]:
    """The tables as C++, and their size in bytes.

    Args:
        problem: see condense().
        name: its namespace, a C++ identifier.
        scalar: "float" or "double".

    Raises:
        ConfigError: as condense(); a name that is none; another scalar; a Hessian or a set of
            equalities so badly conditioned that `scalar` cannot carry it; a number beyond it.
    """
    check_name(name)
    check_scalar(scalar)
    p = problem if isinstance(problem, CondensedProblem) else condense(problem)
    check_condition(p, scalar)
    values, stride = len(p.offset), padded(len(p.offset))
    wide = [(0, 0), (0, stride - values)]
    unit = p.unit
    arrays = {
        "response": np.pad(p.response.T / unit, wide),
        "offset": np.pad(p.offset / unit, wide[1]),
        "low": np.pad(p.low / unit, wide[1], constant_values=-np.inf),
        "high": np.pad(p.high / unit, wide[1], constant_values=np.inf),
        "gram": np.pad(p.gram / np.outer(unit, unit), wide),
        "unit": np.pad(unit, wide[1], constant_values=1.0),
    }
    lines = [
        f"// {p.states} states, {p.inputs} inputs, {p.horizon} stages. "
        "Written by optcore.mpc.export_header.",
        "#pragma once",
        "",
        '#include "optcore/core/math.hpp"',
        '#include "optcore/mpc/condensed_tables.hpp"',
        "",
        f"namespace {name} {{",
        "",
    ]
    for key, array in arrays.items():
        lines += array_lines(key, array, scalar)
    lines += [
        f"inline constexpr optcore::CondensedTables<{scalar}> tables = {{",
        f"    {p.states}, {p.inputs}, {p.horizon}, {p.disturbances}, {values}, {stride}, "
        f"{p.capacity},",
        "    response, offset, low, high, gram, unit};",
        "",
        f"}}  // namespace {name}",
        "",
    ]
    itemsize = np.dtype(SCALARS[scalar][0]).itemsize
    return "\n".join(lines), int(sum(array.size for array in arrays.values()) * itemsize)
