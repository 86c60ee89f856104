"""The verdict in a policy's file: read whatever stands there, told to whoever loads the policy."""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from autonoise.cli import main
from autonoise.errors import PolicyError, PolicyWarning
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.judged import Judged

NUMBERS: dict[str, Any] = {
    "clean": {"baseline": 0.9, "policy": 0.89},
    "held_out": {"baseline": 0.7, "policy": 0.72},
    "difference": {"baseline": [0.005, -0.0025, 0.0125], "preset": [0.1, 0.09, 0.11]},
    "gap_closed_held_out": [0.1, -0.2, 0.41],
}


def saved(folder: Path, scores: dict[str, Any]) -> Path:
    path = folder / "p.yaml"
    Policy("tabular", (Step.of("mixup"),), "mine", scores=scores).save(path)
    return path


def told_of(path: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_policy(path)
    assert all(w.category is PolicyWarning and Path(w.filename) == Path(__file__) for w in caught)
    return [str(w.message).removeprefix(f"{path}: ") for w in caught]


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (
            {**NUMBERS, "verdict": "no significant gain", "contestant": "policy", "recommended": "preset",
             "recommendation": "train with the preset mixup"},
            "the verdict on this policy is no significant gain: score +0.005 [-0.003, +0.013] against no noise, "
            "10 % [-20, 41] of the gap closed. Recommended instead: train with the preset mixup",
        ),
        (
            {"verdict": "worse", "difference": {"baseline": [-0.02, -0.03, -0.01]}},
            "the verdict on this policy is worse: score -0.020 [-0.030, -0.010] against no noise. Recommended instead: "
            "train without noise",
        ),
        (
            {"verdict": "unconfirmed", "clean": {"policy": 0.9}, "noisy": {"policy": 0.654321}, "trial": 3},
            "the verdict on this policy is unconfirmed: clean accuracy 0.900, noisy accuracy 0.654. Nothing was "
            "recommended yet: let autonoise search reach its verdict, or compare it with a training without noise",
        ),
        (
            {"verdict": "no significant gain", "difference": {"baseline": [0.02, 0.01, 0.03]}},
            "the verdict on this policy is no significant gain: score +0.020 [+0.010, +0.030] against no noise. It is "
            "surely better than no noise, but not than every published recipe: compare it with one",
        ),
        (
            {"verdict": "no significant gain", "difference": {"baseline": [0.02, -0.01, 0.05]}},
            "the verdict on this policy is no significant gain: score +0.020 [-0.010, +0.050] against no noise. It is "
            "not surely better than no noise: compare it with a training without noise",
        ),
        (
            {"verdict": "no significant gain"},
            "the verdict on this policy is no significant gain. It is not surely better than no noise: compare it with "
            "a training without noise",
        ),
        (
            {"verdict": "breaks the clean limit"},
            "the verdict on this policy is breaks the clean limit. Before you train with it, compare it with a "
            "training without noise",
        ),
        (
            {"verdict": "no significant gain", "contestant": "policy", "recommended": "undecided",
             "recommendation": "undecided: nothing is sure"},
            "the verdict on this policy is no significant gain. Undecided: nothing is sure",
        ),
    ],
)  # fmt: skip
def test_a_policy_that_was_not_judged_better_says_so_when_it_is_loaded(
    tmp_path: Path, scores: dict[str, Any], text: str
) -> None:
    path = saved(tmp_path, scores)
    assert told_of(path) == [text]
    assert "\n" not in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_policy(path, warn=False).scores == scores


@pytest.mark.parametrize(
    "scores",
    [
        {},  # written by hand
        {"clean": {"policy": 0.9}},
        {**NUMBERS, "verdict": "better"},
        {"verdict": "no noise", "contestant": "baseline", "recommended": "baseline"},
        # surely better than no noise, if not than the best recipe: the search itself recommends it
        {**NUMBERS, "verdict": "no significant gain", "contestant": "policy", "recommended": "policy"},
    ],
)
def test_nothing_is_said_of_a_good_policy_nor_of_one_that_nobody_judged(tmp_path: Path, scores: dict[str, Any]) -> None:
    assert told_of(saved(tmp_path, scores)) == []


def test_the_warning_comes_once_from_one_line_of_code(tmp_path: Path) -> None:
    path = saved(tmp_path, {"verdict": "worse"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            load_policy(path)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "value", [None, 3, True, ["worse"], {"a": 1}, math.nan, "", "  "], ids=lambda v: type(v).__name__
)
def test_scores_of_any_kind_are_read(value: object) -> None:
    keys = ("verdict", "contestant", "recommended", "recommendation", "difference", "gap_closed_held_out", "clean",
            "held_out", "noisy")  # fmt: skip
    judged = Judged.of(dict.fromkeys(keys, value))
    assert (judged.word, judged.difference, judged.closed, judged.doubtful) == ("", None, None, False)
    inner = Judged.of({"verdict": "worse", "difference": {"baseline": [value] * 3}, "clean": {"policy": value}})
    assert inner.sentence == ("worse: score +3.000 [+3.000, +3.000] against no noise" if value == 3 else "worse")


def test_show_opens_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, {**NUMBERS, "verdict": "worse", "recommended": "baseline", "recommendation": "no noise"})
    assert main(["show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("verdict: worse: score +0.005 [-0.003, +0.013] against no noise, 10 %")
    assert lines[1:3] == ["Recommended instead: no noise", "mine · tabular · input any · strength 1"]
    assert main(["show", str(saved(tmp_path, {}))]) == 0
    assert capsys.readouterr().out.startswith("mine · tabular")


def test_a_policy_that_stands_for_no_noise_says_so_when_it_is_attached(caplog: pytest.LogCaptureFixture) -> None:
    def attached(scores: dict[str, Any]) -> str:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="autonoise"):
            Policy("tabular", (), "shop", scores=scores).attach(nn.Linear(3, 2), epochs=1, steps_per_epoch=1)
        return caplog.text

    assert "shop has no steps, since no noise was recommended" in attached({"verdict": "no noise"})
    assert attached({}) == ""


def test_a_policy_prints_one_line_for_each_step() -> None:
    steps = (
        Step.of("gaussian_noise", std=0.15, probability=0.7),
        Step.of("mixup", alpha=0.3, gate=2),
        Step.of("activation_noise", sigma=0.1, site="block*.norm", schedule="ramp_down"),
    )
    policy = Policy("image", steps, "mine", strength=0.5, scores={"verdict": "better"})
    assert str(policy) == repr(policy)
    assert str(policy).splitlines() == [
        "Policy 'mine' · image · strength 0.5 · 1 passes · verdict: better",
        "  gaussian_noise · std 0.15 (input scale) · 70 % of samples · throughout · on the input",
        "  mixup · alpha 0.3 · all samples, every 2nd update · throughout · on pairs of inputs",
        "  activation_noise · sigma 0.1 (RMS of the activation) · all samples · fading from full to nothing over the "
        "whole training · at block*.norm",
    ]
    assert " · 25 % of the rows stay clean · " in str(Policy("image", clean_share=0.25))
    assert str(Policy("image")).splitlines()[1] == "  no steps: trains without noise"


@pytest.mark.parametrize("name", ["p.txt", "p", "p.yaml.bak", "p.JSONL"])
def test_a_policy_is_written_to_no_other_kind_of_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match=r"ends in \.yaml, \.yml, \.json; name it so"):
        Policy("image").save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    for fine in ("p.yaml", "p.yml", "p.json", "p.JSON", "p.YAML"):
        Policy("image").save(tmp_path / fine)
        assert load_policy(tmp_path / fine).steps == ()
    assert (tmp_path / "p.JSON").read_text().startswith("{")
