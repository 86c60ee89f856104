"""The dashboard on a real finished study, in a real browser."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .running import start

pytest.importorskip("playwright", reason="the browser test needs playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="the browser test needs chromium: apt-get install chromium"),
]
GRAPHS = ("Clean against noisy accuracy", "Robustness profile", "Gain per technique", "Use over time")


@pytest.fixture(scope="module")
def served(finished_study: SimpleNamespace) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start("dashboard", finished_study.folder, "--port", port)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.communicate()
            try:
                urllib.request.urlopen(f"{url}/api/meta", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < until, "the dashboard does not answer"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def detail(served: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{served}/api/studies/1", timeout=60) as answer:
        return json.load(answer)


def test_the_dashboard_shows_notes_artifacts_and_graphs(served: str, detail: dict[str, Any], tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    trial = next(t for t in detail["trials"] if t["state"] == "Complete" and t["artifacts"] and t["number"] > 0)
    faults: list[str] = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: faults.append(str(e)))
        page.on("requestfailed", lambda r: faults.append(f"{r.url} {r.failure}"))
        page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: None if r.url.startswith((served, "data:", "blob:")) else faults.append(r.url))

        page.goto(f"{served}/dashboard/studies/1")
        shown = [g for g in GRAPHS if any(g in graph["graph_object"] for graph in detail["plotly_graph_objects"])]
        assert set(shown) >= set(GRAPHS) - {"Gain per technique"}  # which needs more trials than this study may have
        for title in shown:
            page.locator(".gtitle", has_text=title).wait_for(timeout=30_000)
        page.get_by_text("score (50 % clean + 50 % noisy accuracy)").first.wait_for(timeout=30_000)

        page.goto(f"{served}/dashboard/studies/1/note")
        page.get_by_text("How to import the result").wait_for(timeout=30_000)
        words = page.inner_text("body")
        assert "Verdict: " in words and "569 rows, 2 classes" in words and "without noise" in words

        page.goto(f"{served}/dashboard/studies/1/trials?numbers={trial['number']}")
        page.get_by_text(trial["note"]["body"].split("\n")[0], exact=True).first.wait_for(timeout=30_000)
        name = f"trial-{trial['number']}"
        page.get_by_text(f"{name}.yaml").first.wait_for(timeout=30_000)
        picture = page.locator(f"img[alt='{name}-robustness.svg']").first
        picture.wait_for(timeout=30_000)
        assert picture.evaluate("image => image.complete && image.naturalWidth") > 100
        browser.close()
    assert not faults


def test_every_trial_says_what_it_was(detail: dict[str, Any], finished_study: SimpleNamespace) -> None:
    ended = [t for t in detail["trials"] if t["state"] != "Waiting"]
    assert len(ended) == 6
    for trial in ended:
        attributes = [a["key"] for a in trial["user_attrs"]]
        assert attributes[:2] == ["autonoise.0_policy", "autonoise.1_result"]
        assert trial["note"]["body"].split("\n")[0] and "| score |" in trial["note"]["body"]
        if trial["state"] == "Complete":
            kinds = sorted(a["filename"].split(".")[1] for a in trial["artifacts"])
            assert kinds == ["svg", "yaml"]
    stored = list((finished_study.folder / "artifacts").iterdir())
    assert len(stored) == sum(len(t["artifacts"]) for t in detail["trials"])
