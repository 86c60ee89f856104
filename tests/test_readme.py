"""Every command and every piece of code in the README is run here, on small data."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SMALL = ["--trials", "3", "--epochs", "1", "--seeds", "3", "--quiet"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("") for line in block.splitlines()]
    inline = re.findall(r"`(autonoise [^`]+)`", README)
    return [line for line in dict.fromkeys([*lines, *inline]) if line]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autonoise", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's user has: a folder of photos by class, and a table."""
    root = tmp_path_factory.mktemp("readme")
    digits = load_digits()
    for label in (0, 1, 2):
        (root / "photos" / f"class{label}").mkdir(parents=True)
        for i, row in enumerate(np.flatnonzero(digits.target == label)[:60]):
            image = (digits.images[row] * 15.9).astype(np.uint8)
            Image.fromarray(image).save(root / "photos" / f"class{label}" / f"{i}.png")
    cancer = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = cancer.data.iloc[:, :6]
    frame.assign(churned=cancer.target).to_csv(root / "sales.csv", index=False)
    return root


def test_the_commands_are_the_ones_this_file_knows() -> None:
    known = (
        "make demo",
        "make test",
        "autonoise search",
        "autonoise show",
        "autonoise dashboard",
        "autonoise techniques",
        "autonoise corruptions",
        "autonoise recommend",
        "autonoise inspect",
        "autonoise policies",
        "autonoise preview",
    )
    unknown = [c for c in commands() if not c.startswith(known)]
    assert not unknown
    assert {"make demo", "make test"} <= set(commands())


def test_make_knows_the_two_targets() -> None:
    for target in ("demo", "test"):
        found = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "autonoise search digits --trials 14" in found.stdout if target == "demo" else "pytest" in found.stdout


def test_recommending(folder: Path) -> None:
    (command,) = [c for c in commands() if c.startswith("autonoise recommend")]
    found = run(shlex.split(command)[1:], folder)
    assert found.returncode == 0, found.stderr
    assert "recommended-sales" in found.stdout


@pytest.mark.slow
def test_searching_showing_and_the_dashboard(folder: Path) -> None:
    # the benchmark's own command is run by hand; its result file says when
    searches = [c for c in commands() if c.startswith("autonoise search") and "fashion_mnist" not in c]
    assert len(searches) == 2
    for command in searches:
        found = run([*shlex.split(command)[1:], *SMALL], folder)
        assert found.returncode == 0, found.stderr
    shows = [c for c in commands() if c.startswith(("autonoise show", "autonoise inspect"))]
    for command in shows:
        found = run(shlex.split(command)[1:], folder)
        assert found.returncode == 0, found.stderr
        assert "tabular" in found.stdout
    for command in [c for c in commands() if c.startswith(("autonoise preview", "autonoise policies"))]:
        found = run(shlex.split(command)[1:], folder)
        assert found.returncode == 0, found.stderr
        assert found.stdout
    for name in ("photos", "sales"):
        for file in ("policy.yaml", "report.html", "report.md", "trials.csv", "study.db", "corruptions.json"):
            assert (folder / "studies" / name / file).stat().st_size > 0
    dashboard(folder)


def dashboard(folder: Path) -> None:
    """The page and its data are served on the loopback address, and the process ends when told to."""
    arguments = ["dashboard", "studies/sales", "--port", "18765"]
    process = subprocess.Popen(
        [sys.executable, "-m", "autonoise", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen("http://127.0.0.1:18765/api/studies", timeout=5) as answer:
                    assert b"sales" in answer.read()
                    return
            except OSError:
                time.sleep(0.5)
        pytest.fail("the dashboard did not answer within a minute")
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("command", [c for c in commands() if c in ("autonoise techniques", "autonoise corruptions")])
def test_lists(command: str, folder: Path) -> None:
    found = run(shlex.split(command)[1:], folder)
    assert found.returncode == 0
    assert "gaussian_noise" in found.stdout


def test_numbers_of_the_table() -> None:
    from autonoise.corruptions import corruptions_for
    from autonoise.technique.registry import technique_names
    from autonoise.types import DataType

    assert "| techniques | more than 90:" in README
    assert len(technique_names()) > 90
    total = sum(len(corruptions_for(d)) for d in DataType)
    assert f"| evaluation | {total} corruptions" in README


def test_three_lines_train() -> None:
    import torch

    import autonoise

    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    loader = [(torch.rand(8, 1, 8, 8), torch.randint(10, (8,))) for _ in range(3)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    code = blocks("python")[1].replace("policy.yaml", str(ROOT / "examples" / "policy_image.yaml"))
    before, line = code.split("...\n", 1)
    space: dict[str, object] = {"autonoise": autonoise, "model": model, "loader": loader}
    exec(before, space)
    body = line.strip().replace("...;", "optimizer.zero_grad(); loss.backward(); optimizer.step();")
    for x, y in loader:
        space |= {"x": x, "y": y, "optimizer": optimizer}
        exec(body, space)
    assert space["injector"].clock.update == 3  # type: ignore[attr-defined]


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
