"""How to use the recommended policy, for each framework: code to copy, or why it cannot be used there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autonoise.report.page import Import
from autonoise.report.words import technique_of, usage
from autonoise.technique.registry import Technique
from autonoise.types import Stage

FILE = "policy.yaml"
_IN_DATA = frozenset({Stage.RAW, Stage.INPUT})
"""Stages that need neither a model nor other samples."""
_WITHOUT_MODEL = _IN_DATA | {Stage.TARGET, Stage.PAIR}
_LEARNERS = """from autonoise.integrations.sklearn import NoiseAugmenter

noise = NoiseAugmenter("policy.yaml", copies=4, random_state=0)
# the rows themselves, and four noisy copies of each
rows, targets = noise.fit_resample(X, y)
learner.fit(rows, targets)"""
_TRANSFORM = """from autonoise import load_policy

policy = load_policy("policy.yaml")
transform = policy.transform(epochs=epochs, seed=0)
# in the data set's __getitem__
sample = transform(sample, index)
# at the start of each epoch
transform.set_epoch(epoch)"""
_REST = """
# for the steps that do not act on single samples
injector = policy.attach(
    model,
    epochs=epochs,
    steps_per_epoch=len(loader),
    done_in_data=transform,
)"""
_CALLBACK = """from autonoise.integrations.{module} import NoisePolicy

{line}"""
_TRAINERS = (
    (
        "Lightning",
        "lightning",
        'noise = NoisePolicy("policy.yaml")\ntrainer = L.Trainer(max_epochs=epochs, callbacks=[noise])',
    ),
    (
        "Hugging Face Transformers",
        "transformers",
        'noise = NoisePolicy("policy.yaml")\ntrainer = Trainer(..., callbacks=[noise])',
    ),
    (
        "skorch",
        "skorch",
        'noise = NoisePolicy("policy.yaml")\nnet = NeuralNetClassifier(..., callbacks=[("noise", noise)])',
    ),
)
_STRINGS = """from autonoise.integrations.transformers import NoisePolicy, NoisyTrainer

# rows are {"text": ..., "label": ...}
noise = NoisePolicy("policy.yaml")
trainer = NoisyTrainer(
    ...,
    data_collator=noise.collator(tokenizer),
    callbacks=[noise],
)"""


def imports(steps: Sequence[Mapping[str, Any]]) -> tuple[Import, ...]:
    """A way to use ``policy.yaml`` with these steps for each framework, plain PyTorch first."""
    kinds = [k for k in map(technique_of, steps) if k is not None]
    code, note = usage(steps, FILE)
    whole = [k.name for k in kinds if k.whole_step]
    strings = any(k.stage is Stage.RAW for k in kinds)
    out = [Import("plain PyTorch", code, note)]
    for name, extra, line in _TRAINERS:
        need = f'Needs pip install "autonoise[{extra}]".'
        if whole:
            why = f"{', '.join(whole)} needs the whole training step, which this framework runs itself"
            out.append(Import(name, "", f"Not with this policy: {why}. Use the lines for plain PyTorch."))
        elif strings and extra == "transformers":
            out.append(Import(name, _STRINGS, need))
        else:
            more = " Noise on texts goes into your data set: see policy.raw_transform." if strings else ""
            out.append(Import(name, _CALLBACK.format(module=extra, line=line), need + more))
    return (*out, _learners(kinds), _transform(kinds))


def _learners(kinds: Sequence[type[Technique]]) -> Import:
    name, left = "scikit-learn, boosted trees", [k.name for k in kinds if k.stage not in _WITHOUT_MODEL]
    if len(left) == len(kinds):
        return Import(name, "", "Not with this policy: none of its steps acts without a model that has gradients.")
    note = 'Needs pip install "autonoise[sklearn]".' + _left_out(left, "a model with gradients")
    return Import(name, _LEARNERS, note)


def _transform(kinds: Sequence[type[Technique]]) -> Import:
    name, left = "transform() in a data set", [k.name for k in kinds if k.stage not in _IN_DATA]
    if len(left) == len(kinds):
        return Import(name, "", "Not with this policy: none of its steps acts on single samples.")
    code = _TRANSFORM + (_REST if left else "")
    note = "For pipelines such as torchvision's: one sample in, one of the same kind out."
    return Import(name, code, note)


def _left_out(names: Sequence[str], need: str) -> str:
    return f" Left out there, since it needs {need}: {', '.join(names)}." if names else ""
