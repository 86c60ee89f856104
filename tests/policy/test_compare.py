"""What two policies do otherwise."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autonoise.cli import main
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.compare import compare
from autonoise.technique.registry import technique_names
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import InputSpec

NOISE = Step.of("gaussian_noise", std=0.1, probability=0.5)
BLUR, JPEG, MIXUP = Step.of("blur", sigma=1.5), Step.of("jpeg", quality=30.0), Step.of("mixup", alpha=0.3)
SPEC = InputSpec(data_type="image", layout=(1, 8, 8), mean=(0.5,), classes=3)


def of(*steps: Step, **more: Any) -> Policy:
    return Policy("image", steps, **more)  # type: ignore[arg-type]


def told(first: Policy, second: Policy) -> list[tuple[str, str, Any, Any]]:
    found = compare(first, second)
    assert not found.only_first and not found.only_second
    assert found.equal == (not found.differences)
    back = compare(second, first)
    assert [(d.first, d.second) for d in back.differences] == [(d.second, d.first) for d in found.differences]
    return [(d.step, d.what, d.first, d.second) for d in found.differences]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (Step.of("gaussian_noise", std=0.25, probability=0.5), ("std", 0.1, 0.25)),
        (replace(NOISE, probability=0.75), ("probability", 0.5, 0.75)),
        (replace(NOISE, magnitude="uniform"), ("magnitude", "fixed", "uniform")),
        (replace(NOISE, gate=Gate(2, "epoch")), ("gate", "always", "every 2nd epoch")),
        (replace(NOISE, site="head"), ("site", "on the input", "at head")),
        (replace(NOISE, one_of="g"), ("one_of", "no group", "g")),
        (replace(NOISE, sites=4), ("sites", "unknown", 4)),
        (
            replace(NOISE, schedule=Schedule("ramp_up", end=0.5)),
            ("schedule", "throughout", "growing from nothing to full from 0 % to 50 % of training"),
        ),
        (
            replace(NOISE, schedule=Schedule("step", levels=3)),
            ("schedule", "throughout", "rising in 3 steps over the whole training"),
        ),
    ],
)
def test_what_differs_in_a_step_is_told_with_both_values(changed: Step, expected: tuple[str, Any, Any]) -> None:
    assert told(of(BLUR, NOISE), of(BLUR, changed)) == [("gaussian_noise", *expected)]
    (difference,) = compare(of(NOISE), of(changed)).differences
    assert difference.unit == {"std": "input scale", "sites": "places in the search"}.get(expected[0], "")


def test_no_field_of_a_step_or_of_a_policy_is_passed_over() -> None:
    """Whoever adds a field to either is reminded of it here."""
    compared = {"technique", "probability", "schedule", "gate", "site", "magnitude", "sites", "one_of"}
    assert {f.name for f in fields(Step)} == compared
    whole = {"data_type", "steps", "input", "strength", "clean_share", "scores"}
    assert {f.name for f in fields(Policy)} == whole | {"name", "provenance", "check"}


def test_a_small_shift_of_a_schedule_is_no_equality() -> None:
    early, late = (replace(NOISE, schedule=Schedule("window", start=s)) for s in (0.301, 0.302))
    assert told(of(early), of(late)) == [
        ("gaussian_noise", "schedule", "window from 0.301 to 1", "window from 0.302 to 1")
    ]
    steps = [replace(NOISE, schedule=Schedule("step", levels=n)) for n in (3, 4)]
    assert told(of(steps[0]), of(steps[1])) != []
    # another word for the same, and the levels of a shape without levels
    assert told(of(early), of(replace(NOISE, schedule=Schedule("constant", start=0.301)))) == []
    assert told(of(NOISE), of(replace(NOISE, schedule=Schedule("constant", levels=9)))) == []


def test_what_differs_in_the_whole_is_told() -> None:
    assert told(of(NOISE), of(NOISE, strength=1.4)) == [("", "strength", 1.0, 1.4)]
    assert told(of(NOISE), of(NOISE, clean_share=0.25)) == [("", "clean_share", 0.0, 0.25)]
    assert told(of(NOISE), of(NOISE, input=SPEC)) == [("", "input", "not described", "described")]
    wide = replace(SPEC, layout=(3, 8, 8), mean=(0.1,) * 7 + (0.2,))
    assert told(of(NOISE, input=SPEC), of(NOISE, input=wide)) == [
        ("", "input layout", "[1, 8, 8]", "[3, 8, 8]"),
        ("", "input mean", "[0.5]", "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1 ... 8 in all]"),
    ]
    longer = replace(wide, mean=(0.1,) * 7 + (0.3,))  # the first that are shown are the same
    assert [what for _, what, _, _ in told(of(NOISE, input=wide), of(NOISE, input=longer))] == ["input mean"]
    better, worse = ({"verdict": v, "difference": {"baseline": [0.1, 0.0, 0.2]}} for v in ("better", "worse"))
    (verdict,) = told(of(NOISE, scores=better), of(NOISE, scores=worse))
    assert verdict[2:] == (
        "better: score +0.100 [+0.000, +0.200] against no noise",
        "worse: score +0.100 [+0.000, +0.200] against no noise",
    )
    assert told(of(NOISE), of(NOISE, scores=worse))[0][1:3] == ("verdict", "none")
    assert told(of(BLUR, JPEG), of(JPEG, BLUR)) == [("", "order", "blur, jpeg", "jpeg, blur")]
    assert told(of(MIXUP, NOISE), of(NOISE, MIXUP)) == []  # the stages decide here
    table = compare(Policy("tabular", (NOISE,)), of(NOISE)).differences
    assert [(d.what, d.first, d.second) for d in table] == [("data_type", "tabular", "image")]


def test_steps_of_one_alone_and_steps_that_stand_at_two_places() -> None:
    found = compare(of(NOISE, BLUR), of(JPEG, NOISE, MIXUP))
    assert (found.only_first, found.only_second, found.differences) == ((BLUR,), (JPEG, MIXUP), ())
    assert not found.equal
    one, two = (Step.of("activation_noise", site=s, sigma=x) for s, x in (("a", 0.1), ("b", 0.2)))
    other = Step.of("activation_noise", site="b", sigma=0.3)
    found = compare(of(one, two), of(other))
    assert found.only_first == (one,)
    assert [(d.what, d.first, d.second) for d in found.differences] == [("sigma", 0.2, 0.3)]
    nowhere = compare(of(), of(NOISE))
    assert (nowhere.only_first, nowhere.only_second) == ((), (NOISE,))


@pytest.mark.parametrize("name", technique_names())
def test_a_policy_equals_itself_and_its_file(name: str, tmp_path: Path) -> None:
    step = Step.of(name, probability=1 / 3)
    policy = Policy(min(step.technique.data_types), (step,), "a", strength=1 / 7)
    policy.save(tmp_path / "p.yaml")
    assert compare(policy, policy).equal
    assert compare(policy, replace(load_policy(tmp_path / "p.yaml"), name="b", provenance={"trial": 3})).equal


def test_the_command_tells_and_its_status_says_whether_they_are_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # the names of the files are headings, and pytest's folders have long names
    first, second = tmp_path / "a.yaml", tmp_path / "b.json"
    of(NOISE, BLUR).save(first)
    of(replace(NOISE, probability=0.75), JPEG, name="other", scores={"verdict": "worse"}).save(second)

    def run(*words: object) -> SimpleNamespace:
        capsys.readouterr()
        return SimpleNamespace(status=main(["diff", *map(str, words)]), **capsys.readouterr()._asdict())

    shown = run(first, second)
    assert shown.status == 1 and shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0] == f"only in {first}: blur · sigma 1.5 (pixels at 32x32) · all samples · throughout · on the input"
    assert lines[1].startswith(f"only in {second}: jpeg · quality 30 (JPEG quality)")
    rows = [line.split() for line in lines if line.startswith((" policy ", " gaussian_noise "))]
    assert rows == [["policy", "verdict", "none", "worse"], ["gaussian_noise", "probability", "0.5", "0.75"]]

    plain = run(first, second, "--json")
    told = json.loads(plain.out)
    assert plain.status == 1 and told["equal"] is False
    assert [s["technique"] for s in told["only_in_first"] + told["only_in_second"]] == ["blur", "jpeg"]
    assert told["differences"][1] == {
        "step": "gaussian_noise", "what": "probability", "first": 0.5, "second": 0.75, "unit": "",
    }  # fmt: skip

    equal = run(first, first)
    assert (equal.status, equal.out) == (0, "equal: 2 steps, input and verdict are the same\n")
    assert json.loads(run(first, first, "--json").out) == {
        "equal": True, "first": str(first), "second": str(first), "only_in_first": [], "only_in_second": [],
        "differences": [],
    }  # fmt: skip
    assert run("image/digits", "image/digits").status == 0
    wrong = run(first, tmp_path / "none.yaml")
    assert wrong.status == 2 and "none.yaml: no such policy file" in wrong.err
    assert run(first, "").status == 2
