"""Tables and decision diagrams of a .pomdpx file as dense arrays over their variables."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp.xml_tree import Element

__all__ = ["MAX_CELLS", "Variable", "evaluate_parameter"]

MAX_CELLS = 20_000_000
"""Cells a function's table may have: the product of the sizes of its variables."""

Fail = Callable[[str, Element], Exception]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


@dataclass(frozen=True)
class Variable:
    """One variable as a function's axis; `previous` names the same variable a step earlier."""

    name: str
    values: list[str]
    previous: str | None = None

    def index(self) -> dict[str, int]:
        return {value: i for i, value in enumerate(self.values)}


def evaluate_parameter(parameter: Element, axes: list[Variable], fail: Fail) -> NDArray[np.float64]:
    """The function of `<Parameter>` over `axes`, in their order; 0 where nothing is said."""
    shape = [len(axis.values) for axis in axes]
    if math.prod(shape) > MAX_CELLS:
        raise fail(f"a table of {math.prod(shape):,} cells is too large", parameter)
    table = np.zeros(shape)
    kind = parameter.attributes.get("type", "TBL")
    if kind == "TBL":
        for entry in parameter.all("Entry"):
            _fill_entry(table, axes, entry, fail)
    elif kind == "DD":
        _Diagram(table, axes, parameter, fail).fill()
    else:
        raise fail(f"Parameter type {kind!r}: need TBL or DD", parameter)
    return table


def _numbers(words: list[str], element: Element, fail: Fail) -> NDArray[np.float64]:
    bad = next((w for w in words if not _NUMBER.match(w) or math.isinf(float(w))), None)
    if bad is not None:
        raise fail(f"need a finite number, found {bad!r}", element)
    return np.array([float(word) for word in words])


def _fill_entry(
    table: NDArray[np.float64], axes: list[Variable], entry: Element, fail: Fail
) -> None:
    """One `<Entry>`: '*' repeats over a variable, '-' enumerates it in the numbers."""
    instance = entry.first("Instance")
    numbers = entry.first("ProbTable") or entry.first("ValueTable")
    if instance is None or numbers is None:
        raise fail("an Entry needs an Instance and a ProbTable or ValueTable", entry)
    words = instance.text.split()
    if len(words) != len(axes):
        names = " ".join(axis.name for axis in axes)
        raise fail(f"Instance has {len(words)} values, need {len(axes)} ({names})", instance)
    where: list[int | slice] = []
    broadcast: list[int] = []  # shape of the numbers against the open axes
    listed: list[int] = []
    for word, axis in zip(words, axes, strict=True):
        size = len(axis.values)
        if word in {"*", "-"}:
            where.append(slice(None))
            broadcast.append(size if word == "-" else 1)
            if word == "-":
                listed.append(size)
        elif word in axis.values:
            where.append(axis.values.index(word))
        else:
            raise fail(f"{word!r} is no value of {axis.name}", instance)
    given = numbers.text.split()
    if given == ["uniform"]:
        values = np.full(math.prod(listed), 1.0 / (listed[-1] if listed else len(axes[-1].values)))
    elif given == ["identity"]:
        if len(listed) != 2 or listed[0] != listed[1]:
            raise fail("identity needs two '-' of equal size in its Instance", numbers)
        values = np.eye(listed[0]).ravel()
    else:
        values = _numbers(given, numbers, fail)
        if len(values) != math.prod(listed):
            raise fail(f"{len(values)} numbers, need {math.prod(listed)}", numbers)
    table[tuple(where)] = values.reshape(broadcast)


class _Diagram:
    """A decision diagram, filled into a table from the root down."""

    def __init__(
        self, table: NDArray[np.float64], axes: list[Variable], parameter: Element, fail: Fail
    ) -> None:
        self._table, self._axes, self._fail = table, axes, fail
        self._position = {axis.name: i for i, axis in enumerate(axes)}
        self._parameter = parameter
        self._templates: dict[str, Element] = {}
        for template in parameter.all("SubDAGTemplate"):
            self._templates[template.attributes.get("id", "")] = template
        self._visits = 0

    def fill(self) -> None:
        root = self._parameter.first("DAG")
        if root is None:
            raise self._fail("a DD parameter needs a DAG", self._parameter)
        self._descend(root, [slice(None)] * len(self._axes), 0)

    def _axis(self, element: Element) -> int:
        name = element.attributes.get("var", "")
        if name not in self._position:
            raise self._fail(f"{name!r} is no variable of this function", element)
        return self._position[name]

    def _descend(self, holder: Element, where: list[int | slice], depth: int) -> None:
        """Fill the part `where` of the table from what an Edge, DAG or template holds."""
        self._visits += 1
        if self._visits > 1_000_000 or depth > 100:
            raise self._fail("the diagram is too large, or a template holds itself", holder)
        if len(holder.children) != 1:
            raise self._fail(f"{holder.name} needs exactly one element inside", holder)
        inner = holder.children[0]
        if inner.name == "Terminal":
            words = inner.text.split()
            if len(words) != 1:
                raise self._fail("Terminal needs one number", inner)
            self._table[tuple(where)] = _numbers(words, inner, self._fail)[0]
        elif inner.name == "Node":
            axis = self._axis(inner)
            if not isinstance(where[axis], slice):
                raise self._fail(f"{self._axes[axis].name} was already decided above", inner)
            values = self._axes[axis].values
            for edge in inner.all("Edge"):
                value = edge.attributes.get("val", "")
                if value not in values:
                    raise self._fail(f"{value!r} is no value of {self._axes[axis].name}", edge)
                branch = list(where)
                branch[axis] = values.index(value)
                self._descend(edge, branch, depth + 1)
        elif inner.name == "SubDAG":
            self._sub(inner, where, depth)
        else:
            raise self._fail(f"unexpected {inner.name} in a diagram", inner)

    def _sub(self, sub: Element, where: list[int | slice], depth: int) -> None:
        kind = sub.attributes.get("type", "")
        if kind == "template":
            name = sub.attributes.get("idref", "")
            if name not in self._templates:
                raise self._fail(f"no SubDAGTemplate {name!r}", sub)
            self._descend(self._templates[name], where, depth + 1)
            return
        axis = self._axis(sub)
        variable = self._axes[axis]
        size = len(variable.values)
        if kind == "uniform":
            self._table[tuple(where)] = 1.0 / size
        elif kind == "deterministic":
            value = sub.attributes.get("val", "")
            if value not in variable.values:
                raise self._fail(f"{value!r} is no value of {variable.name}", sub)
            self._set_axis(where, axis, lambda i: float(i == variable.values.index(value)))
        elif kind == "persistent":
            before = self._position.get(variable.previous or "")
            if before is None:
                raise self._fail(f"persistent: {variable.name} has no previous value here", sub)
            for now in range(size):
                if isinstance(where[before], slice) or where[before] == now:
                    branch = list(where)
                    branch[before] = now
                    self._set_axis(branch, axis, lambda i, now=now: float(i == now))  # type: ignore[misc]
        else:
            raise self._fail(f"SubDAG type {kind!r} is unknown", sub)

    def _set_axis(self, where: list[int | slice], axis: int, value: Callable[[int], float]) -> None:
        for i in range(len(self._axes[axis].values)):
            if isinstance(where[axis], slice) or where[axis] == i:
                branch = list(where)
                branch[axis] = i
                self._table[tuple(branch)] = value(i)
