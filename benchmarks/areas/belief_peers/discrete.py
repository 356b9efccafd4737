"""Discrete Bayes filters beside NumPy and hmmlearn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import Trial, agree

_Floats = NDArray[np.float64]


def _model(states: int, steps: int) -> tuple[_Floats, _Floats]:
    rng = np.random.default_rng(states)
    transition = rng.uniform(0.01, 1, (states, states))
    return transition / transition.sum(axis=1, keepdims=True), -3 * rng.random((steps, states))


def step(trial: Trial, states: int) -> None:
    """1000 chained steps, log-likelihoods in, beliefs and evidence out, in one call."""
    transition, logs = _model(states, 1000)
    prior = np.full(states, 1 / states)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import DiscreteBayesFilter

        model = DiscreteBayesFilter(transition)

        def run() -> float:
            model.reset()
            evidence: _Floats = model.filter(logs, False)[1]
            return float(evidence.sum())

        return run

    @trial.contestant("hmmlearn")
    def _() -> Callable[[], Any]:
        from hmmlearn._hmmc import forward_log

        return lambda: forward_log(prior, transition, logs)[0]

    @trial.contestant("hmmlearn-scaling")
    def _() -> Callable[[], Any]:
        from hmmlearn._hmmc import forward_scaling

        likelihoods = np.exp(logs)  # given to it: only our input is logarithms
        return lambda: forward_scaling(prior, transition, likelihoods)[0]

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"log_evidence": agree(answers, rtol=1e-11)}


def python_call(trial: Trial, states: int) -> None:
    """One step from Python, an array in."""
    transition, logs = _model(states, 1)
    row = logs[0]

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import DiscreteBayesFilter

        model = DiscreteBayesFilter(transition)
        model.step(row)
        first, call = model.probabilities, model.step

        def run() -> _Floats:
            call(row)
            return first

        return run

    _numpy_steps(trial, transition, row, np.float64, "numpy")

    @trial.contestant("hmmlearn")
    def _() -> Callable[[], Any]:
        from hmmlearn._hmmc import forward_log

        two = np.stack([np.zeros(states), row])  # the first row observes nothing

        def run(belief: _Floats) -> _Floats:
            lattice = forward_log(belief, transition, two)[1][1]
            weights = np.exp(lattice - lattice.max())
            normalised: _Floats = weights / weights.sum()
            return normalised

        belief = np.full(states, 1 / states)
        return lambda: run(belief)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-12)}


def dense(trial: Trial, states: int) -> None:
    """One step with a full transition matrix."""
    transition, logs = _model(states, 1)
    row = logs[0]

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import DiscreteBayesFilter

        model = DiscreteBayesFilter(transition)
        model.step(row)
        first = model.probabilities

        def run() -> _Floats:
            model.step(row)
            return first

        return run

    _numpy_steps(trial, transition, row, np.float64, "numpy")
    _numpy_steps(trial, transition, row, np.float32, "numpy-float32")

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-4)}


def _numpy_steps(trial: Trial, transition: _Floats, row: _Floats, kind: Any, name: str) -> None:
    @trial.contestant(name)
    def _() -> Callable[[], Any]:
        into = np.ascontiguousarray(transition.T.astype(kind))  # rows by target: the faster product
        logs = row.astype(kind)
        belief = np.full(len(row), 1 / len(row), kind)

        def update() -> None:
            nonlocal belief
            weights = (into @ belief) * np.exp(logs - logs.max())
            belief = weights / weights.sum()

        update()
        first = belief

        def run() -> Any:
            update()
            return first

        return run
