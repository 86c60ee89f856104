"""One name for one policy; how to import it in each framework; what was given up; where the time went."""

from __future__ import annotations

import re

import pytest
from report_samples import STEPS, plain, result, trials

from autonoise.report import build_page, render_html, render_markdown, shown_label
from autonoise.report.importing import imports
from autonoise.report.search import ended
from autonoise.report.terms import subtitle, terms
from autonoise.report.theme import DARK, themed, variables
from autonoise.report.who import names_of_standings, same_policies, written
from autonoise.study.result import Result


def test_a_policy_has_one_name_one_file_and_one_hash() -> None:
    found = {w.name: (w.file, w.hash) for w in written(result())}
    assert found == {
        "found": ("policies/found.yaml", "c0ffee123456"),
        "preset": ("policies/preset.yaml", "77aa0c8f2a01"),
        "robust": ("policies/robust.yaml", "0b0570000001"),
        "cheap": ("policies/cheap.yaml", "c4ea90000002"),
    }
    # what is a contestant is called so where it was trained again, too
    assert names_of_standings(result()) == ["found-37", "preset", "no noise"]


def test_two_different_policies_never_share_a_name() -> None:
    value = plain()
    one = value["standings"][0]
    value["standings"] = [one | {"name": "found", "hash": str(i)} for i in range(3)]
    value["standings"] += [
        one | {"name": "candidate 9", "hash": "0b0570000001"},
        one | {"name": "x", "hash": "c0ffee123456"},
    ]
    names = names_of_standings(Result.from_dict(value))
    assert len(set(names)) == 5
    assert names[3:] == ["robust", "found"]
    assert "found" not in names[:3]


def test_the_same_policy_in_two_files_is_told() -> None:
    assert same_policies(result()) == ["policy.yaml and policies/found.yaml are the same policy, found."]
    value = plain()
    value["winners"]["cheap"] |= {"file": "policies/robust.yaml", "hash": "0b0570000001"}
    value["contestants"]["preset"]["hash"] = "0b0570000001"
    value["exported"] = "baseline"
    assert same_policies(Result.from_dict(value)) == [
        "policy.yaml has no steps: it stands for training without noise.",
        "Robust is the best for accuracy under noise and few passes and techniques at once, so there is one file for "
        "both.",
        "preset and robust are the same policy, in two files.",
    ]


def test_an_unchanged_recipe_is_told_to_be_one() -> None:
    value = plain()
    value["standings"][1]["hash"] = "c0ffee123456"
    whole = Result.from_dict(value)
    assert names_of_standings(whole)[1] == "found"
    assert written(whole)[0].role == "what the search chose; it is the published recipe noise-and-dropout, unchanged"


def test_what_is_recommended_is_told_first_and_what_was_found_too() -> None:
    keys = [s.key for s in build_page(result(), [])[0].sections]
    assert keys[0] == "policy-policy"
    value = plain() | {"recommended": "preset", "exported": "preset"}
    page = build_page(Result.from_dict(value), [])[0]
    assert [s.key for s in page.sections][:2] == ["policy-preset", "policy-policy"]
    assert page.sections[0].text == [
        "The best published recipe, noise-and-dropout; file policies/preset.yaml, hash 77aa0c8f2a01."
    ]
    assert "dropout" in page.sections[0].steps[1].name
    assert shown_label(Result.from_dict(plain() | {"recommended": "undecided", "exported": ""})) == "policy"


def test_every_framework_gets_code_that_compiles_or_a_reason() -> None:
    frameworks = [
        "plain PyTorch",
        "Lightning",
        "Hugging Face Transformers",
        "skorch",
        "scikit-learn, boosted trees",
        "transform() in a data set",
    ]
    for steps in (STEPS, [{"technique": "sam"}], [{"technique": "eda"}], [{"technique": "dropout"}], []):
        ways = imports(steps)
        assert [w.name for w in ways] == frameworks
        for w in ways:
            compile(w.code.replace("(..., ", "(*rest, ").replace("    ...,", "    *rest,"), w.name, "exec")
            assert bool(w.code) != w.note.startswith("Not with this policy")
    by_name = {w.name: w for w in imports([{"technique": "sam"}])}
    assert "sam needs the whole training step" in by_name["Lightning"].note
    assert not by_name["scikit-learn, boosted trees"].code
    texts = {w.name: w for w in imports([{"technique": "eda"}])}
    assert "NoisyTrainer" in texts["Hugging Face Transformers"].code
    assert "done_in_data" not in texts["transform() in a data set"].code
    assert "done_in_data=transform" in {w.name: w for w in imports(STEPS)}["transform() in a data set"].code


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("complete", "", ("completed", "trained to the end")),
        ("pruned", "pruned after the short training", ("given up", "clearly behind after a short training")),
        ("complete", "training diverged; counted at chance", ("given up", "training diverged")),
        ("complete", "same policy as trial 7", ("completed", "the same policy had been tried before")),
        ("pruned", "costs 3.00 passes, above --max-cost", ("given up", "costs more passes")),
        ("fail", "ValueError: no", ("failed", "ValueError: no")),
    ],
)
def test_how_a_trial_ended(state: str, reason: str, expected: tuple[str, str]) -> None:
    how, why = ended(state, reason)
    assert (how, why[: len(expected[1])]) == expected


def test_what_was_given_up_and_where_the_time_went() -> None:
    text = render_markdown(build_page(result(), trials())[0])
    rows = re.findall(r"^\| (completed|given up|failed) \| (.{8}).*? \| (\d+) \|", text, re.M)
    states = [t["state"] for t in trials()]
    assert rows == [
        ("completed", "trained ", str(states.count("complete") - 1)),
        ("given up", "clearly ", str(states.count("pruned"))),
        ("given up", "training", "1"),
        ("failed", "RuntimeE", "2"),
    ]
    # 60 trials of 18 s, and 480 + 250 + 367 s after them: 2,177 s
    shares = re.findall(r"^\| (search|confirm|minimise|verdict) \| .*? \| (\d+) \| (.*?) \| (\d+) % \|", text, re.M)
    assert shares == [
        ("search", "60", "18 min", "50"),
        ("confirm", "21", "8 min", "22"),
        ("minimise", "10", "4 min", "11"),
        ("verdict", "15", "6 min", "17"),
    ]


def test_words_that_only_this_project_uses_are_explained_or_replaced() -> None:
    page = build_page(result(), trials())[0]
    explained = {t.word for t in page.terms}
    assert {"small model", "noise never trained on, new noise", "score", "gap closed", "[from, to]"} == explained
    assert page.subtitle == "image · 12,000 rows, 10 classes, 1x28x28 · small model ResNet · 8 epochs"
    assert subtitle("x · train 1 / test 2 · model Mine · 3 epochs") == "x · model Mine · 3 epochs"
    text = render_markdown(page).lower()
    for word in ("proxy", "held-out", "held out", "race", "overused", "baseline", "pruned", "contestant's"):
        assert not re.search(rf"\b{word}\b", text), word
    assert "gap closed" not in {t.word for t in terms(result(sentence="better", recommendation="train"))}


def test_a_dark_screen_changes_colours_and_never_words() -> None:
    svg = '<svg width="1"><g style="fill: #1f2933; stroke: #123456"/><text>#1f2933 style="fill: #0072b2"</text></svg>'
    # matplotlib writes quotes in a text as they are: what looks like a style there stays readable, if in other words
    shown = themed(svg)
    assert 'style="fill: var(--c1f2933); stroke: #123456"' in shown
    assert "<text>#1f2933" in shown
    assert shown.count("<style>") == 1
    dark = variables().partition("prefers-color-scheme: dark")[2]
    assert all(f"--c{c[1:]}:{d};" in dark for c, d in DARK.items())


def test_control_characters_are_written_out_everywhere() -> None:
    evil = "a\x1b[31mred\u202eb"
    value = plain() | {"study": evil, "recommendation": evil, "warnings": [evil]}
    value["contestants"]["preset"]["name"] = value["corruptions"][0]["name"] = value["corruptions"][0]["family"] = evil
    page = build_page(Result.from_dict(value), trials(5))[0]
    for text in (render_html(page), render_markdown(page)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "a\\x1b[31mred\\u202eb" in text
