"""``autonoise.preview``: what a policy does to one's own data, at points of its schedule."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonoise.calling import config_of, loaded_for
from autonoise.data.objects import is_path, store
from autonoise.errors import DataError, MissingExtraError
from autonoise.files import write_whole
from autonoise.pictures.examples import POINTS, examples
from autonoise.pictures.showing import figure, lines
from autonoise.pictures.values import Examples
from autonoise.pictures.words import alternative
from autonoise.policy import Policy, load_policy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
DOTS = 150
"""Dots per inch of a picture that is written: 1200 pixels of width."""


@dataclass(frozen=True, repr=False)
class Preview:
    """What a policy does to some rows of the data; shows itself as a picture in a notebook, prints as text.

    Attributes:
        examples: the rows, clean and noisy, and all steps in words, as values.
    """

    examples: Examples

    def figure(self) -> Figure:
        """The picture, as a figure of matplotlib that belongs to nobody's ``pyplot``."""
        _need_matplotlib()
        return figure(self.examples)

    def save(self, path: str | Path) -> None:
        """Write the picture: a PNG, SVG or PDF, by the ending. Raises DataError for another one."""
        _need_matplotlib()
        from autonoise.pictures.page import written

        path = Path(path)
        if path.suffix.lower() not in ENDINGS:
            raise DataError(f"{path}: a picture must end in {', '.join(ENDINGS)}")
        write_whole(path, written(self.figure(), path.suffix.lower().removeprefix("."), DOTS))

    def __str__(self) -> str:
        return "\n".join(lines(self.examples))

    def __repr__(self) -> str:
        return f"Preview({alternative(self.examples)!r})"

    def _repr_png_(self) -> bytes:
        from autonoise.pictures.page import written

        return written(self.figure(), "png", DOTS)


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError.of("matplotlib", "search", "a picture of a preview") from None


def preview(
    policy: Policy | str | Path,
    data: Any,
    *,
    rows: int | None = None,
    seed: int = 0,
    at: Sequence[float] = POINTS,
    target: str | None = None,
    **settings: Any,
) -> Preview:
    """What a policy does to rows of the data, at points of its schedule: as a picture, as text, as values.

    The rows are training rows, and the noise is that of a first batch of training, made by the same code; the points
    have the same random draws, so that what differs between them is the schedule.

    Args:
        policy: a policy or its file.
        data: whatever :func:`autonoise.search` takes.
        rows: how many rows; None: 3 or 4.
        seed: of the rows and the noise.
        at: shares of training, 0 to 1.
        target: the column or array of labels.
        settings: further options of reading data by their names (``data_type``, ``group``, ``text_column`` ...).

    Raises DataError, PolicyError or StudyError with one line.

    Example:
        >>> import autonoise
        >>> policy = autonoise.Policy("image", [autonoise.Step.of("cutout", side=0.4)])
        >>> shown = autonoise.preview(policy, "digits", rows=2)
        >>> shown.examples.changed
        (1.0, 1.0, 1.0)
    """
    policy = policy if isinstance(policy, Policy) else load_policy(policy, warn=False)
    given = {k: v for k, v in {**settings, "target": target}.items() if v is not None}
    in_memory = not is_path(data)
    with tempfile.TemporaryDirectory() as place:
        if in_memory:
            data = store(data, place, target=target)
            given = {**given, "target": "label"} if data.suffix == ".parquet" else given
        _, dataset = loaded_for(config_of(str(data), given), policy)
    if in_memory:
        dataset = replace(dataset, name="data in memory")
    return Preview(examples(policy, dataset, rows=rows, seed=seed, at=at))
