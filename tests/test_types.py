"""Words and plain numbers given for the fields of public objects work like the members and tuples they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autonoise.batches import batch_adapter
from autonoise.corruptions.base import Reference, get_corruption
from autonoise.data import Dataset
from autonoise.errors import AttachError, AutonoiseError, PolicyError, UnknownNameError
from autonoise.policy import Policy, Step
from autonoise.space.space import SearchSpace
from autonoise.technique import registry as registry
from autonoise.technique.registry import technique, techniques_for
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.stages import InputNoise
from autonoise.types import DataType, Family, InputSpec, Scale, Stage, member

WORDS = InputSpec(
    data_type="tabular",
    layout=(5,),
    scale="standardised",
    numeric=[0],
    onehot=[[1, 2, 3]],
    flags=[[4, 0]],
)
TABLE = torch.cat([torch.linspace(-2, 2, 64)[:, None], torch.eye(3).repeat(22, 1)[:64], torch.ones(64, 1)], dim=1)


@pytest.mark.parametrize("step", [Step.of("gaussian_noise", std=0.5), Step.of("fgsm", eps=0.5)], ids=lambda s: s.name)
def test_a_table_described_in_words_keeps_its_categories_and_flags(step: Step) -> None:
    injector = Policy("tabular", [step]).attach(nn.Linear(5, 3), epochs=1, steps_per_epoch=2, input=WORDS)
    x, _ = injector.perturb(TABLE, torch.arange(64) % 3)
    assert isinstance(x, torch.Tensor)
    assert (x[:, 1:] - TABLE[:, 1:]).pow(2).mean().sqrt() == 0
    assert (x[:, 0] - TABLE[:, 0]).pow(2).mean().sqrt() > 0.2


def test_an_attack_on_a_text_described_in_words_moves_whole_tokens() -> None:
    # 4 tokens, embeddings 9 wide: read as (B, channels, steps), the lengths would cut the embedding
    spec = InputSpec(data_type="text", layout=(4,), pad_id=0, vocabulary_size=11)
    model = nn.Sequential(nn.Embedding(11, 9), nn.Flatten(), nn.Linear(36, 3))
    injector = Policy("text", [Step.of("fgsm", eps=0.5)]).attach(model, epochs=1, steps_per_epoch=2, input=spec)
    injector.perturb(torch.tensor([[3, 4, 5, 0]] * 8), torch.arange(8) % 3)
    delta = injector.attached.batch.delta
    assert delta is not None
    assert (delta.abs().sum(0) > 0).tolist() == [[True] * 9] * 3 + [[False] * 9]


def test_words_become_members() -> None:
    assert WORDS.data_type is DataType.TABULAR
    assert WORDS.scale is Scale.STANDARDISED
    assert Policy("image").data_type is DataType.IMAGE
    assert SearchSpace("audio", {}).data_type is DataType.AUDIO
    rows = np.zeros((2, 4, 4, 1), np.uint8)
    data = Dataset("d", "image", rows, np.zeros(2, np.int64), ("a",))
    assert data.data_type is DataType.IMAGE
    assert Reference("image", rows).data_type is DataType.IMAGE
    step = Step("mixup", schedule="ramp_up", gate=2)
    assert step == Step.of("mixup", schedule="ramp_up", gate=2)
    assert (step.schedule, step.gate) == (Schedule("ramp_up"), Gate(2))
    assert member(Stage, Stage.LOSS, "stage") is member(Stage, "loss", "stage") is Stage.LOSS


def test_techniques_and_corruptions_described_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    @technique(data_types={"image"}, family="blur", also=["gain"])
    class TestTypesHaze(InputNoise):
        stage = "input"

    assert TestTypesHaze.family is Family.BLUR
    assert TestTypesHaze.families == {Family.BLUR, Family.GAIN}
    assert TestTypesHaze.stage is Stage.INPUT
    fog = get_corruption("image", "fog")
    values = {**fog.__dict__, "data_type": "image", "family": "photometric", "near": ["gain"]}
    made = type(fog)(**values)
    assert (made.data_type, made.family, made.near) == (DataType.IMAGE, Family.PHOTOMETRIC, (Family.GAIN,))
    assert made.family is Family.PHOTOMETRIC


def test_lists_arrays_and_single_numbers_are_the_tuples_they_stand_for() -> None:
    plain = InputSpec(data_type=DataType.IMAGE, layout=(3, 8, 8), mean=(0.5, 0.25, 0.125), std=(0.5,), classes=10)
    given = InputSpec(
        data_type="image", layout=torch.Size([3, 8, 8]), mean=torch.tensor([0.5, 0.25, 0.125]),
        std=0.5, classes=np.int64(10),
    )  # fmt: skip
    assert given == plain
    assert hash(given) == hash(plain)
    assert (type(given.classes), type(given.std[0]), type(given.layout[0])) == (int, float, int)
    assert InputSpec(data_type=DataType.TABULAR, layout=(5,), scale=Scale.STANDARDISED, numeric=(0,),
                              onehot=((1, 2, 3),), flags=((4, 0),)) == WORDS  # fmt: skip
    text = InputSpec(data_type="text", layout=9, special_ids={102, 101}, pad_id=np.int64(0))
    assert (text.layout, text.special_ids, text.pad_id) == ((9,), (101, 102), 0)
    assert InputSpec.from_dict(DataType.TABULAR, WORDS.to_dict()) == WORDS


@pytest.mark.parametrize(("make", "kind", "says"), [
    (lambda: InputSpec(data_type="tabluar", layout=(3,)), UnknownNameError, "did you mean tabular"),
    (lambda: InputSpec(data_type="TEXT", layout=(3,)), UnknownNameError, "did you mean text"),
    (lambda: InputSpec(data_type=None, layout=(3,)), UnknownNameError, "unknown data type None: known: audio"),
    (lambda: InputSpec(data_type="image", layout=(3,), scale="standardized"), UnknownNameError, "mean standardised"),
    (lambda: InputSpec.from_dict(DataType.IMAGE, {"layuot": [1]}), UnknownNameError, "did you mean layout"),
    (lambda: InputSpec(data_type="image", layout=(3, 0, 8)), AttachError, "must be a whole number >= 1, but got 0"),
    (lambda: InputSpec(data_type="image", layout=(3,), std=(0.5, 0.0)), AttachError, "std must be a .* above 0"),
    (lambda: InputSpec(data_type="image", layout=(3,), mean=float("nan")), AttachError, "mean must be a finite number"),
    (lambda: InputSpec(data_type="image", layout=(3,), mean="0.5"), AttachError, "mean must be a list of numbers"),
    (lambda: InputSpec(data_type="tabular", layout=(3,), numeric=[True, False]), AttachError, ">= 0, but got True"),
    (lambda: InputSpec(data_type="tabular", layout=(3,), codes=[-1]), AttachError, "codes must be a whole number >= 0"),
    (lambda: InputSpec(data_type="tabular", layout=(3,), flags=[(1, 2, 3)]), AttachError, "flags must be pairs"),
    (lambda: InputSpec(data_type="audio", layout=(3,), sample_rate="16k"), AttachError, "sample_rate must be a whole"),
    (lambda: Policy("imgae"), PolicyError, "did you mean image"),
    (lambda: Policy("image", input=WORDS), PolicyError, "for image data, but its input describes tabular"),
    (lambda: Policy("image", input={"layout": [3]}), PolicyError, "input must be an InputSpec"),
    (lambda: Policy("image", ["mixup"]), PolicyError, "must be Step objects"),
    (lambda: Policy("image", Step.of("mixup")), PolicyError, "must be Step objects"),
    (lambda: Policy("image").attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=1, input={"layout": [3]}),
     AttachError, "input= must be an InputSpec"),
    (lambda: Policy("image").attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=1, sites={"penultimat": "*"}),
     UnknownNameError, "did you mean penultimate"),
    (lambda: Step("mixpu"), UnknownNameError, "did you mean mixup"),
    (lambda: Step.of("mixup", schedule=0.5), PolicyError, "schedule must be a Schedule, but got 0.5"),
    (lambda: Step.of("mixup", magnitude="unifrom"), PolicyError, "did you mean uniform"),
    (lambda: Step.of("mixup", schedule="rampup"), ValueError, "did you mean ramp_up"),
    (lambda: Gate(2, "epochs"), ValueError, "did you mean epoch"),
    (lambda: Step.of("fgsm", start="Random"), PolicyError, "did you mean random"),
    (lambda: SearchSpace("images", {}), UnknownNameError, "did you mean image"),
    (lambda: batch_adapter("sound"), UnknownNameError, "unknown data type 'sound'"),
    (lambda: techniques_for("tabel"), UnknownNameError, "unknown data type 'tabel'"),
])  # fmt: skip
def test_what_is_no_such_word_or_number_is_refused_with_the_nearest(
    make: Any, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, AutonoiseError | ValueError)


@pytest.mark.parametrize("width", [3, 9])
def test_columns_of_a_table_say_nothing_of_a_layers_units(width: int) -> None:
    """A layer narrower than the table was an error; of a wider one only the units numbered like columns were moved."""
    model = nn.Sequential(nn.Linear(5, width), nn.LayerNorm(width), nn.Linear(width, 3))
    step = Step.of("noisy_feature_mixup", alpha=1.0, additive=0.5, multiplicative=0.5)
    injector = Policy("tabular", [step]).attach(model, epochs=1, steps_per_epoch=2, input=WORDS)
    seen = []
    model[1].register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    same = TABLE[:1].expand(64, -1).contiguous()
    x, _ = injector.perturb(same, torch.arange(64) % 3)
    model(x)
    clean = nn.functional.layer_norm(seen[0][0], (width,))
    assert ((seen[0][1] - clean).abs().amax(0) > 1e-3).all()
