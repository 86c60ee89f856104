"""Models of users that exit, hang or turn NaN: the search ends in one line, with the cause, and never in silence."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_samples import FakeTask, config_of, new_study, space_of, with_few_corruptions

from autonoise import search
from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.study.processes import Stop, limited
from autonoise.training.factory import load_factory
from autonoise.trials.objective import Objective
from autonoise.trials.worker import work

SPACE = space_of()
MODEL = """
import sys, time
from pathlib import Path
from torch import nn
folder = Path(__file__).parent / "s"
def calibrated(): return (folder / "corruptions.json").exists()
def searched(): return (folder / "trials.csv").exists()
class Net(nn.Linear):
    def forward(self, x):
        out = 30 * super().forward(x["numeric"] if isinstance(x, dict) else x)
        {forward}
        return out
def make(spec, classes):
    {factory}
    net = Net(2, classes)
    nn.init.zeros_(net.weight)
    return net
"""


@pytest.fixture(autouse=True)
def few_corruptions(monkeypatch: pytest.MonkeyPatch) -> None:
    with_few_corruptions(monkeypatch)


def searched(tmp_path: Path, *, forward: str = "", factory: str = "", **settings: Any) -> Any:
    (tmp_path / "own.py").write_text(
        textwrap.dedent(MODEL).format(forward=forward or "pass", factory=factory or "pass")
    )
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = rng.normal(size=(300, 2)) * 0.4 + np.stack([np.cos(2.1 * y), np.sin(2.1 * y)], 1)
    chosen = {
        "trials": 6,
        "epochs": 12,
        "seeds": 3,
        "memory": False,
        "space": space_of(),
        "progress": False,
        **settings,
    }
    return search((x, y), out=tmp_path / "s", model=f"{tmp_path / 'own.py'}:make", **chosen)


@pytest.mark.parametrize(
    ("part", "code", "told"),
    [
        ("factory", "sys.exit(7)", r"--model: the factory called sys\.exit\(7\): remove the call"),
        ("forward", "sys.exit('bye')", r"the model called sys\.exit\('bye'\)"),
        ("forward", "sys.exit() if not self.training else None", r"the model called sys\.exit\(None\)"),
        (
            "factory",
            "if calibrated(): sys.exit(7)",
            r"3 trials in a row failed, the first with: StudyError: --model: the fac",
        ),
    ],
)
def test_a_model_that_exits(tmp_path: Path, part: str, code: str, told: str) -> None:
    with pytest.raises(StudyError, match=told):
        searched(tmp_path, **{part: code})


def test_a_file_that_exits_when_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(StudyError, match=r"importing .*own\.py' called sys\.exit\(3\)"):
        load_factory(f"{tmp_path / 'own.py'}:make")


@pytest.mark.parametrize(
    "forward",
    ["if calibrated(): out = out * float('nan')", "if calibrated() and not self.training: out = out * float('nan')"],
    ids=["in training", "in evaluation alone"],
)
def test_a_model_that_turns_nan_after_the_calibration(tmp_path: Path, forward: str) -> None:
    with pytest.raises(StudyError, match="trained without noise is of no use: its loss, weights or outputs are NaN"):
        searched(tmp_path, forward=forward)
    assert not (tmp_path / "s" / "result.json").exists()


def test_a_model_that_turns_nan_after_the_search(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="trained without noise is of no use"):
        searched(tmp_path, forward="if searched(): out = out * float('nan')")
    assert not (tmp_path / "s" / "result.json").exists()
    assert not list((tmp_path / "s" / "runs").glob("*.npz"))  # so that the mended model is trained again


def test_a_model_that_hangs(tmp_path: Path) -> None:
    import torch

    torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).step()  # the first of a process imports for seconds
    begun = time.monotonic()
    with pytest.raises(StudyError, match=r"3 trials in a row .* took longer than --trial-timeout 1\.5 s"):
        searched(tmp_path, forward="if calibrated(): time.sleep(60)", trial_timeout=1.5)
    assert time.monotonic() - begun < 60  # of three trials that would sleep for minutes each


def test_what_ends_in_time_is_not_limited() -> None:
    with limited(0.05, "--trial-timeout"):
        pass
    time.sleep(0.1)  # the alarm was taken back
    with pytest.raises(StudyError, match=r"longer than --x 0\.05 s"), limited(0.05, "--x"):
        time.sleep(5)


def test_an_import_is_not_interrupted_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slowly.py").write_text("import time\ntime.sleep(0.3)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match="longer than --x"), limited(0.05, "--x"):
        import slowly

        time.sleep(5)
    assert slowly.whole


def test_three_faults_of_one_kind_end_the_search_with_the_first() -> None:
    kinds = iter([KeyError("a"), ValueError("b"), ValueError("c"), OSError("d"), *[ValueError(n) for n in "efgh"]])

    def answers(policy: Policy, fidelity: Any) -> Any:
        raise next(kinds)

    study = new_study()
    with pytest.raises(StudyError, match="7 trials in a row failed, the first with: ValueError: e"):
        work(study, Objective(FakeTask(answers), SPACE, config_of(Path("nowhere"), trials=50)), Stop())  # type: ignore[arg-type]
