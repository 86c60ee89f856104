"""``check_technique`` on techniques of other people: a good one passes, each kind of mistake is named."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from autonoise.technique import (
    BatchInfo,
    Family,
    InputNoise,
    PairNoise,
    PairPlan,
    RawNoise,
    Stage,
    TargetNoise,
    ranged,
    technique,
)
from autonoise.technique.registry import _REGISTRY
from autonoise.testing import check_technique


@pytest.fixture(autouse=True)
def _registry_as_before() -> Iterator[None]:
    """Techniques of these tests are unknown to others."""
    yield
    for name, kind in list(_REGISTRY.items()):
        if not kind.__module__.startswith("autonoise.techniques."):
            del _REGISTRY[name]


def made(base: type, body: Any, *data_types: str, **attributes: Any) -> Any:
    """A technique ``Theirs`` whose ``perturb`` is ``body(self, x, strength, rng, info)``."""

    def perturb(self: Any, x: Tensor, *, strength: Tensor, rng: Generator, info: Any = None) -> Any:
        return body(self, x, strength, rng, info)

    members = {
        "__doc__": "A technique of somebody else.",
        "__module__": __name__,
        "__annotations__": {"depth": "float"},
        "depth": ranged(0.01, 0.9, default=0.3, unit="share of the value"),
        "perturb": perturb,
        **attributes,
    }
    kind = type("Theirs", (base,), members)
    return technique(data_types=data_types, family=Family.GAIN, reference="Somebody, 2026")(kind)


def noisy(self: Any, x: Tensor, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
    return x + self.depth * strength * torch.randn(x.shape, generator=rng).to(x.dtype)


def test_a_good_technique_passes() -> None:
    @technique(data_types={"timeseries"}, family=Family.GAIN, reference="Your paper, 2026")
    class Darkening(InputNoise):
        """Scale the values down: x → (1 - depth) x; depth 0 leaves them as they are."""

        depth: float = ranged(0.01, 0.9, default=0.3, unit="share of the value")

        def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
            return x * (1 - self.depth * strength)

    check_technique(Darkening)
    check_technique("darkening")


COUNT = [0]


def counting(self: Any, x: Tensor, strength: Tensor, rng: Generator, info: Any) -> Tensor:
    COUNT[0] += 1
    return x * (1 - self.depth * strength / COUNT[0])


def anywhere(self: Any, x: Tensor, strength: Tensor, rng: Generator, info: Any) -> Tensor:
    ids = torch.randint(0, 40, x.shape, generator=rng)
    return torch.where(torch.rand(x.shape, generator=rng) < 0.5 * strength, ids, x)


BROKEN: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "global numbers of torch": (
        lambda s, x, m, rng, i: x + s.depth * m * torch.randn(x.shape).to(x.dtype), ("image",),
        "the same seed gives other noise; draw every random number from rng",
    ),
    "global numbers of numpy": (
        lambda s, x, m, rng, i: x * (1 - s.depth * m * np.random.rand()), ("timeseries",), "draw every random number",
    ),
    "global numbers of python": (
        lambda s, x, m, rng, i: x * (1 - s.depth * m * random.random()), ("timeseries",), "draw every random number",
    ),
    "a memory": (counting, ("timeseries",), "draw every random number from rng"),
    "strength ignored": (
        lambda s, x, m, rng, i: x * (1 - s.depth), ("image",), "changes as much as strength 1",
    ),
    "in place": (lambda s, x, m, rng, i: x.mul_(1 - s.depth * m), ("image",), "changed in place"),
    "does nothing": (lambda s, x, m, rng, i: x.clone(), ("audio",), "changes nothing in three updates"),
    "not finite": (lambda s, x, m, rng, i: x * m * torch.nan, ("timeseries",), "NaN values appeared"),
    "infinite in half precision": (
        lambda s, x, m, rng, i: x * (1 + s.depth * m) * 1e5 / 1e5, ("timeseries",), "infinite",
    ),
    "another shape": (lambda s, x, m, rng, i: x.repeat(1, 2, 1, 1) * m, ("image",), "RuntimeError"),
    "noise on categories": (noisy, ("tabular",), "a column of codes holds a value that is no code"),
    "other rows": (
        lambda s, x, m, rng, i: torch.lerp(x, x.roll(1, 0), s.depth * m.to(x.dtype)), ("timeseries",),
        "say needs_other_rows = True",
    ),
    "special tokens": (anywhere, ("text",), "words of a text become padding or special tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_mistakes_are_named(case: str) -> None:
    body, data_types, said = BROKEN[case]
    kind = made(InputNoise, body, *data_types)
    with pytest.raises(AssertionError) as caught:
        check_technique(kind)
    assert str(caught.value).startswith("theirs breaks its contract:\n  ")
    assert said in str(caught.value)
    assert data_types[0] in str(caught.value)


def test_exact_and_docstring_and_reference_are_checked() -> None:
    kind = made(InputNoise, lambda s, x, m, rng, i: x * (1 - s.depth * m) + 1e-6, "timeseries", exact=True)
    with pytest.raises(AssertionError, match="it says exact, but changes rows of strength 0"):
        check_technique(kind)
    nameless = made(InputNoise, noisy, "image", __doc__=None)
    nameless.reference = " "
    with pytest.raises(AssertionError, match="it has no docstring"):
        check_technique(nameless)


def test_parameters_are_checked() -> None:
    kind = made(InputNoise, noisy, "image", depth=ranged(0.5, 0.1, default=0.3))
    with pytest.raises(AssertionError, match="minimum <= low < high <= maximum must hold"):
        check_technique(kind)


def test_parameters_of_an_undecorated_base_are_refused() -> None:
    class Base(InputNoise):
        depth: float = ranged(0.01, 0.9, default=0.3)

    with pytest.raises(TypeError, match="theirs: the parameter depth belongs to a class without @technique"):
        technique(data_types={"image"}, family=Family.GAIN)(type("Theirs", (Base,), {"__module__": __name__}))


def test_targets_and_pairs_and_strings() -> None:
    half = made(TargetNoise, lambda s, y, m, rng, i: y * (1 - 0.5 * m), "image")
    with pytest.raises(AssertionError, match="must be >= 0 and sum to 1"):
        check_technique(half)

    @technique(data_types={"image"}, family=Family.MIXING, reference="Somebody, 2026")
    class Halving(PairNoise):
        """Half of each row comes from its neighbour, whatever the strength."""

        def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
            return PairPlan(torch.arange(len(x)).roll(1), 1 - 0.5 * torch.ones(len(x)))

    with pytest.raises(AssertionError, match="rows of strength 0 must have the weight 1"):
        check_technique(Halving)

    @technique(data_types={"text"}, family=Family.CHARACTER_EDIT, reference="Somebody, 2026")
    class Emptying(RawNoise):
        """Take all letters away."""

        multiplier: ClassVar[Any] = "probability"

        def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
            return " "

    with pytest.raises(AssertionError) as caught:
        check_technique(Emptying)
    assert "became ' '" in str(caught.value)
    assert "another seed gives the same noise" in str(caught.value)
    assert Emptying.stage is Stage.RAW
