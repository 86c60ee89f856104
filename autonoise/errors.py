"""The tree of exceptions. Each message is one line: what is wrong, where, and what to do.

AutonoiseError
├── DataError            a data set cannot be read, split or used
├── UnknownNameError     a technique, corruption, proxy or data set of that name does not exist
├── SpaceError           a search space file contradicts itself or the techniques
├── PolicyError          a policy file or a policy is malformed, from a newer format, or contradicts itself
├── AttachError          a policy cannot be attached to this model, or a batch does not fit its input description
├── StudyError           a study cannot be started, continued or read
├── InsufficientStudiesError  too few finished studies to recommend from
└── MissingExtraError    an optional package is not installed; the message names the extra
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

SEARCH_PACKAGES = {
    "click": "typer",
    "jinja2": "jinja2",
    "julius": "julius",
    "markupsafe": "jinja2",
    "matplotlib": "matplotlib",
    "optuna": "optuna",
    "pandas": "pandas",
    "PIL": "Pillow",
    "pyarrow": "pyarrow",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "sqlalchemy": "SQLAlchemy",
    "tokenizers": "tokenizers",
    "typer": "typer",
}
"""Modules that searching and the command need, and training with a policy does not, with the packages they come from.

These packages are the extra ``search``.
"""


_LINE_END = re.compile(r"[^\S\n\r]*[\n\r]\s*")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters except tab and line feed, and the marks that reverse the direction of writing."""


def plain(text: str) -> str:
    r"""The text with control characters written out (an escape as \x1b).

    Names of files and columns come from the user's data: none of them may move the cursor or change colours.
    """
    return _CONTROL.sub(lambda m: ascii(m[0])[1:-1], text)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``did you mean a or b?`` with the names nearest to ``name``, whatever its case; empty where none is near."""
    near = difflib.get_close_matches(str(name).lower(), list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def one_line(fault: BaseException, limit: int = 200) -> str:
    """A fault of other code as ``Kind: message`` on one line, cut off after ``limit`` characters."""
    return " ".join(f"{type(fault).__name__}: {fault}".split())[:limit]


LONGEST_MESSAGE = 1500
"""Characters that a message may have: it quotes names and values from files, which may be as long as a file."""


def shortened(text: str) -> str:
    """The text; of one that is too long the middle is left out: what is wrong stands first, the remedy last."""
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:1000]} ... {text[-400:]}"


class AutonoiseError(Exception):
    """Base of everything autonoise raises on purpose; the command line turns it into one line, status 2."""

    def __str__(self) -> str:
        # names of columns and messages of other code may have line ends in them
        return shortened(_LINE_END.sub(" ", super().__str__().strip()))


class PolicyWarning(UserWarning):
    """A policy was loaded that was not judged better than training without noise, or not judged at all."""


class DataError(AutonoiseError): ...


class UnknownNameError(AutonoiseError):
    """No such name; the message carries the nearest names that exist."""

    @classmethod
    def of(cls, kind: str, name: object, known: Iterable[str], where: str = "") -> UnknownNameError:
        """``kind`` is the noun ("technique"), ``where`` an optional place ("in space.yaml")."""
        known = sorted(known)
        hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
        place = f" {where}" if where else ""
        return cls(f"unknown {kind} {name!r}{place}: {hint}")


class SpaceError(AutonoiseError): ...


class PolicyError(AutonoiseError): ...


class AttachError(AutonoiseError): ...


class StudyError(AutonoiseError): ...


class InsufficientStudiesError(AutonoiseError): ...


class MissingExtraError(AutonoiseError):
    """An optional package is missing: ``package``, which the extra ``extra`` installs."""

    package = extra = ""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        made = cls(f'{purpose} needs {package}, which is not installed: pip install "autonoise[{extra}]"')
        made.package, made.extra = package, extra
        return made


@contextmanager
def no_exit(what: str) -> Iterator[None]:
    """Turn a call of ``sys.exit`` inside of the block into a StudyError: it would end the search without a word.

    ``what`` begins the message and says whose code runs in the block.
    """
    try:
        yield
    except SystemExit as e:
        raise StudyError(f"{what} called sys.exit({e.code!r}): remove the call, or raise an error that says why") from e


_BETWEEN = ("autonoise", "skorch", "sklearn", "lightning", "pytorch_lightning", "transformers", "joblib")
"""Packages whose functions may stand between the user's code and a warning."""


def level_of_the_user() -> int:
    """The ``stacklevel`` by which a warning of the caller points at the code of the user.

    Integrations load policies, too, and some of them when a framework calls them.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    return level


@contextmanager
def search_extra(purpose: str) -> Iterator[None]:
    """Turn a missing package of the extra ``search`` into a MissingExtraError, wherever in the block it is imported.

    ``purpose`` begins the message ("autonoise.search"); of blocks inside of each other that of the outer one does,
    since it is what the user asked for. Other modules that are missing stay what they are: a fault.
    """
    try:
        yield
    except MissingExtraError as e:
        if e.extra != "search":
            raise
        raise MissingExtraError.of(e.package, e.extra, purpose) from None
    except ModuleNotFoundError as e:
        package = SEARCH_PACKAGES.get((e.name or "").partition(".")[0])
        if package is None:
            raise
        raise MissingExtraError.of(package, "search", purpose) from None
