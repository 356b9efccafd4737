"""Learning by acting: posteriors, PSRL, Bayesian Q-learning, Bayes-adaptive search."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import digamma

from optcore.belief.learning import BAMCP, PSRL, BayesianQ, DirichletMDP, GymnasiumAgent
from optcore.belief.planning import BeliefTree, PointBasedPlanner, value_iteration
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ConfigError, ShapeError


def test_the_posterior_is_dirichlet_and_normal_gamma() -> None:
    mdp = DirichletMDP(3, 1, discount=0.9, prior=0.5, reward_scale=2.0)
    for reward, after in ((1.0, 0), (3.0, 0), (2.0, 2)):
        mdp.observe(1, 0, reward, after)
    T, R = mdp.posterior_mean()
    np.testing.assert_allclose(T[1, 0], np.array([2.5, 0.5, 1.5]) / 4.5)
    assert R[1, 0] == pytest.approx(6.0 / 4.0)  # the prior weighs one visit
    rng = np.random.default_rng(0)
    drawn = [mdp.sample(rng) for _ in range(4000)]
    first = np.array([t[1, 0, 0] for t, _ in drawn])
    assert stats.kstest(first, stats.beta(2.5, 2.0).cdf).pvalue > 1e-4
    # beta by the textbook: prior + half the squares about the mean + the shrinkage of the mean
    beta = 4.0 + 0.5 * 2.0 + 0.5 * 3.0 * 2.0**2 / 4.0
    alpha, strength = 2.0 + 1.5, 4.0
    law = stats.t(2 * alpha, loc=1.5, scale=np.sqrt(beta / (alpha * strength)))
    assert stats.kstest([r[1, 0] for _, r in drawn], law.cdf).pvalue > 1e-4


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), prior=st.sampled_from([1e-300, 1e-6, 0.1, 10.0]))
def test_samples_are_distributions_however_small_the_prior(seed: int, prior: float) -> None:
    T, R = DirichletMDP(4, 2, discount=0.5, prior=prior).sample(np.random.default_rng(seed))
    np.testing.assert_allclose(T.sum(axis=-1), 1.0)
    assert (T >= 0).all()
    assert np.isfinite(R).all()


def test_bad_observations_are_refused_and_change_nothing() -> None:
    mdp = DirichletMDP(2, 1, discount=0.9)
    before = mdp.counts.copy()
    for bad in ((2, 0, 0.0, 0), (0, 1, 0.0, 0), (0, 0, float("nan"), 0)):
        with pytest.raises(ConfigError):
            mdp.observe(*bad)
    np.testing.assert_array_equal(mdp.counts, before)
    with pytest.raises(ShapeError, match="prior"):
        DirichletMDP(2, 1, discount=0.9, prior=[1.0, 2.0])


@pytest.mark.parametrize("seed", range(3))
def test_psrl_finds_the_optimal_policy_of_a_random_process(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S, A, gamma = 20, 4, 0.9
    T, R = rng.dirichlet(np.full(S, 0.3), (S, A)), rng.uniform(size=(S, A))
    best = value_iteration(T.transpose(1, 0, 2), R, gamma)
    agent = PSRL(DirichletMDP(S, A, discount=gamma, reward_scale=0.3), seed=seed)
    state = 0
    for _ in range(6000):
        action = agent.act(state)
        after = int(rng.choice(S, p=T[state, action]))
        agent.observe(state, action, R[state, action] + 0.1 * rng.normal(), after)
        state = after
    policy = agent.model.policy_iteration().policy
    rows = np.arange(S)
    earned = np.linalg.solve(np.eye(S) - gamma * T[rows, policy], R[rows, policy])
    visited = agent.model.visits.sum(axis=1) > 100
    assert visited.sum() >= 10
    assert (best.value - earned)[visited].max() < 0.01 * best.value.max()


def test_the_value_of_information_is_its_integral() -> None:
    learner = BayesianQ(1, 3, discount=0.9, scale=3.0)
    for action, reward in ((0, 2.0), (0, 2.5), (1, 1.0), (2, -4.0)):
        learner.observe(0, action, reward, 0, terminal=True)
    mean = learner.q[0]
    for action in range(3):
        alpha, beta = learner._alpha[0, action], learner._beta[0, action]
        scale = np.sqrt(beta / (learner._strength[0, action] * alpha))
        law = stats.t(2 * alpha, loc=mean[action], scale=scale)
        rival = np.sort(mean)[-2] if action == mean.argmax() else mean.max()
        sign = -1.0 if action == mean.argmax() else 1.0
        ends = (-np.inf, rival) if sign < 0 else (rival, np.inf)

        def regret(x: float, sign: float = sign, rival: float = rival, law: Any = law) -> float:
            return float(sign * (x - rival) * law.pdf(x))

        gain = integrate.quad(regret, *ends)[0]
        assert learner._information(0)[action] == pytest.approx(gain, rel=1e-6)


def test_a_mixture_update_keeps_the_four_expectations() -> None:
    learner = BayesianQ(2, 1, discount=0.9, scale=2.0)
    learner.observe(1, 0, 4.0, 0, terminal=True)
    learner.observe(1, 0, 5.0, 0, terminal=True)
    before = (learner._mean[0, 0], learner._strength[0, 0], learner._alpha[0, 0])
    beta = learner._beta[0, 0]
    at = (1, 0)
    law = stats.t(
        2 * learner._alpha[at],
        loc=learner._mean[at],
        scale=np.sqrt(learner._beta[at] / learner._alpha[at] * (1 + 1 / learner._strength[at])),
    )
    returns = 1.0 + 0.9 * law.rvs(200_000, random_state=0)
    learner.observe(0, 0, 1.0, 1)
    means = before[0] + (returns - before[0]) / (before[1] + 1)
    betas = beta + 0.5 * before[1] * (returns - before[0]) ** 2 / (before[1] + 1)
    precision = (before[2] + 0.5) / betas
    alpha, new_beta = learner._alpha[0, 0], learner._beta[0, 0]
    assert alpha / new_beta == pytest.approx(precision.mean(), rel=0.03)
    assert learner._mean[0, 0] == pytest.approx(
        (means * precision).mean() / precision.mean(), rel=0.03
    )
    assert digamma(alpha) - np.log(new_beta) == pytest.approx(
        (digamma(before[2] + 0.5) - np.log(betas)).mean(), abs=0.03
    )


class Discrete(NamedTuple):
    n: int


class Chain:
    """Five states in a row; walking right to the end pays 10, turning back 2 (Dearden, 1998)."""

    observation_space, action_space = Discrete(5), Discrete(2)

    def reset(self, *, seed: int | None = None) -> tuple[int, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._at = self._steps = 0
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        if self._rng.random() < 0.2:
            action = 1 - action
        reward = 0.0
        if action == 1:
            reward, self._at = 2.0, 0
        elif self._at == 4:
            reward = 10.0
        else:
            self._at += 1
        self._steps += 1
        return self._at, reward, False, self._steps == 500, {}


@pytest.mark.parametrize("method", ["psrl", "bayesian_q"])
def test_agents_learn_the_chain(method: Any) -> None:
    options = {"reward_scale": 5.0} if method == "psrl" else {"scale": 30.0}
    agent = GymnasiumAgent(Chain(), method=method, discount=0.95, seed=1, **options)
    agent.train(episodes=6)
    score = agent.evaluate(episodes=4).returns.mean() / 500
    # walking on pays about 3.5 a step, turning back 1.6
    assert score > 2.8


def test_an_agent_learns_a_gymnasium_environment() -> None:
    gymnasium = pytest.importorskip("gymnasium", reason="optcore[test] brings it")
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    agent = GymnasiumAgent(env, discount=0.95, seed=0, reward_scale=0.1, prior=0.05)
    agent.train(episodes=150, max_steps=100)
    assert agent.evaluate(episodes=5).returns.mean() == 1.0


def test_an_environment_that_is_not_discrete_is_refused() -> None:
    class Continuous(Chain):
        observation_space = object()  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="Discrete observations"):
        GymnasiumAgent(Continuous())


def known_bandit() -> DirichletMDP:
    """One state; action 1 pays 1, action 0 pays 0, both known well."""
    mdp = DirichletMDP(1, 2, discount=0.8)
    for _ in range(50):
        mdp.observe(0, 0, 0.0, 0)
        mdp.observe(0, 1, 1.0, 0)
    return mdp


def test_bayes_adaptive_search_takes_what_is_known_to_be_best_and_keeps_its_tree() -> None:
    planner = BAMCP(known_bandit(), seed=0, exploration=2.0)
    assert planner.search(0, 400) == 1
    assert planner.values[1] == pytest.approx(0.98 / 0.2, rel=0.2)  # little of the tail is missed
    planner.observe(0, 1, 1.0, 0)
    planner.search(0, 50)
    assert planner.reused_visits > 100


def test_bayes_adaptive_search_agrees_with_value_iteration_on_a_known_process() -> None:
    rng = np.random.default_rng(3)
    T, R = rng.dirichlet(np.ones(4), (4, 2)), rng.uniform(size=(4, 2)) * [[1.0, 3.0]]
    mdp = DirichletMDP(4, 2, discount=0.7, prior=T * 1e4 + 1e-6)
    for s in range(4):
        for a in range(2):
            for _ in range(300):
                mdp.observe(s, a, R[s, a], int(rng.choice(4, p=T[s, a])))
    truth = mdp.value_iteration()
    for state in range(4):
        planner = BAMCP(mdp, seed=state, exploration=2.0)
        action = planner.search(state, 1500)
        assert truth.q[state, action] >= truth.q[state].max() - 0.15


TIGER = SparsePOMDP.from_csr(
    [np.eye(2), np.full((2, 2), 0.5), np.full((2, 2), 0.5)],
    [[[0.85, 0.15], [0.15, 0.85]], np.full((2, 2), 0.5), np.full((2, 2), 0.5)],
    rewards=[[-1, -100, 10], [-1, 10, -100]],
    discount=0.95,
)


def test_a_tree_narrows_its_bounds_and_is_kept_after_a_step() -> None:
    tree = BeliefTree(TIGER)
    low, high = tree.value_bounds
    for _ in range(5):
        action = tree.search(20)
        now = tree.value_bounds
        assert low <= now[0] <= 19.3722
        assert high >= now[1] >= 19.3711
        low, high = now
    assert action == 0  # listen first
    nodes, reused = tree.nodes, tree.statistics.reused
    assert reused > 0  # hearing left, then right, is where it began
    assert tree.advance(0, 0) >= 0
    np.testing.assert_allclose(tree.belief, [0.85, 0.15])
    assert 1 < tree.nodes <= nodes


def test_a_tree_upon_a_plan_acts_like_the_plan() -> None:
    planner = PointBasedPlanner(TIGER)
    planner.solve(gap=1e-3, seconds=5)
    tree = BeliefTree(TIGER, bounds=planner.bounds)
    for action, seen in ((0, 0), (0, 0)):
        assert tree.search(10) == planner.action(tree.belief) == action
        tree.advance(action, seen)
    assert tree.search(10) == planner.action(tree.belief) == 2  # the tiger is left: open right


def test_an_impossible_observation_leaves_the_tree_as_it_was() -> None:
    model = SparsePOMDP.from_csr([np.eye(2)], [np.eye(2)], [[0], [1]], discount=0.5, start=[1, 0])
    tree = BeliefTree(model)
    assert tree.advance(0, 1) < 0
    np.testing.assert_array_equal(tree.belief, [1, 0])
