"""The commands of the pages on previews and evaluations, run as they are written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.datasets import load_iris
from study_samples import with_few_corruptions

from autonoise import Policy, Step

DOCS = Path(__file__).parents[2] / "docs"
QUICK = {"preview": [], "evaluate": ["--epochs", "10", "--seeds", "3", "--once"]}
MODEL = """
from torch import nn

def build(spec, classes):
    return nn.Sequential(nn.Linear(spec.layout[0], 64), nn.ReLU(), nn.Linear(64, classes))
"""


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", (DOCS / page).read_text(), flags=re.S)
    return [line for block in blocks for line in block.splitlines() if line.startswith("autonoise ")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load_iris(as_frame=True).frame.rename(columns={"target": "bought"}).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "model.py").write_text(MODEL)
    Policy("tabular", [Step.of("gaussian_noise", std=0.3), Step.of("dropout")]).save(tmp_path / "policy.yaml")
    Policy("tabular", [Step.of("swap_noise")], name="other").save(tmp_path / "other.yaml")
    monkeypatch.chdir(tmp_path)
    with_few_corruptions(monkeypatch)
    return tmp_path


@pytest.mark.parametrize("page", ["preview.md", "evaluate.md"])
def test_the_commands_of_the_page(command: Any, place: Path, page: str) -> None:
    found = commands(page)
    assert len(found) == 3
    for line in found:
        program, name, *arguments = shlex.split(line)
        assert (program, f"{name}.md") == ("autonoise", page)
        arguments = [a for a in arguments if a not in ("--seeds", "5")]
        done = command(name, *arguments, *QUICK[name])
        assert done.status == 0, (line, done.err)
        # with --json what is told stands on standard error, beside the document
        assert "--json" in arguments or done.err == "", line
    if page == "preview.md":
        with Image.open(place / "preview.png") as image:
            assert image.width == 1200
        assert "</svg>" in (place / "preview.svg").read_text()
    else:
        assert (place / "evaluations" / "shop" / "result.json").is_file() and (place / "both" / "result.json").is_file()
