"""Commands on studies that exist: best, dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from autonoise.cli import options
from autonoise.cli.output import make_console, print_json, print_policy
from autonoise.errors import MissingExtraError, StudyError, one_line
from autonoise.study.places import optuna_study, study_of

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.policy import Policy
    from autonoise.study.config import StudyConfig


def best(
    place: options.Study,
    as_json: options.Json = False,
) -> None:
    """Print the policy that a study recommends; before its verdict, the best trial so far.

    Example: autonoise best shop
    """
    config = study_of(place)
    policy = current(config)
    if as_json:
        print_json(policy.to_dict())
    else:
        console = make_console()
        print_policy(console, policy)
        tell_found(console, config, policy)


def current(config: StudyConfig) -> Policy:
    """What a study recommends, or its best trial so far. Raises StudyError before there is one."""
    from autonoise.policy import load_policy
    from autonoise.study.folder import StudyFolder

    path = StudyFolder(config.out).policy_file
    if not path.is_file():
        raise StudyError(f"{config.out}: no policy was found yet; let autonoise search run on")
    return load_policy(path, warn=False)


def tell_found(console: Console, config: StudyConfig, policy: Policy) -> None:
    """Where the policy is that the search found, if another one is recommended; which policies are the same one."""
    from autonoise.study.folder import StudyFolder
    from autonoise.study.names import one_policy

    folder = StudyFolder(config.out)
    found = folder.policies / "found.yaml"
    if found.is_file() and policy.judged.contestant != "policy":
        told = policy.scores.get("found", "unconfirmed")
        console.print(f"what the search found: {found}  ({told})", soft_wrap=True)
    result = folder.load_result()
    for line in one_policy(result.winners) if result is not None else ():
        console.print(line, soft_wrap=True)


def dashboard(
    place: options.Study,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 127.0.0.1 is seen from this computer alone.", callback=options.filled),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8080,
) -> None:
    """Show the trials of a study in the browser, by Optuna's dashboard.

    Example: autonoise dashboard shop --port 8081
    """
    config = study_of(place)
    study = optuna_study(config)
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise MissingExtraError.of("optuna-dashboard", "dashboard", "autonoise dashboard") from None
    from autonoise.dashboard.artifacts import store_of
    from autonoise.dashboard.publish import publish
    from autonoise.study.folder import StudyFolder

    console = make_console()
    try:
        publish(study, config)
    except Exception as e:  # a storage that may only be read, for example: the trials can be looked at all the same
        console.print(f"notes and graphs could not be brought up to date: {one_line(e)}", soft_wrap=True)
    console.print(f"http://{host}:{port}  study {config.study}  (Ctrl-C ends it)")
    try:
        run_server(study._storage, host=host, port=port, artifact_store=store_of(StudyFolder(config.out)))
    except OSError as e:
        raise StudyError(f"cannot listen on {host}:{port} ({e.strerror}); choose another --host or --port") from None
    except KeyboardInterrupt:
        return
