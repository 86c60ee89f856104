"""The name of a study is a name and never a place, wherever it comes from."""

from pathlib import Path

import pytest
from study_samples import config_of

from autonoise.calling import config_of as asked
from autonoise.errors import StudyError
from autonoise.study.config import StudyConfig

PLACES = ["..", ".", "", " ", "../other", "a/b", "/tmp/x", "a\\b", "a\nb", "\x1b[31mred", "x" * 201]


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match="--study must be a plain name without slashes, but got") as caught:
        config_of(tmp_path, study=name)
    assert "\n" not in str(caught.value)
    with pytest.raises(StudyError, match="--study must be a plain name"):
        asked("wine", {"study": name})


def test_a_place_in_a_study_file_is_no_name(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    config_of(tmp_path).save(file)
    with pytest.raises(StudyError, match="--study must be a plain name"):
        asked(str(file), {"study": ".."})
    file.write_text(file.read_text().replace("study: sample", "study: ../sample"))
    with pytest.raises(StudyError, match="--study must be a plain name"):
        StudyConfig.load(file)


@pytest.mark.parametrize("name", ["shop", "shop-2.1", "in memory: x", "größe", "..a", "x" * 200])
def test_names(tmp_path: Path, name: str) -> None:
    assert config_of(tmp_path, study=name).study == name
