from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import autonoise
from autonoise.corruptions.base import Reference, corruptions_for
from autonoise.corruptions.frozen import fix
from autonoise.data import load, prepare
from autonoise.errors import AttachError, DataError, UnknownNameError
from autonoise.evaluation import metrics
from autonoise.evaluation.monitor import RobustnessMonitor, terms
from autonoise.evaluation.noisy_sets import from_clean
from autonoise.evaluation.score import evaluate
from autonoise.evaluation.sets import EvaluationSets
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.types import DataType, InputSpec


def injector_for(model: nn.Module, *, schedule: str = "constant", **options: Any) -> NoiseInjector:
    step = Step.of("gaussian_noise", std=0.5, schedule=Schedule(schedule))  # type: ignore[arg-type]
    return Policy("tabular", (step,)).attach(model, **({"epochs": 10, "steps_per_epoch": 1, "replace": True} | options))


def blobs(rows: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Three Gaussian clouds in five dimensions."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    x = 2.0 * np.eye(3, 5)[y] + noise * rng.standard_normal((rows, 5))
    return torch.from_numpy(x).float(), torch.from_numpy(y)


class Fixed(nn.Module):
    """Logits of two classes, set by hand: ``scale`` x, plus ``lean`` for class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(1, 2)
        self.set(1.0, 0.0)

    def set(self, scale: float, lean: float) -> None:
        with torch.no_grad():
            self.classifier.weight.copy_(torch.tensor([[0.0], [scale]]))
            self.classifier.bias.copy_(torch.tensor([lean, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x)


def two_sets(rows: int = 400) -> dict[str, tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(0)
    y = torch.arange(rows) % 2
    x = (2.0 * y - 1)[:, None]
    return {
        "clean": (x + 0.3 * torch.from_numpy(rng.standard_normal((rows, 1))).float(), y),
        "jitter": (x + 1.0 * torch.from_numpy(rng.standard_normal((rows, 1))).float(), y),
        "shift": (x + 0.5, y),
    }


def run(monitor: RobustnessMonitor, model: Fixed, settings: list[tuple[float, float]]) -> list[bool]:
    flags = []
    for scale, lean in settings:
        model.set(scale, lean)
        row = monitor.epoch()
        assert row is not None
        flags.append(row["overused"])
        monitor._injector.step()
    return flags


WORSE = [(2.0, 0.0), (2.0, -0.6), (2.0, -1.2), (2.0, -1.8)]


def test_the_terms_of_the_rows_add_up_to_the_metrics() -> None:
    rng = np.random.default_rng(3)
    p, y = rng.dirichlet(np.ones(4), 500), rng.integers(0, 4, 500)
    loss, wrong, calibration, over = terms(p, y).mean(0).tolist()
    assert loss == pytest.approx(metrics.nll(p, y))
    assert wrong == pytest.approx(1 - metrics.accuracy(p, y))
    assert calibration == pytest.approx(metrics.ece(p, y))
    assert over == pytest.approx(p.max(1).mean() - metrics.accuracy(p, y))


def test_history_equals_an_independent_computation() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    sets = {"fog": blobs(700, 2.0, 1), "clean": blobs(600, 0.5, 2), "rain": blobs(500, 1.0, 3)}
    monitor = RobustnessMonitor(injector_for(model), sets)
    row = monitor.epoch()
    assert row is not None and monitor.history == [row]
    with torch.no_grad():
        p = {name: model(x).double().softmax(1).numpy() for name, (x, _) in sets.items()}
    y = {name: labels.numpy() for name, (_, labels) in sets.items()}
    noisy = ("fog", "rain")
    assert row["clean"] == pytest.approx(metrics.accuracy(p["clean"], y["clean"]), abs=1e-6)
    assert row["noisy"] == pytest.approx(np.mean([metrics.accuracy(p[n], y[n]) for n in noisy]), abs=1e-6)
    assert row["drop"] == pytest.approx(row["clean"] - row["noisy"], abs=1e-6)
    assert row["noisy.fog"] == pytest.approx(metrics.accuracy(p["fog"], y["fog"]), abs=1e-6)
    assert row["nll_clean"] == pytest.approx(metrics.nll(p["clean"], y["clean"]), abs=1e-5)
    assert row["nll_noisy"] == pytest.approx(np.mean([metrics.nll(p[n], y[n]) for n in noisy]), abs=1e-5)
    assert row["ece_clean"] == pytest.approx(metrics.ece(p["clean"], y["clean"]), abs=1e-6)
    assert row["ece_noisy"] == pytest.approx(np.mean([metrics.ece(p[n], y[n]) for n in noisy]), abs=1e-6)
    assert (row["epoch"], row["strength"], row["overused"]) == (1, 1.0, False)


def test_evaluation_sets_give_the_numbers_of_evaluate() -> None:
    data = load("digits")
    index = np.arange(200)
    preparation = prepare(data, index)
    x = np.asarray(data.x)[index]
    frozen = [fix(c, study_seed=1) for c in corruptions_for("image", "search")]
    sets = EvaluationSets("search", x, data.y[index], preparation, frozen, Reference(DataType.IMAGE, x))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with Policy("image").attach(model, epochs=1, steps_per_epoch=1) as injector:
        row = RobustnessMonitor(injector, sets).epoch()
        few = RobustnessMonitor(injector, sets, corruptions=["jpeg"]).epoch()
    score = evaluate(model, sets, (3,))
    assert row is not None and few is not None
    for name in ("clean", "noisy", "nll_clean", "nll_noisy", "ece_clean", "ece_noisy"):
        assert row[name] == pytest.approx(score.flat()[name], abs=1e-5), name
    assert few["noisy"] == pytest.approx(score.corruptions["jpeg"][0], abs=1e-6)
    assert row["strength"] == 0.0


def test_back_off_where_noisy_accuracy_falls_at_full_strength() -> None:
    model = Fixed()
    injector = injector_for(model)
    monitor = RobustnessMonitor(injector, two_sets(), back_off=True)
    assert run(monitor, model, WORSE) == [False, False, True, False]
    assert injector.knob == pytest.approx(0.7)
    assert [row["strength"] for row in monitor.history] == pytest.approx([1.0, 1.0, 1.0, 0.7])


def test_advice_without_back_off() -> None:
    model = Fixed()
    monitor = RobustnessMonitor(injector_for(model), two_sets(), patience=3)
    assert run(monitor, model, WORSE) == [False, False, False, True]
    assert monitor.overused and "set_strength(0.7)" in monitor.advice and "for 3 measurements" in monitor.advice
    assert monitor._injector.knob == 1.0
    assert run(monitor, model, [(2.0, 0.0)]) == [False]
    assert monitor.advice == ""


def test_what_gets_worse_while_the_strength_falls_is_not_the_noise() -> None:
    model = Fixed()
    monitor = RobustnessMonitor(injector_for(model, schedule="ramp_down"), two_sets())
    assert not any(run(monitor, model, WORSE))


def test_a_policy_without_noise_is_never_overused() -> None:
    model = Fixed()
    injector = Policy("tabular").attach(model, epochs=10, steps_per_epoch=1)
    assert not any(run(RobustnessMonitor(injector, two_sets()), model, WORSE))


def test_overconfidence_at_equal_accuracy_is_put_down_to_overfitting() -> None:
    model = Fixed()
    monitor = RobustnessMonitor(injector_for(model), two_sets(), back_off=True)
    assert not any(run(monitor, model, [(2.0, 0.0), (8.0, 0.0), (16.0, 0.0), (32.0, 0.0)]))
    assert monitor.history[-1]["nll_noisy"] > monitor.history[0]["nll_noisy"]
    assert "overfitting" in monitor.advice and monitor._injector.knob == 1.0


def test_underconfidence_at_equal_accuracy_is_overuse() -> None:
    model = Fixed()
    monitor = RobustnessMonitor(injector_for(model), two_sets())
    assert run(monitor, model, [(2.0, 0.0), (0.4, 0.0), (0.2, 0.0)]) == [False, False, True]
    assert "loss" in monitor.advice and "calibration error" in monitor.advice


def test_calibration_lost_while_the_loss_falls_is_no_overuse() -> None:
    model = Fixed()
    monitor = RobustnessMonitor(injector_for(model), two_sets())
    assert not any(run(monitor, model, [(0.0, 0.0), (0.3, 0.0), (0.4, 0.0), (0.5, 0.0)]))
    assert monitor.history[-1]["ece_noisy"] > monitor.history[0]["ece_noisy"] + 0.1


def trained(policy: Policy, *, epochs: int = 12) -> RobustnessMonitor:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    x, y = blobs(512, 0.7, 0)
    validation = {"clean": blobs(400, 0.7, 1), "noisy": blobs(400, 1.2, 2)}
    with policy.attach(model, epochs=epochs, steps_per_epoch=8, num_classes=3) as injector:
        monitor = RobustnessMonitor(injector, validation, back_off=True)
        for _ in range(epochs):
            for part in torch.arange(512).split(64):
                injector.training_step(x[part], y[part], optimizer)
            monitor.epoch()
    return monitor


def test_healthy_training_keeps_its_strength() -> None:
    monitor = trained(Policy("tabular", (Step.of("gaussian_noise", std=0.5),)))
    assert not any(row["overused"] for row in monitor.history)
    assert monitor.history[-1]["noisy"] > 0.7 and monitor.history[-1]["strength"] == 1.0


def test_labels_flipped_more_and_more_are_overuse() -> None:
    monitor = trained(Policy("tabular", (Step.of("target_noise", fraction=0.9, schedule="ramp_up"),)), epochs=20)
    assert any(row["overused"] for row in monitor.history)
    assert monitor._injector.knob < 1


def test_modes_and_random_streams_stay() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    model.train()
    model[1].eval()
    x, y = blobs(100, 1.0, 0)
    loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    monitor = RobustnessMonitor(
        injector_for(model), loader, forward=lambda m, batch: nn.functional.dropout(m(batch), training=True)
    )
    monitor.epoch()
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in model] == [True, False, True, True] and model.training
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_every_measures_now_and_then() -> None:
    monitor = RobustnessMonitor(injector_for(Fixed()), two_sets(), every=3)
    assert [monitor.epoch() is None for _ in range(7)] == [True, True, False, True, True, False, True]
    assert [row["epoch"] for row in monitor.history] == [3, 6]


def test_a_resumed_monitor_goes_on_alike(tmp_path: Any) -> None:
    model = Fixed()
    whole = RobustnessMonitor(injector_for(model), two_sets())
    expected = run(whole, model, WORSE)
    first = RobustnessMonitor(injector_for(model), two_sets())
    run(first, model, WORSE[:2])
    torch.save(first.state_dict(), tmp_path / "monitor.pt")
    second = RobustnessMonitor(injector_for(model), two_sets())
    second.load_state_dict(torch.load(tmp_path / "monitor.pt", weights_only=True))
    assert run(second, model, WORSE[2:]) == expected[2:]
    assert second.history == whole.history and second.advice == whole.advice
    other = RobustnessMonitor(injector_for(model), two_sets(rows=100))
    other.load_state_dict(first.state_dict())
    with pytest.raises(DataError, match="other validation data"):
        other.epoch()


def test_images_are_corrupted_in_the_models_own_scale() -> None:
    unit = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    spec = InputSpec(
        data_type=DataType.IMAGE,
        layout=(3, 16, 16),
        scale="standardised",  # type: ignore[arg-type]
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.25, 0.3),
    )
    x = (unit - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    policy = Policy("image", (Step.of("gaussian_noise"),), input=spec)
    with policy.attach(model, epochs=1, steps_per_epoch=1) as injector:
        sets = from_clean(x, torch.arange(40) % 4, injector.adapter, spec, ["gaussian_noise", "fog"])
        row = RobustnessMonitor(injector, (x, torch.arange(40) % 4)).epoch()
    assert [s.name for s in sets] == ["clean", "gaussian_noise", "fog"]
    noisy = sets[1].make()
    assert isinstance(noisy, Tensor) and noisy.shape == x.shape and noisy.dtype == x.dtype
    back = noisy * torch.tensor(spec.std)[:, None, None] + torch.tensor(spec.mean)[:, None, None]
    assert back.min() > -1e-5 and back.max() < 1 + 1e-5
    assert float((back - unit).abs().mean()) > 0.02
    assert row is not None
    assert {k for k in row if k.startswith("noisy.")} == {f"noisy.{c.name}" for c in corruptions_for("image", "search")}


def test_padding_of_series_stays() -> None:
    x = torch.randn(20, 2, 50, generator=torch.Generator().manual_seed(0))
    lengths = torch.full((20,), 30)
    x[:, :, 30:] = 7.0
    policy = Policy("timeseries", (Step.of("gaussian_noise"),))
    spec = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 50), scale="standardised")  # type: ignore[arg-type]
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 2))
    with policy.attach(model, epochs=1, steps_per_epoch=1) as injector:
        sets = from_clean({"series": x, "lengths": lengths}, torch.zeros(20).long(), injector.adapter, spec, None)
    jitter = next(s for s in sets if s.name == "jitter").make()
    assert isinstance(jitter, dict)
    assert torch.equal(jitter["series"][:, :, 30:], x[:, :, 30:])
    assert float((jitter["series"] - x)[:, :, :30].std()) > 0.02


def test_tables_lose_values_to_the_mean_and_set_the_flag() -> None:
    x, y = blobs(300, 1.0, 0)
    x[:, 4] = 0.0
    spec = InputSpec(
        data_type=DataType.TABULAR,
        layout=(5,),
        scale="standardised",  # type: ignore[arg-type]
        numeric=(0, 1, 2, 3),
        flags=((4, 0),),
    )
    injector = injector_for(nn.Linear(5, 3), input=spec)
    sets = from_clean(x, y, injector.adapter, spec, ["missing_at_random"])
    lost = sets[1].make()
    assert isinstance(lost, Tensor)
    gone = (lost[:, 0] == 0) & (x[:, 0] != 0)
    assert 0.1 < float(gone.float().mean()) < 0.3
    assert torch.equal(lost[:, 4].bool(), gone)
    kept = lost[:, :4] != 0
    assert torch.equal(lost[:, :4][kept], x[:, :4][kept])


def test_audio_stays_a_waveform() -> None:
    wave = 0.3 * torch.sin(torch.linspace(0, 300, 2000)).repeat(12, 1)[:, None]
    spec = InputSpec(data_type=DataType.AUDIO, layout=(2000,), sample_rate=4000)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2000, 2))
    with Policy("audio", input=spec).attach(model, epochs=1, steps_per_epoch=1) as injector:
        monitor = RobustnessMonitor(injector, [(wave[:6], torch.arange(6) % 2), (wave[6:], torch.arange(6) % 2)])
        row = monitor.epoch()
    assert row is not None and "noisy.pink_noise" in row
    assert all(s.make().shape == (12, 1, 2000) for s in monitor._sets)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("validation", "options", "message"),
    [
        ({"clean": blobs(9, 1, 0)}, {}, "at least one noisy one"),
        ({"fog": blobs(9, 1, 0), "rain": blobs(9, 1, 0)}, {}, "one named 'clean'"),
        ({"clean": blobs(9, 1, 0), "fog": blobs(9, 1, 0)}, {"corruptions": ["jitter"]}, "leave it out"),
        ((blobs(9, 1, 0)[0], torch.zeros(8).long()), {}, "9 rows, but y has 8"),
        ((blobs(9, 1, 0)[0], torch.zeros(9)), {}, "class indices"),
        (3, {}, "is a int"),
        ([], {}, "is empty"),
        (blobs(9, 1, 0), {"patience": 0}, "patience must be a whole number >= 1, but got 0"),
        (blobs(9, 1, 0), {"every": 1.5}, "every must be a whole number >= 1, but got 1.5"),
    ],
)
def test_bad_arguments_get_one_clear_line(validation: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as e:
        RobustnessMonitor(injector_for(nn.Linear(5, 3)), validation, **options)
    assert "\n" not in str(e.value)


def test_labels_corruptions_and_types_that_do_not_fit() -> None:
    x, y = blobs(30, 1, 0)
    with pytest.raises(DataError, match="labels outside the model's 3 classes"):
        RobustnessMonitor(injector_for(nn.Linear(5, 3)), {"clean": (x, y + 1), "fog": (x, y)}).epoch()
    with pytest.raises(UnknownNameError, match="did you mean jitter"):
        RobustnessMonitor(injector_for(nn.Linear(5, 3)), (x, y), corruptions=["jiter"]).epoch()
    with pytest.raises(AttachError, match=r"\(B, D\)"):
        RobustnessMonitor(injector_for(nn.Linear(5, 3)), (x[:, :, None], y)).epoch()
    text = Policy("text").attach(nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 3)), epochs=1, steps_per_epoch=1)
    with pytest.raises(DataError, match="before the tokenizer"):
        RobustnessMonitor(text, (torch.ones(4, 3).long(), torch.zeros(4).long()))
    audio = Policy("audio").attach(nn.Linear(100, 2), epochs=1, steps_per_epoch=1)
    with pytest.raises(DataError, match="sample_rate"):
        RobustnessMonitor(audio, (torch.zeros(4, 100), torch.zeros(4).long()))


def test_it_is_public_and_light() -> None:
    assert autonoise.RobustnessMonitor is RobustnessMonitor
    code = (
        "import sys, autonoise.evaluation.monitor; sys.exit(bool({'pandas', 'optuna', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
