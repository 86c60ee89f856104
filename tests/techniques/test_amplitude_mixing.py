from __future__ import annotations

import numpy as np
import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.amplitude_mixing import AmplitudeMixing
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 9, 8)))


def test_amplitudes_move_towards_the_partners_and_phases_stay() -> None:
    x = torch.rand(2, 3, 9, 8, generator=generator(0), dtype=torch.float64)
    # the first seed whose permutation exchanges the two images
    seed = next(s for s in range(9) if torch.randperm(2, generator=generator(s))[0] == 1)
    for strength, share in ((1.0, 1.0), (0.5, 0.6)):
        s = torch.full((2, 1, 1, 1), strength)
        out = AmplitudeMixing(share=share).perturb(x, strength=s, rng=generator(seed), info=INFO)
        a, b, c = (np.fft.fftn(v.numpy(), axes=(1, 2, 3)) for v in (x, x.flip(0), out))
        amount = strength * share
        assert np.abs(c) == pytest.approx((1 - amount) * np.abs(a) + amount * np.abs(b), abs=1e-6)
        assert np.exp(1j * np.angle(c)) == pytest.approx(np.exp(1j * np.angle(a)), abs=1e-6)


def test_equal_images_and_odd_sizes_come_back() -> None:
    x = torch.rand(1, 1, 7, 5, generator=generator(1)).repeat(4, 1, 1, 1)
    out = AmplitudeMixing().perturb(x, strength=torch.ones(4, 1, 1, 1), rng=generator(2), info=INFO)
    assert torch.allclose(out, x, atol=1e-5)
