"""Goal beliefs against the quadrature in NumPy, and on walks whose goal is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optcore import Status
from optcore.belief import GoalBelief
from optcore.errors import ConfigError, ShapeError
from optcore.reference.belief import boltzmann_log_likelihood

place = st.tuples(st.floats(-50, 50), st.floats(-50, 50))


@given(place, place, st.lists(place, min_size=1, max_size=5))
@example((0.0, 12.0), (0.0, 1.192092896e-07), [(0.0, 0.0)])  # a step that ends on the goal
def test_one_step_agrees_with_the_reference(start, end, goals) -> None:
    betas = np.array([0.0, 0.5, 5.0])
    belief = GoalBelief(goals, betas, switching=0.0)
    belief.observe(start)
    assert belief.observe(end) is Status.ok
    logs = boltzmann_log_likelihood(
        *(np.array(a, dtype=np.longdouble) for a in (start, end, goals, betas))
    )
    weights = np.exp(logs - logs.max())
    np.testing.assert_allclose(
        belief.joint, (weights / weights.sum()).astype(float), rtol=1e-9, atol=1e-11
    )


def test_a_straight_walk_reveals_goal_and_rationality() -> None:
    goals = np.array([[10.0, 0.0], [0.0, 10.0], [-10.0, 0.0]])
    belief = GoalBelief(goals, betas=[0.1, 10.0])
    for x in np.arange(0, 5, 0.4):
        assert belief.observe([x, 0.0]) is Status.ok
    assert belief.goals[0] > 0.9
    assert belief.betas[1] > 0.9
    assert belief.joint.shape == (3, 2)
    assert belief.joint.sum() == pytest.approx(1)
    for _ in range(10):  # standing still says nothing beyond the switching
        belief.observe([4.8, 0.0])
    assert belief.goals.argmax() == 0


def test_bad_positions_keep_belief_and_place() -> None:
    belief = GoalBelief([[5, 0], [0, 5]], [2.0])
    assert belief.observe([np.nan, 0.0]) is Status.not_finite
    belief.observe([0.0, 0.0])
    belief.observe([1.0, 0.0])
    before = belief.joint
    assert belief.observe([np.inf, 0.0]) is Status.not_finite
    assert np.array_equal(belief.joint, before)
    assert belief.observe([2.0, 0.0]) is Status.ok
    assert belief.goals[0] > before.sum(axis=1)[0]
    belief.reset()
    np.testing.assert_allclose(belief.goals, 0.5)


def test_arguments_are_checked() -> None:
    with pytest.raises(ShapeError, match="goals"):
        GoalBelief([1.0, 2.0], [1.0])
    with pytest.raises(ConfigError, match="betas >= 0"):
        GoalBelief([[1.0, 2.0]], [-1.0])
    with pytest.raises(ConfigError, match="goal_prior"):
        GoalBelief([[1.0, 2.0]], [1.0], goal_prior=[0.0])
    with pytest.raises(ShapeError, match="position"):
        GoalBelief([[1.0, 2.0]], [1.0]).observe([1.0])
