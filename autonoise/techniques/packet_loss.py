from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.masks import numbers
from autonoise.ops.precision import flat, widen
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique

PACKET = 0.02
"""Seconds of sound in a packet, as in most telephony over the internet (ITU-T G.711 Appendix I conceals such)."""


@technique(
    data_types={"audio"},
    family=Family.MISSINGNESS,
    also={Family.OCCLUSION},
    reference="ITU-T G.711 Appendix I, 1999, A high quality low-complexity algorithm for packet loss concealment",
)
class PacketLoss(InputNoise):
    """Lose each packet of 20 ms with probability ``strength * rate``, and fill the gap as a telephone does.

    With ``repeat`` the last packet that arrived is played again, at half the amplitude each time; with ``silence``, and
    before the first packet, nothing is heard; ``any`` draws one of the two for each clip. x: (B, T). Use
    ``temporal_dropout`` for gaps of other lengths.
    """

    rate: float = ranged(0.02, 0.4, default=0.15, log=True, unit="packets", maximum=1.0)
    fill: str = choice("any", "silence", "repeat")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        rows, length = x.shape
        size = max(1, min(length, round(PACKET * (info.spec.sample_rate or 16_000))))
        packets = torch.nn.functional.pad(widen(x), (0, -length % size)).view(rows, -1, size)
        count = packets.shape[1]
        lost = numbers(
            (self.rate * flat(strength)).clamp(max=1)[:, None], torch.Size((rows, count)), rng, packets.dtype
        )
        number = torch.arange(count, device=x.device, dtype=packets.dtype)
        # the number of the last packet that arrived, and how many packets ago that was
        last = torch.where(lost > 0, -1, number).cummax(1).values
        gain = 0.5 ** (number - last) * (last >= 0)
        if self.fill == "any":
            draws = torch.rand(rows, 1, generator=rng, device=x.device)
            gain = gain * ((draws < 0.5) | (last == number))
        elif self.fill == "silence":
            gain = (last == number).to(gain.dtype)
        out = packets.gather(1, last.clamp(min=0).long()[:, :, None].expand_as(packets)) * gain[:, :, None]
        return out.reshape(rows, -1)[:, :length].to(x.dtype)
