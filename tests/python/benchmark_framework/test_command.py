"""`optcore bench` and `optcore report`, in a repository with a planted history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optcore.cli import main

BENCH = """
def bench_step():
    return sum(range({n}))

def helper(x):
    return x
"""
QUICK = ("--samples", "25", "--quiet")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six commits; the fourth makes bench_step eight times as slow, the second cannot be read."""
    root = tmp_path / "repository"
    (root / "perf").mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    for k, n in enumerate((3000, 3000, 3000, 24_000, 24_000, 24_000)):
        text = BENCH.format(n=n) if k != 1 else "import absent_module\n"
        (root / "perf" / "steps.py").write_text(text + f"# {k}\n")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"change {k}")
    (root / ".gitignore").write_text("*\n")
    monkeypatch.chdir(root / "perf")
    return root


def test_bench_save_slow_down_and_exit_codes(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = repository / "perf" / "steps.py"
    steps.write_text(BENCH.format(n=3000))
    assert main(["bench", "steps.py", *QUICK, "--require-baseline"]) == 4
    assert main(["bench", "steps.py", *QUICK, "--save"]) == 0
    capsys.readouterr()
    assert main(["bench", "steps.py", "--samples", "25", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in report["results"]] == ["steps.py:bench_step"]
    assert report["results"][0]["regression_status"] != "no_baseline"
    steps.write_text(BENCH.format(n=60_000))
    assert main(["bench", "steps.py", *QUICK]) == 0
    assert main(["bench", "steps.py:bench_step", *QUICK, "--fail-on-regression"]) == 1
    assert main(["bench", "steps.py:helper", *QUICK]) == 2
    assert "missing a required argument" in capsys.readouterr().err
    steps.write_text("def bench_broken():\n    raise KeyError('k')\n")
    assert main(["bench", "steps.py", "--samples", "5"]) == 3
    assert "KeyError" in capsys.readouterr().out


def test_bench_against_a_commit_in_turns(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--compare", "HEAD~5", "--fail-on-regression", "-o", "out.html"]
    assert main(["bench", "steps.py", "--samples", "40", *options]) == 1
    assert "regression" in capsys.readouterr().out
    page = Path("out.html").read_text()
    assert "before and after" in page
    assert "in turns" in page
    assert main(["bench", "steps.py", *QUICK, "--compare", "no-such-ref"]) == 2
    assert git(repository, "worktree", "list").count("\n") == 0, "no worktree stays"


def test_history_finds_the_commit_and_leaves_out_the_broken_one(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commits = git(repository, "log", "--format=%h", "--reverse").split()
    first = git(repository, "rev-list", "--max-parents=0", "HEAD")
    git(repository, "tag", "before-all", first)
    options = ["--samples", "25", "--rounds", "5", "-o", "out.html", "--save"]
    assert main(["bench", "steps.py", "--history", "HEAD~5..HEAD", *options]) == 0
    said = capsys.readouterr()
    (marked,) = [line for line in said.out.splitlines() if "<- x" in line]
    assert marked.split()[0] == commits[3]
    assert commits[1] in said.err
    assert "absent_module" in said.err
    page = Path("out.html").read_text()
    assert f"from {commits[3]} on" in page
    assert main(["report", "benchmark_results", "-f", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["timelines"]
    assert [change["commit"] for change in line["changes"]] == [commits[3]]
    assert main(["bench", "steps.py", "--history", "HEAD..HEAD", "--quiet"]) == 2
    capsys.readouterr()
    assert main(["bench", "steps.py", "--history", "HEAD~5..HEAD~4", *QUICK]) == 2
    assert f"no commit could be measured: {commits[1]}: " in capsys.readouterr().err


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Speaks as Google Benchmark does; each run takes the next line of `factors`, if there is one,
    times 3 us."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "gp_bench"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, platform\n"
        "args = dict(a.split('=', 1) for a in sys.argv[1:])\n"
        "if '--benchmark_list_tests' in args:\n"
        "    print('BM_Predict/200'); sys.exit()\n"
        "assert args['--benchmark_filter'] == '^BM_Predict/200$'\n"
        "import pathlib\n"
        "file = pathlib.Path('factors')\n"
        "factors = file.read_text().split() if file.exists() else []\n"
        "factor = float(factors.pop(0)) if factors else 1.0\n"
        "file.write_text(' '.join(factors))\n"
        "entry = dict(name='BM_Predict/200', run_name='BM_Predict/200', run_type='iteration',\n"
        "             iterations=10, time_unit='us', cpu_time=1.0)\n"
        "n = int(args['--benchmark_repetitions'])\n"
        "runs = [dict(entry, real_time=3 * factor + 0.001 * i) for i in range(n)]\n"
        "print(json.dumps(dict(context=dict(host_name=platform.node()), benchmarks=runs)))\n"
    )
    script.chmod(0o755)
    return script


def test_native_executables_join(stand_in: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "./gp_bench", *QUICK, "--save"]) == 0
    assert main(["bench", "./gp_bench", "--samples", "25", "--require-baseline"]) == 0
    assert "BM_Predict/200" in capsys.readouterr().out
    assert main(["report", "benchmark_results", "-o", "r.csv"]) == 0
    assert "BM_Predict/200,ok,ok" in Path("r.csv").read_text()


def test_an_alarm_of_a_native_benchmark_must_be_seen_twice(
    stand_in: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "./gp_bench", *QUICK, "--save"]) == 0
    told = ["bench", "./gp_bench", "--samples", "25", "--fail-on-regression"]
    Path("factors").write_text("2 1")
    assert main(told) == 0
    assert "second run did not show it" in capsys.readouterr().out
    Path("factors").write_text("2 2")
    assert main(told) == 1


REAL = """
#include <benchmark/benchmark.h>

static void step(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(state.range(0));
}
static void broken(benchmark::State& state) {
  state.SkipWithError("no data");
  for (auto _ : state) {
  }
}
BENCHMARK(step)->Name("half-step <of (a) x.y>")->Arg(7);
BENCHMARK(broken);
BENCHMARK_MAIN();
"""


def test_a_real_google_benchmark_executable(
    tmp_path: Path,
    cxx: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("steps.cpp").write_text(REAL)
    built = subprocess.run(
        [cxx, "-std=c++20", "steps.cpp", "-o", "steps", "-lbenchmark", "-lpthread"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if built.returncode != 0:
        pytest.skip(f"no Google Benchmark to build with: {built.stderr.strip().splitlines()[0]}")
    assert main(["bench", "./steps", "--samples", "6", "--save"]) == 3, "one is broken"
    said = capsys.readouterr().out
    assert "no data" in said
    assert main(["bench", "./steps", "--filter", "half", "--samples", "6", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["results"]
    assert (one["name"], len(one["raw"])) == ("half-step <of (a) x.y>/7", 6)
    assert one["regression_status"] != "no_baseline"
    assert main(["bench", "./steps", "--filter", "absent"]) == 2
    assert "no benchmark matches 'absent'" in capsys.readouterr().err


def test_misuse_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["bench", "absent.py"], "no such file"),
        (["bench", "absent_module_x"], "No module named"),
        (["bench", "json:nothing"], "no attribute"),
        (["bench", "json"], "no function begins with bench_"),
        (["bench", "json:dumps", "-o", "x.pdf"], "must end in one of"),
        (["bench", "json:dumps", "--cpu", "100000"], "--cpu must be one of"),
        (["report", "absent.json"], "cannot be read"),
        (["report", "."], "no results"),
    ):
        assert main(arguments) == 2, arguments
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bench", "x", "--compare", "a", "--history", "b"])
    assert not os.listdir(tmp_path)
