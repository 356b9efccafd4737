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
    """One step with a full transition matrix, kept in single precision; the belief is double."""
    transition, logs = _model(states, 1)
    row = logs[0]

    def ours(kind: Any) -> Callable[[], Any]:
        from optcore.belief import DiscreteBayesFilter

        model = DiscreteBayesFilter(transition, dtype=kind)
        model.step(row)
        first = model.probabilities

        def run() -> _Floats:
            model.step(row)
            return first

        return run

    trial.contestant("optcore")(lambda: ours(np.float32))
    trial.contestant("optcore-float64")(lambda: ours(np.float64))

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


def batch(trial: Trial, beliefs: int, states: int) -> None:
    """One step of many independent beliefs that share a transition matrix."""
    transition, logs = _model(states, beliefs)
    start = np.full((beliefs, states), 1 / states)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore.belief import DiscreteBayesBatch

        model = DiscreteBayesBatch(beliefs, transition)
        model.step(logs)
        first = model.probabilities.copy()

        def run() -> _Floats:
            model.step(logs)
            return first

        return run

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        belief = start

        def update() -> None:
            nonlocal belief
            weights = (belief @ transition) * np.exp(logs - logs.max(axis=1, keepdims=True))
            belief = weights / weights.sum(axis=1, keepdims=True)

        update()
        first = belief

        def run() -> _Floats:
            update()
            return first

        return run

    @trial.contestant("jax")
    def _() -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        T, given = jnp.asarray(transition), jnp.asarray(logs)

        @jax.jit
        def advance(belief: Any, given: Any) -> Any:
            weights = (belief @ T) * jnp.exp(given - given.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)

        belief: Any = advance(jnp.asarray(start), given)
        first = np.asarray(belief)

        def run() -> Any:
            nonlocal belief
            belief = advance(belief, given)
            belief.block_until_ready()
            return first

        return run

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"difference": agree(answers, rtol=1e-11)}
