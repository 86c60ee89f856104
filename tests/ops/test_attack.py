from __future__ import annotations

import pytest
import torch

from autonoise.ops.attack import inside_ball, inside_box, length
from autonoise.types import BatchInfo, DataType, InputSpec

IMAGE = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(2,)), bounds=(0.0, 1.0))
X = torch.tensor([[0.5, 0.9], [0.5, 0.5]])
RADIUS = torch.tensor([[0.5], [0.1]])


def test_the_box_clips_each_value_and_keeps_bounds_and_masks() -> None:
    delta = torch.tensor([[-0.7, 0.3], [0.3, -0.05]])
    assert inside_box(X, delta, RADIUS, None, IMAGE).flatten().tolist() == pytest.approx([0, 1, 0.6, 0.45])
    mask = torch.tensor([[True, False], [True, True]])
    assert inside_box(X, delta, RADIUS, mask, IMAGE).flatten().tolist() == pytest.approx([0, 0.9, 0.6, 0.45])


def test_the_ball_scales_each_sample() -> None:
    delta = torch.tensor([[0.03, 0.04], [0.3, -0.4]])
    out = inside_ball(X, delta, RADIUS, None, IMAGE)
    assert out.flatten().tolist() == pytest.approx([0.53, 0.94, 0.56, 0.42])
    # what the mask hides does not count towards the norm
    out = inside_ball(X, delta, RADIUS, torch.tensor([[True, False]]), IMAGE)
    assert out.flatten().tolist() == pytest.approx([0.53, 0.9, 0.6, 0.5])


def test_length_is_never_zero() -> None:
    assert length(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).flatten().tolist() == pytest.approx([5, 1e-7])
