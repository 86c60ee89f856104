"""A worker process of the tests; how it works is said by the JSON of its only argument."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from study_samples import FakeTask, config_of, score_of, space_of

from autonoise.errors import AutonoiseError
from autonoise.policy import Policy
from autonoise.study import storage
from autonoise.study.processes import Stop
from autonoise.study.storage import open_storage, open_study
from autonoise.trials import objective
from autonoise.trials.sampler import make_sampler
from autonoise.trials.worker import work


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(given: dict[str, Any]) -> None:
    storage.HEARTBEAT, storage.GRACE = given["heartbeat"], given["grace"]
    objective.evaluate = lambda model, sets, severities: model  # type: ignore[assignment, misc]
    config = config_of(
        Path(given["folder"]), trials=given["trials"], storage=given["url"], study=given["study"], engine="random"
    )

    def training(policy: Policy, fidelity: Any) -> Any:
        if given.get("deadly") in {s.name for s in policy.steps}:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(given.get("seconds", 0.05))
        return score_of(0.9, 0.5 + 0.1 * len(policy.steps))

    study = open_study(config, open_storage(config.storage_url))
    study.sampler = make_sampler("random", prior=0.3, seed=0, trials=given["index"], worker=given["index"])
    work(study, objective.Objective(FakeTask(training), space_of(), config), Stop(), say=_say)  # type: ignore[arg-type]


try:
    main(json.loads(sys.argv[1]))
except AutonoiseError as e:
    _say(str(e))
    sys.exit(2)
