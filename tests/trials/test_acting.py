"""Techniques that cannot act are not offered to a search."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autonoise.errors import StudyError
from autonoise.proxies import build_proxy
from autonoise.space.dimension import Dimension
from autonoise.space.space import SearchSpace
from autonoise.trials.acting import offered
from autonoise.types import DataType, InputSpec

AUDIO = InputSpec(data_type=DataType.AUDIO, layout=(800,), classes=3, sample_rate=2000)
NUMBERS = InputSpec(
    data_type=DataType.TABULAR, layout=(3,), classes=3, numeric=(0, 1, 2), scale="standardised",  # type: ignore[arg-type]
)  # fmt: skip
CODES = InputSpec(
    data_type=DataType.TABULAR, layout=(3,), classes=3, codes=(0, 1, 2), scale="standardised",  # type: ignore[arg-type]
)  # fmt: skip


class Raw(nn.Module):
    """The user's own model of waveforms, which hears how loud they are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv1d(1, 8, 64, 32), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(self.conv(x[:, None])).mean(2))


def left(spec: InputSpec, names: list[str], model: nn.Module | None = None) -> list[str]:
    return list(offered_of(spec, names, model).techniques)


def offered_of(
    spec: InputSpec, names: list[str], model: nn.Module | None = None, strings: list[str] | None = None, **more: Any
) -> SearchSpace:
    space = SearchSpace.from_dict(
        {
            "format": "autonoise-space/1",
            "data_type": str(spec.data_type),
            "techniques": dict.fromkeys(names),
            **more,
        }
    )
    batch = 0.1 * torch.randn(64, *spec.layout)
    if spec.data_type is not DataType.AUDIO:
        batch = (10 * batch).clamp(0, 1) if spec.data_type is DataType.IMAGE else 10 * batch
    if spec.codes:
        batch = batch.abs().round()
    if strings is not None:
        batch = torch.randint(5, 50, (64, *spec.layout))

    def first(n: int) -> Any:
        return SimpleNamespace(batch=batch[:n], labels=np.arange(n) % 3, rows=strings)

    task = SimpleNamespace(
        training=lambda fold: SimpleNamespace(first=first),
        spec=lambda fold: spec,
        model=lambda seed: build_proxy(spec) if model is None else model,
    )
    space = offered(space, task)  # type: ignore[arg-type]
    # a worker reads the space from its source
    assert list(SearchSpace.from_dict(dict(space.source)).techniques) == list(space.techniques)
    return space


def test_gain_is_offered_to_models_that_hear_it(caplog: pytest.LogCaptureFixture) -> None:
    names = ["gain", "gaussian_snr", "clipping_distortion", "dropout", "spec_augment"]
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        assert left(AUDIO, names) == names[1:]
    assert "gain is not offered, since it cannot act here: what LogMel gives does not depend on gain" in caplog.text
    assert left(AUDIO, names, Raw()) == names[:-1]  # no module named front_end


def test_the_front_end_really_does_not_hear_gain() -> None:
    front_end = build_proxy(AUDIO).front_end
    x = 0.1 * torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(front_end(x), front_end(4 * x), atol=1e-4)
    assert not torch.allclose(front_end(x), front_end(x.flip(0)), atol=0.1)


@pytest.mark.parametrize(("spec", "names", "kept"), [
    (NUMBERS, ["category_replacement", "feature_scaling", "mixup"], ["feature_scaling", "mixup"]),
    (CODES, ["category_replacement", "feature_scaling", "swap_noise"], ["category_replacement", "swap_noise"]),
    (InputSpec(data_type=DataType.TIMESERIES, layout=(1, 64), classes=3), ["channel_dropout", "time_warp"],
     ["time_warp"]),
    (InputSpec(data_type=DataType.TIMESERIES, layout=(2, 64), classes=3), ["channel_dropout", "stochastic_depth"],
     ["channel_dropout"]),
    (InputSpec(data_type=DataType.IMAGE, layout=(1, 16, 16), classes=3), ["stochastic_depth", "drop_block", "sam"],
     ["stochastic_depth", "drop_block", "sam"]),
])  # fmt: skip
def test_what_the_data_or_the_model_lack(spec: InputSpec, names: list[str], kept: list[str]) -> None:
    assert left(spec, names) == kept


def test_a_model_that_fails_without_noise_hides_no_technique() -> None:
    class Faulty(Raw):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise StudyError("not this one")

    assert left(AUDIO, ["dropout", "gain"], Faulty()) == ["dropout", "gain"]


def test_a_space_of_nothing_that_acts_is_refused() -> None:
    with pytest.raises(StudyError, match="none of the techniques of the search space can act here"):
        left(NUMBERS, ["category_replacement"])


def test_word_order_is_not_offered_for_texts_of_one_word(caplog: pytest.LogCaptureFixture) -> None:
    spec = InputSpec(
        data_type="text", layout=(4,), classes=3, pad_id=0, mask_id=4, special_ids=(0, 1, 2, 3, 4), vocabulary_size=50
    )
    names = ["word_swap", "character_typos", "token_masking"]
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        recipe = {"name": "r", "source": "x", "steps": [{"technique": n} for n in names[:2]]}
        words = offered_of(spec, names, strings=[f"word{i}" for i in range(64)], presets=[recipe])
    assert list(words.techniques) == names[1:]
    assert [s.name for s in words.presets[0].steps] == ["character_typos"]
    assert "word_swap is not offered, since it cannot act here: it changed none of 64 rows in 4 tries" in caplog.text
    assert list(offered_of(spec, names, strings=[f"two words {i}" for i in range(64)]).techniques) == names


def test_recipes_lose_the_steps_that_cannot_act() -> None:
    def recipe(name: str, *steps: str) -> dict[str, Any]:
        return {"name": name, "source": "x", "steps": [{"technique": s} for s in steps]}

    presets = [recipe("a", "channel_dropout"), recipe("b", "channel_dropout", "time_warp"), recipe("c", "time_warp")]
    seeds = [recipe("d", "gaussian_noise", "channel_dropout")]
    more = {"presets": presets, "seeds": seeds}
    one = InputSpec(data_type=DataType.TIMESERIES, layout=(1, 64), classes=3)
    space = offered_of(one, ["time_warp", "gaussian_noise"], **more)
    # b is c without the step that does nothing
    assert [(p.name, [s.name for s in p.steps]) for p in space.presets] == [("b", ["time_warp"])]
    assert [[s.name for s in p.steps] for p in space.seeds] == [["gaussian_noise"]]
    two = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 64), classes=3)
    assert [p.name for p in offered_of(two, ["time_warp"], **more).presets] == ["a", "b", "c"]


def test_parameters_that_change_nothing_are_not_searched(caplog: pytest.LogCaptureFixture) -> None:
    names = ["colour_jitter", "gaussian_noise"]
    grey, colour = (InputSpec(data_type=DataType.IMAGE, layout=(c, 16, 16), classes=3) for c in (1, 3))
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        dims = offered_of(grey, names).techniques["colour_jitter"]
    assert dims["hue"] == dims["saturation"] == Dimension(choices=(0.0,))
    assert dims["brightness"].searched
    assert "hue and saturation of colour_jitter stay at 0, since they change nothing of such data" in caplog.text
    assert all(offered_of(colour, names).techniques["colour_jitter"][k].searched for k in ("hue", "saturation"))
