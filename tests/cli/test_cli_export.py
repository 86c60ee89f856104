"""autonoise export --to: code for another library out of a policy file, and what is refused."""

from __future__ import annotations

from pathlib import Path

from autonoise.policy import Policy, Step
from cli.running import Command


def test_code_for_another_library(command: Command, tmp_path: Path) -> None:
    file, out = tmp_path / "policy.yaml", tmp_path / "noise.py"
    Policy("image", [Step.of("gaussian_noise", std=0.25), Step.of("mixup")], name="two").save(file)
    done = command("export", file, "--to", "kornia", "--out", out)
    assert done.status == 0, done.err
    assert done.out.splitlines() == [
        "not in kornia: mixup, it acts in the training step (pair stage)",
        f"{out}  (gaussian_noise)",
    ]
    assert "K.RandomGaussianNoise(mean=0.0, std=0.25, p=1.0)" in out.read_text()
    shipped = command("export", "image/fashion-mnist", "--to", "torchvision", "--out", tmp_path / "shipped.py")
    assert shipped.status == 0 and "T.GaussianBlur" in (tmp_path / "shipped.py").read_text()


def test_what_export_to_refuses(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    Policy("image", [Step.of("mixup")], name="pairs").save(file)
    for arguments, message in (
        (["--to", "kornia"], "kornia can express no step of pairs: nothing was written"),
        (["--to", "korna"], "unknown library 'korna' after --to: did you mean kornia?"),
        (
            ["--to", "audiomentations"],
            "pairs is for image data: export it --to albumentations or kornia or torchvision",
        ),
        (["--to", "kornia", "--out", tmp_path / "x.yaml"], "x.yaml must end in .py"),
        (["--to", "kornia", "--trial", "3"], "--trial 3 is of a study"),
        ([], "is a file already: say which library"),
    ):
        done = command("export", file, *arguments)
        assert done.status == 2 and message in done.out + done.err, arguments
    assert [p.name for p in tmp_path.iterdir()] == ["policy.yaml"]
