"""Reports: whole in one file, figures as they are, pictures with units."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from optcore.benchmark_framework import BenchmarkConfig, BenchmarkFramework
from optcore.benchmark_framework.exchange.common import from_samples
from optcore.errors import ConfigError


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkFramework:
    """Planted samples: twelve runs that become slower, one that fails, one comparison.

    The results are the last run and the failed one; the timeline on disk has all twelve."""
    folder = tmp_path_factory.mktemp("report")
    made = BenchmarkFramework(BenchmarkConfig(output_directory=str(folder)))
    here = made.benchmark(int, name="here", num_iterations=5).environment
    made.results.clear()
    random = np.random.default_rng(0)
    for k in range(12):
        samples = (1e-3 if k < 6 else 1.3e-3) * (1 + 0.02 * random.random(40))
        made.record([from_samples("solve <n>", samples, {**here, "git": f"c{k:02d}"})])
    del made.results[:-1]
    made.record([from_samples("broken", [], here, error="ValueError: <b>no</b>")])
    made.compare(lambda: sum(range(100)), lambda: sum(range(500)), name="pair", num_iterations=20)
    return made


class Page(HTMLParser):
    """Tags left open, resources fetched from elsewhere, text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "path", "use", "rect"}:
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "href") and value and not value.startswith("#"):
                self.fetched.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_one_file_with_pictures_that_have_units(framework: BenchmarkFramework) -> None:
    html = framework.generate_report("html")
    page = Page()
    page.feed(html)
    assert not page.open
    assert not page.fetched
    text = " ".join(page.text)
    assert "<b>no</b>" not in html
    assert "- to -" not in html
    for expected in ("time of a call, ms", "sample, in order of time", "run, by its commit",
                     "median time of a call, ms", "share of samples", "solve <n>", "raised",
                     "slower by x1.30", "from c06 on", "pair: before and after"):  # fmt: skip
        assert expected in text, expected
    for picture in ("medians of all benchmarks", "samples in order, and their distribution",
                    "runs over time, 1 changes", "samples before and after"):  # fmt: skip
        assert html.count(f'<svg role="img" aria-label="{picture}"') == 1, picture


def test_csv_and_json_have_every_result(framework: BenchmarkFramework) -> None:
    rows = list(csv.DictReader(io.StringIO(framework.generate_report("csv"))))
    assert len(rows) == 2
    assert float(rows[0]["median_time"]) == framework.results[0].median_time
    assert rows[-1]["outcome"] == "raised"
    assert rows[-1]["median_time"] == ""
    content = json.loads(framework.generate_report("json"))
    assert len(content["results"]) == 2
    assert content["results"][-1]["mean_time"] is None
    assert content["comparisons"][0]["verdict"]["interleaved"] is True
    line = next(t for t in content["timelines"] if t["name"] == "solve <n>")
    assert [change["commit"] for change in line["changes"]] == ["c06"]


def test_markdown_is_a_table(framework: BenchmarkFramework) -> None:
    lines = framework.generate_report("md").splitlines()
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")]
    assert len(cells) == 4
    assert len(set(cells)) == 1


def test_without_matplotlib_the_page_says_what_is_missing(
    framework: BenchmarkFramework, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = framework.generate_report("html")
    assert "pip install" in html
    assert "optcore[report]" in html
    assert "<svg" not in html


def test_pictures_can_be_turned_off_and_formats_are_checked(
    framework: BenchmarkFramework, tmp_path: Path
) -> None:
    plain = BenchmarkFramework(framework.config.replace(enable_visualization=False))
    plain.record(framework.results[:1])
    assert "<svg" not in plain.generate_report()
    with pytest.raises(ConfigError, match="format must be one of html, json, csv, md"):
        plain.generate_report("pdf")
    with pytest.raises(ConfigError, match="format"):
        plain.export(tmp_path / "report.pdf")
    empty = BenchmarkFramework(BenchmarkConfig(output_directory=str(tmp_path / "none")))
    assert "Nothing was benchmarked" in empty.generate_report()
