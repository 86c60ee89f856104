"""Train an additional head to reconstruct the clean input from a masked one."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from autonoise.errors import AttachError
from autonoise.ops.devices import constant
from autonoise.ops.masks import chance, movable
from autonoise.ops.reconstruction import target_of
from autonoise.technique import BatchInfo, DataType, Family, StepTechnique, StepView, ranged, technique


@technique(
    data_types=set(DataType),
    family=Family.OBJECTIVE,
    also={Family.MISSINGNESS},
    reference="Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders",
)
class DenoisingAutoencoder(StepTechnique):
    """Add strength * weight * mean |head(features(masked x)) - x|^2 to the loss; the head is one linear layer.

    Each value of x is masked with probability p. Images get the mean of each channel there, series and audio 0, texts
    the mask id. In tables whole features are masked: their columns become 0 and their missing flag 1.

    The head predicts x standardised and averaged down to at most 1024 values; for audio the loudness over time. For
    texts it predicts which words occur, and the loss is the cross entropy over word ids modulo 1024. Raises AttachError
    for a text whose input description has neither mask_id nor unk_id.
    """

    p: float = ranged(0.1, 0.6, default=0.3, unit="share of the input", maximum=0.95)
    weight: float = ranged(0.01, 1.0, default=0.1, log=True, unit="loss per squared std", maximum=100.0)

    @property
    def passes(self) -> float:
        return 2.0

    def extra_loss(self, step: StepView) -> Tensor:
        clean, info = step.canonical(step.clean)
        target = target_of(clean, info)
        features, _ = step.features(step.map_input(functools.partial(self.masked, rng=step.rng)))
        head = step.head(lambda: nn.Linear(features.shape[1], target.shape[1]).to(features.device))
        guess: Tensor = head(features)
        if info.spec.data_type is DataType.TEXT:
            error = -(target * guess.log_softmax(1)).sum(1).mean()
        else:
            error = F.mse_loss(guess, target.to(guess.dtype))
        return step.strength * self.weight * error

    def masked(self, x: Tensor, info: BatchInfo, *, rng: Generator) -> Tensor:
        """Return x with each valid value (in tables: each feature) masked with probability p."""
        spec, rate = info.spec, torch.full((), self.p, device=x.device)
        if spec.data_type is DataType.TABULAR:
            hit = chance(rate, x.shape, rng)
            if info.feature_of is not None:
                hit = hit[:, info.feature_of.clamp(min=0)] & (info.feature_of >= 0)
            flags = {flag for flag, _ in spec.flags}
            fill = constant(tuple(float(c in flags) for c in range(x.shape[1])), x.dtype, x.device)
            return torch.where(hit, fill, x)
        hit = chance(rate, x.shape, rng)
        mask = movable(x, info)
        hit = hit if mask is None else hit & mask
        if spec.data_type is DataType.TEXT:
            token = spec.mask_id if spec.mask_id is not None else spec.unk_id
            if token is None:
                raise AttachError("denoising_autoencoder needs mask_id or unk_id in the input description")
            return x.masked_fill(hit, token)
        if spec.data_type is DataType.IMAGE:
            return torch.where(hit, x.mean((0, 2, 3), keepdim=True), x)
        return x.masked_fill(hit, 0)
