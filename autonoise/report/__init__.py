"""The report of a study: report.html, report.md and figure.png, from plain results."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from autonoise.errors import plain
from autonoise.files import write_whole
from autonoise.pictures.values import Examples
from autonoise.report import examples as pictures
from autonoise.report.background import method_section, warnings_section
from autonoise.report.importing import imports
from autonoise.report.numbers import NONE, moment
from autonoise.report.page import Figure, Page
from autonoise.report.policy import policy_sections, shown_label
from autonoise.report.probabilities import cautions, probability_section
from autonoise.report.results import contestants, main_section
from autonoise.report.search import effort_section, search_section
from autonoise.report.severities import corruption_section, severity_section
from autonoise.report.terms import subtitle, terms
from autonoise.report.theme import themed, variables
from autonoise.report.who import policies_section
from autonoise.study.folder import StudyFolder
from autonoise.study.result import Result

__all__ = ["shown_label", "write_report"]

_COLOURS = {"better": "better", "worse": "worse", "breaks the clean limit": "worse"}


def write_report(
    folder: StudyFolder,
    result: Result,
    trials: Sequence[Mapping[str, Any]],
    examples: Examples | None = None,
) -> None:
    """Write report.html, report.md and (where severities are known) figure.png into the study's folder.

    ``trials``: one plain row per trial, in order, with its number, state, value (score), clean, noisy, passes, seconds,
    reason and techniques. ``examples``: what the policy of ``shown_label`` does to rows of the data; they are drawn
    into the folder. Without them the pictures that lie there are shown, so that a report can be made again without the
    data. Whatever the result does not know is left out or a dash. The page needs nothing else: no network, no script.
    """
    if examples is not None:
        pictures.draw(folder, examples)
    page, picture = build_page(result, trials, *pictures.kept(folder))
    write_whole(folder.report_html, render_html(page))
    write_whole(folder.report_md, render_markdown(page))
    figure = folder.root / "figure.png"
    if picture is not None:
        write_whole(figure, picture)
    else:
        figure.unlink(missing_ok=True)


def build_page(result: Result, trials: Sequence[Mapping[str, Any]], *examples: Figure) -> tuple[Page, bytes | None]:
    """The report as data, and figure 1 as a PNG. ``examples``: what the policy does to the data, as pictures."""
    severity, picture = severity_section(result)
    names = tuple(f"{c.name}: " for c in result.corruptions)
    minor = [w for w in result.warnings if names and w.startswith(names)]
    sections = (
        *policy_sections(result, examples),
        main_section(result),
        severity,
        corruption_section(result),
        probability_section(result),
        search_section(result, trials),
        policies_section(result),
        effort_section(result, trials),
        method_section(result),
        warnings_section(minor),
    )
    sentence = result.sentence.removeprefix(f"{result.verdict}: ")
    chosen = contestants(result).get(shown_label(result))
    ways = imports(chosen.steps) if chosen is not None and chosen.steps and result.recommended != "baseline" else ()
    page = Page(
        title=result.study,
        subtitle=subtitle(result.describe),
        kind=_COLOURS.get(result.verdict, "none"),
        verdict=result.verdict,
        sentence=_sentence(sentence),
        recommendation=_sentence(result.recommendation),
        imports=ways,
        import_note=_import_note(result),
        terms=terms(result),
        cautions=[*cautions(result), *(_sentence(w) for w in result.warnings if w not in minor)],
        sections=tuple(s for s in sections if s.filled),
        created=moment(result.created),
        version=result.versions.get("autonoise", ""),
    )
    return page, picture


def render_html(page: Page) -> str:
    """One self-contained page; every text is escaped, pictures are data, scripts are forbidden."""
    # a percent sign must not begin a line
    env = _environment(finalize=_visible)
    return env.get_template("report.html.j2").render(page=page, colours=variables()).replace(" %", "&nbsp;%")


def render_markdown(page: Page) -> str:
    """The same page as Markdown, without its pictures."""
    env = _environment(finalize=_markdown)
    return env.get_template("report.md.j2").render(page=page).rstrip() + "\n"


def _environment(**options: Any) -> Environment:
    env = Environment(
        loader=PackageLoader("autonoise.report"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    env.filters["data_uri"] = lambda svg: "data:image/svg+xml;base64," + base64.b64encode(themed(svg).encode()).decode()
    env.filters["code"] = Markup
    return env


_ESCAPES = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " ", "`": "'"})


def _visible(value: Any) -> Any:
    """Control characters written out: in names of the user's they would be invisible, or turn the text around."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _markdown(value: Any) -> Any:
    """Text that can neither leave its table cell nor become HTML or a link."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return plain(value.translate(_ESCAPES)).replace("](", "] (")


def _import_note(result: Result) -> str:
    """What the file is that is imported, or why there is nothing to import."""
    label, shown = result.recommended, contestants(result)
    found = 'load_policy("policies/found.yaml")'
    if label == "baseline":
        tried = f" The policy that was found is there all the same: {found}." if "policy" in shown else ""
        return f"Nothing to import: train as you do now; policy.yaml has no steps.{tried}"
    if label == "undecided":
        return f"Nothing is sure yet. policy.yaml holds what is most likely to help; what was found is {found}."
    return "policy.yaml lies beside this report. epochs and loader are those of your own training."


def _sentence(text: str) -> str:
    """The text with a capital letter, a full stop, and the minus signs of the tables."""
    text = re.sub(r"(?<![\w-])-(?=\d)", "−", text.strip())
    if not text or text == NONE:
        return ""
    end = "" if text[-1] in ".!?" else "."
    return f"{text[0].upper()}{text[1:]}{end}"
