"""Reader of .pomdpx: factored models with mixed observability, made flat.

A state is one value of every state variable; only states reachable from the start are built, and
states that nothing leaves and that pay nothing are merged where no observation tells them apart. A
fully observed variable is part of the observation. Several rewards add up.

Source   Approximate POMDP Planning toolkit, PomdpX file format 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.belief.pomdp.flatten import Factor, FactoredModel, flatten
from optcore.belief.pomdp.pomdpx_function import Variable, evaluate_parameter
from optcore.belief.pomdp.row_table import SUM_TOLERANCE
from optcore.belief.pomdp.tables import PomdpTables
from optcore.belief.pomdp.xml_tree import Element, read_xml
from optcore.errors import ModelFileError

__all__ = ["read_pomdpx"]


def read_pomdpx(file: str | Path, *, max_bytes: int = 256 << 20) -> PomdpTables:
    """Read a factored model and make it flat.

    Raises:
        ModelFileError: the file cannot be read or is no valid model; names file and line.
    """
    path = Path(file)
    return _Reader(path, read_xml(path, max_bytes)).read()


class _Reader:
    def __init__(self, file: Path, root: Element) -> None:
        self._file, self._root = file, root
        if root.name != "pomdpx":
            raise self._fail(f"need a pomdpx element, found {root.name!r}", root)
        self._variables: dict[str, Variable] = {}
        self._current: list[str] = []
        self._previous: list[str] = []
        self._observed: list[bool] = []
        self._sensors: list[str] = []
        self._action: str | None = None
        self._rewards: list[str] = []

    def _fail(self, problem: str, element: Element) -> ModelFileError:
        return ModelFileError(self._file, problem, line=element.line)

    def _need(self, holder: Element, name: str) -> Element:
        found = holder.first(name)
        if found is None:
            raise self._fail(f"{holder.name} needs {name}", holder)
        return found

    def read(self) -> PomdpTables:
        root = self._root
        discount = self._need(root, "Discount")
        try:
            gamma = float(discount.text)
        except ValueError:
            raise self._fail(f"Discount: need a number, got {discount.text!r}", discount) from None
        if not 0.0 <= gamma < 1.0:
            raise self._fail(f"Discount: need a number in [0, 1), got {gamma:g}", discount)
        self._read_variables(self._need(root, "Variable"))
        start = self._functions("InitialStateBelief", "CondProb", self._previous)
        moves = self._functions("StateTransitionFunction", "CondProb", self._current)
        senses = self._functions("ObsFunction", "CondProb", self._sensors)
        rewards = self._functions("RewardFunction", "Func", self._rewards)
        model = FactoredModel(
            discount=gamma,
            state_variables=[self._variables[name] for name in self._current],
            previous=self._previous,
            observed=self._observed,
            action=self._variables[self._action or ""],
            sensors=[self._variables[name] for name in self._sensors],
            start=start,
            transition=moves,
            observation=senses,
            reward=rewards,
        )
        try:
            return flatten(model)
        except ValueError as error:
            raise self._fail(str(error), root) from None

    def _values(self, element: Element, prefix: str) -> list[str]:
        listed, counted = element.first("ValueEnum"), element.first("NumValues")
        if listed is not None:
            values = listed.text.split()
        elif counted is not None and counted.text.isdecimal() and len(counted.text) < 8:
            values = [f"{prefix}{i}" for i in range(int(counted.text))]
        else:
            raise self._fail("need ValueEnum, or NumValues with a number", element)
        if not values or len(set(values)) != len(values):
            raise self._fail("need at least one value, none of them twice", element)
        if set(values) & {"*", "-"}:
            raise self._fail("'*' and '-' cannot be values", element)
        return values

    def _add(self, name: str | None, element: Element, variable: Variable | None) -> str:
        if not name or name in self._variables or name in self._rewards:
            raise self._fail(f"need a name of its own, got {name!r}", element)
        if variable is not None:
            self._variables[name] = variable
        return name

    def _read_variables(self, holder: Element) -> None:
        for element in holder.children:
            names = element.attributes
            if element.name == "StateVar":
                values = self._values(element, "s")
                before, now = names.get("vnamePrev"), names.get("vnameCurr")
                if before == now:
                    raise self._fail("vnamePrev and vnameCurr must differ", element)
                self._previous.append(self._add(before, element, Variable(before or "", values)))
                self._current.append(self._add(now, element, Variable(now or "", values, before)))
                self._observed.append(names.get("fullyObs", "false").lower() == "true")
            elif element.name == "ObsVar":
                name, values = names.get("vname"), self._values(element, "o")
                self._sensors.append(self._add(name, element, Variable(name or "", values)))
            elif element.name == "ActionVar":
                if self._action is not None:
                    raise self._fail("a second ActionVar; one is supported", element)
                name, values = names.get("vname"), self._values(element, "a")
                self._action = self._add(name, element, Variable(name or "", values))
            elif element.name == "RewardVar":
                self._rewards.append(self._add(names.get("vname"), element, None))
            else:
                raise self._fail(f"unknown variable {element.name}", element)
        if not self._current or self._action is None or not self._rewards:
            raise self._fail("need at least one StateVar, ActionVar and RewardVar", holder)

    def _functions(self, section: str, tag: str, needed: list[str]) -> dict[str, list[Factor]]:
        """The functions of a section by the variable they are of; rewards may have several."""
        holder = self._root.first(section)
        found: dict[str, list[Factor]] = {name: [] for name in needed}
        if holder is None:
            if needed:
                raise self._fail(f"need {section}", self._root)
            return found
        for element in holder.all(tag):
            name = self._need(element, "Var").text
            if name not in found:
                raise self._fail(f"{name!r} is no variable of {section}", element)
            if found[name] and tag == "CondProb":
                raise self._fail(f"{name} is given twice", element)
            found[name].append(self._factor(element, name, tag == "CondProb"))
        for name in needed:
            if not found[name]:
                raise self._fail(f"{section}: {name} is missing", holder)
        return found

    def _factor(self, element: Element, name: str, probability: bool) -> Factor:
        parents = [p for p in self._need(element, "Parent").text.split() if p != "null"]
        for parent in parents:
            if parent not in self._variables or parent == name:
                raise self._fail(f"{parent!r} cannot be a parent of {name}", element)
        scope = [*parents, name] if probability else parents
        if len(set(scope)) != len(scope):
            raise self._fail("a variable is named twice", element)
        parameter = self._need(element, "Parameter")
        axes = [self._variables[variable] for variable in scope]
        if not axes:
            raise self._fail("a reward needs at least one parent", element)
        table = evaluate_parameter(parameter, axes, self._fail)
        if probability:
            self._check(table, axes, parameter)
            table = table / table.sum(axis=-1, keepdims=True)
        return Factor(scope, table)

    def _check(self, table: NDArray[np.float64], axes: list[Variable], element: Element) -> None:
        sums = table.sum(axis=-1)
        for problem, bad in (
            ("a negative probability", (table < 0).any(axis=-1)),
            ("probabilities that do not sum to 1", np.abs(sums - 1.0) > SUM_TOLERANCE),
        ):
            if bad.any():
                at = np.unravel_index(int(np.argmax(bad)), bad.shape) if bad.ndim else ()
                given = _describe(axes, at)
                raise self._fail(f"{axes[-1].name}: {problem} ({given})", element)


def _describe(axes: list[Variable], at: tuple[np.intp, ...] | tuple[()]) -> str:
    def pairs() -> Iterator[str]:
        for axis, index in zip(axes, at, strict=False):
            yield f"{axis.name}={axis.values[int(index)]}"

    return ", ".join(pairs()) or "no parents"
