"""The last episode as a moving picture: an SVG that animates itself, for the bodies known here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optcore.learn.record import Record

__all__ = ["moving_picture"]

Array = NDArray[np.float64]
_MOST_FRAMES = 240


def moving_picture(record: Record) -> str | None:
    """An <svg> that plays the last episode for ever; None: nobody knows how this one looks."""
    draw = _BODIES.get(record.task)
    if draw is None or not record.episodes:
        return None
    episode = record.episodes[-1]
    states = record.coordinates.state(np.array(episode.observations))
    stride = max(1, -(-len(states) // _MOST_FRAMES))
    seconds = sum(episode.durations) * _PERIODS[record.task]
    return draw(states[::stride], max(seconds, 0.1))


def _animate(attribute: str, values: Array, seconds: float) -> str:
    text = ";".join(f"{value:.1f}" for value in values)
    return (
        f'<animate attributeName="{attribute}" values="{text}" dur="{seconds:.2f}s" '
        'repeatCount="indefinite"/>'
    )


def _line(tail: tuple[Array, Array], tip: tuple[Array, Array], seconds: float) -> str:
    ends = zip(("x1", "y1", "x2", "y2"), (*tail, *tip), strict=True)
    moves = "".join(_animate(name, values, seconds) for name, values in ends)
    return f'<line stroke="var(--robot)" stroke-width="9" stroke-linecap="round">{moves}</line>'


def _trail(x: Array, y: Array) -> str:
    points = " ".join(f"{a:.0f},{b:.0f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="var(--track)" stroke-width="1"/>'


def _svg(width: int, height: int, body: str) -> str:
    return (
        f'<svg role="img" aria-label="The last episode, moving" viewBox="0 0 {width} {height}" '
        f'xmlns="http://www.w3.org/2000/svg" style="max-height:380px">{body}</svg>'
    )


def _pendulum(states: Array, seconds: float) -> str:
    # gymnasium draws a positive angle from upright to the left
    x, y = 150 - 110 * np.sin(states[:, 0]), 150 - 110 * np.cos(states[:, 0])
    pivot = np.full(len(x), 150.0)
    rod = _line((pivot, pivot), (x, y), seconds)
    hinge = '<circle cx="150" cy="150" r="6" fill="var(--ink)"/>'
    return _svg(300, 300, _trail(x, y) + rod + hinge)


def _cart_pole(states: Array, seconds: float) -> str:
    scale, length = 110.0, 0.6
    x = 350 + scale * states[:, 0]
    tip = x - scale * length * np.sin(states[:, 2]), 110 - scale * length * np.cos(states[:, 2])
    level = np.full(len(x), 110.0)
    rail = '<line x1="20" x2="680" y1="120" y2="120" stroke="var(--line)" stroke-width="2"/>'
    cart = (
        '<rect y="100" width="60" height="20" rx="4" fill="var(--person)">'
        f"{_animate('x', x - 30, seconds)}</rect>"
    )
    return _svg(700, 200, rail + _trail(*tip) + cart + _line((x, level), tip, seconds))


def _car(states: Array, seconds: float) -> str:
    def place(position: Array) -> tuple[Array, Array]:
        return 40 + 345 * (position + 1.2), 190 - 75 * (1 + np.sin(3 * position))

    hill = _trail(*place(np.linspace(-1.2, 0.6, 80)))
    x, y = place(states[:, 0])
    flag_x, flag_y = place(np.array([0.45]))
    flag = (
        f'<line x1="{flag_x[0]:.0f}" x2="{flag_x[0]:.0f}" y1="{flag_y[0]:.0f}" '
        f'y2="{flag_y[0] - 30:.0f}" stroke="var(--goal1)" stroke-width="4"/>'
    )
    moves = _animate("cx", x, seconds) + _animate("cy", y - 9, seconds)
    return _svg(700, 230, f'{hill}{flag}<circle r="9" fill="var(--robot)">{moves}</circle>')


_BODIES: dict[str, Callable[[Array, float], str]] = {
    "Pendulum-v1": _pendulum,
    "CartPoleSwingUp": _cart_pole,
    "MountainCarContinuous-v0": _car,
}
_PERIODS = {"Pendulum-v1": 0.05, "CartPoleSwingUp": 0.1, "MountainCarContinuous-v0": 1 / 30}
