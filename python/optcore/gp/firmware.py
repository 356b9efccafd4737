"""A fitted Gaussian process as a C++ header of constant tables, for firmware.

    optcore.gp.export_header(gp, "torque_model.hpp", name="torque_model")

and on the robot, with no heap and no fit:

    #include "optcore/gp/model.hpp"
    #include "torque_model.hpp"
    optcore::gp::Model<float> gp;   // then once: gp.attach(arena, torque_model::tables)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore import _header
from optcore._files import replace_file
from optcore._header import SCALARS, array_lines, padded
from optcore.gp.gaussian_process import GaussianProcess
from optcore.gp.kernels import StationaryKernel, tree
from optcore.gp.likelihood import is_fused
from optcore.gp.means import PriorMean

__all__ = ["export_header"]

Array = NDArray[np.float64]
INPUT_SCALE = {0: 0.5**0.5, 1: 1.0, 2: 3**0.5, 3: 5**0.5}  # gp/stationary.hpp, per family
COMPOSITE = 4


def export_header(
    gp: GaussianProcess,
    path: str | Path,
    *,
    name: str = "model",
    scalar: str = "float",
    compact: bool = False,
) -> int:
    """Write the tables that gp::Model::attach() answers from; returns their size in bytes.

    Args, Raises: as header(); path: of the file.
    """
    text, size = header(gp, name=name, scalar=scalar, compact=compact)
    replace_file(path, lambda file: file.write(text.encode()))
    return size


def header(
    gp: GaussianProcess, *, name: str = "model", scalar: str = "float", compact: bool = False
) -> tuple[str, int]:
    """The tables as C++, and their size in bytes.

    Args:
        gp: fitted, with a constant or linear mean.
        name: its namespace, a C++ identifier.
        scalar: "float" or "double".
        compact: rows padded to four numbers, no more: for microcontrollers. Where registers are
            wider (AVX), attach() refuses such tables.

    Raises:
        ConfigError: a mean function, a name that is none, another scalar, a number beyond it.
    """
    _header.check_name(name)
    _header.check_scalar(scalar)
    constants = gp.constants()
    n, dims = constants.X.shape
    outputs = constants.Y.shape[1]
    stride = -(-n // 4) * 4 if compact else padded(n)
    covariance = gp.kernel(constants.X)
    covariance[np.diag_indices(n)] += constants.noise
    if constants.point_noise is not None:
        covariance[np.diag_indices(n)] += constants.point_noise
    prior = PriorMean("linear")  # also of a constant
    prior.values = constants.mean
    mean = prior.native(dims, outputs)
    assert mean is not None
    factor = np.eye(stride)
    factor[:n, :n] = np.linalg.cholesky(covariance)
    weights = np.zeros((outputs, stride))
    weights[:, :n] = np.linalg.solve(covariance, constants.Y - prior.at(constants.X, outputs)).T
    nodes, parameters = tree(gp.kernel, dims)
    family, variance, scales = COMPOSITE, float(covariance.diagonal().max()), np.ones(dims)
    if is_fused(gp.kernel):
        assert isinstance(gp.kernel, StationaryKernel)
        family, variance = gp.kernel.family, gp.kernel.variance
        scales = INPUT_SCALE[family] / gp.kernel.length_scales(dims)
        nodes, parameters = nodes[:0], parameters[:0]
    inputs = np.zeros((dims, stride))
    inputs[:, :n] = (constants.X * scales).T

    def number(value: float) -> str:
        return _header.number(value, scalar)

    arrays = {"scales": scales, "inputs": inputs, "factor": factor.T, "weights": weights,
              "mean": mean, "parameters": parameters}  # fmt: skip
    lines = [
        f"// {n} points, {dims} inputs, {outputs} outputs. Written by optcore.gp.export_header.",
        "#pragma once",
        "",
        '#include "optcore/gp/tables.hpp"',
        "",
        f"namespace {name} {{",
        "",
    ]
    for key, values in arrays.items():
        if values.size:
            lines += array_lines(key, values, scalar)
    if len(nodes):
        lines.append(f"inline constexpr optcore::KernelNode nodes[{len(nodes)}] = {{")
        for kind, *rest in nodes.tolist():
            numbers = ", ".join(str(v) for v in rest)
            lines.append(f"    {{static_cast<optcore::KernelKind>({kind}), {numbers}}},")
        lines.append("};")
    given = "nodes" if len(nodes) else "nullptr"
    of_nodes = "parameters" if len(nodes) else "nullptr"
    lines += [
        f"inline constexpr optcore::gp::Tables<{scalar}> tables = {{",
        f"    {family}, {n}, {dims}, {outputs}, {stride}, {number(variance)}, "
        f"{number(constants.noise)},",
        f"    scales, inputs, factor, weights, mean, {given}, {len(nodes)}, {of_nodes}, "
        f"{parameters.size}, {mean.size}}};",
        "",
        f"}}  // namespace {name}",
        "",
    ]
    itemsize = np.dtype(SCALARS[scalar][0]).itemsize
    return "\n".join(lines), int(sum(values.size for values in arrays.values()) * itemsize)
