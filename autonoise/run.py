"""``autonoise.search``: from data, in memory or on disk, to a judged policy, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from autonoise.calling import explained, kept, main_not_imported_again, placed, quiet_optuna
from autonoise.files import dump_yaml, write_whole
from autonoise.found import SearchResult
from autonoise.phases import run_search
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.notebook import observer_for
from autonoise.study.observer import Observer

if TYPE_CHECKING:
    from autonoise.types import InputSpec


def search(
    data: Any,
    *,
    target: str | None = None,
    trials: int | None = None,
    timeout: float | str | None = None,
    model: str | Callable[[InputSpec, int], nn.Module] | None = None,
    space: str | Path | Mapping[str, Any] | SearchSpace | None = None,
    out: str | Path | None = None,
    progress: bool | Observer = True,
    **settings: Any,
) -> SearchResult:
    """Search which noise to train with, judge what was found, and export it as a policy.

    The same call with the same data and ``out`` continues a search that was stopped, killed or given too few trials.

    Args:
        data: a path; ``(X, y)`` or ``(X_train, y_train, X_test, y_test)`` of arrays, tensors or strings; a DataFrame
            with ``target``; a map-style ``torch.utils.data.Dataset`` of (input, label), or a pair of them for training
            and test; a Hugging Face ``Dataset`` or ``DatasetDict``; the folder of an earlier study.
        target: the column or array of labels.
        trials: how many policies are tried in total, those of earlier calls included; None: 60.
        timeout: seconds for everything, verdict and export included, or words such as "20m".
        model: ``factory(spec, classes)`` that makes a fresh model, or ``"file.py:factory"``; None: a small proxy.
        space: a search space, its file or its shipped name; None: that of the data type.
        out: the folder of the study; None: ``studies/`` and the name of the data.
        progress: print a line now and then (in a notebook: an HTML block), say nothing (False), or tell an
            :class:`Observer`.
        settings: any other option of ``autonoise search`` by its name (``workers=2``, ``noise_weight=0.3`` ...).

    Raises DataError, SpaceError or StudyError with one line; what is on disk stays valid.

    Example:
        >>> import autonoise, tempfile
        >>> from sklearn.datasets import load_iris
        >>> folder = tempfile.mkdtemp()
        >>> quick = {"trials": 1, "epochs": 1, "seeds": 3, "train_rows": 60, "progress": False}
        >>> result = autonoise.search(load_iris(return_X_y=True), out=folder, **quick)
        >>> result.policy.data_type
        <DataType.TABULAR: 'tabular'>
    """
    named = {"target": target, "trials": trials, "timeout": timeout, "out": None if out is None else str(out)}
    given = {**settings, **{k: v for k, v in named.items() if v is not None}}
    with ExitStack() as stack:
        config, factory, made = placed(data, given, model, stack)
        stack.enter_context(StudyFolder(config.out).nothing_half_begun())
        if made is not None:
            stack.enter_context(kept(made, Path(config.data), StudyFolder(config.out).study_file))
        if space is not None:
            config = _with_space(config, space)
        observer = observer_for(progress)
        with quiet_optuna(), main_not_imported_again(), explained(config):
            outcome = run_search(config, observer=observer, factory=factory)
    return SearchResult(config, outcome.folder, outcome.result, stopped=outcome.stopped)


def _with_space(config: StudyConfig, space: str | Path | Mapping[str, Any] | SearchSpace) -> StudyConfig:
    """A space in memory is written beside the study, where every process finds it."""
    if isinstance(space, str | Path):
        return replace(config, space=str(space))
    source = space.source if isinstance(space, SearchSpace) else SearchSpace.from_dict(dict(space)).source
    path = Path(config.out) / "space.yaml"
    write_whole(path, dump_yaml(dict(source)))
    return replace(config, space=str(path))
