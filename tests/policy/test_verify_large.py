"""How large the made-up batch is that a policy is checked on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autonoise.errors import PolicyError
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.verify import check_of, verify
from autonoise.types import InputSpec


def policy(length: int) -> Policy:
    made = Policy(
        "timeseries",
        (Step.of("gaussian_noise", std=0.5),),
        input=InputSpec(data_type="timeseries", layout=(1, length), classes=2),
    )
    return replace(made, check=check_of(made))


def test_rows_become_fewer_where_samples_are_large(tmp_path: Path) -> None:
    assert "rows" not in policy(2**16).check  # 64 rows are four million values
    large = policy(2**20)
    assert large.check["rows"] == 4
    # the mean of |0.5 z| over a normal z is 0.5 sqrt(2 / pi)
    assert large.check["statistics"]["0.gaussian_noise"] == pytest.approx(0.3989, rel=0.01)
    large.save(tmp_path / "p.yaml")
    assert [line.partition(":")[0] for line in verify(load_policy(tmp_path / "p.yaml"))] == ["0.gaussian_noise"]
    with pytest.raises(PolicyError, match="changes its input by"):
        verify(replace(large, check={**large.check, "statistics": {"0.gaussian_noise": 0.5}}))
    assert policy(2**22 + 1).check == {}


def test_a_file_that_asks_for_gigabytes_is_not_checked() -> None:
    huge = replace(policy(2**22 + 1), check={"statistics": {"0.gaussian_noise": 0.5}})
    assert "64 samples of 4,194,305 values are too large to check" in verify(huge)[0]
    old = replace(policy(2**16 + 1), check={"statistics": {"0.gaussian_noise": 9.0}})
    assert "too large to check" in verify(old)[0]
    small = replace(policy(2**16), check={"statistics": {"0.gaussian_noise": 9.0}})
    with pytest.raises(PolicyError, match="where it was exported with"):
        verify(small)


@pytest.mark.parametrize("rows", [0, 65, "4", 2.5, -1])
def test_rows_of_a_file_are_checked(rows: object) -> None:
    with pytest.raises(PolicyError, match=r"check\.rows"):
        Policy.from_dict({"format": "autonoise-policy/1", "data_type": "image", "check": {"rows": rows}})
