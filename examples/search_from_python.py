"""A search from a script or a notebook, on three kinds of data that people hold.

    python examples/search_from_python.py            # some minutes
    python examples/search_from_python.py --quick    # a try of half a minute, whose verdicts mean nothing

Each call prints its progress and returns a result: ``result.policy`` to train with, ``result.verdict`` in a word,
``result.table()`` as a pandas frame, ``result.report`` as the path of an HTML page. The same call again continues.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch.utils.data import Dataset

import autonoise


class Digits(Dataset[tuple[torch.Tensor, int]]):
    """Handwritten digits as training code usually holds them: a tensor (1, 8, 8) in 0..1, and a class."""

    classes = tuple("0123456789")

    def __init__(self) -> None:
        images, self.labels = load_digits(return_X_y=True)
        self.images = torch.from_numpy(images.astype(np.float32) / 16).reshape(-1, 1, 8, 8)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.images[i], int(self.labels[i])


def quick_options(data_type: str) -> dict[str, Any]:
    """Two trials of one epoch on 100 rows, in a search space of one's own with a single technique."""
    techniques = {"gaussian_noise": {"std": [0.05, 0.5]}}
    space = {"format": "autonoise-space/1", "data_type": data_type, "techniques": techniques}
    return {"trials": 2, "epochs": 1, "seeds": 3, "train_rows": 100, "space": space}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two trials, one epoch, 100 rows, one technique")
    quick = parser.parse_args().quick
    long = {"trials": 20, "workers": 2}
    table, picture = (quick_options(t) if quick else long for t in ("tabular", "image"))

    arrays = load_breast_cancer(return_X_y=True)
    report("arrays", autonoise.search(arrays, out="studies/arrays", **table))

    frame = load_breast_cancer(as_frame=True).frame
    report("a DataFrame", autonoise.search(frame, target="target", out="studies/frame", **table))

    report("a Dataset", autonoise.search(Digits(), out="studies/dataset", **picture))


def report(name: str, result: Any) -> None:
    print(f"\n{name}: {result.sentence}")
    print(f"{result.recommendation}; the report is {result.report}")
    print(result.table()[["clean", "noisy_held_out", "gap_closed"]].round(3), "\n")


if __name__ == "__main__":
    main()
