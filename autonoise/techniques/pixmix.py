"""Mix images with patterns and with augmented copies of themselves."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.augmix_operations import NAMES, draw_operations
from autonoise.ops.devices import on_device
from autonoise.ops.patterns import patterns
from autonoise.ops.precision import flat, widen
from autonoise.ops.random import on_cpu, picks, rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole


@technique(
    data_types={"image"},
    family=Family.LOW_FREQUENCY,
    also={Family.PERIODIC, Family.GEOMETRIC, Family.PHOTOMETRIC, Family.QUANTISATION},
    reference="Hendrycks et al. 2022, PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures",
)
class Pixmix(InputNoise):
    """Mix each image up to ``rounds`` times with a pattern or an augmented copy of itself: x + strength (mixed - x).

    The start is the image or, with probability 1/2, a copy changed by one operation of AugMix at ``severity``. Each of
    0 to ``rounds`` rounds then adds to it, or multiplies it by, either another such copy or the image's pattern. With
    values y and o of both on -1..1 a sum is a y + b o; on 0..2 a product is y^a o^b; with probability 1/2 a ~
    Beta(beta, 1) and b ~ Beta(1, beta), else a ~ 1 + Beta(1, beta) and b ~ -Beta(1, beta). Results are cut to 0..1.

    In place of the paper's fractal pictures, patterns are made by formula: clouds of power-law noise, gratings and
    Julia sets. x: (B, C, H, W) in 0..1.
    """

    # 4, 3 and 3 are the values of the authors' code for CIFAR
    rounds: int = whole(1, 4, default=4, maximum=16)
    beta: float = ranged(2.0, 6.0, default=3.0, log=True, minimum=0.1, maximum=100.0)
    severity: float = ranged(1.0, 10.0, default=3.0, unit="tenths of the largest", minimum=0.1, maximum=10.0)
    subset = True

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide, rows = widen(x).clamp(0, 1), len(x)
        pattern = patterns(rows, rng, wide)
        mixed = self._maybe_augmented(wide, wide, rng)
        number = picks(self.rounds + 1, rows, rng)
        for done in range(self.rounds):
            going = on_device((number > done).nonzero()[:, 0], x.device)
            if not len(going):
                break
            other = self._maybe_augmented(wide[going], pattern[going], rng)
            mixed[going] = self._mix(mixed[going], other, rng).clamp_(0, 1)
        # a strength above 1 cannot take more than the whole mixture
        share = flat(strength).clamp(max=1).to(wide.dtype).reshape(-1, 1, 1, 1)
        return torch.lerp(wide, mixed, share).to(x.dtype)

    def _maybe_augmented(self, images: Tensor, others: Tensor, rng: Generator) -> Tensor:
        """Return, for each row with probability 1/2, the image after one operation of AugMix, else that of others."""
        pick, amount = draw_operations(self.severity, len(images), rng, images)
        chosen = torch.rand(len(images), generator=on_cpu(rng), dtype=images.dtype) < 0.5
        augmented = apply_operations(images, NAMES, pick.where(chosen, -1), amount)
        chosen = on_device(chosen, images.device)
        return torch.where(chosen.reshape(-1, 1, 1, 1), augmented, others)

    def _mix(self, y: Tensor, o: Tensor, rng: Generator) -> Tensor:
        """Return the sum or the product of y and o for each image, with weights of its own."""
        u = rand((4, len(y), 1, 1, 1), rng, y)
        # U^(1 / beta) has the distribution Beta(beta, 1), and 1 - U^(1 / beta) that of Beta(1, beta)
        large, small = u[0] ** (1 / self.beta), 1 - u[1] ** (1 / self.beta)
        within = u[2] < 0.5
        a = torch.where(within, large, 2 - large)
        b = torch.where(within, small, -small)
        total = (a * (2 * y - 1) + b * (2 * o - 1) + 1) / 2
        # the limit keeps 0^b finite where b is negative
        product = (2 * y) ** a * (2 * o).clamp(min=1e-30) ** b / 2
        return torch.where(u[3] < 0.5, total, product)
