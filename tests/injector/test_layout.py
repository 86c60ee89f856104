"""Which dimension holds the channels inside foreign models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.layout import channel_axis, hints_for
from autonoise.policy import NoiseInjector, Policy, Step

SIZE, TOKENS, WIDTH, CLASSES = 6, 10, 32, 3


class Tokens(nn.Module):
    """A transformer over patches (B, tokens, E) with a CLS token in front; ``turned``: (tokens, B, E) inside."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.patches = nn.Conv2d(1, WIDTH, 4, 4)
        self.cls = nn.Parameter(torch.ones(1, 1, WIDTH))
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, dropout=0.0, batch_first=batch_first)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.cls.expand(len(x), -1, -1), patches], dim=1)
        h = self.layer(h) if self.batch_first else self.layer(h.transpose(0, 1)).transpose(0, 1)
        return self.head(self.norm(h)[:, 0])


class Series(nn.Module):
    """Series (B, 1, L) as (B, L, E)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.act = nn.Linear(1, WIDTH), nn.LayerNorm(WIDTH), nn.GELU()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.norm(self.enter(x.transpose(1, 2)))).mean(1))


def outputs(model: nn.Module, name: str, x: Tensor, data_type: str, seed: int = 0, **step: Any) -> Tensor:
    """What the module ``name`` gave after the step acted at it."""
    injector = NoiseInjector(
        Policy(data_type, (Step.of(step.pop("technique"), site=name, **step),)), model, epochs=1, steps_per_epoch=9,
        seed=seed,
    )  # fmt: skip
    seen: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda _m, _i, out: seen.append(out.detach()))
    noisy, _ = injector.perturb(x, torch.zeros(len(x), dtype=torch.long))
    model(noisy)
    handle.remove()
    injector.detach()
    return seen[0]


@pytest.mark.parametrize(("batch_first", "site"), [(True, "norm"), (True, "layer.norm2"), (False, "layer.norm2")])
def test_spatial_dropout_of_tokens_drops_embedding_dimensions_and_no_token(batch_first: bool, site: str) -> None:
    torch.manual_seed(0)
    model = Tokens(batch_first)
    h = outputs(model, site, torch.rand(SIZE, 1, 12, 12), "image", technique="spatial_dropout", p=0.4)
    gone = (h if batch_first else h.transpose(0, 1)) == 0
    assert gone.shape == (SIZE, TOKENS, WIDTH)
    assert torch.equal(gone.all(1), gone.any(1))  # a dimension goes for all tokens or for none
    assert not gone.all(2).any()
    assert 0.25 < gone.float().mean() < 0.55


def test_drop_block_of_tokens_is_refused_for_images_and_cuts_stretches_of_time_in_series() -> None:
    torch.manual_seed(0)
    with pytest.raises(AttachError, match=r"met tokens, \(6, 10, 32\): name a convolution"):
        outputs(Tokens(), "norm", torch.rand(SIZE, 1, 12, 12), "image", technique="drop_block", p=0.2, block=3)
    for site in ("norm", "act"):
        h = outputs(Series(), site, torch.randn(SIZE, 1, 40), "timeseries", technique="drop_block", p=0.05, block=5)
        gone = (h == 0).transpose(1, 2)[:, :, 5:-5].int()  # (B, E, time)
        starts = (torch.diff(gone, dim=2) == 1).nonzero()
        starts = starts[starts[:, 2] < gone.shape[2] - 6]
        assert len(starts) > 20
        assert all(gone[b, e, t + 1 : t + 6].all() for b, e, t in starts.tolist())


def test_parts_of_a_sample_in_the_batch_dimension_share_its_draw() -> None:
    """(B * 5 frames, C, H, W), as models of clips have it: a channel goes in all frames of a clip."""

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, WIDTH, 3, bias=False), nn.Linear(WIDTH, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            frames = self.conv(x.reshape(-1, 1, 8, 8))
            return self.head(frames.mean((2, 3)).reshape(len(x), 5, -1).mean(1))

    torch.manual_seed(0)
    x = torch.rand(SIZE, 5, 8, 8)
    h = outputs(Frames(), "conv", x, "image", technique="spatial_dropout", p=0.4)
    gone = (h == 0).reshape(SIZE, 5, WIDTH, -1).float()
    assert torch.equal(gone.amin((1, 3)), gone.amax((1, 3)))
    h = outputs(Frames(), "conv", x, "image", seed=1, technique="stochastic_depth", p=0.5)
    gone = (h == 0).reshape(SIZE, -1).float()
    assert torch.equal(gone.amin(1), gone.amax(1))
    assert 0 < gone[:, 0].sum() < SIZE


class LayerNorm2d(nn.LayerNorm):
    """As in ConvNeXt: over the channels of (B, C, H, W)."""


@pytest.mark.parametrize(("modules", "site", "shape", "axis"), [
    ([nn.Conv2d(3, 8, 1)], "0", (2, 8, 5, 5), 1),
    ([nn.Linear(3, 8)], "0", (2, 5, 8), -1),
    ([nn.Linear(3, 8), nn.LayerNorm(8)], "1", (2, 8, 8), -1),
    ([nn.Conv2d(3, 8, 1), LayerNorm2d(8)], "1", (2, 8, 8, 8), 1),
    ([nn.Conv2d(3, 8, 1), nn.LayerNorm(8)], "1", (2, 5, 5, 8), -1),  # behind a permute
    ([nn.Conv2d(3, 8, 1), nn.LayerNorm(8)], "1", (2, 8, 5, 5), 1),  # a norm that permutes inside
    ([nn.LayerNorm((8, 5, 5))], "0", (2, 8, 5, 5), 1),
    ([nn.GroupNorm(2, 8), nn.ReLU()], "1", (2, 8, 5), 1),
    ([nn.Embedding(9, 8), nn.Dropout()], "1", (2, 5, 8), -1),
    ([nn.LSTM(3, 4, bidirectional=True)], "0", (2, 5, 8), -1),
    ([nn.MultiheadAttention(8, 2)], "0", (2, 5, 8), -1),
    ([nn.Conv1d(3, 8, 1), nn.ReLU(), nn.Linear(8, 4)], "1", (2, 8, 5), 1),
    ([nn.Conv1d(3, 8, 1), nn.Sequential(nn.Linear(8, 4), nn.Dropout())], "1", (2, 5, 4), -1),
    ([nn.Conv1d(3, 8, 1), nn.Sequential(nn.Conv1d(8, 4, 1))], "1", (2, 12, 5), 1),  # concatenated
    ([nn.Linear(3, 5), nn.Conv1d(3, 8, 1), nn.ReLU()], "2", (2, 8, 5), 1),  # the nearest layer decides
    ([nn.ReLU()], "0", (2, 40, 5), 1),  # a spectrogram
    ([nn.Linear(3, 8)], "0", (2, 8), 1),
])  # fmt: skip
def test_the_channels_are_found_by_the_layers_beside(
    modules: list[nn.Module], site: str, shape: tuple[int, ...], axis: int
) -> None:
    model = nn.Sequential(*modules)
    assert channel_axis(hints_for(model, model.get_submodule(site), output=True), shape, site) == axis


def test_the_input_of_a_layer_is_judged_by_what_it_takes() -> None:
    model = nn.Sequential(nn.Conv1d(3, 5, 1), nn.Linear(8, 2), nn.Conv1d(8, 2, 1))
    assert channel_axis(hints_for(model, model[1], output=False), (2, 5, 8), "1") == -1
    assert channel_axis(hints_for(model, model[2], output=False), (2, 8, 5), "2") == 1


def test_what_cannot_be_told_is_refused_with_the_remedy() -> None:
    model = nn.Sequential(nn.Conv1d(3, 8, 1), nn.Linear(8, 4), nn.ReLU())
    with pytest.raises(AttachError, match=r"2 gives \(2, 7, 5\), .* cannot be told: name a norm"):
        channel_axis(hints_for(model, model[2], output=True), (2, 7, 5), "2")


def test_layers_know_what_share_of_a_clip_is_true() -> None:
    class Framed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front_end, self.head = nn.Conv1d(1, 8, 20, 20, bias=False), nn.Linear(8, CLASSES)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return self.head(self.front_end(batch["waveform"][:, None]).mean(2))

    torch.manual_seed(0)
    lengths = torch.tensor([400, 2000]).repeat(50)
    x = (0.1 * torch.randn(100, 2000)).masked_fill(torch.arange(2000) >= lengths[:, None], 0)
    model = Framed()
    h = model.front_end(x[:, None]).detach()
    policy = Policy("audio", (Step.of("spec_augment", frequency=0.0, time=0.2, masks=1),))
    injector = NoiseInjector(policy, model, epochs=1, steps_per_epoch=9)
    seen: list[Tensor] = []
    model.front_end.register_forward_hook(lambda _m, _i, out: seen.append(out.detach()))
    noisy, _ = injector.perturb({"waveform": x, "lengths": lengths}, torch.zeros(100, dtype=torch.long))
    model(noisy)
    masked = (seen[0] != h).any(1).sum(1)
    assert masked[::2].max() <= 4 < masked[1::2].max() <= 20  # of 20 and 100 true frames
