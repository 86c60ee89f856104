from __future__ import annotations

import torch

from autonoise.ops.boxes import box_mask, span_mask


def test_spans_by_hand() -> None:
    mask = span_mask(torch.tensor([1, -2, 3]), torch.tensor([2, 3, 0]), 4)
    assert mask.int().tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_boxes_are_cut_off_at_the_border() -> None:
    one = torch.tensor
    mask = box_mask(one([1, -1]), one([0, 2]), one([1, 2]), one([2, 5]), (2, 3))
    assert mask.shape == (2, 1, 2, 3)
    assert mask[:, 0].int().tolist() == [[[0, 0, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]]
