"""Hyper-parameters are adopted only where they foretell better, and failures are said."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from optcore.learn.regression import Hyper, OnlineRegression
from optcore.learn.training import Trainer, held_out, held_out_density, initial, judge, propose


def waves(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.uniform(-2, 2, (n, 2))
    return X, (np.sin(2 * X[:, :1]) + 0.05 * random.normal(size=(n, 1)))


def test_a_proposal_finds_length_noise_and_the_input_that_does_nothing() -> None:
    X, Y = waves()
    (found,) = propose(X, Y)
    assert found.length_scale[1] > 10 * found.length_scale[0]
    assert 0.5 < np.sqrt(found.noise) / 0.05 < 2.0


def test_the_held_out_density_is_that_of_the_normal_law() -> None:
    from scipy.stats import norm

    from optcore.gp import RBF, GaussianProcess

    X, Y = waves(60)
    hyper = Hyper(np.array([0.7, 3.0]), 0.8, 0.01)
    judged = held_out(60)
    assert judged.sum() == 10
    gp = GaussianProcess(RBF(length_scale=[0.7, 3.0], variance=0.8), noise=0.01)
    mean, variance = gp.fit(X[~judged], Y[~judged, 0]).predict(X[judged])
    expected = norm.logpdf(Y[judged, 0], mean, np.sqrt(variance + 0.01)).mean()
    np.testing.assert_allclose(held_out_density(hyper, X, Y[:, 0]), expected, rtol=1e-9)


def test_what_is_worse_on_held_out_points_is_refused() -> None:
    X, Y = waves()
    (good,) = propose(X, Y)
    # the best there is on the judged points: nothing found on the others can beat it by much
    candidates = [good._replace(noise=good.noise * f) for f in np.geomspace(0.5, 2, 41)]
    best = max(candidates, key=lambda one: held_out_density(one, X, Y[:, 0]))
    found, verdict = judge(0, X, Y[:, 0], best)
    assert verdict.accepted == (verdict.after > verdict.before)
    assert (found is None) == (not verdict.accepted)
    bad = Hyper(np.array([0.01, 0.01]), 1.0, 1e-6)
    found, verdict = judge(0, X, Y[:, 0], bad)
    assert verdict.accepted
    assert verdict.after > verdict.before + 1.0


def test_a_failure_is_said_and_the_old_parameters_stay(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = waves(30)
    regression = OnlineRegression(2, 1)
    regression.restore(propose(X, Y), X, Y, 30)
    before = regression.hyper

    def broken(*_: object) -> None:
        raise FloatingPointError("overflow in the climb")

    monkeypatch.setattr("optcore.learn.training._climb", broken)
    trainer = Trainer(regression)
    with caplog.at_level(logging.WARNING, "optcore.learn"):
        trainer.start()
        (verdict,) = trainer.finish()
    trainer.close()
    assert not verdict.accepted
    assert "overflow in the climb" in verdict.message
    assert "overflow in the climb" in caplog.text
    assert regression.hyper == before


@pytest.mark.parametrize("points", [3, 40])
def test_a_first_guess_that_goes_into_use_is_said(
    points: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = waves(points)
    regression = OnlineRegression(2, 1)
    for x, y in zip(X, Y, strict=True):
        regression.observe(x, y)
    worse = Hyper(np.array([1e-3, 1e-3]), 1e-6, 1e-6)
    monkeypatch.setattr("optcore.learn.training._climb", lambda *_: worse)
    trainer = Trainer(regression)
    with caplog.at_level(logging.WARNING, "optcore.learn"):
        trainer.start()
        (verdict,) = trainer.finish()
        assert not verdict.accepted
        assert "first guess" in verdict.message
        assert "first guess" in caplog.text
        assert regression.ready
        (used,), guess = regression.hyper, initial(X, Y[:, 0])
        np.testing.assert_array_equal(used.length_scale, guess.length_scale)
        assert used[1:] == guess[1:]
        trainer.start()  # now something is in use
        (verdict,) = trainer.finish()
    trainer.close()
    assert "first guess" not in verdict.message
    assert regression.hyper == [used]


def test_training_runs_beside_and_is_adopted_when_asked() -> None:
    X, Y = waves(40)
    regression = OnlineRegression(2, 1)
    for x, y in zip(X, Y, strict=True):
        regression.observe(x, y)
    trainer = Trainer(regression)
    trainer.start()
    assert not regression.ready  # nothing happens to the model meanwhile
    regression.observe(np.zeros(2), np.zeros(1))
    trainer.finish()
    trainer.close()
    assert regression.ready
    assert len(regression) == 41
    assert trainer.finish() == []
