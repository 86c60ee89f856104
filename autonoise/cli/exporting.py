"""The command export: a policy out of a study, as a file of its own or as code for another library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console, print_json
from autonoise.cli.studies import current, tell_found
from autonoise.errors import PolicyError, StudyError
from autonoise.files import write_whole

if TYPE_CHECKING:
    import optuna

    from autonoise.policy import Policy
    from autonoise.study.config import StudyConfig


def export(
    place: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="Folder of a study, or its name under studies/; with --to also a policy file, or the name of a policy "
            "that autonoise policies lists.",
            callback=options.filled,
            autocompletion=completing.studies_and_policies,
        ),
    ],
    trial: Annotated[
        int | None, typer.Option(help="Number of a completed trial; left out: the policy that the study recommends.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Write Python code for another library, which does those parts of the policy that it can express: "
            "albumentations, audiomentations, kornia or torchvision.",
            callback=options.filled,
            show_default=False,
            autocompletion=completing.libraries,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write, .yaml or .json, or .py with --to; left out: the policy's name in the current folder.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write the policy that a study recommends, or that of any completed trial, to a file, or as code for a library.

    Example: autonoise export policy.yaml --to albumentations
    """
    from autonoise.study.places import study_of

    try:
        out = options.policy_file(out) if to is None else options.code_file(out)
    except typer.BadParameter as e:
        e.param_hint = "'--out'"
        raise
    if to is not None:
        _write_code(_policy_of(place, trial), to, out, as_json=as_json)
        return
    if Path(place).is_file():
        raise StudyError(f"{place} is a file already: say which library to write code for, --to albumentations ...")
    config = study_of(place)
    policy = current(config) if trial is None else _of_trial(config, trial)
    path = out or Path(f"{policy.name}.yaml")
    policy.save(path)
    if as_json:
        print_json({"file": str(path), "policy": policy.name, "verdict": policy.scores.get("verdict", "unconfirmed")})
        return
    console = make_console()
    console.print(f"{path}  ({policy.scores.get('verdict', 'unconfirmed')})", soft_wrap=True)
    if trial is None:
        tell_found(console, config, policy)


def _policy_of(place: str, trial: int | None) -> Policy:
    """The policy of a file, of a name or of a study."""
    from autonoise.policy import load_policy
    from autonoise.policy.shipped import shipped
    from autonoise.study.places import study_of

    if Path(place).is_file() or place in shipped():
        if trial is not None:
            raise StudyError(f"--trial {trial} is of a study, and {place} is a policy: give one of them")
        return load_policy(place, warn=False)
    config = study_of(place)
    return current(config) if trial is None else _of_trial(config, trial)


def _write_code(policy: Policy, library: str, out: Path | None, *, as_json: bool) -> None:
    from autonoise.integrations.code.writing import code_for

    code = code_for(policy, library)
    console = make_console(messages=as_json)
    for name, reason in code.left:
        console.print(f"not in {library}: {name}, {reason}", soft_wrap=True, markup=False)
    if not code.expressed:
        raise PolicyError(f"{library} can express no step of {policy.name}: nothing was written")
    path = out or Path(f"{policy.name}-{library}.py")
    write_whole(path, code.text)
    if as_json:
        left = [{"technique": name, "reason": reason} for name, reason in code.left]
        print_json({"file": str(path), "library": library, "expressed": list(code.expressed), "left_out": left})
        return
    console.print(f"{path}  ({', '.join(code.expressed)})", soft_wrap=True)


def _of_trial(config: StudyConfig, trial: int) -> Policy:
    from autonoise.study.export import policy_of_trial
    from autonoise.study.folder import StudyFolder
    from autonoise.study.places import optuna_study
    from autonoise.study.prepare import build_task
    from autonoise.study.trial_record import TrialRecord

    found = TrialRecord.of(_trial(optuna_study(config), trial))
    policy = policy_of_trial(found, build_task(config), config)
    result = StudyFolder(config.out).load_result()
    if result is None:
        return policy
    told = {"recommended": result.recommended, "recommendation": result.recommendation}
    return replace(policy, scores={**policy.scores, **told})


def _trial(study: optuna.Study, number: int) -> optuna.trial.FrozenTrial:
    trials = study.get_trials(deepcopy=False)
    complete = [t.number for t in trials if t.state.name == "COMPLETE"]
    if number not in complete:
        state = next((f"is {t.state.name.lower()}" for t in trials if t.number == number), "does not exist")
        shown = ", ".join(map(str, complete[:20])) or "none yet"
        raise StudyError(f"--trial {number} {state}: only completed trials have scores; they are: {shown}")
    return trials[number]
