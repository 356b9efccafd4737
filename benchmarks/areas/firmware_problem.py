"""What the firmware cases solve: the hovering quadrotor of ../shared/data/mpc."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import Trial

__all__ = ["array", "quadrotor"]


def quadrotor() -> tuple[dict[str, Any], dict[str, Any]]:
    """The data, and three problems on them by name: plain, state, mild."""
    from optcore.mpc import OcpQp

    data = dict(np.load(Trial.data("mpc/firmware_quadrotor_12_4_10.npz")))
    arrays = {name: data[name] for name in ("A", "B", "b", "Q", "R", "q", "r", "lbu", "ubu")}
    problems = {
        name: OcpQp(**arrays, lbx=data[f"lbx{suffix}"], ubx=data[f"ubx{suffix}"])
        for name, suffix in (("plain", ""), ("state", "_state"), ("mild", "_mild"))
    }
    return data, problems


def array(name: str, values: Any) -> str:
    """A constant C array of floats."""
    flat = np.ravel(values)
    return f"const float {name}[{flat.size}] = {{{', '.join(f'{v:.9e}f' for v in flat)}}};\n"
