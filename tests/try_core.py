"""Trains with all that is shipped where only what training needs is installed, and asks for what a search needs.

`make check` runs it where the wheel is installed without extras. test_core.py runs it with `--hide`, which hides the
packages of the extras instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

# jinja2 and its markupsafe are left out: torch brings them
SEARCH = ("julius", "matplotlib", "optuna", "pandas", "PIL", "pyarrow", "rich", "safetensors", "scipy", "sklearn")
BEYOND = (*SEARCH, "tokenizers", "typer", "soundfile", "datasets", "lightning", "transformers", "optuna_dashboard")
TRAINING = {
    "AutonoiseError", "InputSpec", "NoiseInjector", "Policy", "RobustnessMonitor", "Schedule", "SearchSpace", "Step",
    "__version__", "load_policy",
}  # fmt: skip
REMEDY = 'which is not installed: pip install "autonoise[search]"'
TEXTS = ["the waiter was friendly and the food came quickly", "nobody knows why it stopped", "fine", ""]


class Hidden(PathFinder):
    """Finds everything but the packages of the extras."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        return None if fullname.partition(".")[0] in BEYOND else super().find_spec(fullname, path, target)


def train(policy, batch, y, model, spec) -> None:  # type: ignore[no-untyped-def]
    """Two updates; raises where a step does, where the loss is no number, or where nothing is learned."""
    import torch

    from autonoise.types import Stage

    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with policy.attach(model, epochs=1, steps_per_epoch=2, input=spec, optimizer=optimizer) as injector:
        if list(policy.at_stage(Stage.RAW)):
            injector.raw_transform().many(TEXTS, range(len(TEXTS)))
        injector.pretrain(lambda: [batch])
        for _ in range(2):
            loss = injector.training_step(batch, y, optimizer, rows=torch.arange(len(y)))
            assert bool(torch.isfinite(loss)), f"{policy.name}: loss {loss}"
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert not torch.equal(before, after), policy.name


def train_with_shipped_policies() -> int:
    """Each policy on a batch of the kind of data that it was found on, in the small model of that data type."""
    import torch

    from autonoise import load_policy
    from autonoise.batches import batch_adapter
    from autonoise.files import resource_dir
    from autonoise.proxies import build_proxy

    files = sorted(resource_dir("studies").glob("**/*.yaml"))
    # studies of one's own, such as that of make demo, have their trials beside them
    files = [f for f in files if not any((folder / "study.db").exists() for folder in f.parents[:2])]
    for file in files:
        policy = load_policy(file)
        adapter = batch_adapter(policy.data_type)
        spec = policy.input
        batch = adapter.synthetic(spec, 4, torch.Generator().manual_seed(0))
        train(policy, batch, torch.arange(4) % spec.classes, build_proxy(spec, size=0.5), spec)
    return len(files)


def train_with_presets_and_techniques() -> int:
    """Each preset and each starting policy of the search spaces, and each technique for each of its data types."""
    from autonoise import SearchSpace
    from autonoise.technique import techniques_for
    from autonoise.testing.samples import model_for, spec_of, targets, tensor_batch
    from autonoise.testing.training import policy_for
    from autonoise.types import DataType

    count = 0
    for data_type in DataType:
        space = SearchSpace.load(data_type)
        alone = [policy_for(kind, data_type) for kind in techniques_for(data_type)]
        for policy in (*space.presets, *space.seeds, *alone):
            batch = tensor_batch(data_type)
            train(policy, batch, targets(), model_for(data_type, batch), spec_of(data_type, batch))
            count += 1
    return count


def watch_a_training() -> None:
    """The monitor measures noisy sets that the user made; those that it would make itself need the extra."""
    import torch

    from autonoise import Policy, RobustnessMonitor, Step

    x, y = torch.rand(20, 1, 8, 8), torch.arange(20) % 3
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    with Policy("image", [Step.of("gaussian_noise")]).attach(model, epochs=1, steps_per_epoch=1) as injector:
        injector.perturb(x, y)
        row = RobustnessMonitor(injector, {"clean": (x, y), "noisy": (x + 0.1, y)}).epoch()
        assert row is not None and row["noisy"] is not None
        with refused("corruptions"):
            RobustnessMonitor(injector, (x, y)).epoch()


def check_message(e: Exception, purpose: str) -> None:
    assert str(e).startswith(f"{purpose} needs ") and str(e).endswith(REMEDY), e


@contextlib.contextmanager
def refused(purpose: str) -> Iterator[None]:
    from autonoise import AutonoiseError

    try:
        yield
    except AutonoiseError as e:
        check_message(e, purpose)
    else:
        raise AssertionError(f"{purpose}: does without the packages of a search")


def ask_for_what_a_search_needs(*, installed: bool) -> None:
    """The command and the functions of a search say in one line what to install."""
    import autonoise
    from autonoise.cli import main

    missing = set()
    for name in autonoise.__all__:
        try:
            getattr(autonoise, name)
        except autonoise.AutonoiseError as e:
            check_message(e, f"autonoise.{name}")
            missing.add(name)
    assert not missing & TRAINING and {"search", "PolicySampler"} <= missing, missing
    with refused("autonoise.data"):
        importlib.import_module("autonoise.data")
    for module in pkgutil.iter_modules([str(Path(str(autonoise.__file__)).parent / "integrations")]):
        with contextlib.suppress(autonoise.errors.MissingExtraError):
            importlib.import_module(f"autonoise.integrations.{module.name}")
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        assert main(["techniques"]) == 2
    said = [told.getvalue()]
    if installed:
        command = Path(sys.executable).with_name("autonoise")
        for words in ([command, "--help"], [sys.executable, "-I", "-m", "autonoise", "search", "digits"]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, ""), done
            said.append(done.stderr)
    for line in said:
        assert line.startswith("autonoise: the command autonoise needs ") and line.endswith(f"{REMEDY}\n"), line
        assert line.count("\n") == 1, line


def run() -> None:
    if "--hide" in sys.argv:
        sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden
    else:
        found = [name for name in BEYOND if importlib.util.find_spec(name) is not None]
        assert not found, f"to train with a policy needs no {', '.join(found)}, but installs it"
    # after the check: torch itself must come without them
    import torch

    torch.set_num_threads(1)  # models this small only wait for further threads
    policies, others = train_with_shipped_policies(), train_with_presets_and_techniques()
    watch_a_training()
    ask_for_what_a_search_needs(installed="--hide" not in sys.argv)
    sys.stdout.write(
        f"{policies} shipped policies, {others} presets and techniques train without what a search needs\n"
    )


if __name__ == "__main__":
    run()
