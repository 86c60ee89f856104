"""Pictures of what a policy does to rows of the user's own data, kept in the study's folder for later reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autonoise.files import write_whole
from autonoise.pictures.showing import figure
from autonoise.pictures.values import Examples
from autonoise.report.page import Figure
from autonoise.study.folder import StudyFolder

WIDE, NARROW = 8.0, 3.9
"""Inches: for a desktop screen, and for a telephone, where small print must not shrink further."""
FILES = {"wide": "examples.svg", "narrow": "examples-narrow.svg"}
ALT = "Rows of your own data, as they are and with the policy's noise at points of training."
LARGEST = 8 * 2**20
"""Bytes of a picture that is put into the page; a larger one would make the page slow to open."""


def strongest(e: Examples) -> Examples:
    """Two of the rows at one point of the schedule: that at which the noise changes the most rows, the last such."""
    i = max(range(len(e.at)), key=lambda k: (e.changed[k], k))
    rows = (replace(r, noisy=(r.noisy[i],), labels=(r.labels[i],), changed=(r.changed[i],)) for r in e.rows[:2])
    steps = (replace(s, strengths=(s.strengths[i],)) for s in e.steps)
    return replace(e, at=(e.at[i],), changed=(e.changed[i],), rows=tuple(rows), steps=tuple(steps))


def draw(folder: StudyFolder, e: Examples) -> None:
    """Write the pictures into the study's folder; none where the noise changes none of the rows, nor a label."""
    if not any(any(r.changed) or any(label != r.label for label in r.labels) for r in e.rows):
        forget(folder)
        return
    from autonoise.pictures.page import written

    for kind, shown, width in (("wide", e, WIDE), ("narrow", strongest(e), NARROW)):
        picture = written(figure(shown, frame=False, width=width), "svg", 110)
        write_whole(folder.root / FILES[kind], picture)


def kept(folder: StudyFolder) -> tuple[Figure, ...]:
    """The pictures that lie in the study's folder; none where one is missing or too large to be shown."""
    pictures = {kind: _read(folder.root / name) for kind, name in FILES.items()}
    if not all(pictures.values()):
        return ()
    return Figure(pictures["wide"], ALT, screen="wide"), Figure(pictures["narrow"], ALT, screen="narrow")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def forget(folder: StudyFolder) -> None:
    """Remove the pictures, which are of another policy."""
    for name in FILES.values():
        (folder.root / name).unlink(missing_ok=True)
