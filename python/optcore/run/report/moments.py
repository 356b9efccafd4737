"""Which instants of a run are worth a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optcore.run.report.view import SceneView

__all__ = ["Moment", "telling_moments"]

_NEAR_M = 6.0  # people this near count as company of the robot
_APART_S = 2.0  # two pictures show different instants
_BEFORE_S = 0.8  # a belief is compared with what it was this long before
_SETTLED_ROWS = 8  # the first beliefs of a person are still the prior


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant: its cycle, a short title and a sentence; `person` is whom it is about."""

    cycle: int
    title: str
    text: str
    person: int | None = None


def telling_moments(view: SceneView, wanted: int = 4) -> list[Moment]:
    """Return at most `wanted` instants, in order of time.

    First the closest approach, the most people near the robot, a plan that fell back, the greatest
    change of mind about a person near the robot; then instants spread over what is left.
    """
    if not view.cycles:
        return []
    chosen: list[Moment] = []
    for find in (_closest, _crowded, _fallback, _change_of_mind):
        moment = find(view, chosen)
        if moment is not None and len(chosen) < wanted:
            chosen.append(moment)
    for share in (0.5, 0.25, 0.75, 0.125, 0.875, 0.375, 0.625):
        cycle = int(share * (view.cycles - 1))
        if len(chosen) < wanted and _free(view, chosen)[cycle]:
            chosen.append(Moment(cycle, "On the way", f"t = {view['time'][cycle]:.1f} s."))
    return sorted(chosen or [Moment(0, "The start", "t = 0 s.")], key=lambda m: m.cycle)


def _free(view: SceneView, chosen: list[Moment]) -> np.ndarray:
    """(C,) instants far enough from those already chosen."""
    free = np.ones(view.cycles, dtype=bool)
    for moment in chosen:
        free &= np.abs(view["time"] - view["time"][moment.cycle]) >= _APART_S
    return free


def _closest(view: SceneView, chosen: list[Moment]) -> Moment | None:
    distance = view["min_distance"]
    if len(distance) != view.cycles or not np.isfinite(distance).any():
        return None
    cycle = int(np.nanargmin(distance))
    speed = float(np.hypot(*view["robot"][cycle, 2:]))
    doing = "stands still" if speed < 0.1 else f"drives at {speed:.1f} m/s"
    return Moment(
        cycle,
        "Closest approach",
        f"{distance[cycle]:.2f} m between centres at t = {view['time'][cycle]:.1f} s; "
        f"the robot {doing}.",
    )


def _crowded(view: SceneView, chosen: list[Moment]) -> Moment | None:
    rows = view["person_cycle"]
    if not len(rows):
        return None
    offset = view["person_position"] - view["robot"][rows, :2]
    near = np.hypot(offset[:, 0], offset[:, 1]) < _NEAR_M
    count = np.bincount(rows[near], minlength=view.cycles) * _free(view, chosen)
    if not count.max():
        return None
    # among equals the one in the midst of its stretch, so that nobody has only just come near
    best = np.flatnonzero(count == count.max())
    cycle = int(best[len(best) // 2])
    return Moment(
        cycle,
        "Most company",
        f"{count[cycle]} {'person' if count[cycle] == 1 else 'people'} within {_NEAR_M:.0f} m "
        f"at t = {view['time'][cycle]:.1f} s.",
    )


def _fallback(view: SceneView, chosen: list[Moment]) -> Moment | None:
    kind = view["fallback"]
    if len(kind) != view.cycles:
        return None
    bad = (kind > 0) & _free(view, chosen)
    if not bad.any():
        return None
    # the furthest down the ladder, and of these the nearest to somebody
    worst = np.flatnonzero(bad & (kind == kind[bad].max()))
    distance = np.nan_to_num(view["min_distance"][worst], nan=np.inf)
    cycle = int(worst[np.argmin(distance)])
    name = _name(view, int(kind[cycle]))
    return Moment(
        cycle,
        f"A fallback: {name}",
        f"No plan kept every margin at t = {view['time'][cycle]:.1f} s; the robot used "
        f"\N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}.",
    )


def _change_of_mind(view: SceneView, chosen: list[Moment]) -> Moment | None:
    belief = view.goal_belief
    if belief.shape[1] < 2 or view.cycles < 2:
        return None
    free = _free(view, chosen)
    period = float(np.median(np.diff(view["time"]))) or 0.1
    lag = max(round(_BEFORE_S / period), 1)
    best: tuple[float, int, int, int] | None = None
    for person, rows in view.tracks.items():
        later = rows[_SETTLED_ROWS + lag :]
        if not len(later):
            continue
        before = rows[_SETTLED_ROWS : len(rows) - lag]
        change = 0.5 * np.abs(belief[later] - belief[before]).sum(axis=1)
        cycle = view["person_cycle"][later]
        offset = view["person_position"][later] - view["robot"][cycle, :2]
        change = change * free[cycle] * (np.hypot(offset[:, 0], offset[:, 1]) < 1.5 * _NEAR_M)
        index = int(np.argmax(change))
        if best is None or change[index] > best[0]:
            best = (float(change[index]), int(later[index]), int(before[index]), person)
    if best is None or best[0] < 0.1:
        return None
    _, row, earlier, person = best
    was, now = int(np.argmax(belief[earlier])), int(np.argmax(belief[row]))
    names = view.goal_names
    at = int(view["person_cycle"][row])
    if was == now:
        what = f"{names[now]} went from {belief[earlier, now]:.0%} to {belief[row, now]:.0%}"
    else:
        what = f"{names[was]} gave way to {names[now]} ({belief[row, now]:.0%})"
    return Moment(
        at,
        "A change of mind",
        f"For person {person}, {what} within {lag * period:.1f} s, "
        f"at t = {view['time'][at]:.1f} s.",
        person,
    )


def _name(view: SceneView, kind: int) -> str:
    names = view["fallback_names"]
    return str(names[kind]).replace("_", " ") if kind < len(names) else str(kind)
