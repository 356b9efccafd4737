"""Whole runs, short: they learn, repeat from their seed, and go on from a file."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import gymnasium
from gymnasium import spaces

from optcore.cli import main
from optcore.errors import ConfigError
from optcore.learn import (
    Coordinates,
    Learner,
    LearnerConfig,
    PlannerConfig,
    Record,
    StateLimits,
    Task,
    make_environment,
    task,
)
from optcore.learn.cart_pole import CartPoleSwingUp, rates
from optcore.learn.finite import FiniteLearner, FiniteRecord
from optcore.learn.summary import coverage, model_errors

QUICK = LearnerConfig(train_at=(15, 30), draws=2)


def learner(seed: int = 0, record: Record | None = None, name: str = "Pendulum-v1") -> Learner:
    what = task(name)
    light = replace(what.planner, population=16, rounds=1, elites=4, first=2)
    return Learner(
        make_environment(name), replace(what, planner=light), QUICK, seed=seed, record=record
    )


def test_a_pendulum_is_swung_up_in_the_first_episodes() -> None:
    with learner(seed=3) as one:
        first = one.episode()
        second = one.episode()
    angles = np.array([np.arctan2(o[1], o[0]) for o in second.observations])
    assert np.abs(angles[-40:]).max() < 0.2  # it stands
    assert second.total > -400
    assert first.sources[:15] == ["random"] * 15
    assert max(np.abs(a).max() for a in second.actions) <= 2.0
    coordinates = one.record.coordinates
    assert (model_errors(second, coordinates) < 0.05).all()
    assert coverage(one.record.episodes, coordinates) > 0.8
    assert second.points < 150


def test_a_run_repeats_and_a_resumed_one_is_the_same(tmp_path: Path) -> None:
    with learner() as whole:
        for _ in range(2):
            whole.episode(max_steps=32)
    with learner() as part:
        part.episode(max_steps=32)
        part.record.save(tmp_path / "run.npz")
    with learner(record=Record.load(tmp_path / "run.npz")) as rest:
        rest.episode(max_steps=32)
    for one, two in zip(whole.record.episodes, rest.record.episodes, strict=True):
        np.testing.assert_array_equal(one.actions, two.actions)
        np.testing.assert_array_equal(one.paths, two.paths)
        assert one.sources == two.sources
        assert [v.accepted for v in one.verdicts] == [v.accepted for v in two.verdicts]
    with pytest.raises(ConfigError, match="seed 0"):
        learner(seed=1, record=rest.record)


def test_an_environment_of_which_nothing_is_known_is_learnt_with_its_reward() -> None:
    what = Task(
        "Pendulum-v1", planner=replace(task("Pendulum-v1").planner, population=16, elites=4)
    )
    with Learner(make_environment("Pendulum-v1"), what, QUICK, seed=0) as one:
        one.episode(max_steps=60)
        assert one.record.angles == ((0, 1),)
        assert one.knowledge.reward is not None
        x, u = np.array([[0.5, 1.0], [3.0, 0.0]]), np.array([[1.0], [0.0]])
        told = one.knowledge.reward(x, u, x)
    assert told[1] < told[0]
    assert set(one.record.learnt) == {"motion", "reward"}


class Drift(gymnasium.Env):  # type: ignore[type-arg]
    """Short episodes of a pushed mass; what it says at step `at` may be spoilt."""

    def __init__(self, length: int, spoilt: float = 0.0, at: int = -1) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,))
        self.action_space = spaces.Box(-1.0, 1.0, (1,))
        self.length, self.spoilt, self.at = length, spoilt, at

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        super().reset(seed=seed)
        self.x, self.t = self.np_random.normal(size=2), 0
        return self.x.copy(), {}

    def step(self, u):  # type: ignore[no-untyped-def]
        self.t += 1
        self.x = self.x + 0.1 * np.array([self.x[1], float(u[0])])
        reward = -float(self.x @ self.x) + (self.spoilt if self.t == self.at else 0.0)
        return self.x.copy(), reward, self.t >= self.length, False, {}


SMALL = PlannerConfig(horizon=5, population=8, rounds=1, elites=3, first=1)


def test_of_short_episodes_nothing_is_lost_before_the_first_plan_and_resuming_repeats() -> None:
    what = Task("drift", planner=SMALL)
    with Learner(Drift(4), what, QUICK) as whole:
        for _ in range(5):
            whole.episode()
        assert whole.knowledge.model is not None
        assert whole.knowledge.model.changes.seen == 20
    with Learner(Drift(4), what, QUICK) as part:
        for _ in range(2):  # nothing learnt yet
            part.episode()
    with Learner(Drift(4), what, QUICK, record=part.record) as rest:
        for _ in range(3):
            rest.episode()
    for one, two in zip(whole.record.episodes, rest.record.episodes, strict=True):
        np.testing.assert_array_equal(one.actions, two.actions)
        assert one.sources == two.sources


def test_an_episode_over_before_a_decision_is_held_teaches_nothing_and_breaks_nothing() -> None:
    what = Task("drift", Coordinates(2), lambda x, u, f: -np.abs(f[:, 0]), hold=5, planner=SMALL)
    with Learner(Drift(3), what, QUICK) as one:
        episode = one.episode()
    assert (episode.steps, episode.points, episode.verdicts) == (3, 0, [])


def test_what_is_not_finite_is_named_and_not_learnt() -> None:
    what = Task("drift", Coordinates(2), planner=SMALL)
    with Learner(Drift(40, np.nan, 20), what, QUICK) as one:
        with pytest.raises(ConfigError, match=r"env\.step.*reward nan"):
            one.episode()
        assert one.record.episodes == []
        assert one.knowledge.model is not None
        assert one.knowledge.reward is not None
        seen = one.knowledge.model.changes.seen
        assert (seen, one.knowledge.reward.regression.seen) == (19, 19)
        one.env.spoilt = 0.0
        one.episode()  # goes on
        with pytest.raises(ConfigError, match="max_steps"):
            one.episode(max_steps=0)


def test_the_mountain_car_reaches_its_goal_in_the_first_episode() -> None:
    with Learner(
        make_environment("MountainCarContinuous-v0"), task("MountainCarContinuous-v0"), QUICK
    ) as one:
        episode = one.episode()
    assert episode.terminated
    assert episode.total > 90


def test_limits_keep_a_cart_that_learns_to_swing_up_inside_a_short_track() -> None:
    """Soft limits at 0.4 m, where a swing-up without them is outside in a fifth of its steps."""

    def share_outside(limits: StateLimits | None) -> float:
        what = task("CartPoleSwingUp")
        light = replace(what.planner, population=32, rounds=2, elites=6, first=2)
        what = replace(what, limits=limits, planner=light)
        outside: list[bool] = []
        for seed in range(2):
            with Learner(make_environment("CartPoleSwingUp"), what, QUICK, seed=seed) as one:
                for _ in range(3):
                    one.episode()
            for episode in one.record.episodes[1:]:
                outside += [abs(o[0]) > 0.4 for o in episode.observations[1:]]
        return float(np.mean(outside))

    edge = np.array([0.4, np.inf, np.inf, np.inf])
    free, kept = share_outside(None), share_outside(StateLimits(-edge, edge, risk=0.05))
    assert free > 0.1
    assert kept < 0.5 * free


def test_the_cart_pole_keeps_its_energy_without_friction(monkeypatch: pytest.MonkeyPatch) -> None:
    from optcore.learn import cart_pole as cp

    monkeypatch.setattr(cp, "FRICTION", 0.0)

    def energy(state: np.ndarray) -> float:
        _, v, angle, w = state
        half = cp.LENGTH / 2
        # centre of the rod: left of the cart where the angle is positive
        across, up = v - half * w * np.cos(angle), -half * w * np.sin(angle)
        spin = cp.POLE * cp.LENGTH**2 / 12 * w**2
        moving = cp.CART * v**2 + cp.POLE * (across**2 + up**2) + spin
        return 0.5 * moving + cp.POLE * cp.GRAVITY * half * np.cos(angle)

    x = np.array([0.0, 0.5, 2.0, -1.0])
    before, h = energy(x), 1e-3
    for _ in range(2000):
        k1 = rates(x, 0.0)
        k2 = rates(x + 0.5 * h * k1, 0.0)
        k3 = rates(x + 0.5 * h * k2, 0.0)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + rates(x + h * k3, 0.0))
    assert energy(x) == pytest.approx(before, abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*(symmetric and normalized|infinity)")
def test_the_cart_pole_is_a_gymnasium_environment() -> None:
    from gymnasium.utils.env_checker import check_env

    check_env(CartPoleSwingUp(), skip_render_check=True)
    env = make_environment("RiverSwim")
    check_env(env, skip_render_check=True)
    np.testing.assert_allclose(env.transitions.sum(axis=2), 1.0)


def test_river_swim_is_learnt_and_resumed(tmp_path: Path) -> None:
    one = FiniteLearner(make_environment("RiverSwim"), "RiverSwim", seed=0)
    for _ in range(60):
        one.episode()
    record = one.record
    assert (record.policy == 1).all()  # swim
    record.save(tmp_path / "river.npz")
    again = FiniteLearner(
        make_environment("RiverSwim"), "RiverSwim", seed=0,
        record=FiniteRecord.load(tmp_path / "river.npz"),
    )  # fmt: skip
    np.testing.assert_allclose(again.model.counts, one.model.counts)
    assert one.episode() == again.episode()


def test_the_command_writes_report_figures_and_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    report, data, figures = (tmp_path / n for n in ("out.html", "run.npz", "out.json"))
    arguments = ["learn", "MountainCarContinuous-v0", "--episodes", "1", "--seed", "1"]
    outputs = ["--report", str(report), "--data", str(data), "--json", str(figures)]
    assert main([*arguments, *outputs]) == 0
    assert "return" in capsys.readouterr().out
    found = json.loads(figures.read_text())
    assert len(found["returns"]) == 1
    assert found["trainings"]["adopted"] >= 1
    page = report.read_text()
    for part in ("Learning curve", "Error of the model", "belief over models", "<animate"):
        assert part in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert main([*arguments, "--data", str(data)]) == 2  # never overwrites
    assert main([*arguments, "--data", str(data), "--resume", "--quiet"]) == 0
    assert len(Record.load(data).episodes) == 2


def test_the_command_learns_a_finite_environment(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = tmp_path / "out.html"
    assert main(["learn", "FrozenLake-v1", "--episodes", "3", "--report", str(report)]) == 0
    assert "Learning curve" in report.read_text()


def test_an_interrupted_run_of_a_finite_environment_keeps_what_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode, done = FiniteLearner.episode, []

    def enough(self: FiniteLearner) -> float:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(episode(self))
        return done[-1]

    monkeypatch.setattr(FiniteLearner, "episode", enough)
    data = tmp_path / "run.npz"
    command = ["learn", "RiverSwim", "--episodes", "9", "--data", str(data), "--quiet"]
    assert main(command) == 130
    assert FiniteRecord.load(data).returns.tolist() == done


def test_what_cannot_be_learnt_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["learn", "NoSuchThing-v0"]) == 2
    assert main(["learn", "CartPole-v1", "--episodes", "1"]) == 2  # continuous, but 2 actions
    assert "Box of actions" in capsys.readouterr().err
    assert main(["learn", "Pendulum-v1", "--episodes", "0"]) == 2
    for option in ("--json", "--report"):
        assert main(["learn", "Pendulum-v1", option, str(tmp_path)]) == 2  # at once, not at the end
        assert "is a folder" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        wanted = ["--report", str(tmp_path / "r.html"), "--data", str(tmp_path / "run.npz")]
        assert main(["learn", "Pendulum-v1", *wanted]) == 2
    assert "matplotlib" in capsys.readouterr().err
    assert not (tmp_path / "run.npz").exists()
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"no archive")
    with pytest.raises(ConfigError, match="not a record"):
        Record.load(broken)
    np.savez(broken, format="optcore.learn")
    with pytest.raises(ConfigError, match="version None"):
        Record.load(broken)
    np.savez(broken, format="optcore.learn.finite")
    with pytest.raises(ConfigError, match="version 1"):
        FiniteRecord.load(broken)
