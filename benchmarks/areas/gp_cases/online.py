"""What a robot asks thousands of times a second: predictions, gradients, points in and out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from areas.gp_cases.exact import add_peers, ours
from areas.gp_peers.problem import queries, synthetic
from harness import Case, Probe, Trial, agree, google_benchmark

_MICROSECOND = 1e-6


def predict(trial: Trial, n: int, m: int) -> None:
    """Mean and variance of the latent function at m points, from a model fitted before."""
    p = synthetic(n)
    Z = queries(p, m)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        gp = ours(p).fit(p.X, p.y)
        return lambda: gp.predict(Z)

    @trial.contestant("scipy")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import scipy_gp

        return scipy_gp.predictor(p, Z)

    add_peers(trial, "predictor", p, Z)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {
            "mean": agree(answers, lambda a: a[0], rtol=1e-7),
            "variance": agree(answers, lambda a: a[1], rtol=1e-7),
        }


def predict_native(trial: Trial, benchmark: str) -> None:
    """The C++ call alone."""
    trial.contestant("optcore")(lambda: google_benchmark("gp_bench", benchmark, "us"))


def mean_gradient(trial: Trial, n: int, m: int) -> None:
    """d mean / d x at m points."""
    p = synthetic(n)
    Z = queries(p, m)

    @trial.contestant("optcore")
    def _() -> Callable[[], Any]:
        gp = ours(p).fit(p.X, p.y)
        return lambda: gp.gradient(Z)

    @trial.contestant("tinygp")
    def _() -> Callable[[], Any]:
        from areas.gp_peers import tinygp_gp

        return tinygp_gp.mean_gradient(p, Z)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"gradient": agree(answers, rtol=1e-7)}


def timed(prepare: Callable[[], Any], call: Callable[[], Any]) -> Callable[[int], Sequence[float]]:
    """Samples of `call` in microseconds, each after an untimed `prepare`."""

    def sample(count: int) -> Sequence[float]:
        spent = []
        for _ in range(count):
            prepare()
            start = time.perf_counter_ns()
            call()
            spent.append((time.perf_counter_ns() - start) * 1e-3)
        return spent

    return sample


def append(trial: Trial, n: int) -> None:
    """One point more, ready to predict; others fit n + 1 points anew."""
    p = synthetic(n + 1)
    Z = queries(p, 5)

    @trial.contestant("optcore")
    def _() -> Probe:
        gp = ours(p).fit(p.X, p.y)  # room for all; the last leaves before each append
        return Probe(
            timed(lambda: gp.drop(n), lambda: gp.append(p.X[n], p.y[n])), lambda: gp.mean(Z)
        )

    _refits(trial, p, Z)


def drop(trial: Trial, n: int) -> None:
    """The oldest point out; others fit the rest anew. `append` is our own append beside it."""
    p = synthetic(n + 1)
    Z = queries(p, 5)

    @trial.contestant("optcore")
    def _() -> Probe:
        rest = type(p)(p.X[1:], p.y[1:], p.scales)
        gp = ours(rest).fit(p.X, p.y)
        gp.drop(0)
        answer = gp.mean(Z)
        oldest = [gp.X[0].copy(), gp.Y[0].copy()]

        def refill() -> None:
            gp.append(*oldest)
            oldest[:] = [gp.X[0].copy(), gp.Y[0].copy()]

        return Probe(timed(refill, lambda: gp.drop(0)), lambda: answer)

    _refits(trial, type(p)(p.X[1:], p.y[1:], p.scales), Z)

    @trial.contestant("optcore append")
    def _() -> Probe:
        gp = ours(p).fit(p.X, p.y)
        return Probe(timed(lambda: gp.drop(n), lambda: gp.append(p.X[n], p.y[n])))


def _refits(trial: Trial, p: Any, Z: Any) -> None:
    @trial.contestant("scipy refit")
    def _() -> Probe:
        from areas.gp_peers import scipy_gp

        call = scipy_gp.fit(p)
        answer = scipy_gp.covariance(p, Z, p.X) @ call()
        return Probe(timed(lambda: None, call), lambda: answer)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"mean": agree(answers, rtol=1e-7)}


def predict_tail(trial: Trial, n: int) -> None:
    """Single predictions, each timed, while every processor runs a busy process; and idle."""
    p = synthetic(n)
    Z = queries(p, 1)

    @trial.contestant("optcore")
    def _() -> Probe:
        gp = ours(p).fit(p.X, p.y)
        return Probe(_under_load(lambda: gp.predict(Z)), lambda: gp.predict(Z))

    @trial.contestant("optcore idle")
    def _() -> Probe:
        gp = ours(p).fit(p.X, p.y)
        return Probe(_each(lambda: gp.predict(Z)), lambda: gp.predict(Z))

    @trial.contestant("scikit-learn")
    def _() -> Probe:
        from areas.gp_peers import sklearn_gp

        call = sklearn_gp.predictor(p, Z)
        return Probe(_under_load(call), call)

    @trial.check
    def _(answers: Mapping[str, Any]) -> dict[str, float]:
        return {"mean": agree(answers, lambda a: a[0], rtol=1e-7)}


def _each(call: Callable[[], Any]) -> Callable[[int], Sequence[float]]:
    return lambda count: timed(lambda: None, call)(count + 20)[20:]


def _under_load(call: Callable[[], Any]) -> Callable[[int], Sequence[float]]:
    def sample(count: int) -> Sequence[float]:
        busy = [
            subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
            for _ in range(len(os.sched_getaffinity(0)))
        ]
        try:
            time.sleep(0.3)  # until they run
            return _each(call)(count)
        finally:
            for process in busy:
                process.kill()
            for process in busy:
                process.wait()

    return sample


def cases() -> list[Case]:
    single = partial(predict, n=200, m=1)
    return [
        Case("gp/predict/n200_m1", single, "us", samples=1001),
        Case(
            "gp/predict/n200_m1", partial(predict_native, benchmark="predict/200/1/manual_time"),
            "us", measure="C++ call", samples=11,
        ),
        Case("gp/predict/n200_m32", partial(predict, n=200, m=32), "us", samples=501),
        Case("gp/predict/n1000_m32", partial(predict, n=1000, m=32), "us", samples=201),
        Case("gp/mean_grad/n200", partial(mean_gradient, n=200, m=1), "us", samples=1001),
        Case("gp/append/n1000", partial(append, n=1000), "us", samples=401),
        Case("gp/drop/n1000", partial(drop, n=1000), "us", samples=401),
        Case("gp/predict_tail/n200", partial(predict_tail, n=200), "us", samples=4000),
    ]  # fmt: skip
