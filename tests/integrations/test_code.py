"""The code that ``export --to`` writes: it runs in its library and does to samples what the policy's own step does."""

from __future__ import annotations

import ast
import os
from typing import Any

import numpy as np
import pytest
import torch

from autonoise.errors import PolicyError, UnknownNameError
from autonoise.integrations.code.writing import LIBRARIES, Code, code_for
from autonoise.policy import Policy, Step
from autonoise.technique.registry import techniques_for
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import DataType, InputSpec

# albumentations would ask the network whether there is a newer version of it
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

COLOUR = InputSpec(data_type="image", layout=(3, 32, 48))
GREY = InputSpec(data_type="image", layout=(1, 32, 48))
SOUND = InputSpec(data_type="audio", layout=(8000,), sample_rate=8000)
ROWS = 150


def of_image(*steps: Step, spec: InputSpec | None = COLOUR, **arguments: Any) -> Policy:
    return Policy("image", steps, input=spec, **arguments)


def of_sound(*steps: Step, **arguments: Any) -> Policy:
    return Policy("audio", steps, input=SOUND, **arguments)


def images(channels: int) -> np.ndarray:
    """Smooth pictures (N, H, W, C) in 0.15..0.85, each with a mean and colours of its own."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0.15, 0.85, (ROWS, channels, 4, 6)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (32, 48), mode="bilinear")
    return fine.permute(0, 2, 3, 1).contiguous().numpy()


def clips() -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(8000) / 8000
    pitch, loud = rng.uniform(100, 800, (ROWS, 1)), rng.uniform(0.05, 0.4, (ROWS, 1))
    return (loud * np.sin(2 * np.pi * pitch * t)).astype(np.float32)


def made(code: Code) -> Any:
    names: dict[str, Any] = {}
    exec(compile(code.text, "exported.py", "exec"), names)
    return names["transform"]


def theirs(library: str, code: Code, x: np.ndarray) -> np.ndarray:
    import random

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    transform = made(code)
    if library == "albumentations":
        transform.set_random_seed(0)
        return np.stack([transform(image=row)["image"] for row in x])
    if library == "audiomentations":
        return np.stack([transform(samples=row, sample_rate=8000) for row in x])
    out: torch.Tensor = transform(torch.from_numpy(x).permute(0, 3, 1, 2))
    return out.permute(0, 2, 3, 1).numpy()


def ours(policy: Policy, x: np.ndarray) -> np.ndarray:
    transform = policy.transform(seed=1)
    return np.stack([transform(row, i) for i, row in enumerate(x)])


CASES: list[tuple[str, Policy, float]] = [
    ("albumentations kornia", of_image(Step.of("gaussian_noise", std=0.05)), 0.03),
    ("albumentations kornia", of_image(Step.of("gaussian_noise", std=0.05, probability=0.4), strength=1.5), 0.25),
    ("albumentations", of_image(Step.of("gaussian_noise", std=0.08, magnitude="uniform")), 0.2),
    ("albumentations kornia", of_image(Step.of("impulse_noise", fraction=0.05), spec=GREY), 0.1),
    ("albumentations kornia", of_image(Step.of("impulse_noise", fraction=0.05)), 0.1),
    ("albumentations kornia", of_image(Step.of("blur", sigma=1.5)), 0.1),
    ("albumentations kornia", of_image(Step.of("jpeg", quality=20.0)), 0.45),
    ("albumentations kornia", of_image(Step.of("cutout", side=0.3, fill="grey")), 0.35),
    ("albumentations", of_image(Step.of("random_erasing", area=0.2)), 0.25),
    ("albumentations kornia", of_image(Step.of("random_crop", padding=0.125, fill="reflection")), 0.12),
    ("albumentations kornia", of_image(Step.of("random_crop", padding=0.125)), 0.12),
    ("albumentations kornia", of_image(Step.of("horizontal_flip", chance=0.5, probability=0.8)), 0.25),
    ("albumentations kornia", of_image(Step.of("geometric_jitter", rotation=20.0, translation=0.0, scale=0.0)), 0.15),
    ("albumentations kornia", of_image(Step.of("geometric_jitter", rotation=0.0, translation=0.1, scale=0.0)), 0.3),
    ("albumentations kornia", of_image(Step.of("geometric_jitter", rotation=0.0, translation=0.0, scale=0.3)), 0.15),
    (
        "albumentations kornia",
        of_image(Step.of("geometric_jitter", rotation=0.0, translation=0.0, scale=0.0, shear=15.0)),
        0.15,
    ),
    ("albumentations kornia", of_image(Step.of("photometric_jitter", brightness=0.1, contrast=0.0, gamma=0.0)), 0.15),
    ("albumentations kornia", of_image(Step.of("photometric_jitter", brightness=0.0, contrast=0.5, gamma=0.0)), 0.15),
    ("albumentations kornia", of_image(Step.of("photometric_jitter", brightness=0.0, contrast=0.0, gamma=0.5)), 0.15),
    (
        "albumentations kornia",
        of_image(Step.of("colour_jitter", brightness=0.15, contrast=0.0, saturation=0.0, hue=0.0)),
        0.15,
    ),
    (
        "albumentations kornia",
        of_image(Step.of("colour_jitter", brightness=0.0, contrast=0.3, saturation=0.0, hue=0.0)),
        0.15,
    ),
    (
        "albumentations kornia",
        of_image(Step.of("colour_jitter", brightness=0.0, contrast=0.0, saturation=0.4, hue=0.0)),
        0.2,
    ),
    (
        "albumentations kornia",
        of_image(Step.of("colour_jitter", brightness=0.0, contrast=0.0, saturation=0.0, hue=18.0)),
        0.4,
    ),
    ("albumentations kornia", of_image(Step.of("solarise", threshold=0.6)), 0.02),
    ("audiomentations", of_sound(Step.of("gaussian_noise", std=0.02)), 0.03),
    ("audiomentations", of_sound(Step.of("gaussian_noise", std=0.02, magnitude="uniform", probability=0.5)), 0.25),
    ("audiomentations", of_sound(Step.of("gaussian_snr", snr_db=10.0), strength=2.0), 0.05),
    ("audiomentations", of_sound(Step.of("coloured_noise", snr_db=10.0, exponent=1.0)), 0.1),
    ("audiomentations", of_sound(Step.of("gain", gain_db=6.0)), 0.25),
    ("audiomentations", of_sound(Step.of("time_shift", fraction=0.2)), 0.1),
    ("audiomentations", of_sound(Step.of("clipping_distortion", fraction=0.2)), 0.1),
]
EACH = [(library, policy, near) for names, policy, near in CASES for library in names.split()]


@pytest.mark.filterwarnings("ignore")  # the libraries warn of their own dependencies
@pytest.mark.parametrize(
    ("library", "policy", "near"), EACH, ids=[f"{lib}-{p.steps[0].name}-{i}" for i, (lib, p, _) in enumerate(EACH)]
)
def test_the_code_does_what_the_policy_does(library: str, policy: Policy, near: float) -> None:
    """The mean change of a value, its spread and the share of samples that change agree, as near as the draws are."""
    pytest.importorskip(library)
    code = code_for(policy, library)
    assert code.expressed == (policy.steps[0].name,) and not code.left
    x = clips() if library == "audiomentations" else images((policy.input or COLOUR).layout[0])
    there, here = theirs(library, code, x) - x, ours(policy, x) - x
    axes = tuple(range(1, x.ndim))
    for measure in (
        lambda d: np.abs(d).mean(),
        lambda d: np.sqrt((d**2).mean()),
        lambda d: (np.abs(d).max(axes) > 1e-4).mean(),
    ):
        assert measure(there) == pytest.approx(measure(here), rel=near)
    assert there.mean() == pytest.approx(here.mean(), abs=0.45 * float(np.abs(here).mean()))


@pytest.mark.filterwarnings("ignore")
def test_a_whole_policy_runs_on_the_samples_that_the_file_names() -> None:
    everything = of_image(
        *(Step.of(name, **({"fill": "grey"} if name == "cutout" else {})) for name in LIBRARIES["torchvision"].writers),
        Step.of("mixup"),
        Step.of("elastic_warp"),
    )
    for library in ("albumentations", "kornia"):
        pytest.importorskip(library)
        code = code_for(everything, library)
        assert {"mixup", "elastic_warp"} <= {name for name, _ in code.left}
        out = theirs(library, code, images(3))
        assert out.shape == images(3).shape and np.isfinite(out).all()
    import albumentations  # noqa: F401

    pixels = (images(3)[0] * 255).astype(np.uint8)
    assert made(code_for(everything, "albumentations"))(image=pixels)["image"].dtype == np.uint8


DOCUMENTED = {
    "Compose": {"transforms"},
    "RandomApply": {"transforms", "p"},
    "ToDtype": {"dtype", "scale"},
    "GaussianNoise": {"mean", "sigma", "clip"},
    "GaussianBlur": {"kernel_size", "sigma"},
    "JPEG": {"quality"},
    "RandomErasing": {"p", "scale", "ratio", "value", "inplace"},
    "RandomCrop": {"size", "padding", "pad_if_needed", "fill", "padding_mode"},
    "RandomHorizontalFlip": {"p"},
    "RandomAffine": {"degrees", "translate", "scale", "shear", "interpolation", "fill", "center"},
    "ColorJitter": {"brightness", "contrast", "saturation", "hue"},
    "RandomSolarize": {"threshold", "p"},
    "TrivialAugmentWide": {"num_magnitude_bins", "interpolation", "fill"},
    "AugMix": {"severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill"},
}
"""Arguments of torchvision.transforms.v2, by its documentation (0.20 and later)."""


def test_torchvisions_code_fits_its_documentation() -> None:
    policies = [
        of_image(
            Step.of(
                name,
                probability=p,
                **({"fill": "grey"} if name == "cutout" else {"shear": 5.0} if "geo" in name else {}),
            )
        )
        for name in LIBRARIES["torchvision"].writers
        for p in (0.3, 1.0)
    ]
    seen = set()
    for policy in policies:
        code = code_for(policy, "torchvision")
        if code.left:
            assert code.left[0][0] == "photometric_jitter"
            continue
        for node in ast.walk(ast.parse(code.text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert {k.arg for k in node.keywords} <= DOCUMENTED[node.func.attr], code.text
                seen.add(node.func.attr)
        assert ("p=0.3" in code.text) == (policy.steps[0].probability == 0.3) or "horizontal" in policy.steps[0].name
    assert seen == set(DOCUMENTED)


def value(code: Code, name: str) -> Any:
    """The argument of that name, of the first call that has it."""
    for node in ast.walk(ast.parse(code.text)):
        if isinstance(node, ast.keyword) and node.arg == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"no {name} in {code.text}")


def test_units_by_hand() -> None:
    blur = of_image(Step.of("blur", sigma=0.5), spec=InputSpec(data_type="image", layout=(3, 224, 320)), strength=2.0)
    assert value(code_for(blur, "torchvision"), "sigma") == (7.0, 7.0)  # 0.5 * 2 * 224 / 32
    hue = of_image(Step.of("colour_jitter", hue=36.0, brightness=0.4), strength=0.5)
    assert value(code_for(hue, "torchvision"), "hue") == (-0.05, 0.05)  # 18 of 360 degrees
    assert value(code_for(hue, "kornia"), "brightness") == (0.8, 1.2)
    jpeg = of_image(Step.of("jpeg", quality=30.0, magnitude="uniform"), strength=0.5)
    assert value(code_for(jpeg, "albumentations"), "quality_range") == (65, 100)  # 100 - 0.5 * 70
    half = of_image(Step.of("cutout", side=0.5, fill="grey"))
    assert value(code_for(half, "kornia"), "scale") == pytest.approx((1 / 6, 1 / 6), rel=1e-5)  # 16 * 16 of 32 * 48
    assert value(code_for(half, "albumentations"), "hole_width_range") == pytest.approx((1 / 3, 1 / 3), rel=1e-5)
    mean = InputSpec(data_type="image", layout=(3, 32, 32), scale="standardised", mean=(0.5, 0.3, 0.1), std=(0.2,))
    filled = code_for(of_image(Step.of("cutout", side=0.5), spec=mean), "torchvision")
    assert value(filled, "value") == 0.3
    told = " ".join(filled.text.replace("# ", "").split())
    assert "mean of the data, not with that of each image" in told
    crop = of_image(Step.of("random_crop", padding=0.125))
    assert value(code_for(crop, "torchvision"), "padding") == (6, 4, 6, 4)  # left, top, right, bottom
    assert "A.Pad(padding=(6, 4, 6, 4)" in code_for(crop, "albumentations").text
    gated = of_image(Step.of("horizontal_flip", chance=0.5, probability=0.8, gate=Gate(2)), strength=0.5)
    assert value(code_for(gated, "torchvision"), "p") == 0.1  # 0.8 / 2 * 0.5 * 0.5
    snr = of_sound(Step.of("gaussian_snr", snr_db=20.0), strength=10.0)
    assert value(code_for(snr, "audiomentations"), "min_snr_db") == 0.0  # ten times the amplitude is 20 dB
    pink = of_sound(Step.of("coloured_noise", exponent=1.0))
    assert value(code_for(pink, "audiomentations"), "max_f_decay") == -3.0103
    gamma = of_image(Step.of("photometric_jitter", gamma=1.0, brightness=0.0, contrast=0.0))
    assert value(code_for(gamma, "albumentations"), "gamma_limit") == (50.0, 200.0)


@pytest.mark.parametrize(
    ("library", "policy", "reason"),
    [
        ("albumentations", of_image(Step.of("cutout")), "does not say the mean of the data"),
        ("albumentations", of_image(Step.of("blur"), spec=None), "size of the images"),
        ("albumentations", of_image(Step.of("solarise"), strength=0.5), "in part"),
        ("albumentations", of_image(Step.of("gaussian_noise", std=2.0)), "takes at most 1"),
        ("kornia", of_image(Step.of("gaussian_noise", magnitude="uniform")), "drawn anew"),
        ("kornia", of_image(Step.of("jpeg"), spec=GREY), "three colours"),
        ("kornia", of_image(Step.of("photometric_jitter", probability=0.5)), "each by itself"),
        ("kornia", of_image(Step.of("random_erasing")), "fills with one value"),
        ("torchvision", of_image(Step.of("augmix", severity=2.5)), "whole severities"),
        ("torchvision", of_image(Step.of("trivial_augment", level=0.5)), "has a part of it"),
        ("torchvision", of_image(Step.of("label_smoothing")), "training step (target stage)"),
        ("torchvision", of_image(Step.of("gaussian_noise"), strength=0.0), "is 0"),
        ("audiomentations", of_sound(Step.of("clipping_distortion", fraction=0.01)), "whole percentages"),
        ("audiomentations", of_sound(Step.of("background_noise")), "folder of sound files"),
        ("audiomentations", of_sound(Step.of("mu_law")), "nothing like it"),
    ],
)
def test_what_cannot_be_expressed_is_listed_with_the_reason(library: str, policy: Policy, reason: str) -> None:
    code = code_for(policy, library)
    assert not code.expressed and reason in code.left[0][1]
    comments = " ".join(line.removeprefix("# ") for line in code.text.splitlines() if line.startswith("# "))
    assert f"- {policy.steps[0].name}: {code.left[0][1]}" in comments


def test_every_technique_is_expressed_or_listed() -> None:
    for library, found in LIBRARIES.items():
        spec = SOUND if found.data_type == "audio" else COLOUR
        known = {k.name for k in techniques_for(found.data_type)}
        assert set(found.writers) <= known
        for kind in techniques_for(found.data_type):
            code = code_for(Policy(DataType(found.data_type), [Step(kind())], input=spec), library)
            compile(code.text, library, "exec")
            assert len(code.expressed) + len(code.left) == 1
            assert all(len(line) < 400 for line in code.text.splitlines())


def test_schedules_are_told_and_names_cannot_break_out_of_the_comment() -> None:
    policy = of_image(
        Step.of("gaussian_noise", schedule=Schedule("window", 0.25, 0.5)), name='"""\nimport os\nos.abort()  # \\'
    )
    for library in ("albumentations", "kornia", "torchvision"):
        code = code_for(policy, library)
        assert "window from 0.25 to 0.5" in code.text
        imported = [n for n in ast.walk(ast.parse(code.text)) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert "os" not in {a.name for n in imported for a in n.names}
        assert "abort" not in {n.attr for n in ast.walk(ast.parse(code.text)) if isinstance(n, ast.Attribute)}


def test_wrong_libraries_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean albumentations"):
        code_for(of_image(), "albumentation")
    with pytest.raises(PolicyError, match="--to audiomentations"):
        code_for(of_sound(), "kornia")
    with pytest.raises(PolicyError, match=r"policy\.transform"):
        code_for(Policy("text"), "kornia")
