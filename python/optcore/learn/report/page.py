"""The page: headline figures, pictures with captions, what training decided."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optcore._files import replace_file
from optcore.learn.report.charts import (
    belief_chart,
    episode_chart,
    error_chart,
    learning_curve,
)
from optcore.learn.report.poses import moving_picture
from optcore.learn.summary import coverage, model_errors, plan_times
from optcore.run.report.style import style_sheet

if TYPE_CHECKING:
    from optcore.learn.finite import FiniteRecord
    from optcore.learn.learner import Learner

__all__ = ["write_finite_report", "write_report"]

_NAMES = {
    "Pendulum-v1": ("angle, rad", "rate, rad/s"),
    "CartPoleSwingUp": ("position, m", "speed, m/s", "angle, rad", "rate, rad/s"),
    "MountainCarContinuous-v0": ("position", "speed"),
}


def write_report(learner: Learner, path: str | Path) -> None:
    """Write one self-contained HTML file about a run; it appears whole or not at all.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    _write(_page(learner), path)


def write_finite_report(record: FiniteRecord, path: str | Path) -> None:
    """The same for an environment with finitely many states."""
    _write(_finite_page(record), path)


def _write(parts: Iterator[str], path: str | Path) -> None:
    text = "\n".join(parts)
    replace_file(path, lambda file: file.write(text.encode()))


def _open(title: str) -> Iterator[str]:
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>optcore learn</title><style>{style_sheet()}</style></head><body><main>"
    yield f"<h1>{escape(title)}</h1>"


def _box(value: str, label: str) -> str:
    return f'<div class="figure"><b>{value}</b><span>{label}</span></div>'


def _figure(picture: str | None, title: str, caption: str) -> str:
    if picture is None:
        return ""
    return f"<figure>{picture}<figcaption><b>{title}</b> {caption}</figcaption></figure>"


def _page(learner: Learner) -> Iterator[str]:
    record = learner.record
    episodes = record.episodes
    yield from _open(f"Learning {record.task}")
    yield (
        '<p class="quiet">Gaussian processes learn how the environment moves from what happened; '
        "one model is drawn from that belief for each episode, and predictive control plans "
        f"through it. Seed {record.seed}.</p>"
    )
    returns = [episode.total for episode in episodes]
    steps = [episode.steps for episode in episodes]
    times = plan_times(episodes)
    yield '<div class="figures">'
    yield _box(f"{returns[-1]:.1f}", f"return of episode {len(returns)}; first {returns[0]:.1f}")
    yield _box(f"{sum(steps):,}", "steps of interaction")
    yield _box(f"{episodes[-1].points}", "transitions kept by the model")
    if times.size:
        slow = 1e3 * np.quantile(times, 0.99)
        yield _box(f"{1e3 * np.median(times):.1f} ms", f"per plan; 99 % within {slow:.1f} ms")
    inside = coverage(episodes, record.coordinates)
    if inside is not None:
        yield _box(f"{100 * inside:.0f} %", "of next states inside the 90 % band foretold")
    yield "</div>"
    count = record.coordinates.nx
    names = _NAMES.get(record.task, tuple(f"state {j + 1}" for j in range(count)))
    yield '<div class="pair">'
    yield _figure(learning_curve(returns, steps, "lc"), "Learning curve.", "Return an episode.")
    yield _figure(
        error_chart(record, names, "me"),
        "Error of the model.",
        "Root mean square error of each step foretold before it was taken, divided by the root "
        "mean square change of that state: at 1 the model is worth nothing.",
    )
    yield "</div><h3>The belief over models</h3><div class='pair'>"
    for i in dict.fromkeys((0, len(episodes) - 1)):
        for j in range(min(count, 2)):
            yield _figure(
                belief_chart(record, episodes[i], j, names[j], f"b{i}{j}"),
                f"After episode {i + 1}.",
                f"Orange: what happened. Blue: {len(episodes[i].paths)} models drawn from the "
                "belief, started where the episode began and given the same inputs. Where a body "
                "stands upright, the least difference grows.",
            )
    yield "</div><h3>The last episode</h3>"
    yield _figure(moving_picture(record), "As it happened.", "At true speed, over and over.")
    yield _figure(
        episode_chart(record, names, learner.low, learner.high, "ep"),
        "States and inputs.",
        "Dashed: bounds of the inputs.",
    )
    yield from _decisions(learner)
    yield "</main></body></html>"


def _decisions(learner: Learner) -> Iterator[str]:
    record = learner.record
    yield "<h3>What training decided</h3>"
    yield (
        '<p class="quiet">A proposal is adopted only where it foretells held-out points better '
        "(log density a point, nats).</p><table>"
    )
    heads = ("episode", "process", "in use", "proposal", "outcome")
    yield f"<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    for i, episode in enumerate(record.episodes):
        for v in episode.verdicts:
            yield (
                f"<tr><td>{i + 1}</td><td>{v.of} {v.output + 1}, {v.points} points</td>"
                f"<td>{v.before:.3f}</td><td>{v.after:.3f}</td><td>{escape(v.message)}</td></tr>"
            )
    yield "</table><h3>Episodes</h3><table>"
    yield (
        "<tr><th>episode</th><th>return</th><th>steps</th><th>error of each state</th>"
        "<th>plans: last, sampled, SQP</th></tr>"
    )
    for i, episode in enumerate(record.episodes):
        errors = ", ".join(f"{e:.3g}" for e in model_errors(episode, record.coordinates))
        sources = [episode.sources.count(name) for name in ("last", "sampled", "sqp")]
        yield (
            f"<tr><td>{i + 1}</td><td>{episode.total:.1f}</td><td>{episode.steps}</td>"
            f"<td>{errors}</td><td>{sources[0]}, {sources[1]}, {sources[2]}</td></tr>"
        )
    yield "</table>"


def _finite_page(record: FiniteRecord) -> Iterator[str]:
    yield from _open(f"Learning {record.task}")
    yield (
        '<p class="quiet">Posterior sampling (PSRL): one process is drawn from a Dirichlet belief '
        f"for each episode and its best policy is followed. Seed {record.seed}.</p>"
    )
    returns, lengths = record.returns, record.lengths
    last = returns[-max(1, len(returns) // 10) :]
    yield '<div class="figures">'
    yield _box(f"{np.mean(last):.3g}", f"mean return of the last {len(last)} episodes")
    yield _box(f"{int(np.sum(lengths)):,}", "steps of interaction")
    seen = np.count_nonzero(record.visits)
    yield _box(f"{seen} of {record.visits.size}", "pairs of state and action tried")
    yield "</div>"
    yield _figure(
        learning_curve(list(returns), [int(n) for n in lengths], "lc"),
        "Learning curve.",
        "Return of each episode; orange: running mean." if len(returns) > 60 else "",
    )
    yield "<h3>What the belief knows</h3><table>"
    yield "<tr><th>state</th><th>visits of each action</th><th>best action</th></tr>"
    order = np.argsort(-record.visits.sum(axis=1), kind="stable")[:25]
    for state in order:
        visits = ", ".join(str(int(n)) for n in record.visits[state])
        yield f"<tr><td>{state}</td><td>{visits}</td><td>{record.policy[state]}</td></tr>"
    yield "</table></main></body></html>"
