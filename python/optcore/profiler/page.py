"""One HTML file: figures, bottlenecks, flame graph, timeline, tables. Nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from optcore.profiler.data import ProfilingData, StackNode, SystemSample
from optcore.profiler.flame import SCRIPT

__all__ = ["html_page"]

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;background:#fff;margin:0}
main{max-width:1100px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 8px}
.quiet{color:#5b6875;margin:0 0 12px}.facts{display:flex;flex-wrap:wrap;gap:10px}
.fact{border:1px solid #dde3e9;border-radius:6px;padding:8px 14px}
.fact b{display:block;font-size:18px}.fact span{color:#5b6875;font-size:13px}
.found{border-left:4px solid #c2571a;padding:4px 12px;margin:8px 0;background:#fdf6f1}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:right;padding:3px 8px;border-bottom:1px solid #e8ecf0}
th:last-child,td:last-child{text-align:left;overflow-wrap:anywhere}
.flame rect{cursor:pointer;stroke:#fff;stroke-width:.6}
.flame text{font:12px system-ui,sans-serif;pointer-events:none}
.legend span{display:inline-block;margin-right:14px;font-size:13px}
.legend i{display:inline-block;width:12px;height:12px;margin-right:5px;border-radius:2px}
.tip{min-height:22px;font-size:13px;color:#33414e;overflow-wrap:anywhere}
input{font:inherit;padding:3px 8px;border:1px solid #b9c3cc;border-radius:4px}
button{font:inherit;padding:3px 10px}
"""
_COLOURS = {
    "python": "#e8a33d", "native": "#4c8fcf", "lock": "#b5527a", "sleep": "#b9c3cc",
    "i/o": "#55a87a", "interpreter lock": "#8a6cc0",
}  # fmt: skip


def html_page(profiles: Sequence[ProfilingData], sites: Sequence[Mapping[str, Any]]) -> str:
    """The page of some profiles and of the decorated functions."""
    return "\n".join(_page(profiles, sites))


def _page(profiles: Sequence[ProfilingData], sites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>optcore profile</title><style>{_STYLE}</style></head><body><main>"
    if not profiles and not sites:
        yield "<p>Nothing was profiled.</p>"
    for number, data in enumerate(profiles):
        yield from _profile(data, number)
    if sites:
        yield "<h2>Decorated functions</h2>"
        yield _table(
            ["calls", "errors", "total s", "p50 ms", "p99 ms", "max ms", "function"],
            [[r["calls"], r["errors"], r["total"], r["p50"] * 1e3, r["p99"] * 1e3, r["max"] * 1e3,
              r["name"]] for r in sites],
        )  # fmt: skip
    yield f"</main><script>{SCRIPT}</script></body></html>"


def _profile(data: ProfilingData, number: int) -> Iterator[str]:
    m, e = data.metrics, data.environment
    yield f"<h1>Profile of {escape(data.name)}</h1>"
    yield (
        f'<p class="quiet">{escape(str(e.get("time", "")))} &middot; Python '
        f"{escape(str(e.get('python', '')))} &middot; {escape(str(e.get('system', '')))}</p>"
    )
    facts = (
        ("wall time, s", m.execution_time), ("processor time, s", m.cpu_time),
        ("memory at the end, MB", m.memory_after_mb), ("peak of the process, MB", m.memory_peak_mb),
        ("page faults", m.minor_faults), ("bytes read", m.read_bytes),
        ("bytes written", m.write_bytes), ("garbage collector, s", m.gc_time),
        ("GPU, %", m.gpu_utilization), ("cost of profiling, s", m.overhead_estimate),
    )  # fmt: skip
    yield '<div class="facts">'
    for label, value in facts:
        if value is not None:
            yield f'<div class="fact"><b>{_number(value)}</b><span>{label}</span></div>'
    yield "</div>"
    for note in data.notes:
        yield f'<p class="quiet">Note: {escape(note)}.</p>'
    if data.bottlenecks:
        yield "<h2>What holds it up</h2>"
    for b in data.bottlenecks:
        yield (
            f'<div class="found"><b>{escape(b.kind)}</b> ({b.confidence:.0%} sure): '
            f"{escape(b.evidence)}.<br>Try: {escape(b.suggestion)}.</div>"
        )
    if data.stacks:
        yield from _flames(data, number)
    if len(data.timeline) > 1:
        yield "<h2>Over time</h2>"
        yield _chart(data.timeline, "cpu_percent", "CPU, % of a core", "#c2571a")
        yield _chart(data.timeline, "rss_mb", "resident memory, MB", "#2b6fb3")
        if data.timeline[-1].gpu_percent is not None:
            yield _chart(data.timeline, "gpu_percent", "GPU, %", "#3c8a5f")
    if data.functions:
        yield "<h2>Functions</h2>"
        yield _table(
            ["own s", "total s", "python s", "native s", "waiting s", "function"],
            [[f.self_seconds, f.total_seconds, f.running, f.native,
              f.lock + f.sleep + f.io + f.interpreter_lock, f"{f.function} ({f.file}:{f.line})"]
             for f in data.functions[:40]],
        )  # fmt: skip
    if data.lines:
        yield "<h2>Lines</h2>"
        yield _table(
            ["s", "native s", "waiting s", "hits", "line"],
            [[r.seconds, r.native_seconds, r.waiting_seconds, r.hits or "",
              f"{r.file}:{r.line} ({r.function})"] for r in data.lines[:60]],
        )  # fmt: skip
    if data.allocations:
        yield "<h2>Allocations still held</h2>"
        yield _table(
            ["MB", "blocks", "line"],
            [[a.megabytes, a.count, f"{a.file}:{a.line}"] for a in data.allocations[:40]],
        )


def _flames(data: ProfilingData, number: int) -> Iterator[str]:
    yield "<h2>Flame graph</h2>"
    yield (
        '<p class="quiet">Width is time (s), depth is the call stack, the callers on top; colour is'
        " what the function itself mostly did. Click a frame to enlarge it.</p>"
    )
    yield '<p class="legend">'
    for name, colour in _COLOURS.items():
        yield f'<span><i style="background:{colour}"></i>{name}</span>'
    yield "</p>"
    for i, (thread, tree) in enumerate(data.stacks.items()):
        yield f"<h3>{escape(thread)}</h3>"
        yield (
            f'<div class="flame" id="f{number}-{i}"><input placeholder="find a function"'
            ' aria-label="find a function"> <button>whole</button><div class="tip"></div></div>'
        )
        content = json.dumps(_merged(tree), separators=(",", ":")).replace("<", "\\u003c")
        yield f'<script type="application/json" data-for="f{number}-{i}">{content}</script>'


def _merged(tree: tuple[StackNode, ...]) -> list[list[Any]]:
    """[parent, label, own s, colour]: frames of one function under one parent become one."""
    place: dict[int, int] = {0: 0}
    rows: list[list[Any]] = [[-1, "all", tree[0].seconds, 0]]
    known: dict[tuple[int, str, str], int] = {}
    doing: list[list[float]] = [[0.0] * len(_COLOURS)]
    for index, node in enumerate(tree[1:], 1):
        key = (place[node.parent], node.file, node.function)
        if key not in known:
            known[key] = len(rows)
            label = f"{node.function} ({node.file}:{node.line})"
            rows.append([key[0], label, 0.0, 0])
            doing.append([0.0] * len(_COLOURS))
        place[index] = at = known[key]
        rows[at][2] = round(rows[at][2] + node.seconds, 6)
        doing[at] = [a + b for a, b in zip(doing[at], node.by_activity, strict=True)]
    for row, times in zip(rows, doing, strict=True):
        row[3] = max(range(len(times)), key=times.__getitem__)
    return rows


def _chart(samples: Sequence[SystemSample], field: str, label: str, colour: str) -> str:
    """A line over the time of the call, with axes."""
    width, height, left, bottom = 1000, 170, 60, 34
    values = [float(getattr(s, field) or 0.0) for s in samples]
    end, top = samples[-1].time or 1.0, _round_up(max(values))
    x = [left + (width - left - 10) * s.time / end for s in samples]
    y = [height - bottom - (height - bottom - 10) * v / top for v in values]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" aria-label="{label}" '
        'font-size="12" fill="#5b6875">'
    ]
    step = _round_up(end / 8)
    for i in range(int(end / step) + 1):
        px = left + (width - left - 10) * i * step / end
        parts.append(
            f'<text x="{px:.0f}" y="{height - bottom + 15}" text-anchor="middle">'
            f"{i * step:g}</text>"
        )
    for i in range(3):
        py = height - bottom - (height - bottom - 10) * i / 2
        parts.append(f'<path d="M{left} {py:.0f}H{width - 10}" stroke="#e3e8ed"/>')
        parts.append(
            f'<text x="{left - 6}" y="{py + 4:.0f}" text-anchor="end">{top * i / 2:g}</text>'
        )
    parts.append(f'<text x="{width / 2:.0f}" y="{height - 3}" text-anchor="middle">time, s</text>')
    parts.append(
        f'<text x="14" y="{(height - bottom) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(height - bottom) / 2:.0f})">{label}</text>'
    )
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/></svg>'
    )
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    step = 1.0
    while value > 10 * step:
        step *= 10
    while value < step and step > 1e-6:
        step /= 10
    return next(step * k for k in (1, 2, 4, 5, 6, 8, 10, 20) if step * k >= value)


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{_number(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
