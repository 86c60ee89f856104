"""The parts of a report: curves and histories as data, steps in words, the code to copy, numbers as printed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from report_samples import STEPS, plain

from autonoise.policy import load_policy
from autonoise.report.figures import curves
from autonoise.report.history import history_of
from autonoise.report.numbers import duration, fixed, interval, moment, percent, signed, significant
from autonoise.report.probabilities import cautions
from autonoise.report.words import about, how_often, settings, technique_of, usage, when
from autonoise.study.result import CorruptionResult, Result


def test_lost_clean_accuracy_and_divergence_are_told() -> None:
    value = plain()
    value["differences"]["baseline"]["clean"] = [-0.02, -0.03, -0.01]
    value["contestants"]["preset"]["diverged"] = 2
    assert cautions(Result.from_dict(value)) == [
        "The policy found costs clean accuracy: −0.020 [−0.030, −0.010] against no noise.",
        "2 trainings of preset diverged; the accuracy counts as it is.",
    ]


def test_curves_average_over_corruptions_then_families() -> None:
    def row(name: str, family: str, value: float, counts: bool = True) -> CorruptionResult:
        accuracy = {"policy": (value,) * 5}
        return CorruptionResult(name, "held_out", family, counts=counts, accuracy=accuracy)

    rows = [row("a", "x", 0.2), row("b", "x", 0.4), row("c", "y", 0.9), row("d", "z", 0.0, counts=False)]
    assert curves(rows, {"policy": 0.95}, "held_out") == {"policy": [0.95, *[pytest.approx(0.6)] * 5]}
    assert curves(rows, {"policy": 0.95}, "search") == {}


def test_history_keeps_the_best_so_far_and_finds_the_baseline() -> None:
    def row(number: int, value: float | None, state: str = "complete", **more: Any) -> dict[str, Any]:
        return {"number": number, "state": state, "value": value, "techniques": ["mixup"], **more}

    rows = [row(0, 0.5, techniques=[]), row(1, 0.7), row(2, 0.9, "pruned"), row(3, 0.6), row(4, None, "fail")]
    found = history_of(rows)
    assert found.best == [(0, 0.5), (1, 0.7), (3, 0.7)]
    assert (found.baseline, found.pruned, found.failed) == (0.5, [(2, 0.9)], [4])


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (None, "throughout"),
        ({"shape": "constant", "end": 0.8}, "in the first 80 % of training"),
        ({"shape": "window"}, "from 50 % of training to its end"),
        ({"shape": "constant", "start": 0.2, "end": 0.6}, "from 20 % to 60 % of training"),
        ({"shape": "ramp_up", "end": 0.5}, "growing from nothing to full from 0 % to 50 % of training"),
        ({"shape": "step", "levels": 3}, "rising in 3 steps over the whole training"),
        ({"shape": "spiral"}, "by a schedule that this installation does not know"),
    ],
)
def test_schedules_in_words(schedule: dict[str, Any] | None, words: str) -> None:
    assert when({"technique": "mixup"} | ({"schedule": schedule} if schedule else {})) == words


def test_steps_in_words() -> None:
    assert settings(STEPS[1]) == "std 0.314 (input scale), drawn anew between 0 and these values"
    assert how_often(STEPS[2]) == "50 % of samples, every 2nd update"
    assert how_often({"technique": "sam", "gate": {"every": 13, "unit": "epoch"}}) == "all updates, every 13th epoch"
    assert settings({"technique": "from_the_future", "depth": 3}) == "depth 3"
    assert about(technique_of({"technique": "swap_noise"})).startswith("Replace each feature")
    assert "`" not in about(technique_of({"technique": "swap_noise"}))


def test_the_code_fits_each_kind_of_policy() -> None:
    three, note = usage(STEPS, "policy.yaml")
    assert note == ""
    assert [line for line in three.splitlines()[-6:] if not line.startswith("#")] == [
        "x, y = injector.perturb(x, y)",
        "loss = injector.loss(model(x), y)",
        "injector.step()",
    ]
    whole, note = usage([{"technique": "sam"}], "policy.yaml")
    assert "injector.training_step(x, y, optimizer)" in whole
    assert "injector.perturb" not in whole
    assert "sam" in note
    raw, _ = usage([{"technique": "eda"}], "policy.yaml")
    assert "policy.raw_transform(epochs=epochs)" in raw
    for code in (three, whole, raw, usage([{"technique": "mlm_pretraining"}], 'a"b.yaml')[0]):
        compile(code, "usage", "exec")


def test_the_first_lines_of_the_code_attach_a_real_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = [s for s in STEPS if s["technique"] != "blur"]
    content = {
        "format": "autonoise-policy/1",
        "name": "p",
        "data_type": "image",
        "steps": steps,
        "input": {"layout": [1, 4, 4], "classes": 3},
    }
    Path("policy.yaml").write_text(yaml.safe_dump(content))
    assert load_policy("policy.yaml").steps[0].name == "gaussian_noise"
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    names: dict[str, Any] = {
        "model": model,
        "epochs": 2,
        "loader": [0, 1],
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "x": torch.rand(6, 1, 4, 4),
        "y": torch.tensor([0, 1, 2, 0, 1, 2]),
    }
    exec(usage(steps, "policy.yaml")[0], names)
    assert torch.isfinite(names["loss"])
    assert names["y"].shape == (6, 3)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (fixed(0.8614), "0.861"),
        (fixed(-0.0001), "0.000"),
        (fixed(None), "–"),
        (fixed(math.nan), "–"),
        (fixed(True), "–"),
        (signed(-0.0042), "−0.004"),
        (signed(0.0361), "+0.036"),
        (signed(-0.0001), "±0.000"),
        (percent(0.424), "42 %"),
        (percent(-0.001), "0 %"),
        (interval([0.1, 0.05, 0.15]), "[0.050, 0.150]"),
        (interval([0.1, None, 0.15]), ""),
        (significant(0.31415), "0.314"),
        (significant(3), "3"),
        (significant(-2.50), "−2.5"),
        (significant("random"), "random"),
        (duration(4.24), "4.2 s"),
        (duration(95), "95 s"),
        (duration(600), "10 min"),
        (duration(7500), "2 h 05 min"),
        (moment("2026-11-20T14:40:11+02:00"), "2026-11-20 12:40 UTC"),
        (moment("x"), "x"),
    ],
)
def test_numbers_as_printed(shown: str, expected: str) -> None:
    assert shown == expected
