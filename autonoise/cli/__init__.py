"""The command line: thin commands over the package. Everything heavy is imported inside the commands."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Sequence

from autonoise.errors import AutonoiseError, plain, search_extra, shortened

MISTAKE, INTERRUPTED = 2, 130
FRAMED = 80
"""Columns from which the help has frames and colours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 done; 1 and 3 a verdict that ``--strict`` refuses, 1 also two policies that ``diff`` finds to differ; 2 a mistake
    in what was asked, told in one line on stderr; 130 stopped by Ctrl-C.
    """
    try:
        with warnings.catch_warnings(), search_extra("the command autonoise"):
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            from autonoise.cli.app import app

            # below 80 columns typer's framed help cuts names and words; the plain one wraps them
            app.rich_markup_mode = "rich" if shutil.get_terminal_size().columns >= FRAMED else None
            status = app(list(sys.argv[1:] if arguments is None else arguments), "autonoise", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except AutonoiseError as e:
        return _refuse(str(e))
    except OSError as e:
        return _refuse(f"{e.filename}: {e.strerror}" if e.filename else str(e))
    except Exception as e:
        # typer's own exceptions; where they live differs between its versions, what they offer does not
        told = getattr(e, "format_message", None)
        if told is None:
            raise
        return _refuse(told())


def _refuse(message: str) -> int:
    print("autonoise:", plain(" ".join(shortened(message).split())), file=sys.stderr)  # noqa: T201
    return MISTAKE
