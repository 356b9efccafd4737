#!/usr/bin/env python3
"""How well Gaussian processes learn: python benchmarks/gp_accuracy.py [PART ...] [--quick].

exact   ARD-RBF on a seeded part of each data set: RMSE, NLPD (standardised units) and log marginal
        likelihood, beside tinygp's.
sparse  kin40k, all 36 000 rows through 512 inducing inputs: trained by the bound.
arm     sliding windows learn the torques of a real arm at 1 kHz: prequential errors.

Needs the data folder (OPTCORE_DATA, else ../shared/data).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

PARTS = ("exact", "sparse", "arm")

# tinygp 0.3 on the same rows, ARD-RBF, its best of L-BFGS-B: RMSE, NLPD, lml. The lml's of the arm
# are given as whole numbers.
TINYGP = {
    "kin40k": (0.334, 0.208, -519.07),
    "elevators": (0.401, 0.502, -480.03),
    "pumadyn32nm": (0.228, -0.055, 16.97),
    "concrete": (0.274, 0.028, -307.89),
    "sml": (0.0526, -1.938, 1148.27),
    "arm joint 1": (0.471, 0.734, 559.0),
    "arm joint 4": (0.189, -0.147, 1323.0),
}


def exact(quick: bool) -> None:
    from areas.gp_peers.problem import read_split, scores
    from harness import Trial
    from optcore.gp import RBF, GaussianProcess

    print(f"{'exact ARD-RBF':14}{'rows':>6}{'RMSE':>9}{'NLPD':>9}{'lml':>10}{'s':>7}"
          f"{'tinygp: RMSE':>16}{'NLPD':>9}{'lml':>10}")  # fmt: skip
    for name, (rmse, nlpd, lml) in TINYGP.items():
        if quick and name not in ("concrete", "pumadyn32nm"):  # seconds each
            continue
        joint = int(name.split()[-1]) - 1 if name.startswith("arm") else None
        file = name if joint is None else "panda_inverse_dynamics"
        path = Trial.data(f"gp/{file}.npz")
        rows = 900 if joint is None else 1000
        split = read_split(path, rows, output=joint)
        dims = split.X.shape[1]
        start = time.perf_counter()
        gp = GaussianProcess(RBF([dims**0.5] * dims), noise=0.1).fit(split.X, split.y)
        result = gp.optimize(restarts=0 if quick else 2, max_iterations=500)
        seconds = time.perf_counter() - start
        mean, variance = gp.predict(split.X_test)
        ours = scores(split.y_test, mean, variance + gp.noise)
        print(f"{name:14}{len(split.y):6}{ours[0]:9.4f}{ours[1]:9.3f}"
              f"{result.log_marginal_likelihood:10.2f}{seconds:7.1f}"
              f"{rmse:16.4f}{nlpd:9.3f}{lml:10.2f}", flush=True)  # fmt: skip


def sparse(quick: bool) -> None:
    import numpy as np

    from areas.gp_peers.problem import read_split, scores
    from harness import Trial
    from optcore.gp import RBF, GaussianProcess, SparseGaussianProcess

    split = read_split(Trial.data("gp/kin40k.npz"), test_rows=4000)
    dims = split.X.shape[1]
    few = np.random.default_rng(0).permutation(len(split.y))[:900]
    start = time.perf_counter()
    exact = GaussianProcess(RBF([1.0] * dims), noise=0.1).fit(split.X[few], split.y[few])
    exact.optimize()
    gp = SparseGaussianProcess(exact.kernel, exact.noise, inducing=512).fit(split.X, split.y)

    def line(label: str) -> None:
        mean, variance = gp.predict(split.X_test)
        rmse, nlpd = scores(split.y_test, mean, variance + gp.noise)
        print(f"{label:44}{rmse:9.4f}{nlpd:9.3f}{gp.bound():11.1f}"
              f"{time.perf_counter() - start:8.1f}", flush=True)  # fmt: skip

    print(f"{'kin40k, 36 000 rows, 512 inducing':44}{'RMSE':>9}{'NLPD':>9}{'bound':>11}{'s':>8}")
    line("hyper-parameters of an exact GP on 900 rows")
    gp.optimize(rounds=1 if quick else 3, max_iterations=5 if quick else 15)
    line("trained by the bound")


def arm(quick: bool) -> None:
    """Two windows on the same stream. One of the last 0.4 s: at 1 kHz a torque is within its noise
    of the one before, so that the last value is as good as any model. One of ten seconds by every
    20th sample, asked for a torque whose 20 ms before are not known: here a model has to know the
    arm."""
    import numpy as np

    from harness import Trial

    with np.load(Trial.data("gp/panda_inverse_dynamics.npz")) as file:
        X, Y = np.asarray(file["X"]), np.asarray(file["Y"])
    for keep, window, warm, lag in ((1, 400, 1000, 1), (20, 500, 4000, 20)):
        steps = warm + 2000 if quick else len(X)
        print(f"{f'arm at 1 kHz, window {window}, {lag} ms on':36}"
              f"{'prequential RMSE by tenths of the stream, of the torque spread':66}"
              f"{'all':>7}{'last value':>12}{'us/step':>9}")  # fmt: skip
        for joint in (0, 3) if quick else range(Y.shape[1]):
            errors, last, spread, spent = _stream(
                X[:steps], Y[:steps, joint], keep=keep, window=window, warm=warm, lag=lag
            )
            tenths = [np.sqrt(np.mean(part**2)) / spread for part in np.array_split(errors, 10)]
            rmse, by_last = (np.sqrt(np.mean(e**2)) / spread for e in (errors, last))
            print(f"joint {joint + 1:<30}" + "".join(f"{value:6.3f}" for value in tenths)
                  + f"{rmse:13.3f}{by_last:12.3f}{1e6 * spent:9.0f}", flush=True)  # fmt: skip


def _stream(
    X: Any, torque: Any, *, keep: int, window: int, warm: int, lag: int
) -> tuple[Any, Any, float, float]:
    """Errors after `warm` samples, those of the value `lag` samples ago, the torque's spread, and
    seconds a sample. Scales and hyper-parameters come from the first `warm` samples."""
    import numpy as np

    from optcore.gp import RBF, GaussianProcess, StreamingGaussianProcess

    X = (X - X[:warm].mean(axis=0)) / X[:warm].std(axis=0)
    y = (torque - torque[:warm].mean()) / torque[:warm].std()
    few = np.arange(0, warm, max(4, warm // 400))
    prior = GaussianProcess(RBF([3.0] * X.shape[1]), noise=0.05).fit(X[few], y[few])
    prior.optimize(max_iterations=60)
    gp = StreamingGaussianProcess(prior.kernel, prior.noise, capacity=window)
    for i in range(0, warm - lag, keep):
        gp.append(X[i], y[i])
    errors = np.empty(len(y) - warm)
    start = time.perf_counter()
    for i in range(warm, len(y)):
        known = i - lag
        if known % keep == 0:
            gp.append(X[known], y[known])
        errors[i - warm] = gp.predict(X[i : i + 1])[0][0] - y[i]  # before it is seen
    spent = (time.perf_counter() - start) / len(errors)
    return errors, y[warm - lag : -lag] - y[warm:], float(y[warm:].std()), spent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer sets, rows and starts")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {sorted(unknown)}; there are {', '.join(PARTS)}")
    from harness import Absent

    try:
        for part in options.parts or PARTS:
            {"exact": exact, "sparse": sparse, "arm": arm}[part](options.quick)
    except Absent as reason:
        print(f"gp_accuracy.py: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import one_thread

    one_thread.pin()
    sys.exit(main())
