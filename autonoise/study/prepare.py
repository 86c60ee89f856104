"""From a study's settings to its task; the severities of the corruptions are calibrated once and then frozen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from autonoise.corruptions.base import corruptions_for
from autonoise.corruptions.calibrate import calibrate
from autonoise.corruptions.frozen import FrozenCorruption, checksum, corrupted, fix, seed_of
from autonoise.data import Dataset, compare_form, load, split
from autonoise.data.groups import NO_GROUP
from autonoise.data.label_noise import corrupt_labels, read_matrix
from autonoise.data.notes import log
from autonoise.errors import DataError, StudyError
from autonoise.evaluation.predict import probabilities
from autonoise.evaluation.stored import StoredSets
from autonoise.policy import Policy
from autonoise.study.config import StudyConfig
from autonoise.study.folder import UNUSABLE, StudyFolder
from autonoise.study.noise_data import clips_of
from autonoise.study.processes import limited
from autonoise.technique.words import counted
from autonoise.training.factory import ModelFactory, load_factory
from autonoise.training.task import RealNoise, Task

CALIBRATION_ROWS = 800
"""Search rows on which the severities of the corruptions are calibrated, at most."""
FEW_GROUPS = 4
"""Groups in the test part below which a warning is due: with 3 the factor of Student's t is 4.3, with 2 it is 12.7."""
HARMLESS = 0.95
"""Share of the baseline's accuracy that a corruption must leave at every amount to be left out."""


def load_data(config: StudyConfig) -> Dataset:
    """The data set as the config says. Raises DataError."""
    return load(
        config.data,
        data_type=config.data_type,
        target=config.target,
        clean_target=config.clean_target,
        group=config.group,
        text_column=config.text_column,
    )


def build_task(config: StudyConfig, dataset: Dataset | None = None, factory: ModelFactory | None = None) -> Task:
    """Load, split and label-noise the data as the config says; ``factory`` in place of the config's model.

    Raises DataError or StudyError.
    """
    dataset = dataset or load_data(config)
    splits = split(dataset, seed=config.seed, train_rows=config.train_rows)
    truth = dataset.clean_y if dataset.clean_y is not None else dataset.y
    labels = dataset.y
    if config.label_noise > 0 or config.label_matrix:
        matrix = read_matrix(config.label_matrix, dataset.classes) if config.label_matrix else None
        rng = np.random.default_rng([config.seed, 17])
        rate = None if matrix is not None else config.label_noise
        if rate is not None and rate >= 1 - 1 / dataset.classes:
            raise StudyError(
                f"--label-noise {rate:g}: with {dataset.classes} classes labels drawn at random are wrong in "
                f"{1 - 1 / dataset.classes:.3f}, so nothing could be learnt: give a smaller share"
            )
        labels = corrupt_labels(labels, rate=rate, matrix=matrix, classes=dataset.classes, rng=rng)
    real = None
    if config.noisy_val:
        real = RealNoise(_noisy_set(config, dataset), config.noisy_val_only)
    clips = clips_of(StudyFolder(config.out)) if config.noise_data else None
    return Task(
        dataset,
        splits,
        labels,
        truth,
        seed=config.seed,
        device=config.device,
        epochs=config.epochs,
        proxy=config.proxy,
        size=config.size,
        precision=config.precision,
        factory=factory or (load_factory(config.model) if config.model else None),
        real=real,
        clips=clips,
    )


def _noisy_set(config: StudyConfig, dataset: Dataset) -> Dataset:
    """The rows of ``--noisy-val``, with the groups of the data where it has them."""

    def read(group: str | None) -> Dataset:
        return load(
            str(config.noisy_val),
            data_type=dataset.data_type,
            target=config.target,
            text_column=config.text_column,
            like=dataset,
            group=group,
        )

    try:
        noisy = read(config.group)
    except DataError as e:
        if config.group in (None, NO_GROUP):
            raise
        noisy = read(NO_GROUP)
        log.warning("--noisy-val: its groups cannot be used (%s)", e)
    compare_form(noisy, dataset, what="--noisy-val")
    return noisy


def tell_noisy_parts(task: Task) -> None:
    """Say once, before anything is trained, how the user's noisy set was dealt out."""
    if task.real is None:
        return
    parts, n = task.noisy_parts, len(task.real.dataset)
    if not parts.how:
        log.warning(
            "--noisy-val: its rows match no rows of the data (no common group, no near duplicates), so it is cut in "
            "thirds; should they be noisy copies of the data's rows, give both a column that says which, and --group"
        )
        return
    by = {"group": "group", "order": "the order of the rows", "likeness": "their likeness"}[parts.how]
    found, lost = int((parts.owner >= 0).sum()), parts.trained_on(task.splits)
    log.warning(
        "--noisy-val: %d of %d rows belong to rows of the data by %s and are used where those are; %d that belong to "
        "rows trained on are left out",
        found,
        n,
        by,
        lost,
    )


def tell_few_groups(task: Task) -> None:
    """Say, before anything is trained, that so few groups are in the test part that a verdict cannot be sure."""
    group = task.test_groups()[0]
    n = 0 if group is None else len(np.unique(group))
    if 0 < n < FEW_GROUPS:
        log.warning(
            "the test part holds %s alone, so %s: bring data of more groups, or split the rows freely (--group %s) if "
            "the model will meet the same groups again",
            counted(n, "group"),
            "no verdict can be sure" if n == 1 else "the verdict's intervals will be very wide",
            NO_GROUP,
        )


def share_sets(task: Task, folder: StudyFolder) -> None:
    """Let this process read corrupted rows that another process of the study has made, and keep its own for others."""
    with suppress(OSError):  # where nothing can be written, every process makes its own
        task.stored = StoredSets(folder.sets)
        task._sets.clear()


def ensure_corruptions(
    task: Task, folder: StudyFolder, *, seed: int, longest: float | None = None
) -> tuple[FrozenCorruption, ...]:
    """The frozen corruptions: read from the folder, else calibrated on the baseline and written.

    ``longest``: seconds that the baseline's training may take, and each of its evaluations. Raises StudyError when it
    takes longer, or when the corrupted rows of a frozen study come out differently on this machine.
    """
    frozen = folder.load_corruptions()
    if frozen is None:
        frozen = _calibrate(task, folder, seed, longest)
    task.frozen = frozen
    _compare_checksums(task, frozen)
    return frozen


def _calibrate(task: Task, folder: StudyFolder, seed: int, longest: float | None) -> tuple[FrozenCorruption, ...]:
    with limited(longest, "--trial-timeout"):
        trained = task.train(Policy(task.dataset.data_type), seed=seed)
    task.frozen = ()
    sets = task.sets("search", 0)
    task._sets.clear()
    rows = sets.first(CALIBRATION_ROWS)
    reference = task.reference(0)

    calls = 0

    def accuracy(changed: object) -> float:
        nonlocal calls
        calls += 1
        with limited(longest, "--trial-timeout"):
            p = probabilities(trained.model, sets.prepare(changed))  # type: ignore[arg-type]
        return float((p.argmax(1) == rows.labels).mean())

    clean = accuracy(rows.rows)
    begun = time.perf_counter()
    accuracy(rows.rows)  # timed the second time, since the first warms up
    predicting = time.perf_counter() - begun
    if trained.diverged:
        raise StudyError(UNUSABLE)
    if clean <= task.chance + 0.02:
        raise StudyError(
            f"the baseline reaches {clean:.3f} where always guessing the largest class gives {task.chance:.3f}: there "
            f"is nothing to make robust; train longer (--epochs), use more rows, or check the labels"
        )
    frozen, begun, calls = [], time.perf_counter(), 0
    for corruption in corruptions_for(task.dataset.data_type):
        if not corruption.available(reference):
            continue
        found = calibrate(
            corruption,
            accuracy,
            rows.rows,
            clean=clean,
            chance=task.chance,
            rng_seed=seed_of(seed, corruption.name),
            reference=reference,
            grid=7,
        )
        frozen.append(fix(corruption, found.amounts, study_seed=seed, retentions=found.retentions, note=found.note))
    left_out = harmless(frozen)
    frozen = [f for f in frozen if f.name not in left_out]
    signed = tuple(
        f.with_checksum("search0", 3, checksum(corrupted(sets.rows, f, 3, "search0", reference))) for f in frozen
    )
    spent = (time.perf_counter() - begun) / max(calls, 1)
    numbers = {
        "clean": clean,
        "chance": task.chance,
        "seconds": trained.seconds,
        "passes": trained.passes,
        "noisy_seconds": spent,
        "predict_seconds": min(predicting, spent),
    }
    folder.save_corruptions(signed, {**numbers, "left_out": left_out})
    return signed


def harmless(frozen: Sequence[FrozenCorruption]) -> list[str]:
    """Names of corruptions that cost next to nothing at any amount: five equal severities would only dilute the score.

    Of each group one stays in any case.
    """
    weak = [f for f in frozen if f.retentions and min(f.retentions) > HARMLESS]
    groups = {f.group for f in frozen if f not in weak}
    return [f.name for f in weak if f.group in groups]


def _compare_checksums(task: Task, frozen: tuple[FrozenCorruption, ...]) -> None:
    sets, reference = task.sets("search", 0), task.reference(0)
    for f in frozen[:1]:
        said = f.checksums.get("search0/3")
        if said and said != checksum(corrupted(sets.rows, f, 3, "search0", reference)):
            raise StudyError(
                f"the corrupted rows ({f.name}) differ from those of the study's first run: the data or a library "
                f"changed; start a new study by --study NAME"
            )


def left_out(folder: StudyFolder) -> list[str]:
    """Names of the corruptions that the calibration found harmless on these data."""
    return [str(name) for name in folder.load_baseline().get("left_out", ())]


def baseline_numbers(folder: StudyFolder) -> dict[str, float]:
    """What the calibration measured of the baseline."""
    found = folder.load_baseline()
    if "seconds" not in found:
        raise StudyError(f"{folder.corruptions_file} is damaged; start again in another folder by --out")
    return found


def describe(task: Task) -> str:
    """One line about the data: rows, classes, shape, parts, proxy."""
    first, spec = task.splits.folds[0], task.spec()
    shape = "x".join(map(str, spec.layout))
    folds = f" ({task.folds} folds)" if task.folds > 1 else ""
    model = task.model(0)
    rows, classes = counted(len(task.dataset), "row"), counted(task.dataset.classes, "class")
    return (
        f"{task.dataset.data_type} · {rows}, {classes}, {shape} · "
        f"train {len(first.train):,} / search {len(first.search):,} / confirm {len(first.confirm):,}{folds} / "
        f"test {len(task.splits.test):,} · {'model' if task.factory else 'proxy'} {type(model).__name__} · "
        f"{counted(task.recipe.epochs, 'epoch')}"
    )
