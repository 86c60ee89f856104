"""The report of a made-up study: its numbers, its form, what it refuses to show, what it does without."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from report_samples import STEPS, plain, result, trials

from autonoise.report import (
    build_page,
    figures,
    history,
    probabilities,
    render_html,
    render_markdown,
    steps,
    write_report,
)
from autonoise.report.probabilities import cautions
from autonoise.study.folder import StudyFolder
from autonoise.study.result import Result

VOID = {"meta", "img", "br", "hr", "link", "input"}
OPTIONAL = (
    ("corruptions",),
    ("held_out", "warnings", "seeds"),
    ("contributions", "winners", "test_read_at"),
    ("standings", "front", "test_rows"),
    ("counts", "config", "versions", "created", "describe", "data"),
    ("noise_weight", "recommended", "recommendation"),
)


class Reader(HTMLParser):
    """Checks that every element is closed in order; collects tags, text and the pictures' alternatives."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def pages(value: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[str, str]:
    page, _ = build_page(Result.from_dict(value), rows)
    return render_html(page), render_markdown(page)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are laid out but not written: most of a report's time is in writing them."""
    for module in (figures, history, probabilities, steps):
        monkeypatch.setattr(module, "to_svg", lambda canvas: "<svg/>")
    monkeypatch.setattr(figures, "to_png", lambda canvas, width: b"")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = StudyFolder(tmp_path_factory.mktemp("study"))
    write_report(folder, result(), trials())
    return folder.root


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def markdown(written: Path) -> str:
    return (written / "report.md").read_text(encoding="utf-8")


def test_three_files_and_no_leftovers(written: Path) -> None:
    assert sorted(p.name for p in written.iterdir()) == ["figure.png", "report.html", "report.md"]
    assert Image.open(io.BytesIO((written / "figure.png").read_bytes())).width == 1200


def test_the_page_is_well_formed_and_stands_alone(html: str) -> None:
    page = read(html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert re.findall(r"(?:src|href)=\"(?!data:)", html) == []
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert [len(i.get("alt") or "") > 20 for i in page.images] == [True] * 10


def test_pictures_are_drawn_and_carry_their_words(html: str) -> None:
    pictures = [base64.b64decode(i["src"].split(",")[1]).decode() for i in read(html).images if i["src"]]
    words = [set(re.findall(r">([^<>]+)</text>", p)) for p in pictures]
    assert {"blur", "gaussian noise", "mixup"} <= words[0]
    assert "label smoothing" in words[1]
    assert {"New noise, kept for judging", "severity", "found", "no noise"} <= words[2]
    assert "sine grating" in words[4]
    assert "gaussian blur" in words[5]
    assert {"Reliability on clean rows", "accuracy", "preset"} <= words[6]
    assert "Reliability on noise kept for judging" in words[7]
    assert "best so far" in words[8]
    assert {"trial", "no noise", "no other beats it"} <= words[9]


@pytest.mark.parametrize(
    "number",
    [
        "0.758",
        "[0.752, 0.764]",
        "0.773",
        "0.785",
        "+0.027",
        "[+0.020, +0.034]",
        "+0.012",
        "−0.004",
        "[−0.010, +0.002]",
        "0.712",
        "[22, 34]",
        "1.35",
        "28 s",
        "+0.0287",
        "3 of 5 techniques kept",
        "18 min",
        "1,800 rows",
        "2026-11-20 12:31 UTC",
        "sha256:9f2c41d07ab3",
        "policies/robust.yaml",
        "0.740",
        "−0.470",
        "torch 2.13.0+cpu",
    ],
)
def test_numbers_appear_in_both_forms(html: str, markdown: str, number: str) -> None:
    text = "".join(read(html).text)
    assert number in text
    assert number in markdown


def test_verdict_and_sentence_come_first(html: str, markdown: str) -> None:
    text = "".join(read(html).text).replace("\xa0", " ")
    sentence = "Noise never trained on costs 0.150 instead of 0.208 (gap closed 28 % [22 %, 34 %])"
    places = [
        text.index(t)
        for t in (
            "Better",
            sentence,
            "of the accuracy that noise costs",
            "What to do",
            "Policy: found",
            "Result on the test rows",
        )
    ]
    assert places == sorted(places)
    assert markdown.startswith(f"# fashion-mnist: better\n\n**{sentence}")
    assert 'class="verdict better"' in html


def test_markdown_tables_have_equal_columns(markdown: str) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", markdown, re.M)
    assert len(tables) == 11
    for table in tables:
        lines = table.splitlines()
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(lines[0].split("|")) - 1}
        assert re.fullmatch(r"(\|-{3}:?)+\|", lines[1])


def test_exposure_and_what_counts_stand_at_each_corruption(markdown: str) -> None:
    rows = rows_of(markdown)
    assert rows["pixelate"][:4] == ["resampling", "judging", "◐ related", "no"]
    assert rows["impulse noise"][:4] == ["impulse", "search", "◐ related", "yes"]


def rows_of(markdown: str) -> dict[str, list[str]]:
    """First cell → the other cells, of all tables."""
    lines = [[c.strip() for c in line.split("|")] for line in markdown.splitlines() if line.startswith("| ")]
    return {line[1]: line[2:-1] for line in lines}


def test_same_related_and_unseen_noise_side_by_side(markdown: str) -> None:
    """The means over noises, worked out again from the sample's numbers."""
    rows = rows_of(markdown)
    value = plain()
    for shown in ("● same", "◐ related", "○ unseen"):
        own = [c["accuracy"] for c in value["corruptions"] if c["exposure"] == shown[2:]]
        count, base, _, found, change = rows[f"{shown} kind"]
        assert int(count) == len(own)
        assert float(base) == pytest.approx(sum(sum(a["baseline"]) / 5 for a in own) / len(own), abs=6e-4)
        assert float(change) == pytest.approx(float(found) - float(base), abs=1.1e-3)


def test_techniques_that_add_nothing_are_not_said_to_matter() -> None:
    value = plain()
    value["contributions"] = [
        {"technique": "blur", "mean": 0.0008, "low": -0.005, "high": 0.007, "kept": True},
        {"technique": "mixup", "mean": -0.002, "low": -0.009, "high": 0.006, "kept": False},
    ]
    assert "### 1 of 2 techniques kept" in pages(value, [])[1]
    value["contributions"][0] |= {"mean": 0.02, "low": -0.001}
    assert "### 1 of 2 techniques kept" in pages(value, [])[1]  # what may be 0 is not said to matter
    value["contributions"][0] |= {"low": 0.005}
    assert "### 1 of 2 techniques matters" in pages(value, [])[1]


def test_a_password_in_the_settings_is_not_passed_around(html: str, markdown: str) -> None:
    assert "trials 60" in markdown
    assert "hunter2" not in html + markdown


def test_names_cannot_become_markup() -> None:
    evil = '<script>alert(1)</script><img src=x onerror="y">|`[a](http://b)'
    value = plain()
    value["study"] = value["recommendation"] = value["describe"] = evil
    value["warnings"] = [evil]
    value["contestants"]["policy"]["name"] = value["standings"][0]["name"] = evil
    value["corruptions"][0]["name"] = value["corruptions"][0]["family"] = f"$\\frac{evil}"
    value["contestants"]["policy"]["steps"][0] = {"technique": evil, evil: evil}
    value["winners"][evil] = value["winners"].pop("cheap")
    html, markdown = pages(value, trials(10))
    page = read(html)
    assert "script" not in page.tags
    assert len(page.images) == 10
    assert "<script>alert(1)</script>" in "".join(page.text)
    pictures = [base64.b64decode(i["src"].split(",")[1]).decode() for i in page.images if i["src"]]
    assert not any("<script" in p for p in pictures)
    assert "<" not in markdown
    assert "](http" not in markdown
    for table in re.findall(r"(?:^\|.*\|\n)+", markdown, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("missing", OPTIONAL)
def test_missing_parts_are_left_out(missing: tuple[str, ...]) -> None:
    value = {k: v for k, v in plain().items() if k not in missing}
    html, markdown = pages(value, [])
    read(html)
    assert "0.785" in markdown
    assert "None" not in markdown


def test_only_what_must_be_there(tmp_path: Path) -> None:
    whole = plain()
    value = {k: whole[k] for k in ("study", "verdict", "sentence", "contestants", "differences")}
    del value["contestants"]["preset"], value["differences"]["preset"]
    for contestant in value["contestants"].values():
        contestant |= {"numbers": {}, "steps": []}
    write_report(StudyFolder(tmp_path), Result.from_dict(value), [])
    text = "".join(read((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "0.785" in text
    assert "found − preset" not in text
    assert "Single kinds of noise" not in text
    assert not (tmp_path / "figure.png").exists()


def _without_numbers(value: Any, gone: float | None) -> Any:
    if isinstance(value, dict):
        return {k: _without_numbers(v, gone) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_numbers(v, gone) for v in value]
    return gone if isinstance(value, float) else value


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("gone", [None, math.nan, math.inf])
def test_numbers_that_are_none_or_not_finite_become_dashes(gone: float | None) -> None:
    value = _without_numbers(plain(), gone)
    value["contestants"]["policy"]["steps"] = deepcopy(STEPS)
    html, markdown = pages(value, _without_numbers(trials(8), gone))
    read(html)
    row = next(r for r in markdown.splitlines() if r.startswith("| **score**"))
    assert [c.strip() for c in row.split("|")[2:-1]] == ["**–**", "**–**", "**–**", "–", "–"]
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b", markdown)


def test_a_real_noisy_set_alone_is_a_corruption_with_one_accuracy() -> None:
    value = plain()
    value["held_out"] = ["real"]
    value["corruptions"] = [
        {
            "name": "real",
            "group": "held_out",
            "family": "real",
            "exposure": "unseen",
            "counts": True,
            "amounts": [],
            "note": "the user's own noisy set",
            "accuracy": {"baseline": [0.601], "preset": [0.623], "policy": [0.677]},
        }
    ]
    page, picture = build_page(Result.from_dict(value), trials())
    assert picture is None
    assert "| real | real | judging | ○ unseen | yes | 0.601 | 0.623 | 0.677 | +0.076 | – |" in render_markdown(page)
    assert "How strong the noise of each severity is" not in render_markdown(page)


@pytest.mark.usefixtures("undrawn")
def test_no_import_is_shown_where_none_is_recommended() -> None:
    value = plain() | {"recommended": "baseline", "verdict": "worse", "recommendation": "train without noise"}
    html, markdown = pages(value, [])
    assert 'class="verdict worse"' in html
    assert "Nothing to import" in markdown
    assert "policy.attach" not in markdown


@pytest.mark.usefixtures("undrawn")
def test_a_recommended_preset_is_imported_from_the_file_that_holds_what_is_recommended() -> None:
    _, markdown = pages(plain() | {"recommended": "preset", "verdict": "no significant gain"}, [])
    assert 'load_policy("policy.yaml")' in markdown


@pytest.mark.usefixtures("undrawn")
def test_probabilities_that_got_worse_are_told_with_what_a_reader_can_weigh() -> None:
    assert cautions(result()) == []
    value = plain()
    value["contestants"]["policy"]["numbers"] |= {"nll_noisy_search": 1.4, "ece_noisy_search": 0.2}
    (told,) = cautions(Result.from_dict(value))
    assert "higher than without noise (+0.098)" in told
    assert "log loss (NLL) rose from 1.210 to 1.400 and calibration error (ECE) rose from 0.142 to 0.200" in told
    assert "only the most probable class loses nothing" in told
    assert "overused" not in told
    value["contestants"]["policy"]["reliability"]["search"] = [[0.4, 0.2, 0.25], [0.6, 0.4, 0.5]]
    assert (
        "less sure of itself than it could be: mean confidence 0.600, accuracy 0.750"
        in cautions(Result.from_dict(value))[0]
    )
    (told,) = cautions(Result.from_dict(value))
    html, markdown = pages(value, [])
    assert told in markdown.replace("&lt;", "<")
    assert 'class="caution"' in html
    value["contestants"]["policy"]["search"] = [0.6, 0.59, 0.61]
    assert cautions(Result.from_dict(value)) == []


def test_one_trial_and_one_point_are_enough_for_the_pictures() -> None:
    value = plain()
    value["front"] = value["front"][:1]
    html, _ = pages(value, trials(1))
    assert len(read(html).images) == 10


def test_the_report_of_a_saved_result_is_the_same(written: Path, tmp_path: Path, html: str) -> None:
    folder = StudyFolder(tmp_path)
    write_report(folder, Result.from_dict(json.loads(json.dumps(result().to_dict()))), json.loads(json.dumps(trials())))
    assert folder.report_html.read_text(encoding="utf-8") == html
