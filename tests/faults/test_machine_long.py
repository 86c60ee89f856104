"""A full disk, a folder that may only be read, memory that runs out, two searches at once, and changed questions."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from crew import until
from forked import SPACE, Place, made
from table import row

from autonoise.files import dump_yaml
from autonoise.study.folder import StudyFolder

pytestmark = pytest.mark.faults
KILLS = """
        import multiprocessing, os
        if (folder / "kill").exists() and multiprocessing.parent_process() is not None:
            (folder / "kill").unlink()
            os.kill(os.getpid(), 9)
""".strip()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a file system of one's own cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def refused(place: Place, *words: str, **options: object) -> None:
    process = place.search(**options)  # type: ignore[arg-type]
    assert process.wait() == 2, process.told()
    lines = [line for line in process.told().splitlines() if line.startswith("autonoise: ")]
    assert len(lines) == 1 and "Traceback" not in process.told(), process.told()
    for word in words:
        assert word in lines[0], lines[0]


def test_a_full_disk_and_one_that_may_only_be_read(disk: Path, tmp_path: Path) -> None:
    with made(tmp_path) as place:
        place.out = disk / "study"
        place.slow(0.05)
        process = place.search(trials=4)
        until(lambda: len(place.complete()) >= 1 or process.ended() is not None, 240)
        known = place.complete()
        with pytest.raises(OSError, match="No space left"), (disk / "other").open("wb", buffering=0) as other:
            while True:
                other.write(bytes(4096))
        assert process.wait() == 2, process.told()
        assert "Traceback" not in process.told()
        last = process.told().splitlines()[-1]
        assert last.startswith("autonoise: ") and "everything that was finished is kept" in last, process.told()
        assert "full" in last or "No space left" in last, last
        assert place.complete() >= known
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused(place, str(disk), trials=4)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        (disk / "other").unlink()
        (tmp_path / "delay").unlink()
        begun = time.monotonic()
        process = place.search(trials=4)
        until(lambda: len(place.complete()) > len(known) or process.ended() is not None, 240)
        back = time.monotonic() - begun
        assert process.wait() == 0, process.told()
        assert place.complete() >= known
        row("full disk, then a folder that may only be read", 2, 0, back)


def test_memory_that_runs_out_in_a_worker_and_after_the_search(tmp_path: Path) -> None:
    """The system ends a process by SIGKILL; here the model does, in a worker and in the pool after the search."""

    def pooled() -> None:
        import autonoise.verdict.trainings

        autonoise.verdict.trainings.POOL_PAYS = 0

    with made(tmp_path, KILLS) as place:
        (tmp_path / "kill").touch()
        process = place.search(trials=3, workers=2, before=pooled)
        until(lambda: (place.out / "trials.csv").exists() or process.ended() is not None, 400)
        known = place.complete()
        assert not (tmp_path / "kill").exists()
        (tmp_path / "kill").touch()
        assert process.wait(400) == 0, process.told()
        assert "a worker was killed by signal 9 (SIGKILL), which the system sends where memory" in process.told()
        assert "a training process was killed by signal 9 (SIGKILL)" in process.told()
        assert "going on with 1 at a time" in process.told() and "Traceback" not in process.told()
        assert place.complete() >= known and len(place.complete()) == 3
        row("memory runs out in a worker, and in the pool after the search", 2, 0, None)


def test_two_searches_of_one_name_at_once(tmp_path: Path) -> None:
    """One of them has the folder; the other says so, and touches nothing there."""
    with made(tmp_path) as place:
        both = [place.search(trials=3), place.search(trials=3)]
        ends = [p.wait(400) for p in both]
        assert sorted(ends) == [0, 2], both[0].told() + both[1].told()
        second = both[ends.index(2)].told().splitlines()
        assert second[-1].startswith(f"autonoise: another search is at work in {place.out}: let it end, join it by")
        assert len(place.complete()) == 3 and StudyFolder(place.out).load_result() is not None
        row("two searches with one name at once", 1, 0, None)


def test_a_search_that_goes_on_with_something_else_is_refused(tmp_path: Path) -> None:
    with made(tmp_path) as place:
        assert place.search(trials=2).wait() == 0
        before = {p: p.read_bytes() for p in place.out.rglob("*") if p.is_file()}

        def another_version() -> None:
            import autonoise.phases

            autonoise.phases.versions = lambda: {"autonoise": "99.0"}

        refused(place, "seed: 0 → 1", trials=3, seed=1)
        refused(place, "version of autonoise", "now 99.0", trials=3, before=another_version)
        (tmp_path / "space.yaml").write_text(dump_yaml({**SPACE, "max_techniques": 1}))
        refused(place, "space hash", trials=3)
        (tmp_path / "space.yaml").write_text(dump_yaml(SPACE))
        with np.load(tmp_path / "rows.npz") as rows:
            x, y = rows["x"], rows["y"]
        np.savez(tmp_path / "rows.npz", x=x + 0.5, y=y)
        refused(place, "data fingerprint", trials=3)
        assert before == {p: p.read_bytes() for p in place.out.rglob("*") if p.is_file()}
        np.savez(tmp_path / "rows.npz", x=x, y=y)
        assert place.search(trials=3).wait() == 0
        row("gone on with another seed, version, space, data: refused, nothing changed", 4, 0, None)


def test_a_model_that_prints(tmp_path: Path) -> None:
    with made(tmp_path, 'print("[bold]hello\\x1b[31m" * 20)') as place:
        process = place.search(trials=2)
        assert process.wait() == 0, process.told()[-2000:]
        assert "hello" in process.told()
