"""Each batch is looked at, not the first alone: what does not fit is refused in one line that says how."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import Batch, InputSpec


def attach(data_type: str, step: str, **options: Any) -> NoiseInjector:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3))
    return Policy(data_type, [Step.of(step)]).attach(model, epochs=1, steps_per_epoch=5, **options)  # type: ignore[arg-type]


def labels(n: int) -> Tensor:
    return torch.arange(n) % 3


TOKENS = InputSpec(data_type="text", layout=(6,), mask_id=1, vocabulary_size=9)  # type: ignore[arg-type]
IMAGES, SERIES, TABLE = torch.rand(4, 3, 8, 8), torch.randn(4, 2, 30), torch.randn(4, 5)
CLIPS, IDS = torch.rand(4, 800) - 0.5, torch.randint(2, 9, (4, 6))
CODES = {"numeric": TABLE, "categorical": torch.randint(3, (4, 2))}
OTHERS: list[tuple[str, str, Batch, Batch, str]] = [
    ("image", "gaussian_noise", IMAGES, IMAGES[:0], r"is empty \(shape \(0, 3, 8, 8\)\): drop empty batches"),
    ("tabular", "gaussian_noise", TABLE, TABLE[:0], r"is empty"),
    ("text", "token_masking", IDS, IDS[:0], r"is empty"),
    ("tabular", "gaussian_noise", CODES, {k: v[:0] for k, v in CODES.items()}, "is empty"),
    ("image", "gaussian_noise", IMAGES, IMAGES[:, :1], r"shape \(4, 1, 8, 8\) .* had 4 dimensions, floats and 3 chan"),
    ("image", "gaussian_noise", IMAGES, IMAGES.permute(0, 2, 3, 1), "had 4 dimensions, floats and 3 channels"),
    ("image", "gaussian_noise", IMAGES, IMAGES[:, 0], r"shape \(4, 8, 8\)"),
    ("image", "gaussian_noise", IMAGES, (255 * IMAGES).byte(), "holds torch.uint8, but the first .* floats"),
    ("timeseries", "gaussian_noise", SERIES, SERIES.transpose(1, 2), r"\(4, 30, 2\) .* floats and 2 channels"),
    ("timeseries", "gaussian_noise", SERIES, SERIES[:, 0], r"\(4, 30\) .* 3 dimensions"),
    ("tabular", "gaussian_noise", TABLE, TABLE[:, :4], r"\(4, 4\) .* 2 dimensions, floats and 5 columns"),
    ("tabular", "gaussian_noise", CODES, TABLE, r"\(4, 5\) .* floats and 7 columns"),
    ("audio", "gaussian_snr", CLIPS, CLIPS[:, None], r"\(4, 1, 800\) .* 2 dimensions, floats"),
    ("text", "token_masking", IDS, IDS[0], r"shape \(6,\)"),
    ("text", "token_masking", IDS, IDS.float(), "holds torch.float32, but the first .* integers"),
]  # fmt: skip


def rows(batch: Batch) -> int:
    return len(batch) if isinstance(batch, Tensor) else len(next(iter(batch.values())))


@pytest.mark.parametrize(("data_type", "step", "first", "later", "rule"), OTHERS)
def test_a_later_batch_of_another_form_is_refused(
    data_type: str, step: str, first: Batch, later: Batch, rule: str
) -> None:
    options = {"input": TOKENS} if data_type == "text" else {}
    injector = attach(data_type, step, **options)
    injector.perturb(first, labels(rows(first)))
    with pytest.raises(AttachError, match=rule) as caught:
        injector.perturb(later, labels(rows(later)))
    assert "\n" not in str(caught.value)
    # the next good one goes on
    injector.perturb(first, labels(rows(first)))


@pytest.mark.parametrize(("data_type", "step", "first", "later"), [
    ("image", "gaussian_noise", IMAGES, torch.rand(7, 3, 12, 10)),
    ("image", "gaussian_noise", IMAGES, IMAGES.half()),
    ("timeseries", "gaussian_noise", SERIES, torch.randn(2, 2, 17)),
    ("timeseries", "gaussian_noise", SERIES[:, 0], torch.randn(4, 17)),
    ("audio", "gaussian_snr", CLIPS, CLIPS[:1, :500]),
    ("text", "token_masking", IDS, IDS[:, :3].int()),
])  # fmt: skip
def test_sizes_lengths_and_precisions_may_differ(data_type: str, step: str, first: Tensor, later: Tensor) -> None:
    injector = attach(data_type, step, **({"input": TOKENS} if data_type == "text" else {}))
    for x in (first, later):
        assert injector.perturb(x, labels(len(x)))[0].shape == x.shape


def test_after_resuming_the_first_batch_is_checked_like_any_other() -> None:
    first = attach("image", "gaussian_noise")
    first.perturb(IMAGES, labels(4))
    second = attach("image", "gaussian_noise")
    second.load_state_dict(first.state_dict())
    for wrong in (IMAGES[:0], IMAGES[0], IMAGES.permute(0, 2, 3, 1)):
        with pytest.raises(AttachError):
            second.perturb(wrong, labels(len(wrong)))
    second.perturb(IMAGES, labels(4))
