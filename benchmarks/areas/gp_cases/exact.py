"""Factor, fit, likelihood with gradients, and the climb to the best hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from areas.gp_peers.problem import Problem, read_split, synthetic
from harness import Absent, Case, Disagreement, Trial, agree, peak_bytes
from optcore.gp import RBF, GaussianProcess

PEERS = {"scikit-learn": "sklearn_gp", "gpytorch": "gpytorch_gp", "tinygp": "tinygp_gp"}


def add_peers(trial: Trial, function: str, *arguments: Any, slow: tuple[str, ...] = ()) -> None:
    """Contestants from `function` of each peer's module; `slow` ones sit out a quick run."""
    for name, module in PEERS.items():

        def build(name: str = name, module: str = module) -> Callable[[], Any]:
            if trial.quick and name in slow:
                raise Absent("takes too long for --quick")
            contestant: Callable[[], Any] = getattr(
                import_module(f"areas.gp_peers.{module}"), function
            )(*arguments)
            return contestant

        trial.contestant(name)(build)


def ours(p: Problem) -> GaussianProcess:
    return GaussianProcess(RBF(p.scales, p.variance), noise=p.noise)


def cholesky(trial: Trial, n: int) -> None:
    """A fresh copy of one covariance is factored in place by each; the copy is timed with it."""
    from areas.gp_peers import scipy_gp

    p = synthetic(n)
    a = scipy_gp.covariance(p, p.X, p.X)
    a.flat[:: n + 1] += p.noise

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        from optcore import _native

        rows, stride, work = _native.gp.cholesky_shape(n)
        room, workspace = np.zeros((rows, stride)), np.zeros(max(work, 1))
        target = room[:n, :n]

        def run() -> Any:
            target[...] = a
            _native.gp.cholesky(room, n, workspace)
            return target

        return run

    @trial.contestant("openblas")
    def _() -> Callable[[], Any]:
        return scipy_gp.cholesky(a)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        lower = {
            name: np.tril(factor.T if name == "optcore" else factor)
            for name, factor in answers.items()
        }
        return {"factor": agree(lower, rtol=1e-10)}


def fit(trial: Trial, n: int) -> None:
    """Covariance, factor and weights. scikit-learn's fit() also evaluates the likelihood."""
    if trial.quick and n > 4096:
        raise Absent("takes too long for --quick")
    p = synthetic(n)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        return lambda: ours(p).fit(p.X, p.y)

    @trial.contestant("scipy")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import scipy_gp

        return scipy_gp.fit(p)

    add_peers(trial, "fit", p, slow=("scikit-learn", "gpytorch") if n >= 4096 else ())

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        # weights are K^-1 y: compared by what they give, the means at the training points
        weights = {name: answer for name, answer in answers.items() if name != "optcore"}
        posterior = answers["optcore"].mean(p.X)
        fitted = {name: p.y - p.noise * w for name, w in weights.items()}
        return {"mean": agree({"optcore": posterior, **fitted}, rtol=1e-7)}


def likelihood(trial: Trial, n: int) -> None:
    """Log marginal likelihood and its derivatives by variance, length scales and noise."""
    if trial.quick and n > 2048:
        raise Absent("takes too long for --quick")
    p = synthetic(n)
    trial.contestant("optcore")(partial(_our_likelihood, p))
    add_peers(trial, "likelihood", p)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {
            "value": agree(answers, lambda a: a[0], rtol=1e-7),
            "gradient": agree(answers, lambda a: a[1], rtol=1e-6),
        }


def _our_likelihood(p: Problem) -> Callable[[], Any]:
    gp = ours(p).fit(p.X, p.y)

    def evaluate() -> Any:
        value, slope = gp.log_marginal_likelihood(gradient=True)
        return value, np.array([slope["variance"], *slope["length_scale"], slope["noise"]])

    return evaluate


def memory(trial: Trial, n: int, what: str) -> None:
    """Resident memory that one call adds; the aim is 1.3 n^2 doubles."""
    p = synthetic(n)
    trial.note("1.3 n^2 doubles", f"{1.3 * 8 * n * n:.4g} bytes")

    @trial.contestant("optcore")
    def _() -> Any:
        if what == "likelihood_grad":
            return peak_bytes(_our_likelihood(p))
        return peak_bytes(lambda: len(ours(p).fit(p.X, p.y)))


def hyperfit(trial: Trial) -> None:
    """1000 rows of airfoil, from unit variance and length scales and noise 0.1, by L-BFGS-B."""
    split = read_split(trial.data("gp/airfoil.npz"), 1000)
    p = Problem(split.X, split.y, np.ones(split.X.shape[1]), variance=1.0, noise=0.1)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        def climb() -> float:
            return float(ours(p).fit(p.X, p.y).optimize().log_marginal_likelihood)

        return climb

    add_peers(trial, "maximiser", p, slow=("scikit-learn", "gpytorch"))

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        low = {name: value for name, value in answers.items() if not value >= -349.5}
        if low:
            raise Disagreement(f"below -349.5: {low}", low)
        return {f"lml {name}": float(value) for name, value in answers.items()}


def cases() -> list[Case]:
    def case(id: str, setup: Any, **rest: Any) -> Case:
        return Case(f"gp/{id}", setup, **rest)

    return [
        *(
            case(f"cholesky/n{n}", partial(cholesky, n=n), unit=unit, samples=samples)
            for n, unit, samples in (
                (64, "us", 201), (200, "us", 201), (1024, "ms", 101), (4096, "ms", 7),
            )
        ),
        case("fit/n1024", partial(fit, n=1024), unit="ms", samples=21, seconds=20),
        case("fit/n4096", partial(fit, n=4096), unit="ms", samples=3, seconds=20),
        case("fit/n8192", partial(fit, n=8192), unit="s", samples=2, seconds=60),
        *(
            case(
                f"{what}/n{n}", partial(memory, n=n, what=what), unit="bytes",
                measure="peak memory", samples=3,
            )
            for what, n in (("fit", 4096), ("likelihood_grad", 4096))
        ),
        case("likelihood_grad/n2048", partial(likelihood, n=2048), unit="ms", samples=5),
        case("likelihood_grad/n4096", partial(likelihood, n=4096), unit="ms", samples=2),
        case("hyperfit/airfoil", hyperfit, unit="s", samples=3),
    ]  # fmt: skip
