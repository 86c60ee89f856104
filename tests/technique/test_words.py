"""Steps in words."""

from __future__ import annotations

import pytest

from autonoise.technique import words
from autonoise.technique.registry import technique_names
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step


def test_a_step_on_one_line() -> None:
    step = Step.of(
        "background_noise", snr_db=12.3456, probability=0.004, magnitude="uniform", schedule=Schedule("window")
    )
    assert words.line(step) == (
        "background_noise · snr_db 12.35 (dB), times U(0, 1) · 0.4 % of samples · from 50 % of training to its end · "
        "on the input"
    )
    assert words.line(Step.of("sam", probability=0.25, gate=3)).split(" · ")[2] == "25 % of updates, every 3rd update"
    assert words.where(Step.of("noisy_feature_mixup")) == "on pairs of samples, at after_norm"
    assert words.where(Step.of("mixup", site="head")) == "on pairs of samples, at head"


@pytest.mark.parametrize("name", technique_names())
def test_every_technique_has_a_line(name: str) -> None:
    parts = words.line(Step.of(name)).split(" · ")
    assert parts[0] == name and all(parts) and len(parts) in (4, 5)


def test_shares_and_numbers() -> None:
    told = [words.percent(x) for x in (0, 0.003, 0.01, 0.456279, 0.99, 0.997, 1)]
    assert told == ["0 %", "0.3 %", "1 %", "46 %", "99 %", "99.7 %", "100 %"]
    assert [words.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st"]
    )


def test_a_policy_in_one_sentence() -> None:
    late = Step.of("gaussian_noise", std=0.15, probability=0.5, magnitude="uniform", schedule=Schedule(start=0.3))
    often = Step.of("dropout", p=0.2, gate=Gate(2, "epoch"))
    assert words.policy_in_words([]) == "no noise"
    assert words.policy_in_words([late, often]) == (
        "gaussian noise (std 0.15 input scale or weaker, at random) on 50 % of samples from 30 % of training to its end"
        " + dropout (p 0.2 share of units), every 2nd epoch"
    )
