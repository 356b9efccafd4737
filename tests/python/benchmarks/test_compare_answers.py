"""Answers are compared before anything is timed; who disagrees is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness import Absent, Case, Disagreement, Trial, agree
from harness.runner import BrokenCase, run_case


def answering(value: object) -> Callable[[], Callable[[], object]]:
    return lambda: lambda: value


def row_of(**answers: object) -> dict[str, Any]:
    def setup(trial: Trial) -> None:
        for name, answer in answers.items():
            trial.contestant(name)(answering(answer))
        trial.check(lambda found: {"error": agree(found, rtol=1e-6)})

    return run_case(Case("t/agree", setup, samples=3, seconds=0.1), {})


def test_answers_that_agree_are_timed() -> None:
    row = row_of(optcore=[1.0, 2.0], peer=[1.0, 2.0 + 1e-7])
    assert row["checks"]["agree"] is True
    assert row["checks"]["error"] == pytest.approx(5e-8, rel=1e-3)
    assert row["peers"]["peer"] > 0


def test_a_peer_that_disagrees_is_refused_and_the_others_are_timed() -> None:
    row = row_of(optcore=[1.0, 2.0], good=[1.0, 2.0], bad=[1.0, 2.1])
    assert row["checks"]["agree"] is True
    assert "differs by 0.1" in row["checks"]["refused"]["bad"]
    assert set(row["peers"]) == {"good"}


def test_nothing_is_timed_when_no_peer_agrees_with_ours() -> None:
    row = row_of(optcore=[1.0], peer=[1.5])
    assert row["checks"]["agree"] is False
    assert (row["optcore"], row["peers"], row["ratio_to_best_peer"]) == (None, {}, None)


def test_nothing_is_timed_when_ours_misses_the_reference() -> None:
    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(answering([1.5]))
        trial.contestant("peer")(answering([1.0]))
        trial.check(lambda found: {"error": agree(found, reference=[1.0])})

    row = run_case(Case("t/ours", setup), {})
    assert row["checks"]["agree"] is False
    assert "optcore" in row["checks"]["reason"]
    assert row["peers"] == {}


@pytest.mark.parametrize("wrong", [[1.0, float("nan")], [1.0], [[1.0, 2.0]]])
def test_not_finite_and_other_shapes_disagree(wrong: object) -> None:
    with pytest.raises(Disagreement) as finding:
        agree({"optcore": [1.0, 2.0], "peer": wrong})
    assert finding.value.names == {"peer"}


def test_agree_measures_at_one_scale_and_selects() -> None:
    answers = {"a": (np.array([1e-12, 1000.0]), "x"), "b": (np.array([0.0, 1000.0]), "y")}
    assert agree(answers, lambda answer: answer[0], rtol=1e-9) == pytest.approx(1e-15)


def test_peers_without_a_check_are_a_mistake_of_the_case() -> None:
    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(answering(1))
        trial.contestant("peer")(answering(2))

    with pytest.raises(BrokenCase, match="without a check"):
        run_case(Case("t/unchecked", setup), {})


def test_absent_contestants_are_listed_and_never_an_error() -> None:
    def setup(trial: Trial) -> None:
        trial.contestant("optcore")(answering(1.0))

        @trial.contestant("nobody")
        def _() -> Callable[[], Any]:
            import a_package_that_is_nowhere

            return lambda: a_package_that_is_nowhere

        @trial.contestant("unbuilt")
        def _() -> Callable[[], Any]:
            raise Absent("x_bench is not built")

    row = run_case(Case("t/absent", setup, samples=3, seconds=0.1), {})
    assert "a_package_that_is_nowhere" in row["absent"]["nobody"]
    assert row["absent"]["unbuilt"] == "x_bench is not built"
    assert row["optcore"] > 0
    assert row["ratio_to_best_peer"] is None


def test_a_case_without_its_data_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("OPTCORE_DATA", str(tmp_path))

    def setup(trial: Trial) -> None:
        trial.data("gp/none.npz")

    row = run_case(Case("t/data", setup), {})
    assert row["checks"]["agree"] is None
    assert "OPTCORE_DATA" in row["checks"]["reason"]


def test_checks_see_every_answer_that_is_left() -> None:
    seen: list[set[str]] = []

    def check(answers: Mapping[str, Any]) -> dict[str, float]:
        seen.append(set(answers))
        if "odd" in answers:
            raise Disagreement("odd one out", {"odd"})
        return {}

    def setup(trial: Trial) -> None:
        for name in ("optcore", "even", "odd"):
            trial.contestant(name)(answering(0))
        trial.check(check)

    run_case(Case("t/left", setup, samples=3, seconds=0.1), {})
    assert seen == [{"optcore", "even", "odd"}, {"optcore", "even"}]
