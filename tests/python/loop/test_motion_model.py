"""Motion models: what is learned, and files that are whole or refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from optcore.crowd import Track, simulate_recording
from optcore.errors import ConfigError, ShapeError
from optcore.loop import MotionModel, learn_motion_model


@pytest.fixture(scope="module")
def model() -> MotionModel:
    return learn_motion_model(simulate_recording(60.0, seed=1).tracks)


def walk(person: int, end: tuple[float, float], rows: int = 12) -> Track:
    time = 0.4 * np.arange(rows)
    return Track(person, time, np.linspace([0.0, 0.0], end, rows), complete=True)


def test_goals_are_where_people_end() -> None:
    ends = [(8.0, 0.1), (8.1, -0.1), (-6.0, 5.0), (-6.1, 5.1)]
    learned = learn_motion_model([walk(i, end) for i, end in enumerate(ends)], n_goals=2)
    found = learned.goals[np.argsort(learned.goals[:, 0])]
    np.testing.assert_allclose(found, [[-6.05, 5.05], [8.05, 0.0]], atol=1e-9)
    np.testing.assert_allclose(learned.prior, 0.5)


def test_given_goals_that_nobody_reaches_are_left_out() -> None:
    learned = learn_motion_model([walk(1, (8.0, 0.0))], goals=[[8.0, 0.0], [-50.0, 0.0]])
    np.testing.assert_array_equal(learned.goals, [[8.0, 0.0]])


def test_without_complete_tracks_constant_velocity_is_left() -> None:
    assert learn_motion_model([]).hypotheses == 1


def test_a_file_gives_back_the_same_model(model: MotionModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.npz")
    back = MotionModel.load(tmp_path / "model.npz")
    for field in fields(MotionModel):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(model, field.name))
    assert list(tmp_path.iterdir()) == [tmp_path / "model.npz"]


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_damaged_file_is_refused_by_name(model: MotionModel, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "model.npz"
    model.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ConfigError, match=r"model\.npz: not a motion model"):
        MotionModel.load(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ConfigError, match="need format"):
        MotionModel.load(tmp_path / "other.npz")
    with pytest.raises(ConfigError, match="absent"):
        MotionModel.load(tmp_path / "absent.npz")


def test_arrays_that_do_not_belong_together_are_named(model: MotionModel) -> None:
    with pytest.raises(ShapeError, match="prior must be"):
        replace(model, prior=model.prior[:-1])
    with pytest.raises(ConfigError, match="points must be finite"):
        replace(model, points=np.full_like(model.points, np.nan))


def test_arrays_cannot_be_changed_afterwards(model: MotionModel) -> None:
    with pytest.raises(ValueError, match="read-only"):
        model.goals[0, 0] = 1.0
