"""``Step.of(...)(x)``: one step on a batch, targets or strings, without a model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autonoise import InputSpec, Policy, Schedule, Step
from autonoise.errors import AttachError
from autonoise.technique.schedule import Gate

IDS = InputSpec(data_type="text", layout=(4,), pad_id=0, unk_id=1, mask_id=4, vocabulary_size=10)  # type: ignore[arg-type]


def pixels(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 2, 2)


def test_input_noise_by_numbers() -> None:
    solarise = Step.of("solarise", threshold=0.5)
    x = pixels(0.2, 0.4, 0.6, 0.8)
    assert torch.allclose(solarise(x), pixels(0.2, 0.4, 0.4, 0.2))
    # half the strength goes half the way
    assert torch.allclose(solarise(x, strength=0.5), pixels(0.2, 0.4, 0.5, 0.5))
    assert torch.equal(solarise(x, strength=0.0), x)
    assert torch.equal(x, pixels(0.2, 0.4, 0.6, 0.8))


def test_units_of_the_batch_come_from_its_description() -> None:
    spec = InputSpec(data_type="image", layout=(1, 2, 2), mean=(0.5,), std=(0.1,), scale="standardised")  # type: ignore[arg-type]
    x = (pixels(0.2, 0.4, 0.6, 0.8) - 0.5) / 0.1
    out = Step.of("solarise", threshold=0.5)(x, input=spec)
    assert torch.allclose(out, torch.tensor([-3.0, -1.0, -1.0, -3.0]).reshape(1, 1, 2, 2), atol=1e-4)
    bytes_ = torch.tensor([51, 102, 153, 204], dtype=torch.uint8).reshape(1, 1, 2, 2)
    eight = InputSpec(data_type="image", layout=(1, 2, 2), scale="byte")  # type: ignore[arg-type]
    assert Step.of("solarise", threshold=0.5)(bytes_, input=eight).flatten().tolist() == [51, 102, 102, 51]


def test_arrays_and_dicts_come_back_as_such() -> None:
    x = np.array([0.2, 0.4, 0.6, 0.8], dtype=np.float32).reshape(1, 1, 2, 2)
    out = Step.of("solarise", threshold=0.5)(x)
    assert isinstance(out, np.ndarray)
    assert out.flatten().tolist() == pytest.approx([0.2, 0.4, 0.4, 0.2])
    assert x.flatten().tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])
    batch = {"waveform": torch.full((2, 100), 0.1), "lengths": torch.tensor([100, 50])}
    noisy = Step.of("gaussian_snr", snr_db=0.0)(batch)
    assert set(noisy) == {"waveform", "lengths"}
    assert torch.equal(noisy["waveform"][1, 50:], batch["waveform"][1, 50:])
    assert not torch.equal(noisy["waveform"][1, :50], batch["waveform"][1, :50])


def test_the_first_update_of_a_training_sees_the_same() -> None:
    step = Step.of("gaussian_noise", std=0.1, probability=0.5, magnitude="uniform")
    x, y = torch.rand(8, 1, 4, 4), torch.randint(3, (8,))
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    for seed in (0, 5):
        injector = Policy("image", (step,)).attach(
            model,
            epochs=1,
            steps_per_epoch=1,
            seed=seed,
            input=InputSpec(data_type="image", layout=(1, 4, 4)),  # type: ignore[arg-type]
        )
        assert torch.equal(injector.perturb(x, y)[0], step(x, seed=seed))
        injector.detach()
    assert not torch.equal(step(x, seed=0), step(x, seed=5))


def test_schedule_and_gate_are_left_out() -> None:
    x = pixels(0.2, 0.4, 0.6, 0.8)
    late = Step.of("solarise", threshold=0.5, schedule=Schedule("window", 0.5), gate=Gate(2))
    assert torch.allclose(late(x), pixels(0.2, 0.4, 0.4, 0.2))
    never = Step.of("solarise", threshold=0.5, probability=0.0)
    assert torch.equal(never(x), x)


def test_targets_by_numbers() -> None:
    smoothing = Step.of("label_smoothing", smoothing=0.3)
    wanted = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert torch.allclose(smoothing(torch.tensor([0, 2])), wanted)
    assert torch.allclose(smoothing(torch.eye(3)[[0, 2]]), wanted)
    assert torch.allclose(smoothing(torch.tensor([0, 2]), strength=0.5)[0], torch.tensor([0.9, 0.05, 0.05]))


def test_pairs_mix_targets_along() -> None:
    # rows of zeros and ones: a mixed pixel is the share of the second class
    x = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(4, 1, 1, 1).expand(4, 1, 2, 2).contiguous()
    y = torch.tensor([0, 1, 0, 1])
    mixed, soft = Step.of("mixup", alpha=1.0)(x, y, seed=3)
    assert torch.allclose(mixed[:, 0, 0, 0], soft[:, 1], atol=1e-6)
    assert ((soft[:, 1] > 0.01) & (soft[:, 1] < 0.99)).any()
    assert torch.equal(Step.of("mixup", alpha=1.0)(x, seed=3), mixed)


def test_strings_and_token_ids() -> None:
    texts = ["the quick brown fox jumps over the lazy dog", ""]
    noisy = Step.of("eda")(texts)
    assert noisy[0] != texts[0]
    assert noisy[1] == ""
    assert Step.of("eda")(texts[0]) == noisy[0]
    assert Step.of("eda")(texts, strength=0) == texts
    wanted = Policy("text", (Step.of("eda"),)).raw_transform(seed=4).many(texts, [0, 1])
    assert Step.of("eda")(texts, seed=4) == wanted
    ids = torch.tensor([[5, 6, 7, 0], [8, 9, 5, 6]])
    masked = Step.of("token_masking", fraction=0.95)(ids, input=IDS)
    assert set(masked[ids != 0].tolist()) <= {4, 5, 6, 7, 8, 9}
    assert 4 in masked
    assert masked[0, 3] == 0


@pytest.mark.parametrize(("name", "x", "said"), [
    ("dropout", torch.rand(2, 3), "dropout acts inside a model or on its training (activation stage)"),
    ("sam", torch.rand(2, 3), "[step]).attach(model, epochs=1, steps_per_epoch=1)"),
    ("fgsm", torch.rand(2, 1, 2, 2), "cannot be applied by hand"),
    ("gaussian_noise", torch.rand(2, 3), "could be a batch of audio or tabular or timeseries: pass"),
    ("solarise", torch.rand(2, 3), "could be a batch of none of image: pass"),
    ("solarise", torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "x, torch.uint8 (1, 1, 2, 2), could be a batch of none"),
    ("solarise", [1, 2], "x, list, could be a batch of none"),
    ("token_masking", torch.tensor([[5, 6]]), "which token ids are special: pass input=InputSpec"),
    ("label_smoothing", "cat", "pass class indices (B,) or soft targets (B, C)"),
    ("eda", 3, "raw noise acts on strings, but got int"),
])  # fmt: skip
def test_refusals(name: str, x: object, said: str) -> None:
    with pytest.raises(AttachError) as caught:
        Step.of(name)(x)
    assert said in str(caught.value)


def test_mixing_inside_a_model_and_absurd_strengths_are_refused() -> None:
    with pytest.raises(AttachError, match="mixup acts inside a model"):
        Step.of("mixup")(torch.tensor([[5, 6]]), input=IDS)
    with pytest.raises(AttachError, match="0 <= strength <= 100"):
        Step.of("solarise")(pixels(0.0, 0.0, 0.0, 0.0), strength=-1.0)


def test_without_the_injector_the_remedy_is_named() -> None:
    code = "from autonoise.technique import Step\nStep.of('gain')('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "import autonoise.policy first" in done.stderr
