"""The shipped search spaces: complete, reproducible, and every starting point trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from space_samples import TYPES, FakeTrial, replayed

from autonoise.policy import Policy, Step
from autonoise.proxies import build_proxy
from autonoise.space.space import SearchSpace
from autonoise.technique.registry import get_technique, techniques_for
from autonoise.types import Batch, DataType, InputSpec, Scale, Stage

SPECS = {
    "image": InputSpec(data_type=DataType.IMAGE, layout=(1, 16, 16), classes=3),
    "text": InputSpec(
        data_type=DataType.TEXT,
        layout=(12,),
        classes=3,
        pad_id=0,
        unk_id=1,
        mask_id=2,
        special_ids=(3, 4),
        vocabulary_size=40,
    ),
    "tabular": InputSpec(
        data_type=DataType.TABULAR,
        layout=(6,),
        classes=3,
        scale=Scale.STANDARDISED,
        numeric=(0, 1, 2),
        onehot=((3, 4),),
        flags=((5, 0),),
    ),
    "timeseries": InputSpec(data_type=DataType.TIMESERIES, layout=(2, 32), classes=3, scale=Scale.STANDARDISED),
    "audio": InputSpec(data_type=DataType.AUDIO, layout=(2000,), classes=3, sample_rate=8000),
}


def batch_for(data_type: str, rows: int = 6) -> Batch:
    rng = torch.Generator().manual_seed(0)
    if data_type == "image":
        return torch.rand(rows, 1, 16, 16, generator=rng)
    if data_type == "text":
        ids = torch.randint(5, 40, (rows, 12), generator=rng)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if data_type == "tabular":
        code = torch.arange(rows) % 2
        numbers = torch.randn(rows, 3, generator=rng)
        return torch.cat([numbers, torch.nn.functional.one_hot(code, 2), torch.zeros(rows, 1)], 1)
    if data_type == "timeseries":
        return torch.randn(rows, 2, 32, generator=rng)
    return 0.3 * torch.randn(rows, 2000, generator=rng).clamp(-1, 1)


@pytest.fixture(scope="module")
def spaces() -> dict[str, SearchSpace]:
    return {name: SearchSpace.load(name) for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_shipped_space(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    assert space.data_type == name
    assert 15 <= len(space.techniques) <= 30
    assert set(space.techniques) <= {t.name for t in techniques_for(name)}
    assert "gradient_noise" not in space.techniques
    assert space.max_techniques == {"image": 5, "audio": 5}.get(name, 4)
    assert 6 <= len(space.seeds) <= 8
    assert 3 <= len(space.presets) <= 9
    assert all(p.provenance["source"] for p in space.presets)
    assert len({p.hash for p in space.seeds}) == len(space.seeds)
    assert len({p.name for p in space.seeds}) == len(space.seeds)
    assert len({p.name for p in space.presets}) == len(space.presets)


@pytest.mark.parametrize("name", TYPES)
def test_every_technique_has_its_switch(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    for technique in space.techniques:
        given = {f"use.{t}": t == technique for t in space.techniques}
        trial = FakeTrial(given=given)
        policy = space.suggest(trial)
        assert [s.name for s in policy.steps] == [technique]
        switches = {k for k in trial.asked if k.startswith("use.")}
        assert switches == set(given)
        assert all(k.startswith(("use.", f"{technique}.")) for k in trial.asked)


@pytest.mark.parametrize("name", TYPES)
def test_ranges_in_the_file_are_the_ones_searched(name: str, spaces: dict[str, SearchSpace]) -> None:
    for technique, dims in spaces[name].techniques.items():
        given = spaces[name].source["techniques"][technique] or {}
        for key, value in given.items():
            d = dims[key]
            ends = d.choices or (d.low, d.high)
            assert list(ends) == (value if isinstance(value, list) else [value]), f"{technique}.{key}"


# presets of which no technique is searched: they are opponents in the end, and never trials
ONLY_CONFIRMED = {"RandAugment"}


@pytest.mark.parametrize("name", TYPES)
def test_seeds_and_presets_lie_in_the_space_or_say_their_nearest(name: str, spaces: dict[str, SearchSpace]) -> None:
    space = spaces[name]
    for seed in space.seeds:
        assert replayed(space, seed).hash == seed.hash, seed.name
    for preset in space.presets:
        near = replayed(space, preset)
        inside = [s.name for s in preset.steps if s.name in space.techniques]
        assert inside or preset.name in ONLY_CONFIRMED
        assert [s.name for s in near.steps] == inside
        assert replayed(space, near).hash == near.hash


@pytest.mark.parametrize("name", TYPES)
def test_seeds_and_presets_train_a_proxy(name: str, spaces: dict[str, SearchSpace]) -> None:
    space, spec = spaces[name], SPECS[name]
    x, y = batch_for(name), torch.tensor([0, 1, 2, 0, 1, 2])
    every = [Policy(name, [Step(get_technique(t)())]) for t in space.techniques]  # type: ignore[arg-type]
    for policy in (*space.seeds, *space.presets, *every):
        steps = 3 if policy in space.seeds + space.presets else 1
        model = build_proxy(spec, size=0.25)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        before = {k: v.clone() for k, v in model.named_parameters()}
        partial = bool(policy.at_stage(Stage.RAW))
        with policy.attach(
            model, epochs=1, steps_per_epoch=steps, optimizer=optimizer, input=spec, allow_partial=partial
        ) as injector:
            for _ in range(steps):
                assert torch.isfinite(injector.training_step(x, y, optimizer)), policy.name
        assert any(not torch.equal(before[k], v) for k, v in model.named_parameters()), policy.name


def test_text_seeds_change_strings(spaces: dict[str, SearchSpace]) -> None:
    text = "the quick brown fox jumps over the lazy dog and sleeps in the warm sun"
    raw = [p for p in (*spaces["text"].seeds, *spaces["text"].presets) if p.at_stage(Stage.RAW)]
    assert len(raw) >= 4
    for policy in raw:
        transform = policy.raw_transform(epochs=4)
        transform.set_epoch(1)
        assert any(out != text for out in transform.many([text] * 20, range(20))), policy.name


def test_a_copy_narrowed_by_hand(tmp_path: Path, spaces: dict[str, SearchSpace]) -> None:
    """What the head of each file promises: delete a line, fix a value, list choices."""
    source = Path(__file__).parents[2] / "search_spaces" / "image.yaml"
    lines = [line for line in source.read_text().splitlines() if not line.startswith("  jpeg:")]
    text = "\n".join(lines).replace("  mixup: {alpha: [0.1, 1.0]", "  mixup: {alpha: 0.4")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    space = SearchSpace.load(path)
    assert set(spaces["image"].techniques) - set(space.techniques) == {"jpeg"}
    assert space.techniques["mixup"]["alpha"].choices == (0.4,)
    assert space.hash != spaces["image"].hash
    with_jpeg = next(p for p in space.seeds if any(s.name == "jpeg" for s in p.steps))
    assert "use.jpeg" not in space.parameters_of(with_jpeg)


# as in the papers or their code: a second writing, by hand
PUBLISHED: dict[tuple[str, str], list[dict[str, object]]] = {
    ("image", "Gauss50"): [{"technique": "gaussian_noise", "std": 0.1, "probability": 0.5}],
    ("image", "AugMix"): [
        {"technique": "augmix", "severity": 3.0, "width": 3, "depth": 3, "alpha": 1.0},
        {"technique": "two_view_consistency", "weight": 12.0},
    ],
    ("image", "TrivialAugment"): [{"technique": "trivial_augment", "level": 1.0}],
    ("image", "mixup and label smoothing"): [
        {"technique": "label_smoothing", "smoothing": 0.1}, {"technique": "mixup", "alpha": 1.0}
    ],
    ("image", "CutMix, mixup and erasing"): [
        {"technique": "random_erasing", "area": 0.333, "probability": 0.25},
        {"technique": "label_smoothing", "smoothing": 0.1},
        {"technique": "mixup", "alpha": 0.8, "one_of": "mixing"},
        {"technique": "cutmix", "alpha": 1.0, "one_of": "mixing"},
    ],
    ("image", "NoisyMix"): [
        {"technique": "augmix", "severity": 3.0, "width": 3, "depth": 3, "alpha": 1.0},
        {"technique": "noisy_feature_mixup", "alpha": 1.0, "additive": 0.5, "multiplicative": 0.5},
        {"technique": "two_view_consistency", "weight": 12.0},
    ],
    ("image", "PixMix"): [{"technique": "pixmix", "rounds": 4, "beta": 3.0, "severity": 3.0}],
    ("image", "RandAugment"): [{"technique": "rand_augment", "level": 0.3, "operations": 2}],
    ("image", "PRIME without consistency"): [
        {"technique": "prime", "filter": 4.0, "colour": 0.01, "width": 3, "depth": 3}
    ],
    ("text", "EDA"): [{"technique": "eda", "alpha": 0.1, "probability": 0.8}],
    ("text", "AEDA"): [{"technique": "aeda", "fraction": 0.3, "probability": 0.8}],
    ("text", "word dropout and dropout"): [
        {"technique": "word_dropout", "fraction": 0.3}, {"technique": "dropout", "p": 0.5}
    ],
    ("text", "keyboard typos"): [{"technique": "keyboard_typos", "fraction": 0.09, "probability": 0.5}],
    ("tabular", "SCARF corruption"): [{"technique": "swap_noise", "fraction": 0.6}],
    ("tabular", "VIME corruption"): [{"technique": "swap_noise", "fraction": 0.3}],
    ("tabular", "swap noise"): [{"technique": "swap_noise", "fraction": 0.15}],
    ("tabular", "mixup"): [{"technique": "mixup", "alpha": 0.2}],
    ("tabular", "dropout"): [{"technique": "dropout", "p": 0.5}],
    ("timeseries", "jitter and scaling"): [
        {"technique": "magnitude_scaling", "sigma": 0.1}, {"technique": "gaussian_noise", "std": 0.03}
    ],
    ("timeseries", "jitter, scaling and magnitude warp"): [
        {"technique": "magnitude_scaling", "sigma": 0.1}, {"technique": "magnitude_warp", "sigma": 0.2, "knots": 4},
        {"technique": "gaussian_noise", "std": 0.03},
    ],
    ("timeseries", "time warp, drift and noise"): [
        {"technique": "speed_change", "ratio": 3.0, "stretches": 4},
        {"technique": "drift", "size": 0.5, "points": 3, "probability": 0.8, "magnitude": "uniform"},
        {"technique": "gaussian_noise", "std": 0.2, "probability": 0.5, "magnitude": "uniform"},
    ],
    ("audio", "noise, stretch, pitch and shift"): [
        {"technique": "gaussian_noise", "std": 0.015, "probability": 0.5, "magnitude": "uniform"},
        {"technique": "time_stretch", "change": 0.25, "probability": 0.5},
        {"technique": "pitch_shift", "semitones": 4.0, "probability": 0.5},
        {"technique": "time_shift", "fraction": 0.5, "probability": 0.5},
    ],
    ("audio", "FilterAugment"): [{"technique": "random_equaliser", "gain_db": 6.0, "bands": 5}],
    ("timeseries", "window slice"): [{"technique": "window_slice", "window": 0.9}],
    ("audio", "SpecAugment"): [{"technique": "spec_augment", "frequency": 0.33, "time": 0.2, "masks": 2}],
    ("audio", "speed and background noise"): [
        {"technique": "speed_perturbation", "change": 0.1},
        {"technique": "background_noise", "snr_db": 15.0, "probability": 0.5},
    ],
    ("audio", "mixup and label smoothing"): [
        {"technique": "label_smoothing", "smoothing": 0.1}, {"technique": "mixup", "alpha": 0.2}
    ],
}  # fmt: skip


def test_presets_are_what_their_papers_say(spaces: dict[str, SearchSpace]) -> None:
    found = {(name, p.name): p for name, space in spaces.items() for p in space.presets}
    assert found.keys() == PUBLISHED.keys()
    for key, policy in found.items():
        written = [s.to_dict() for s in policy.steps]
        for step, expected in zip(written, PUBLISHED[key], strict=True):
            assert {k: v for k, v in step.items() if k in expected} == expected, key
            assert ("probability" in step) == ("probability" in expected) and "schedule" not in step, key
    assert found["image", "AugMix"].passes == 3
