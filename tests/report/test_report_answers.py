"""Both answers, looks, seeds and what is not measurable stand in the report."""

from __future__ import annotations

from report_samples import plain, result

from autonoise.report import build_page, render_markdown
from autonoise.report.page import Cell, Page, Table
from autonoise.report.results import difference_cell
from autonoise.study.result import Result


def main_table(page: Page) -> Table:
    return next(s for s in page.sections if s.key == "results").tables[0]


def test_answers_seeds_looks_and_groups_are_told() -> None:
    told = result(
        answers={"best recipe": "as good as", "no noise": "better"},  # the file has its keys in alphabetical order
        looks=4,
        verdicts=2,
        level=0.00625,
        seeds_of={"baseline": 15, "policy": 5},
        test_groups=12,
        folds=3,
    )
    text = render_markdown(build_page(told, [])[0])
    assert "The found policy against no noise: better; against the best recipe: as good." in text
    assert "was trained from 15 (no noise) and 5 (found) fresh seeds" in text
    assert "4 looks at the test part in 2 verdicts so far" in text
    assert "this verdict had 0.62 %" in text
    assert "The test rows come in 12 groups" in text
    assert "3 training sets (folds)" in text


def test_what_is_not_measurable_is_no_number() -> None:
    told = plain()
    for c in told["contestants"].values():
        c |= {"held_out": None, "score": None, "gap_closed_held_out": None, "gap_closed_search": None}
    for d in told["differences"].values():
        d |= {"held_out": None, "score": None}
    told |= {
        "gaps": {"held_out": None, "search": {"gap": [0.001, -0.01, 0.012], "closable": False}},
        "recommended": "undecided",
        "verdict": "not measurable",
        "held_out": [],
    }
    page = build_page(Result.from_dict(told), [])[0]
    rows = {r[0].text: [c.text for c in r[1:4]] for r in main_table(page).rows}
    assert rows["score"] == ["not measurable"] * 3
    assert next(v for k, v in rows.items() if k.startswith("accuracy under new noise")) == ["not measurable"] * 3
    assert rows["gap closed, new noise"][1:] == ["not measurable"] * 2
    assert rows["gap closed, noise of the search"][1:] == ["no gap to close"] * 2
    assert "No noise kept for judging counts" in render_markdown(page)
    assert page.import_note.startswith("Nothing is sure yet")


def test_columns_with_noise_of_their_own_are_explained() -> None:
    told = plain() | {"held_out_of": {"policy": ["fog", "snow"], "preset": []}}
    page = build_page(Result.from_dict(told), [])[0]
    text = render_markdown(page)
    assert "New to each: found: fog and snow; preset: none" in text
    assert "compare by the differences, not across columns" in text
    assert "Trained on: the found policy trained on noise of" in text
    assert "Neither the search nor the training of the found policy has met them" in text
    common = render_markdown(build_page(Result.from_dict(plain()), [])[0])
    assert "Trained on: some contestant trained on noise of" in common
    assert "Neither the search nor any training here has met them" in common
    assert not any("kinds)" in r[0].text for r in main_table(page).rows)


def test_the_contestants_are_explained() -> None:
    whole = plain()
    start = whole["contestants"]["preset"] | {"name": "dropout, weak"}
    told = result(contestants=whole["contestants"] | {"start": start})
    note = main_table(build_page(told, [])[0]).note
    assert (
        "No noise: the same training without any noise. Preset: the best published recipe, noise-and-dropout." in note
    )
    assert "Start: the best policy that the search began with, dropout, weak, unchanged" in note
    assert "Found: what the search chose, without the techniques that add nothing." in note


def test_an_end_that_rounds_to_nothing_shows_its_side() -> None:
    assert difference_cell((-0.007, -0.0141, -0.0004)) == Cell("−0.007", "[−0.0141, −0.0004]", "bad")
    assert difference_cell((0.02, 0.0002, 0.0398)) == Cell("+0.020", "[+0.0002, +0.0398]", "good")
    assert difference_cell((0.01, -0.0001, 0.02)) == Cell("+0.010", "[±0.000, +0.020]", "muted")


def test_the_sentence_has_the_minus_signs_of_the_tables() -> None:
    page = build_page(result(sentence="better: clean accuracy -0.009 [-0.041, +0.023] by a-1 with --seeds 5"), [])[0]
    assert page.sentence == "Clean accuracy −0.009 [−0.041, +0.023] by a-1 with --seeds 5."
