"""The HTML page: whole, self-contained, and robust against runs that were cut short."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import synthetic_result

from optcore.run.report import write_hero, write_report
from optcore.run.result import RunResult

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Balance(HTMLParser):
    """Counts that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset") or (name == "href" and tag == "link"):
                self.loads.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def page(tmp_path: Path, *results: RunResult) -> str:
    path = tmp_path / "r.html"
    write_report(results, path)
    text = path.read_text(encoding="utf-8")
    reader = Balance()
    reader.feed(text)
    assert reader.open == []
    assert reader.loads == []
    assert not re.search(r"url\(\s*['\"]?http|@import", text)
    assert len(text) < 8_000_000
    return text


def test_a_whole_run_has_every_picture(tmp_path: Path) -> None:
    text = page(tmp_path, synthetic_result())
    for title in ("From above", "Distance to the nearest", "Time per cycle", "Calibration", "Risk"):
        assert title in text
    assert text.count("<svg") >= 8
    assert "whatever the robot does" in text  # replayed people do not react: the page says so


def test_several_scenes_are_linked(tmp_path: Path) -> None:
    text = page(tmp_path, synthetic_result("one", cycles=60), synthetic_result("two", cycles=60))
    assert 'href="#s0"' in text
    assert 'id="s1"' in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "result",
    [
        synthetic_result(cycles=3),
        synthetic_result(people=0, cycles=30),
        synthetic_result(goals=0, cycles=60),
        RunResult({"format": "optcore-run/2", "partial": True}, {}),
    ],
    ids=["cut short", "nobody", "no goals", "nothing"],
)
def test_runs_with_little_in_them(tmp_path: Path, result: RunResult) -> None:
    assert "A robot among people" in page(tmp_path, result)


def test_names_are_escaped(tmp_path: Path) -> None:
    text = page(tmp_path, synthetic_result("<script>alert(1)</script>", cycles=30))
    assert "<script>alert" not in text


def test_hero_picture(tmp_path: Path) -> None:
    write_hero(synthetic_result(), tmp_path / "hero.png")
    assert (tmp_path / "hero.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
