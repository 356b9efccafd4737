"""optimize: settings that were measured beside the default ones, and the manual's gains.

optimize_system_wide("speed") is run once, with nothing remembered; then three workloads run under
its settings (optcore) and under the default ones. The gains of the manual are of equal work: fixed
hyper-parameters, means and variances, the same tolerance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import Case, Probe, Trial, agree
from optcore.algorithm_optimizer import (
    AlgorithmOptimizerSuite,
    BayesianRLOptimizer,
    GPInferenceOptimizer,
    MPCOptimizer,
    OptimizationConfig,
)
from optcore.algorithm_optimizer.tuning import workloads

__all__ = ["cases"]

_Floats = NDArray[np.float64]
_LIMITS = (-2.0, 2.0)


@cache
def _folder() -> TemporaryDirectory[str]:
    """Gone at the end of the process."""
    return TemporaryDirectory(prefix="optcore-tuning-")


@cache
def _tuned() -> tuple[AlgorithmOptimizerSuite, float]:
    """A tuned suite, and the seconds that took."""
    suite = _suite()
    start = time.perf_counter()
    suite.optimize_system_wide("speed")
    return suite, time.perf_counter() - start


def _suite() -> AlgorithmOptimizerSuite:
    return AlgorithmOptimizerSuite(
        mpc_optimizer=MPCOptimizer(input_limits=_LIMITS), directory=_folder().name
    )


Parts = tuple[GPInferenceOptimizer, MPCOptimizer, BayesianRLOptimizer]


def _workload(trial: Trial, make: Callable[[Parts], Callable[[], Any]]) -> None:
    suite = _tuned()[0]
    parts = suite.gp_optimizer, suite.mpc_optimizer, suite.bayesian_rl_optimizer
    plain = _suite()
    usual = plain.gp_optimizer, plain.mpc_optimizer, plain.bayesian_rl_optimizer
    trial.contestant("optcore")(lambda: make(parts))
    trial.contestant("default")(lambda: make(usual))
    assert suite.last is not None
    trial.note("chosen", ", ".join(f"{k} = {v}" for k, v in suite.last.changed.items()) or "-")

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        if any(answer is None for answer in answers.values()):
            return {}
        limit = OptimizationConfig().approximation_threshold
        return {
            "mean": agree(answers, lambda a: a[0], rtol=0, atol=limit),
            "variance": agree(answers, lambda a: a[1], rtol=0, atol=limit),
        }


def _all_three(parts: Parts) -> Callable[[], Any]:
    runs = [
        workloads.many_small_predicts(parts[0], 10_000),
        workloads.one_fit(parts[0], 6000),
        workloads.closed_loop(*parts, steps=2000),
    ]

    def run() -> None:
        for one in runs:
            one()

    return run


def _tuning(trial: Trial, again: bool) -> None:
    @trial.contestant("optcore")
    def _() -> Probe:
        seconds = _tuned()[1]

        def second() -> float:
            suite = _suite()
            start = time.perf_counter()
            suite.optimize_system_wide("speed", quiet=True)
            return time.perf_counter() - start

        def sample(count: int) -> Sequence[float]:
            return [second() * 1e3 for _ in range(count)] if again else [seconds]

        return Probe(sample)


def _gp(trial: Trial, n: int, tuned: bool = False) -> None:
    """A fit to data not seen before, and means and variances of 100 queries."""
    random = np.random.default_rng(0)
    X, Z = random.uniform(-3, 3, (n, 2)), random.uniform(-3, 3, (100, 2))
    y = np.sin(X[:, 0]) + np.cos(X[:, 1]) + 0.1 * random.normal(size=n)
    turn = iter(range(10**9))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        gp = _tuned()[0].gp_optimizer if tuned else GPInferenceOptimizer()
        params = workloads.PARAMS
        return lambda: gp.predict(X, y + 1e-12 * next(turn), Z, params)

    @trial.contestant("scikit-learn")
    def _() -> Callable[[], Any]:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF

        def run() -> Any:
            gp = GaussianProcessRegressor(RBF(1.0), alpha=1e-2, optimizer=None, copy_X_train=False)
            mean, deviation = gp.fit(X, y + 1e-12 * next(turn)).predict(Z, return_std=True)
            return mean, deviation**2

        return run

    _same_posterior(trial, 1e-6 if tuned else 1e-7)


def _gp_again(trial: Trial, n: int) -> None:
    """One query to data that were fitted before: the factor is found by its content."""
    random = np.random.default_rng(0)
    X, Z = random.uniform(-3, 3, (n, 2)), random.uniform(-3, 3, (1, 2))
    y = np.sin(X[:, 0]) + np.cos(X[:, 1]) + 0.1 * random.normal(size=n)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        gp = GPInferenceOptimizer()
        return lambda: gp.predict(X, y, Z, workloads.PARAMS)

    @trial.contestant("scikit-learn")
    def _() -> Callable[[], Any]:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF

        gp = GaussianProcessRegressor(RBF(1.0), alpha=1e-2, optimizer=None).fit(X, y)

        def run() -> Any:
            mean, deviation = gp.predict(Z, return_std=True)
            return mean, deviation**2

        return run

    _same_posterior(trial)


def _same_posterior(trial: Trial, within: float = 1e-7) -> None:
    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {
            "mean": agree(answers, lambda a: a[0], rtol=0, atol=within),
            "variance": agree(answers, lambda a: a[1], rtol=0, atol=within),
        }


class _Loop:
    """Steps of a closed loop; a call is one step, the answer the first plan."""

    def __init__(self, plan: Callable[[_Floats, _Floats], _Floats], axes: int) -> None:
        self.plan, self.axes, self.k = plan, axes, 0
        self.state = np.zeros(2 * axes)

    def __call__(self) -> _Floats:
        h, m = 0.1, self.axes
        phase = 0.05 * self.k
        target = np.concatenate([3 * np.cos(phase + np.arange(m)), np.zeros(m)])
        u = self.plan(self.state, target)
        p, v = self.state[:m], self.state[m:]
        push = np.clip(u[0], *_LIMITS)
        self.state = np.concatenate([p + h * v + 0.5 * h * h * push, v + h * push])
        self.k += 1
        return u


def _mpc(trial: Trial, axes: int, horizon: int) -> None:
    """Acceleration-limited tracking of a moving point: nx = 2 axes, nu = axes."""
    Q, R = np.diag(np.r_[np.ones(axes), 0.1 * np.ones(axes)]), 0.05 * np.eye(axes)

    def ours(warm: bool) -> _Loop:
        mpc = MPCOptimizer(input_limits=_LIMITS, warm_start=warm)
        return _Loop(lambda x, r: mpc.solve(x, r, horizon, 0.1, Q, R).optimal_controls, axes)

    trial.contestant("optcore")(partial(ours, True))
    trial.contestant("optcore, cold")(partial(ours, False))
    trial.contestant("osqp, warm")(partial(_osqp, axes, horizon, Q, R))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"first_plan": agree(answers, rtol=0, atol=1e-2)}


def _osqp(axes: int, horizon: int, Q: _Floats, R: _Floats) -> _Loop:
    import osqp
    from scipy import sparse

    n, m, N, h = 2 * axes, axes, horizon, 0.1
    eye = np.eye(axes)
    A = np.block([[eye, h * eye], [np.zeros((m, m)), eye]])
    B = np.vstack([0.5 * h * h * eye, h * eye])
    P = sparse.block_diag([sparse.kron(sparse.eye(N), Q), sparse.kron(sparse.eye(N), R)], "csc")
    dynamics = sparse.hstack(
        [sparse.eye(N * n) - sparse.kron(sparse.eye(N, k=-1), A), -sparse.kron(sparse.eye(N), B)]
    )
    bounds = sparse.hstack([sparse.csc_matrix((N * m, N * n)), sparse.eye(N * m)])
    low = np.r_[np.zeros(N * n), np.full(N * m, _LIMITS[0])]
    high = np.r_[np.zeros(N * n), np.full(N * m, _LIMITS[1])]
    q = np.zeros(N * (n + m))
    solver = osqp.OSQP()
    solver.setup(
        P, q, sparse.vstack([dynamics, bounds], "csc"), low, high, verbose=False, eps_abs=1e-6,
        eps_rel=1e-6, max_iter=20_000, polishing=False,
    )  # fmt: skip

    def plan(x: _Floats, target: _Floats) -> _Floats:
        low[:n] = high[:n] = A @ x
        q[: N * n] = np.tile(-Q @ target, N)
        solver.update(q=q, l=low, u=high)
        u: _Floats = np.asarray(solver.solve().x)[N * n :].reshape(N, m)
        return u

    return _Loop(plan, axes)


def _belief(trial: Trial, states: int) -> None:
    """A belief over states that all lead to each other: predict, weigh, normalise."""
    random = np.random.default_rng(0)
    T = random.dirichlet(np.full(states, 0.3), states)
    seen = random.normal(size=(64, states))

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        belief, turn = BayesianRLOptimizer().filter(T), iter(range(10**9))

        def run() -> Any:
            belief.step(seen[next(turn) % 64])
            return belief.probabilities

        return run

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        belief, turn = np.full(states, 1 / states), iter(range(10**9))

        def run() -> Any:
            nonlocal belief
            evidence = seen[next(turn) % 64]
            weight = (belief @ T) * np.exp(evidence - evidence.max())
            belief = weight / weight.sum()
            return belief

        return run

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"belief": agree(answers, rtol=0, atol=1e-6)}


def _pomdp(trial: Trial, states: int) -> None:
    """A belief update of a process whose states lead to five others, by action and observation."""
    from scipy import sparse

    from optcore.belief.pomdp import SparsePOMDP

    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(states), 5)
    columns = np.concatenate([random.choice(states, 5, replace=False) for _ in range(states)])
    values = random.dirichlet(np.ones(5), states).ravel()
    T = sparse.csr_matrix((values, (rows, columns)), (states, states))
    seen = random.dirichlet(np.ones(4), states)
    model = SparsePOMDP.from_csr([T], [seen], rewards=np.zeros((states, 1)), discount=0.9)
    beliefs = random.dirichlet(np.ones(states), 64)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:  # without the cache, for which 64 beliefs would be too easy
        rl, turn = BayesianRLOptimizer(OptimizationConfig(cache_size=0)), iter(range(10**9))
        return lambda: rl.update_belief(model, beliefs[next(turn) % 64], 0, 1).belief

    def plain(transition: Any) -> Callable[[], Any]:
        turn = iter(range(10**9))

        def run() -> Any:
            weight = (transition @ beliefs[next(turn) % 64]) * seen[:, 1]
            return weight / weight.sum()

        return run

    trial.contestant("numpy, dense")(lambda: plain(np.ascontiguousarray(T.toarray().T)))
    trial.contestant("numpy, scipy's csr")(lambda: plain(T.T.tocsr()))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"belief": agree(answers, rtol=0, atol=1e-6)}


def _policies(trial: Trial, states: int, known: bool) -> None:
    """Optimal values of a learned process: changed a little since the last one, or unchanged."""
    random = np.random.default_rng(0)
    T = random.dirichlet(np.full(states, 0.3), (4, states))
    R = random.uniform(size=(states, 4))
    rewards = [R if known else R + 1e-3 * random.normal(size=R.shape) for _ in range(64)]
    discount = 0.95

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        rl, turn = BayesianRLOptimizer(), iter(range(10**9))

        def run() -> Any:
            k = next(turn)
            reward = rewards[k % 64] if known else rewards[k % 64] + 1e-9 * k
            return rl.solve(T, reward, discount).value

        return run

    @trial.contestant("numpy")
    def _() -> Callable[[], Any]:
        turn = iter(range(10**9))

        def run() -> Any:
            V, reward = np.zeros(states), rewards[next(turn) % 64]
            while True:
                values = (reward + discount * (T @ V).T).max(axis=1)
                if np.abs(values - V).max() < 1e-8:
                    return values
                V = values

        return run

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"value": agree(answers, rtol=0, atol=1e-4)}


def cases() -> list[Case]:
    work = [
        Case("optimize/many_small_predicts", partial(_workload, make=_small), "ms"),
        Case("optimize/fit_6000", partial(_workload, make=_fit), "ms", samples=3, seconds=25),
        Case("optimize/closed_loop", partial(_workload, make=_loop), "ms"),
        Case("optimize/all_three", partial(_workload, make=_all_three), "ms", samples=3,
             seconds=25),
    ]  # fmt: skip
    tuning = [
        Case("optimize/tuning", partial(_tuning, again=False), "s", samples=1),
        Case("optimize/second_call", partial(_tuning, again=True), "ms", samples=20),
    ]
    manual = [
        *(Case(f"optimize/gp_{n}", partial(_gp, n=n), "us") for n in (20, 100, 500, 2000)),
        Case("optimize/gp_6000_tuned", partial(_gp, n=6000, tuned=True), "ms", samples=2,
             seconds=20),
        *(Case(f"optimize/gp_again_{n}", partial(_gp_again, n=n), "us") for n in (100, 500, 2000)),
        *(Case(f"optimize/mpc_{2 * k}_{k}_{N}", partial(_mpc, axes=k, horizon=N), "us",
               inner=1, settle=False, samples=500)
          for k, N in ((2, 20), (6, 30))),
        *(Case(f"optimize/belief_{s}", partial(_belief, states=s), "us") for s in (10, 100, 1000)),
        *(Case(f"optimize/pomdp_{s}", partial(_pomdp, states=s), "us") for s in (100, 1000)),
        *(Case(f"optimize/policy_{s}", partial(_policies, states=s, known=False), "us")
          for s in (20, 200)),
        Case("optimize/policy_known_200", partial(_policies, states=200, known=True), "us"),
    ]  # fmt: skip
    return [*tuning, *work, *manual]


def _small(parts: Parts) -> Callable[[], Any]:
    return workloads.many_small_predicts(parts[0])


def _fit(parts: Parts) -> Callable[[], Any]:
    return workloads.one_fit(parts[0], 6000)


def _loop(parts: Parts) -> Callable[[], Any]:
    return workloads.closed_loop(*parts)
