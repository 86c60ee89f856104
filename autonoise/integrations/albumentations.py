"""A policy's noise as one transform among those of albumentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autonoise.errors import MissingExtraError
from autonoise.injector.sample import SampleTransform
from autonoise.types import Array

try:
    from albumentations import ImageOnlyTransform
except ImportError:
    raise MissingExtraError.of("albumentations", "bench", "autonoise.integrations.albumentations") from None


class NoiseTransform(ImageOnlyTransform):  # type: ignore[misc]
    """``A.Compose([A.HorizontalFlip(), NoiseTransform(policy.transform(epochs=30))])``.

    It takes images (H, W, C) or (H, W), of bytes or of floats in 0..1, as everywhere in albumentations, and leaves
    masks and boxes alone: use it for policies that move nothing, or for images without them. The noise is that of the
    policy's transform, by its seed and epoch and by the image's content, whatever random numbers albumentations draws;
    ``compose(image=image, index=i)`` says the index instead.

    Args:
        transform: what ``policy.transform()`` returned; call its ``set_epoch`` as always.
        p: the chance that it acts at all; the steps have their own probabilities in addition.
    """

    def __init__(self, transform: SampleTransform, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.transform = transform

    def get_params_dependent_on_data(self, params: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        return {"index": data.get("index")}

    def apply(self, img: Array, index: int | None = None, **params: Any) -> Array:
        noisy: Array = self.transform(img, index)
        return noisy
