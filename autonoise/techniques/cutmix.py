"""Replace a part of each sample by the same part of another one."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.errors import PolicyError
from autonoise.ops.boxes import box_mask, each_box, quick_alone, span_mask
from autonoise.ops.buffers import copied
from autonoise.ops.random import beta, permutation
from autonoise.technique import BatchInfo, Family, PairNoise, PairPlan, ranged, technique


@technique(
    data_types={"image", "timeseries"},
    family=Family.MIXING,
    also={Family.OCCLUSION},
    reference="Yun 2019, CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
)
class Cutmix(PairNoise):
    """Replace a box of each image, or a span of each series, by the same part of its partner in the batch.

    Each sample draws w ~ Beta(alpha, alpha), and the part is to cover strength * (1 - w) of the sample around a
    uniformly drawn centre. What lies beyond the border is cut off. The targets are then mixed with the weight w = 1 -
    (share that was really replaced). A span lies where both series have values; its share is counted in the row's own
    length, which does not change.

    Works at the input only: x is (B, C, H, W) or (B, C, L), and ``mix`` raises PolicyError for any other size.
    """

    # 1, the paper's value, makes every share equally likely; smaller values favour shares near 0 and 1
    alpha: float = ranged(0.1, 1.0, default=1.0, log=True, minimum=0.01, maximum=100.0)

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        size = x.shape[2:]
        cut = (strength.float() * (1 - beta(self.alpha, len(x), rng, x))).clamp(0, 1)
        centre = torch.rand(len(size), len(x), generator=rng, device=x.device)
        boxes = []
        partner, whole = permutation(len(x), rng, x), cut.new_full((), size.numel())
        rooms = [cut.new_full((len(x),), pixels) for pixels in size]
        if info.lengths is not None:
            whole = info.lengths.to(cut).clamp(min=1)
            rooms = [torch.minimum(whole, whole[partner])]
        for axis, room in enumerate(rooms):
            length = (cut ** (1 / len(size)) * room).round()
            start = (centre[axis] * room).floor() - (length / 2).floor()
            boxes += [start.clamp(min=0), (start + length).minimum(room)]
        edges = torch.stack(boxes, dim=1).long()
        extent = (edges[:, 1::2] - edges[:, 0::2]).prod(1)
        return PairPlan(partner, 1 - extent / whole, {"edges": edges, "size": tuple(size)}, joint=False)

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        if tuple(x.shape[2:]) != plan.extra["size"]:
            planned, met = plan.extra["size"], tuple(x.shape[2:])
            raise PolicyError(f"cutmix was planned for size {planned} and met {met}: set its site to input")
        edges = plan.extra["edges"]
        start, length = edges[:, 0::2].T, (edges[:, 1::2] - edges[:, 0::2]).T
        if quick_alone(x) and not x.requires_grad:
            out, flat = copied(x), x.ndim == 3
            top, tall = (torch.zeros_like(start[0]), torch.ones_like(length[0])) if flat else (start[0], length[0])
            boxes = each_box(top, start[-1], tall, length[-1], (1 if flat else x.shape[2], x.shape[-1]))
            given, partner = x.numpy(), plan.permutation.tolist()
            for row, (image, (rows, columns)) in enumerate(zip(out.numpy(), boxes, strict=True)):
                place = (slice(None), columns) if flat else (slice(None), rows, columns)
                image[place] = given[partner[row]][place]
            return out
        if x.ndim == 4:
            inside = box_mask(start[0], start[1], length[0], length[1], (x.shape[2], x.shape[3]))
        else:
            inside = span_mask(start[0], length[0], x.shape[2])[:, None]
        return torch.where(inside, x[plan.permutation], x)
