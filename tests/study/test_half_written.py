"""What a killed process left half written goes when the study is opened again; what is being written stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from autonoise.study.folder import StudyFolder


def test_a_killed_process_leaves_no_half_written_policy(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.create()
    old, inner, mine = (
        tmp_path / ".policy.yaml.4rasixy9",
        folder.policies / ".found.yaml.abcdefgh",
        tmp_path / ".notes.yaml",
    )
    for file in (old, inner, mine):
        file.write_text("half")
        os.utime(file, (time.time() - 60, time.time() - 60))
    new = tmp_path / ".policy.yaml.zzzzzzzz"
    new.write_text("being written")
    folder.create()
    assert [p.exists() for p in (old, inner, mine, new)] == [False, False, True, True]
