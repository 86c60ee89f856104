"""Run by `make check` with the interpreter of an empty environment that holds the wheel and nothing of the checkout."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path


def main() -> None:
    import torch

    import autonoise

    here = Path(__file__).resolve().parents[1]
    assert here not in Path(autonoise.__file__).resolve().parents or "build" in autonoise.__file__, autonoise.__file__
    assert resources.files("autonoise").joinpath("py.typed").is_file()
    assert "MIT" in (metadata.metadata("autonoise")["License-Expression"] or "")
    space = autonoise.SearchSpace.load("image")
    assert space.presets
    policy = autonoise.Policy("image", [autonoise.Step.of("gaussian_noise", std=0.1)])
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    with policy.attach(model, epochs=1, steps_per_epoch=1) as injector:
        x = torch.rand(8, 1, 8, 8)
        noisy, _ = injector.perturb(x, torch.arange(8) % 3)
        assert isinstance(noisy, torch.Tensor)
        assert 0.02 < float((noisy - x).std()) < 0.2
    for command in (["--help"], ["techniques"], ["corruptions"]):
        subprocess.run([sys.executable, "-I", "-m", "autonoise", *command], check=True, stdout=subprocess.DEVNULL)
    sys.stdout.write(f"autonoise {metadata.version('autonoise')} works from its wheel\n")


if __name__ == "__main__":
    main()
