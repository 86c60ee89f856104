"""What is attached to a trial that completes: its policy as a file, and a picture of how it stands the noise."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.trial import TrialState

from autonoise.dashboard.plain_text import printable
from autonoise.files import write_whole
from autonoise.study.config import StudyConfig
from autonoise.study.export import policy_of_trial
from autonoise.study.folder import StudyFolder
from autonoise.study.trial_record import TrialRecord, facts_of
from autonoise.training.task import Task

Profile = Mapping[str, Any]
"""``severities``: those that were measured; ``accuracy``: name of a corruption → accuracy (0 to 1) at each of them."""


def store_of(folder: StudyFolder) -> FileSystemArtifactStore:
    """Where the artifacts of a study lie; ``optuna-dashboard --artifact-dir`` wants the same folder."""
    folder.artifacts.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(folder.artifacts)


@dataclass(frozen=True)
class Artifacts:
    """Callable on a trial just before it completes; later, Optuna lets nothing be added to it."""

    config: StudyConfig
    task: Task

    def __call__(self, trial: optuna.Trial) -> None:
        store, record = store_of(StudyFolder(self.config.out)), TrialRecord.of(trial)
        with tempfile.TemporaryDirectory() as folder:
            policy = Path(folder) / f"trial-{trial.number}.yaml"
            policy_of_trial(record, self.task, self.config).save(policy)
            files = [(policy, "application/yaml")]
            profile = facts_of(trial).get("profile")
            if profile and profile["accuracy"]:
                picture = Path(folder) / f"trial-{trial.number}-robustness.svg"
                families = {f.name: str(f.family) for f in self.task.frozen}
                write_whole(picture, profile_picture(profile, _baseline(trial), families))
                files.append((picture, "image/svg+xml"))
            for file, kind in files:
                upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=trial, mimetype=kind)


def _baseline(trial: optuna.Trial) -> Profile | None:
    """The profile of training without noise, if it has been measured."""
    for other in trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if TrialRecord.of(other).without_noise:
            return facts_of(other).get("profile")
    return None


def profile_picture(profile: Profile, baseline: Profile | None, families: Mapping[str, str]) -> str:
    """SVG of the accuracy under each corruption at each severity: of the trial, and of training without noise.

    ``families``: corruption → its family; corruptions of a family stand side by side.
    """
    from matplotlib.ticker import MaxNLocator

    from autonoise.report.drawing import LOOKS, drawing, panel, short, to_svg

    names = sorted(profile["accuracy"], key=lambda n: (families.get(n, n), n))
    shown = [("no noise", baseline, LOOKS["baseline"])] if baseline else []
    shown.append(("this trial", profile, LOOKS["policy"]))
    with drawing():
        canvas, axes = panel(0.9 + 0.27 * len(names))
        for i, (label, values, look) in enumerate(shown):
            shift = 0.16 * (i - (len(shown) - 1) / 2)
            for y, name in enumerate(names):
                found = values["accuracy"].get(name, [])
                axes.plot(found, [y + shift] * len(found), "-", color=look.colour, alpha=0.45, linewidth=2)
                axes.plot(found, [y + shift] * len(found), look.marker, color=look.colour, markersize=look.size)
            axes.plot([], [], look.marker, color=look.colour, markersize=look.size, label=label)
        axes.set_yticks(range(len(names)), [short(printable(n.replace("_", " "))) for n in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        severities = " and ".join(map(str, profile["severities"]))
        axes.set_xlabel(f"accuracy at severity {severities}, on the rows of the search")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.995), ncols=2)
        return to_svg(canvas)
