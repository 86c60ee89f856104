"""A real study of a table whose names hold markup and terminal escapes: all of them are shown as text."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from autonoise.study.storage import open_storage

from .running import finish, start

MARKUP, ESCAPE = "<img src=x onerror=alert(1)>", "\x1b[31mred"
WRITTEN = "\\x1b[31mred"
"""What is shown in the place of the escape."""
SPACE = """format: autonoise-space/1
data_type: tabular
max_techniques: 2
expected_techniques: 1.5
techniques:
  gaussian_noise: {std: [0.3, 1.0], probability: [0.8, 1.0]}
  swap_noise: {fraction: [0.2, 0.5], probability: [0.8, 1.0]}
"""
"""Only noise that is seen in the rows, so that the report has examples of it."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The study, with columns, classes and a file of such names; ``out`` is what the search has printed."""
    folder = tmp_path_factory.mktemp("hostile")
    data, rng = folder / f"{MARKUP}{ESCAPE}.csv", random.Random(0)
    with data.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([MARKUP, ESCAPE, f"kind {MARKUP}", "label"])
        for i in range(320):
            x, y = rng.gauss(i % 2, 0.7), rng.gauss(-(i % 2), 0.7)
            table.writerow([x, y, (MARKUP, ESCAPE)[rng.random() < 0.3 + 0.4 * (i % 2)], (MARKUP, ESCAPE)[i % 2]])
    out, space = folder / "study", folder / "space.yaml"
    space.write_text(SPACE)
    options = ["--target", "label", "--no-memory", "--space", space, "--study", "names", "--out", out]
    made = finish(start("search", data, "--trials", "4", "--epochs", "2", "--seeds", "3", *options))
    assert made.status == 0, made.err
    return SimpleNamespace(data=data, folder=out, out=made.out, err=made.err)


def test_the_terminal_shows_names_as_text(hostile: SimpleNamespace, command: Callable[..., SimpleNamespace]) -> None:
    policy = hostile.folder / "policies" / "found.yaml"
    seen = [hostile.out, hostile.err]
    for arguments in (
        ("status", hostile.folder),
        ("best", hostile.folder),
        ("inspect", hostile.data, "--target", "label"),
        ("preview", policy, hostile.data, "--target", "label"),
    ):
        found = command(*arguments)
        assert found.status == 0, found.err
        seen += [found.out, found.err]
    assert not any("\x1b" in text for text in seen)
    assert WRITTEN in seen[6] and MARKUP in seen[6]  # inspect
    assert WRITTEN in seen[8] and MARKUP in seen[8]  # preview


def test_the_notes_and_graphs_of_the_dashboard_show_names_as_text(hostile: SimpleNamespace) -> None:
    study = optuna.load_study(study_name="names", storage=open_storage(f"sqlite:///{hostile.folder / 'study.db'}"))
    attributes = study._storage.get_study_system_attrs(study._study_id).items()
    shown = {key: str(value) for key, value in attributes if key.startswith("dashboard:")}
    assert "\\<img src=x onerror=alert(1)\\>" in "".join(v for k, v in shown.items() if k.startswith("dashboard:note"))
    for text in shown.values():
        assert "\x1b" not in text
        assert "<img" not in text.replace("\\<img", "")


def test_the_report_shows_names_as_text(hostile: SimpleNamespace) -> None:
    for name in ("report.html", "report.md"):
        text = (hostile.folder / name).read_text(encoding="utf-8")
        assert "\x1b" not in text
        assert "<img src=x" not in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip(
        "playwright.sync_api", reason="the browser test needs playwright: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("the browser test needs chromium: apt-get install chromium")
    with sync.sync_playwright() as p:
        made = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_from_disk(hostile: SimpleNamespace, browser: Any, width: int, scheme: str) -> None:
    page_file: Path = hostile.folder / "report.html"
    faults: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("dialog", lambda d: faults.append(f"dialog {d.message}"))
    page.on("request", lambda r: None if r.url.startswith(("data:", page_file.as_uri())) else faults.append(r.url))
    page.goto(page_file.as_uri())
    sizes = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1]
    # nothing is cut inside the page either, and every picture is drawn
    inner = (
        "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)"
    )
    cut = page.evaluate(f"{inner}.filter(e => getComputedStyle(e).overflowX != 'visible').map(e => e.className)")
    assert cut == []
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    examples = page.locator(f".examples .{'wide' if width == 1280 else 'narrow'} img")
    assert examples.is_visible()
    other = page.locator(f".examples .{'narrow' if width == 1280 else 'wide'} img")
    assert not other.is_visible()
    ink, paper = page.evaluate("['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k])")
    bright = [sum(map(int, c[4:-1].split(","))) for c in (ink, paper)]
    assert (bright[0] < bright[1]) == (scheme == "light")
    for name in ("plain PyTorch", "Lightning", "skorch"):
        page.locator("summary", has_text=name).first.wait_for(timeout=10_000)
    page.close()
    assert not faults
