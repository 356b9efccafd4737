"""The suite tunes, remembers, takes back what is slower, and survives a damaged file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optcore.algorithm_optimizer import (
    AlgorithmOptimizerSuite,
    BayesianRLOptimizer,
    GPInferenceOptimizer,
    MPCOptimizer,
    OptimizationConfig,
)
from optcore.algorithm_optimizer.tuning import (
    TARGETS,
    Choice,
    Settings,
    TuningResult,
    clock,
    table,
    trials,
    tune,
)
from optcore.errors import ConfigError, InferenceError, ShapeError

CONFIG = OptimizationConfig(use_gpu=False)
Times = Mapping[str, float]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trials that decide at once, and how often they ran; checks find everything level."""
    ran: list[str] = []

    def trial(goal: trials.Goal) -> list[Choice]:
        ran.append(goal.target)
        taken = {"gp_approximate_from": 700, "belief_single_from": 3, "mpc_warm_start": False}
        return [
            goal.take(name, taken[name], "measured", seconds=1.0)
            if name in taken else goal.keep(name, "level")
            for name in Settings.__dataclass_fields__
        ]  # fmt: skip

    monkeypatch.setattr(tune, "TRIALS", ((trial, tuple(Settings.__dataclass_fields__)),))
    monkeypatch.setattr(tune, "race", lambda runs, *_, **__: dict.fromkeys(runs, 1.0))
    return ran


def test_what_was_measured_is_set_printed_and_remembered(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    suite = AlgorithmOptimizerSuite(CONFIG, directory=tmp_path)
    first = suite.optimize_system_wide("speed")
    assert first.changed == {
        "gp_approximate_from": 700, "belief_single_from": 3, "mpc_warm_start": False,
    }  # fmt: skip
    assert suite.gp_optimizer.approximate_from == 700
    assert suite.mpc_optimizer.warm_start is False
    assert suite.bayesian_rl_optimizer.single_from == 3
    out = capsys.readouterr().out
    assert "optimized for speed" in out
    assert "measured" in out
    assert out == table(first) + "\n"

    other = AlgorithmOptimizerSuite(CONFIG, directory=tmp_path)
    second = other.optimize_system_wide(optimization_target="speed", quiet=True)
    assert (second.remembered, second.settings) == (True, first.settings)
    assert other.gp_optimizer.approximate_from == 700
    assert capsys.readouterr().out == ""
    assert measured == ["speed"]

    other.optimize_system_wide("memory", quiet=True)
    AlgorithmOptimizerSuite(
        CONFIG.replace(approximation_threshold=1e-3), directory=tmp_path
    ).optimize_system_wide("speed", quiet=True)
    other.optimize_system_wide("speed", retune=True, quiet=True)
    assert measured == ["speed", "memory", "speed", "speed"]
    assert len(list(tmp_path.iterdir())) == 1  # one file a machine
    assert not AlgorithmOptimizerSuite(CONFIG, directory=tmp_path / "elsewhere").last


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", '{"format": "another"}', "\x00\xff", "values"],
)
def test_a_damaged_file_is_measured_again_with_a_warning(
    tmp_path: Path, measured: list[str], damage: str
) -> None:
    AlgorithmOptimizerSuite(CONFIG, directory=tmp_path).optimize_system_wide("speed", quiet=True)
    (file,) = tmp_path.iterdir()
    if damage == "values":
        content = json.loads(file.read_text())
        (result,) = content["results"].values()
        result["choices"][0]["value"] = "never heard of"
        damage = json.dumps(content)
    file.write_text(damage)
    with pytest.warns(UserWarning, match="tuning anew"):
        again = AlgorithmOptimizerSuite(CONFIG, directory=tmp_path).optimize_system_wide(
            "speed", quiet=True
        )
    assert not again.remembered
    assert measured == ["speed", "speed"]
    with warnings.catch_warnings():  # and the file is whole again
        warnings.simplefilter("error")
        assert AlgorithmOptimizerSuite(CONFIG, directory=tmp_path).optimize_system_wide(
            "speed", quiet=True
        ).remembered  # fmt: skip


def test_a_folder_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, measured: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="cannot be"):
        AlgorithmOptimizerSuite(CONFIG, directory=tmp_path / "file").optimize_system_wide(
            "speed", quiet=True
        )
    assert measured == ["speed"]


def test_what_is_slower_on_a_whole_workload_is_taken_back(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def race(runs: Mapping[str, Callable[[], object]], *_: Any, **__: Any) -> Times:
        return {"default": 1.0, "chosen": 2.0}

    monkeypatch.setattr(tune, "race", race)
    suite = AlgorithmOptimizerSuite(CONFIG, directory=tmp_path)
    result = suite.optimize_system_wide("speed", quiet=True)
    assert result.settings == Settings(belief_single_from=3)  # neither workload concerns it
    assert suite.gp_optimizer.approximate_from is None
    assert {check.workload for check in result.checks} == {"closed loop", "one fit of 700 points"}
    assert all(check.reverted and check.speedup == 1.0 for check in result.checks)
    assert "slower, so taken back" in table(result)
    assert any("taken back" in choice.reason for choice in result.choices)


@pytest.mark.parametrize("target", TARGETS)
def test_the_real_trials_decide_every_setting(target: str) -> None:
    config = CONFIG.replace(use_parallel=False, approximation_threshold=1e-4)
    goal = trials.Goal.of(target, config, clock.Budget(0.3))  # no time for many points
    choices = [choice for trial, _ in trials.TRIALS for choice in trial(goal)]
    assert {c.setting for c in choices} == set(Settings.__dataclass_fields__)
    assert all(c.reason for c in choices)
    chosen = {c.setting: c.value for c in choices}
    if target == "accuracy":
        assert (chosen["gp_approximate_from"], chosen["belief_single_from"]) == (None, None)
    for choice in choices:
        if "error" in choice.figures and choice.changed and choice.setting != "mpc_method":
            assert choice.figures["error"] <= goal.threshold


def test_no_time_means_the_default(tmp_path: Path) -> None:
    result = tune.tune("speed", CONFIG, {"cpu": "?"}, 1e-9)
    assert result.settings == Settings()
    assert {c.reason for c in result.choices} == {"no time left to measure"}
    assert TuningResult.from_dict(json.loads(json.dumps(result.to_dict()))).settings == Settings()


def test_a_cache_that_was_switched_off_stays_off() -> None:
    config = OptimizationConfig(cache_size=0)
    gp, rl = GPInferenceOptimizer(config), BayesianRLOptimizer(config)
    tune.apply(Settings(), gp, MPCOptimizer(), rl)
    assert not gp.use_cache
    assert not rl.keep_updates


def test_wrong_calls_are_named(tmp_path: Path) -> None:
    suite = AlgorithmOptimizerSuite(CONFIG, directory=tmp_path)
    with pytest.raises(ConfigError, match="'fast'"):
        suite.optimize_system_wide("fast")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seconds"):
        suite.optimize_system_wide("speed", seconds=61)


def test_many_small_data_sets_are_answered_alike_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    X, y, Z = rng.normal(size=(40, 12, 2)), rng.normal(size=(40, 12)), rng.normal(size=(5, 2))
    gp, params = GPInferenceOptimizer(), {"length_scale": 0.7, "noise": 0.1}
    one = gp.predict_many(X, y, Z, params)
    gp.threads = 3
    for got, expected in zip(gp.predict_many(X, y, Z, params), one, strict=True):
        np.testing.assert_array_equal(got, expected)
    each = [gp.predict(X[k], y[k], Z, params) for k in range(40)]
    np.testing.assert_allclose(one[0], [mean for mean, _ in each], atol=1e-10)
    np.testing.assert_allclose(one[1], [variance for _, variance in each], atol=1e-10)
    with pytest.raises(ShapeError, match="X_test"):
        gp.predict_many(X, y, rng.normal(size=(3, 5, 2)), params)
    y[30, 0] = np.nan
    with pytest.raises(InferenceError, match="30"):
        gp.predict_many(X, y, Z, params)


def test_beliefs_in_single_precision_are_nearly_the_same() -> None:
    rng = np.random.default_rng(0)
    T, seen = rng.dirichlet(np.ones(40), 40), rng.normal(size=(30, 40))
    rl = BayesianRLOptimizer(CONFIG)
    double = rl.filter(T).filter(seen)[0]
    rl.single_from = 20
    single = rl.filter(T).filter(seen)[0]
    assert 0 < np.abs(double - single).max() < 1e-6
    prior = np.log(rng.dirichlet(np.ones(4), 3))
    posterior = rl.update_beliefs(prior, np.zeros((3, 4)))
    np.testing.assert_allclose(np.exp(posterior), np.exp(prior))
