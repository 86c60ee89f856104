"""Policies that come with autonoise, by name."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from autonoise.cli import main
from autonoise.errors import PolicyError, PolicyWarning, UnknownNameError
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.shipped import file_of, needs, shipped
from autonoise.types import InputSpec


def test_a_shipped_policy_is_loaded_by_its_name() -> None:
    policy = load_policy("image/fashion-mnist")  # better: no warning
    assert (policy.name, str(policy.data_type)) == ("fashion_mnist", "image")
    for same in ("image/fashion_mnist", "Image/Fashion-MNIST"):
        assert load_policy(same) == policy
    with pytest.warns(PolicyWarning, match=r"^tabular/adult: the verdict on this policy is no significant gain: "):
        load_policy("tabular/adult")
    with policy.attach(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), epochs=1, steps_per_epoch=1) as injector:
        x = torch.rand(8, 1, 28, 28)
        assert not torch.equal(injector.perturb(x, torch.zeros(8).long())[0], x)


def test_all_shipped_policies_load_by_their_names() -> None:
    assert len(shipped()) >= 16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        for name, one in shipped().items():
            assert load_policy(name).data_type == one.data_type == name.partition("/")[0]
            assert load_policy(one.file) == load_policy(name)


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("image/fashon-mnist", "did you mean image/fashion-mnist"),
        ("fashion-mnist", "did you mean image/fashion-mnist?"),
        ("audio/fashion-mnist", "image/fashion-mnist"),  # there is none of this name for sound
        ("image", "did you mean image/digits"),
        ("qqqqqq", "autonoise policies lists them"),
    ],
)
def test_an_unknown_name_is_one_line_with_near_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, near: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError) as caught:
        load_policy(typed)
    message = str(caught.value)
    assert message.startswith(f"no policy file {typed!r}, and no shipped policy of that name: ")
    assert near in message and "\n" not in message and len(message) < 250


@pytest.mark.parametrize("path", ["nothing.yaml", "image/fashion-mnist.yaml", "./image", "a/b/c", "/a/b", "../x", "~x"])
def test_what_looks_like_a_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError, match="no such policy file; check the path"):
        load_policy(path)
    with pytest.raises(PolicyError, match="no such policy file"):
        load_policy(Path("image/fashion-mnist"))


def test_a_file_and_a_name_are_never_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image").mkdir()
    Policy("text", (Step.of("mixup"),), "mine").save("mine.yaml")
    Path("mine.yaml").rename("image/fashion-mnist")
    Path("image/own").write_text(Path("image/fashion-mnist").read_text())
    with pytest.raises(PolicyError, match=r"such a file here too: write \./image/fashion-mnist for the file"):
        load_policy("image/fashion-mnist")
    for fine in ("./image/fashion-mnist", Path("image/fashion-mnist"), "image/own"):
        assert load_policy(fine).name == "mine"
    assert file_of("image/digits").name == "policy.yaml"


def test_what_a_policy_needs_is_told() -> None:
    def of(data_type: str, *names: str, **more: Any) -> tuple[str, ...]:
        return needs(Policy(data_type, tuple(Step.of(n) for n in names), **more))  # type: ignore[arg-type]

    assert of("image", "gaussian_noise", "mixup", "gce") == ()
    assert of("image", "sam") == ("training_step",)
    assert of("image", "gradient_noise") == ("the optimiser, in attach or training_step",)
    words = InputSpec(data_type="text", layout=(9,), vocabulary_size=50)
    assert of("text", "eda", "token_masking", "mlm_pretraining", input=words) == (
        "raw_transform in the data loader",
        "injector.pretrain before training",
        "the tokenizer described by input=",
    )
    columns = InputSpec(data_type="tabular", layout=(2,), numeric=(0, 1))
    assert of("tabular", "swap_noise", input=columns) == ("the columns of the search, or input=",)
    assert of("tabular", "mixup", input=columns) == ()
    noise = Policy("audio", (Step.of("background_noise", clips="street.npz"),))
    assert needs(noise) == ("the file street.npz",)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> SimpleNamespace:
    capsys.readouterr()
    return SimpleNamespace(status=main(list(words)), **capsys.readouterr()._asdict())


def test_policies_are_listed_with_their_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(run(capsys, "policies", "--json").out)
    assert [r["name"] for r in rows] == list(shipped())
    one = next(r for r in rows if r["name"] == "image/fashion-mnist")
    assert (one["verdict"], one["data_type"], one["needs"]) == ("better", "image", [])
    assert one["gap_closed"] == [0.56572, 0.36287, 0.76857] and one["difference"] == [0.03, 0.01597, 0.04403]
    listed = run(capsys, "policies", "--type", "image")
    assert listed.status == 0
    assert "image/fashion-mnist" in listed.out and "57 % [36, 77]" in listed.out and "+0.030 [+0.016" in listed.out
    assert "audio/" not in listed.out and listed.err == ""
    assert "did you mean image?" in run(capsys, "policies", "--type", "imag").err
    assert run(capsys, "show", "image/fashion-mnist").out.startswith("verdict: better: score +0.030")
    assert run(capsys, "verify", "image/digits").status == 0
    assert "did you mean image/digits" in run(capsys, "show", "image/digit").err


def test_searches_of_ones_own_in_a_checkout_are_not_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("theirs", "mine"):
        (tmp_path / name).mkdir()
        Policy("tabular", [Step.of("dropout")], name).save(tmp_path / name / "policy.yaml")
    (tmp_path / "mine" / "study.db").touch()
    monkeypatch.setattr("autonoise.policy.shipped.resource_dir", lambda name: tmp_path)
    assert list(shipped()) == ["tabular/theirs"]
