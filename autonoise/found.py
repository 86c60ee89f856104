"""What a search or an evaluation returns: the verdict, a table; of a search also the policy and the report."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonoise.errors import StudyError
from autonoise.policy import Policy, load_policy
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.result import Measured, Result

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("score", "clean", "search", "held_out", "gap_closed_held_out")
_NAMES = {"search": "noisy_searched", "held_out": "noisy_held_out", "gap_closed_held_out": "gap_closed"}


@dataclass(frozen=True, repr=False)
class Judged:
    """How a search or an evaluation ended; shows itself as a table in a notebook.

    Attributes:
        config: the settings.
        folder: where everything about it lies.
        numbers: the verdict's numbers, None where it was stopped before its verdict.
        stopped: whether somebody stopped it; the same call goes on with it.
    """

    config: StudyConfig
    folder: StudyFolder
    numbers: Result | None
    stopped: bool

    @property
    def verdict(self) -> str | None:
        """``better``, ``no significant gain``, ``worse`` ...; None before the verdict. docs/scoring.md tells all."""
        return None if self.numbers is None else self.numbers.verdict

    @property
    def sentence(self) -> str:
        """The verdict in a line, with its numbers."""
        return self._without_verdict if self.numbers is None else self.numbers.sentence

    @property
    def _without_verdict(self) -> str:
        return "stopped before the verdict"

    @property
    def recommendation(self) -> str:
        """What to train with, in words."""
        return "none before the verdict" if self.numbers is None else self.numbers.recommendation

    @property
    def _shown_below(self) -> str:
        """What a notebook shows below the table."""
        return str(self.folder.root)

    def table(self) -> pd.DataFrame:
        """A row for each contestant of the verdict: accuracies with 95 % limits, gap closed, cost.

        Columns: name, score, clean, noisy_searched, noisy_held_out and gap_closed, each with _low and _high; passes per
        training step; worst, the mean accuracy under the family of noise that costs the most. NaN where a number cannot
        be measured. Raises StudyError before the verdict.
        """
        import pandas as pd

        if self.numbers is None:
            raise StudyError(
                "there is no verdict: the same call goes on (a search that has no trials left needs more of them)"
            )
        rows = {}
        for label, contestant in self.numbers.contestants.items():
            row: dict[str, Any] = {"name": contestant.name}
            for column in _COLUMNS:
                values: Measured = getattr(contestant, column) or Measured(math.nan, math.nan, math.nan)
                name = _NAMES.get(column, column)
                row |= {name: values.mean, f"{name}_low": values.low, f"{name}_high": values.high}
            rows[label] = {**row, "passes": contestant.passes, "worst": contestant.worst}
        return pd.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config.study!r}: {self.sentence}; {self.recommendation})"

    def _repr_html_(self) -> str:
        """For notebooks: the sentence, the recommendation, the table, where more is to be found."""
        table = "" if self.numbers is None else self.table().to_html(float_format="{:.3f}".format, escape=True)
        told = "".join(f"<p>{html.escape(text)}</p>" for text in (self.sentence, self.recommendation))
        return f"{told}{table}<p>{html.escape(self._shown_below)}</p>"


@dataclass(frozen=True, repr=False)
class SearchResult(Judged):
    """How a search ended; shows itself as a table in a notebook.

    Attributes:
        config: the settings of the study.
        folder: where everything about it lies.
        numbers: the verdict's numbers, None where the search was stopped before its verdict.
        stopped: whether somebody stopped it; the same call goes on with it.
    """

    @property
    def policy(self) -> Policy:
        """What to train with: the recommended policy, without steps where no noise is recommended.

        As long as nothing is sure it is the most likely to help; ``recommendation`` tells. Before the verdict it is the
        best trial so far. Raises StudyError if there is none.
        """
        return self._read(self.folder.policy_file)

    @property
    def found(self) -> Policy:
        """The policy that the search found, whatever the verdict on it is. Raises StudyError if there is none."""
        file = self.folder.policies / "found.yaml"
        return self._read(file if file.is_file() else self.folder.policy_file)

    def _read(self, file: Path) -> Policy:
        if not file.is_file():
            raise StudyError(f"{self.folder.root} holds no policy yet: let the search go on for some trials")
        return load_policy(file, warn=False)

    @property
    def _without_verdict(self) -> str:
        return (
            "stopped before the verdict" if self.stopped else "no verdict: no policy was found that could be confirmed"
        )

    @property
    def recommendation(self) -> str:
        """What to train with, in words."""
        if self.numbers is None and not self.stopped:
            return "train without noise, or search again with more trials"
        return super().recommendation

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder.report_html

    @property
    def _shown_below(self) -> str:
        return str(self.report)
