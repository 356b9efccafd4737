"""Pedestrian recordings from text files: `frame person x y`, with blanks, tabs or commas.

Three layouts are read: the benchmark files of the ETH and UCY literature (four columns of numbers),
csv with a header (`frame,ped_id,x_m,y_m` and further columns, which are ignored: several of these
files keep central differences in their velocity columns, so the next position hides in them), and
any other file of four columns. Lines that are empty or begin with # are skipped.

The file says frames, not seconds. The step between two rows of one person (the commonest one) is
taken as 0.4 s, as the literature does, unless `fps` is given.

Source   Pellegrini et al., ICCV 2009 (ETH); Lerner et al., Eurographics 2007 (UCY).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optcore.crowd.scene import Scene, Track, bounds_of
from optcore.crowd.table import Table, read_table
from optcore.errors import ConfigError

__all__ = ["ROW_PERIOD_S", "read_scene"]

ROW_PERIOD_S = 0.4
"""Time between two annotated rows of one person, by convention of the ETH and UCY files."""

_GAP = 1.5  # a step this many times the usual one is a gap
_LONGEST_STEPS = 2e6  # nine days; more is a wrong frame number, and would take all memory


def read_scene(path: str | Path, fps: float | None = None, *, strict: bool = False) -> Scene:
    """Read a recording.

    Args:
        path: the file.
        fps: frames a second of the recording; None takes the annotation step as 0.4 s.
        strict: refuse rows out of order and repeated rows. Otherwise they are sorted and dropped,
            and `Scene.notes` says so.

    Raises:
        ConfigError: `fps` is not a positive number.
        SceneError: the file cannot be read, a row is not understood, or two rows contradict each
            other. One line: file, row (1-based line), what came, what is needed, remedy.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "two.txt"
        ...     _ = file.write_text("0 1 0.0 0.0\\n10 1 0.5 0.0\\n20 1 1.0 0.0\\n")
        ...     scene = read_scene(file)
        >>> scene.tracks[0].time
        array([0. , 0.4, 0.8])
    """
    if fps is not None and not (np.isfinite(fps) and fps > 0.0):
        raise ConfigError(f"fps must be a positive number, got {fps}")
    table = read_table(Path(path))
    rows, notes = _ordered_rows(table, strict)
    frame, person = table.frame[rows], table.person[rows]
    step = _annotation_step(table, frame, person)

    if fps is None:
        seconds = (frame - frame.min()) * ROW_PERIOD_S / step
        period = ROW_PERIOD_S
        notes.append(
            f"time: the annotation step of {step:g} frames was taken as {ROW_PERIOD_S} s"
            + _biwi_note(table.file.path)
        )
    else:
        seconds = (frame - frame.min()) / fps
        period = step / fps
        notes.append(f"time: {fps:g} frames a second as given, so {period:g} s a row")

    tracks = _tracks(person, seconds, table.position[rows], period)
    lost = len(tracks) - len({track.person for track in tracks})
    if lost:
        notes.append(f"{lost} gap(s) in which a person was lost: the track was split there")
    return Scene(
        name=table.file.path.stem,
        source=str(table.file.path),
        kind="replay",
        tracks=tracks,
        row_period_s=period,
        bounds=bounds_of(tracks),
        notes=tuple(notes),
    )


def _ordered_rows(table: Table, strict: bool) -> tuple[NDArray[np.intp], list[str]]:
    """Rows by person, then frame, each (person, frame) once; and what had to be repaired."""
    notes: list[str] = []
    rows = np.lexsort((table.frame, table.person))  # stable: equal keys stay in file order
    # A file may be grouped by person or by frame; only a person walking backwards in time is odd.
    by_person = np.argsort(table.person, kind="stable")
    same = np.diff(table.person[by_person]) == 0
    backward = by_person[1:][same & (np.diff(table.frame[by_person]) < 0)]
    if backward.size:
        first = int(backward.min())
        if strict:
            raise table.error(
                first,
                f"frame {table.frame[first]:g} of person {table.person[first]} comes after a later "
                "frame of the same person",
                "frames of a person in increasing order",
                "sort the file by frame",
            )
        notes.append(
            f"{backward.size} row(s) out of order were sorted (first: row {table.line(first)})"
        )

    again = (np.diff(table.person[rows]) == 0) & (np.diff(table.frame[rows]) == 0)
    if not again.any():
        return rows, notes
    earlier, later = rows[:-1][again], rows[1:][again]
    differs = (table.position[earlier] != table.position[later]).any(axis=1)
    if differs.any():
        at = int(np.argmin(np.where(differs, later, len(rows))))
        first, other = int(later[at]), int(earlier[at])
        raise table.error(
            first,
            f"person {table.person[first]} is at two places in frame {table.frame[first]:g} "
            f"(row {table.line(other)} says otherwise)",
            "one position of a person in a frame",
            "delete the wrong one of the two rows",
        )
    first = int(later.min())
    if strict:
        at = int(np.argmin(later))
        raise table.error(
            first,
            f"the same frame and person as row {table.line(int(earlier[at]))}",
            "each row once",
            "delete the repeated row",
        )
    notes.append(f"{later.size} repeated row(s) were dropped (first: row {table.line(first)})")
    return rows[np.concatenate(([True], ~again))], notes


def _annotation_step(table: Table, frame: NDArray[np.float64], person: NDArray[np.int64]) -> float:
    """The commonest difference of frames between two rows of one person."""
    steps = np.diff(frame)[np.diff(person) == 0]
    if steps.size == 0:
        raise table.error(
            0,
            "nobody has two rows" if len(frame) > 1 else "it is the only row",
            "at least two rows of one person, to know the time between rows",
            "give a longer recording",
        )
    # Frames may be seconds with rounding noise: steps within a millionth of each other are one.
    size = np.round(1e6 * np.log(steps))
    values, counts = np.unique(size, return_counts=True)
    step = float(np.median(steps[size == values[np.argmax(counts)]]))

    with np.errstate(over="ignore"):
        longest = np.ptp(frame) / step
    if longest > _LONGEST_STEPS:
        row = int(np.argmax(np.abs(table.frame - np.median(table.frame))))
        raise table.error(
            row,
            f"frame {table.frame[row]:g} makes the recording {longest:.3g} steps of {step:g} "
            "frames long",
            f"at most {_LONGEST_STEPS:g}",
            "correct or delete the row",
        )
    return step


def _tracks(
    person: NDArray[np.int64],
    seconds: NDArray[np.float64],
    position: NDArray[np.float64],
    period: float,
) -> tuple[Track, ...]:
    """Cut ordered rows into tracks: at each new person and at each gap."""
    for array in (seconds, position):
        array.setflags(write=False)  # tracks are views of these
    gap = np.diff(seconds) > _GAP * period
    new_person = np.diff(person) != 0
    starts = np.concatenate(([0], np.flatnonzero(gap | new_person) + 1))
    ends = np.append(starts[1:], len(person))
    # An end is known only if the recording went on long enough to miss the next row.
    complete = seconds[ends - 1] + _GAP * period <= seconds.max()
    complete[:-1] &= new_person[starts[1:] - 1]
    order = np.lexsort((person[starts], seconds[starts]))
    return tuple(
        Track(who, seconds[first:last], position[first:last], known)
        for who, first, last, known in zip(
            person[starts][order].tolist(),
            starts[order].tolist(),
            ends[order].tolist(),
            complete[order].tolist(),
            strict=True,
        )
    )


def _biwi_note(path: Path) -> str:
    """The ETH benchmark file is the one whose convention is wrong; say what it hides."""
    if path.stem != "biwi_eth":
        return ""
    return (
        ", as published ETH figures do; the recording's own step is 6 frames = 0.4 s, so 10 frames "
        "are 0.67 s: give fps=15 for true time, or read seq_eth.csv"
    )
