"""Benchmarks of several commits side by side: a worktree and a process for each, in turns."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optcore.benchmark_framework.exchange import google_benchmark
from optcore.errors import ConfigError

__all__ = ["NativeTree", "PythonTree", "Tree", "commits_of", "repository_of", "worktree"]

_HERE = Path(__file__).parent


def repository_of(folder: str | Path = ".") -> Path:
    """Root of the git tree that a folder is in."""
    return Path(_git(folder, "rev-parse", "--show-toplevel"))


def commits_of(span: str, repository: Path, most: int | None = None) -> list[tuple[str, str]]:
    """(commit, subject) of a range such as v1..HEAD, the oldest first; `most` of them, evenly."""
    text = _git(repository, "log", "--first-parent", "--reverse", "--format=%h%x09%s", span, "--")
    found = [(line.split("\t")[0], line.partition("\t")[2]) for line in text.splitlines()]
    if not found:
        raise ConfigError(f"--history {span}: no commits")
    if most is None or len(found) <= most:
        return found
    if most < 2:
        raise ConfigError(f"need at least two commits of a history, got {most}")
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def _git(folder: str | Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return _output(command, f"git {' '.join(arguments[:2])}").strip()


def _output(command: Sequence[str], label: str) -> str:
    """What a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(f"{label} failed ({done.returncode}): {said}")
    return done.stdout


@contextlib.contextmanager
def worktree(repository: Path, commit: str, build: str | None = None) -> Iterator[Path]:
    """A checkout of a commit in a temporary folder, built by a command; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="optcore-bench-") as folder:
        tree = Path(folder) / "tree"
        _git(repository, "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            if build is not None:
                _build(build, tree, commit)
            yield tree
        finally:
            with contextlib.suppress(ConfigError):
                _git(repository, "worktree", "remove", "--force", str(tree))


def _build(command: str, tree: Path, commit: str) -> None:
    done = subprocess.run(
        command, shell=True, cwd=tree, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise ConfigError(f"{commit}: {command!r} failed: {' | '.join(last)}")


class Tree(abc.ABC):
    """One source tree under measurement."""

    names: list[str]

    @abc.abstractmethod
    def warm(self, name: str, least: int, inner: int | None = None) -> int:
        """Calibrate and warm up; returns the calls in a sample."""

    @abc.abstractmethod
    def sample(self, name: str, count: int) -> list[float]:
        """Further seconds a call."""

    @abc.abstractmethod
    def close(self) -> None:
        """End its process."""


class PythonTree(Tree):
    """A worker process that imports the benchmarks of its tree.

    Args:
        folder: where it runs; also the first entry of its import path, with folder/src.
        target: FILE.py or module, with :function.
        python: interpreter; {tree} in it becomes the folder.
    """

    def __init__(self, folder: Path, target: str, python: str | None = None) -> None:
        interpreter = (python or sys.executable).replace("{tree}", str(folder))
        paths = [str(folder), str(folder / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:
            self._process = subprocess.Popen(
                [*shlex.split(interpreter), str(_HERE / "worker.py"), str(_HERE / "timing.py")],
                cwd=folder, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ConfigError(f"{interpreter}: {error.strerror}") from None
        self._folder = folder
        try:
            self.names = list(self._ask(do="load", target=target)["names"])
        except ConfigError:
            self.close()
            raise
        if not self.names:
            self.close()
            raise ConfigError(f"{target}: no function begins with bench_")

    def warm(self, name: str, least: int, inner: int | None = None) -> int:
        return int(self._ask(do="warm", name=name, least=least, inner=inner)["inner"])

    def sample(self, name: str, count: int) -> list[float]:
        answer = self._ask(do="sample", name=name, count=count)
        if answer["errors"]:
            raise ConfigError(f"{name}: {answer['first_error']}")
        if answer["nonfinite"]:
            raise ConfigError(f"{name}: it returned NaN or infinity")
        return [float(seconds) for seconds in answer["seconds"]]

    def _ask(self, **request: Any) -> Mapping[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise ConfigError(f"{self._folder}: the process ended with {process.wait()}")
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise ConfigError(str(answer["error"]))
        return answer

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class NativeTree(Tree):
    """A Google Benchmark executable of a tree; each turn is a run of the process.

    Args:
        executable: path; a relative one lies in the folder.
        pattern: regular expression of benchmark names.
    """

    def __init__(self, folder: Path, executable: str, pattern: str | None = None) -> None:
        self._path = (folder / executable).absolute()
        if not os.access(self._path, os.X_OK):
            raise ConfigError(f"{self._path}: no such executable")
        chosen = [f"--benchmark_filter={pattern}"] if pattern else []
        command = [str(self._path), "--benchmark_list_tests=true", *chosen]
        listed = _output(command, str(self._path))
        self.names = [line for line in listed.splitlines() if line.strip()]
        if not self.names:
            raise ConfigError(f"{self._path}: no benchmark matches {pattern or '.'!r}")

    def warm(self, name: str, least: int, inner: int | None = None) -> int:
        return 1

    def sample(self, name: str, count: int) -> list[float]:
        command = google_benchmark.command(str(self._path), name, count, 0.02)
        said = _output(command, str(self._path))
        seconds, error = google_benchmark.samples_of(json.loads(said))
        if error is not None:
            raise ConfigError(f"{name}: {error}")
        return seconds

    def close(self) -> None:
        """Nothing runs between turns."""
