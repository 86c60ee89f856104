"""Calibration against accuracy curves that are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_samples import reference_of, rows_of
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from autonoise.corruptions import Corruption, Reference, get_corruption
from autonoise.corruptions.calibrate import TARGETS, amount_at, calibrate
from autonoise.errors import StudyError
from autonoise.types import DataType, Family


def probe(mildest: float, harshest: float, log: bool = False) -> Corruption:
    """A corruption that writes its amount into the rows, so that an accuracy can be a function of it."""

    def write(rows: np.ndarray, amount: float, rng: np.random.Generator, reference: Reference) -> np.ndarray:
        return np.full_like(rows, amount)

    middle = np.linspace(mildest, harshest, 7)[1:-1]
    return Corruption(
        "probe",
        DataType.TIMESERIES,
        Family.BLUR,
        "search",
        tuple(middle),
        harshest,
        mildest,
        "",
        write,
        log,  # type: ignore[arg-type]
    )


ROWS = np.zeros((2, 1, 3), np.float32)
REFERENCE = Reference(DataType.TIMESERIES, ROWS)


def run(corruption: Corruption, retention, chance: float = 0.2, clean: float = 0.8, **more):  # type: ignore[no-untyped-def]
    return calibrate(
        corruption,
        lambda rows: chance + (clean - chance) * retention(float(np.asarray(rows).flat[0])),
        ROWS,
        clean=clean,
        chance=chance,
        rng_seed=0,
        reference=REFERENCE,
        **more,
    )


def test_a_straight_curve_is_inverted_exactly() -> None:
    found = run(probe(0, 1), lambda a: 1 - 0.5 * a)
    assert found.amounts == pytest.approx([0.06, 0.18, 0.32, 0.52, 0.76], abs=1e-5)
    assert found.retentions == pytest.approx(TARGETS, abs=1e-5)
    assert found.note == ""
    assert set(np.linspace(0, 1, 9)) <= set(found.grid)
    assert found.grid_retentions == pytest.approx([1 - 0.5 * a for a in found.grid])


def test_smaller_can_be_harsher() -> None:
    found = run(probe(60, 0), lambda db: 0.5 + 0.5 * db / 60)
    assert found.amounts == pytest.approx([56.4, 49.2, 40.8, 28.8, 14.4], abs=1e-3)


def test_a_logarithmic_axis_is_searched_by_ratio() -> None:
    found = run(probe(0.01, 1, log=True), lambda a: 1 - 0.5 * (np.log10(a) + 2) / 2)
    assert np.log10(found.amounts) == pytest.approx(2 * np.array([0.06, 0.18, 0.32, 0.52, 0.76]) - 2, abs=1e-5)
    assert amount_at(probe(0.01, 1, log=True), 0.5) == pytest.approx(0.1)


def test_targets_out_of_reach_spread_to_the_harshest() -> None:
    found = run(probe(0, 1), lambda a: 1 - 0.2 * a)
    # .97 at 0.15, .91 at 0.45, .84 at 0.8; .74 and .62 are not reached: the rest of the way in two steps.
    assert found.amounts == pytest.approx([0.15, 0.45, 0.8, 0.9, 1.0], abs=1e-4)
    assert found.note == "weak: even the harshest amount keeps 0.80 of the accuracy; not reached: 0.74, 0.62"


def test_a_corruption_without_effect_is_spread_evenly() -> None:
    found = run(probe(0, 1), lambda a: 1.0)
    assert found.amounts == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.note.startswith("weak")


@pytest.mark.parametrize(
    "retention", [lambda a: 0.3, lambda a: float(a < 0.5), lambda a: 1 - (a > 0.99)], ids=["flat", "cliff", "end"]
)
@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0)])
def test_amounts_are_strictly_harsher_whatever_the_curve(retention, ends: tuple[float, float]) -> None:  # type: ignore[no-untyped-def]
    found = run(probe(*ends), retention)
    steps = np.diff(found.amounts) * np.sign(ends[1] - ends[0])
    assert np.all(steps > 0.005)
    assert min(ends) <= min(found.amounts) <= max(found.amounts) <= max(ends)


def test_a_corruption_that_is_harsh_from_the_start_says_so() -> None:
    note = run(probe(0, 1), lambda a: 0.5 - 0.1 * a).note
    assert note == "harsh: the mildest amount already keeps only 0.50 of the accuracy"


def test_a_second_round_closes_in_on_a_cliff() -> None:
    def steep(amount: float) -> float:
        return 1 / (1 + np.exp(40 * (amount - 0.53)))

    far, near = (np.abs(np.subtract(run(probe(0, 1), steep, rounds=n).retentions, TARGETS)).max() for n in (1, 3))
    assert near < 0.05 < far


def test_noise_in_the_curve_is_smoothed_to_a_monotone_one() -> None:
    wiggle = dict(zip(np.linspace(0, 1, 9), [1.0, 0.93, 0.95, 0.85, 0.8, 0.82, 0.7, 0.6, 0.5], strict=True))
    found = run(probe(0, 1), lambda a: wiggle.get(a, 0.0), rounds=1)
    # .93 and .95 become .94 at 0.125 and 0.25; .97 lies half-way between (0, 1) and (0.125, .94).
    assert found.amounts[0] == pytest.approx(0.0625, abs=1e-5)
    # .91 between (0.25, .94) and (0.375, .85): a third of the way.
    assert found.amounts[1] == pytest.approx(0.25 + 0.125 / 3, abs=1e-5)


def test_a_baseline_at_chance_is_refused() -> None:
    with pytest.raises(StudyError, match="must be above chance"):
        run(probe(0, 1), lambda a: 1.0, clean=0.2)
    with pytest.raises(StudyError, match="grid >= 2"):
        run(probe(0, 1), lambda a: 1.0, grid=1)
    with pytest.raises(StudyError, match="falling"):
        run(probe(0, 1), lambda a: 1.0, targets=(0.5, 0.9))


@pytest.mark.parametrize("name", ["gaussian_noise", "gaussian_blur", "jpeg", "checkerboard_cutout"])
def test_a_real_model_keeps_near_the_target_shares(name: str) -> None:
    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8)
    model = LogisticRegression(max_iter=300).fit(images[:1000].reshape(1000, -1) / 255, labels[:1000])

    def accuracy(rows: object) -> float:
        return float(model.score(np.asarray(rows).reshape(-1, 64) / 255, labels[1000:]))

    found = calibrate(
        get_corruption("image", name),
        accuracy,
        images[1000:],
        clean=accuracy(images[1000:]),
        chance=0.1,
        rng_seed=3,
        reference=Reference(DataType.IMAGE, images[:1000]),
        grid=17,
    )
    for got, target in zip(found.retentions, TARGETS, strict=True):
        assert got == pytest.approx(target, abs=0.06) or found.note
    assert np.all(np.diff(found.retentions) <= 0.01)


def test_the_registry_calibrates_and_the_input_is_left_alone() -> None:
    rows = rows_of(DataType.TEXT)
    found = calibrate(
        get_corruption("text", "token_drop"),
        lambda out: len(" ".join(out)) / len(" ".join(rows)),
        rows,
        clean=1.0,  # type: ignore[arg-type]
        chance=0.0,
        rng_seed=1,
        reference=reference_of(DataType.TEXT),
    )
    assert found.retentions == pytest.approx(TARGETS, abs=0.03)
    assert found.amounts == pytest.approx([1 - t for t in TARGETS], abs=0.05)
