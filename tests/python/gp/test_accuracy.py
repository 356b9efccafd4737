"""Learning from published data: as well as another library (tinygp 0.3) did on the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from optcore.gp import RBF, GaussianProcess


def split(path: Path, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Seeded rows of the training part of the first split, 1000 test rows; standardised."""
    with np.load(path) as file:
        X, y, test = file["X"].astype(float), file["y"].astype(float).ravel(), file["test_mask"]
    test = test.reshape(len(X), -1)[:, 0]
    X = (X - X[~test].mean(axis=0)) / X[~test].std(axis=0)
    y = (y - y[~test].mean()) / y[~test].std()
    few = np.flatnonzero(~test)[np.random.default_rng(0).permutation((~test).sum())[:rows]]
    held_out = np.flatnonzero(test)[:1000]
    return X[few], y[few], X[held_out], y[held_out]


# RMSE, mean negative log density and log marginal likelihood in standardised units; of 900 rows
@pytest.mark.parametrize(
    ("name", "rmse", "nlpd", "likelihood"),
    [("concrete", 0.274, 0.028, -307.89), ("pumadyn32nm", 0.228, -0.055, 16.97)],
)
def test_held_out_errors_are_those_of_a_peer(
    data_dir: Path, name: str, rmse: float, nlpd: float, likelihood: float
) -> None:
    X, y, X_test, y_test = split(data_dir / "gp" / f"{name}.npz", 900)
    dims = X.shape[1]
    gp = GaussianProcess(RBF([dims**0.5] * dims), noise=0.1).fit(X, y)
    reached = gp.optimize(max_iterations=200).log_marginal_likelihood
    assert reached == pytest.approx(gp.log_marginal_likelihood(), abs=1e-6)
    assert reached > likelihood - 0.01
    mean, variance = gp.predict(X_test)
    error, spread = mean - y_test, variance + gp.noise
    # the peer's figures have three decimals
    assert np.sqrt(np.mean(error**2)) < rmse + 0.0006
    density = 0.5 * np.log(2 * np.pi * spread) + 0.5 * error**2 / spread
    assert np.mean(density) < nlpd + 0.0006
