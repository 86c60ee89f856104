"""Noise on single samples, inside a data set: what ``policy.transform()`` gives."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from autonoise.batches import batch_adapter
from autonoise.batches.samples import Sample, check_range, content_key, open_sample, text_key
from autonoise.errors import AttachError
from autonoise.injector.before_forward import apply_input
from autonoise.injector.raw import USED, RawTransform
from autonoise.ops.random import generator, seed_from, uniform_from
from autonoise.technique.schedule import Gate
from autonoise.technique.stages import InputNoise
from autonoise.technique.step import Step, Steps
from autonoise.types import InputSpec, Scale, Stage

log = logging.getLogger("autonoise")


class SampleTransform(RawTransform):
    """Noise on one sample at a time: the steps of a policy that need neither a model nor other samples.

    ``transform(sample)`` takes a picture, waveform, series, row of a table or string, and returns one of the same kind,
    shape, dtype and scale; the given one stays as it is. ``transform(sample, index)`` says which sample of the data set
    it is. The noise depends on (seed, epoch, index) alone, whatever the number of loader workers; without an index, on
    the content of the sample in its place, so that equal samples get equal noise within an epoch. Call
    ``set_epoch(epoch)`` at the start of each epoch; workers that run already see it.

    Steps of the stages raw (strings) and input (everything else) act here, in the order of the policy. Schedules move
    on by epochs, and a step that acts in every k-th update acts on every k-th sample, at random. What else the policy
    has is in :attr:`left`: ``policy.attach(model, ..., done_in_data=transform)`` attaches it, without what was done
    here.

    Attributes:
        steps: the steps that act here, each with its position in the policy.
        left: the steps that are left to the injector.
        rest: the policy of these alone.

    Raises AttachError when it is called with something that is no sample of the policy's data type.
    """

    made_by: ClassVar[str] = "policy.transform()"
    takes: ClassVar[str] = "sample"
    where: ClassVar[str] = "in the data set"

    def __init__(self, policy: Steps, *, epochs: int = 1, seed: int = 0, spec: InputSpec | None = None) -> None:
        super().__init__(policy, epochs=epochs, seed=seed)
        if spec is not None and (not isinstance(spec, InputSpec) or spec.data_type != policy.data_type):
            raise AttachError(f"input= must be an InputSpec of {policy.data_type} data, but got {spec!r:.80}")
        self._adapter = batch_adapter(policy.data_type)
        done = {i for i, s in enumerate(policy.steps) if not self._why_left(s, policy)}
        self.steps = [
            (i, _by_sample(s) if s.stage is Stage.INPUT else s) for i, s in enumerate(policy.steps) if i in done
        ]
        self.left = tuple(s for i, s in enumerate(policy.steps) if i not in done)
        self.rest = replace(policy, steps=self.left)
        self.hashes = frozenset({self.rest.hash})
        self._explicit = spec is not None
        self._spec = spec or policy.input or InputSpec(data_type=policy.data_type, layout=())
        if self._adapter.continuous and any(s.stage is Stage.INPUT for _, s in self.steps):
            self._tell_scale(policy.name)
        self._tell_left(policy)

    def __call__(self, sample: Any, index: int | None = None, *, sample_rate: int | None = None) -> Any:
        """The sample with noise.

        Args:
            sample: a picture, waveform, series, row of a table or string, as above.
            index: which sample of the data set it is; None: its content decides.
            sample_rate: of a waveform, in Hz, where it is not that of the description.
        """
        key = content_key(sample) if index is None else int(index)
        seed, epoch, _, used = self._state.tolist()
        if not used:
            self._state[USED] = 1
        acting = self._acting(epoch)
        if not self._adapter.continuous:
            if isinstance(sample, Mapping):
                name = text_key(sample)
                return {**sample, name: self._perturb(sample[name], key, seed, epoch, acting)}
            return self._perturb(sample, key, seed, epoch, acting)
        with torch.no_grad():
            spec = self._spec if sample_rate is None else replace(self._spec, sample_rate=sample_rate)
            return self._noisy(sample, spec, key, seed, epoch, acting)

    def many(self, texts: Sequence[Any], indices: Any) -> list[Any]:
        """``[transform(sample, index) ...]`` over both lists."""
        return [self(t, int(i)) for t, i in zip(texts, indices, strict=True)]

    def _noisy(
        self, sample: Any, spec: InputSpec, key: int, seed: int, epoch: int, acting: list[tuple[int, Step, float]]
    ) -> Any:
        opened = open_sample(sample, self._adapter, spec, explicit=self._explicit)
        main, info = self._adapter.open(opened.batch, opened.spec)
        check_range(main, self._adapter, info.bounds, self._adapter.scale_words(opened.spec))
        start, strongest = main, 0.0
        for position, step, m in acting:
            share, strength = step.probability, m
            if step.technique.multiplier == "probability":
                share, strength = share * m, 1.0
            elif step.magnitude == "uniform":
                strength = m * uniform_from(seed, epoch, key, position, 2)
            if strength > 0 and uniform_from(seed, epoch, key, position, 0) < share:
                rng = generator(seed_from(seed, epoch, key, position, 1))
                main = apply_input(step, main, torch.tensor([strength]), rng, info, everywhere=True)
                strongest = max(strongest, strength)
        if main is start:
            return sample
        # a schedule or a random magnitude that is nearly 0 is meant to change nearly nothing
        return self._back(opened, start, main, watched=strongest >= 0.5)

    def _back(self, opened: Sample, start: Tensor, main: Tensor, *, watched: bool) -> Any:
        """The sample with the values that differ; the others keep every bit. ``watched``: tell if rounding undid it."""
        adapter = self._adapter
        original = adapter.main(opened.batch)
        changed = adapter.main(adapter.close(opened.batch, main, opened.spec))
        changed = torch.where((main != start).reshape(original.shape), changed, original)
        lost = watched and original.dtype == torch.uint8 and torch.equal(changed, original)
        if lost and not torch.equal(main, start):
            self._tell_once("rounded", "noise of less than half a grey level is rounded away in samples of 8 bits: "
                            "put the transform behind what makes floats of them")  # fmt: skip
        return opened.back(changed)

    def _why_left(self, step: Step, policy: Steps) -> str:
        """Why a step cannot act here; empty where it can."""
        if step.stage is Stage.RAW:
            return ""
        if step.one_of:
            return f"one step of the group {step.one_of!r} is drawn for each row of a batch"
        if step.stage is not Stage.INPUT:
            return f"{step.stage} stage"
        if not self._adapter.continuous:
            return "it acts on token ids"
        assert isinstance(step.technique, InputNoise)
        if step.technique.needs_other_rows:
            return "it takes values from other rows"
        for _, other in policy.at_stage(Stage.STEP):
            # consistency losses and the like draw the same noise again, on the clean batch
            if other.technique.whole_step or getattr(other.technique, "source", "") == "clean":
                return f"{other.name} needs it beside the clean batch"
        if policy.clean_share:
            return "a share of each batch stays clean"
        return ""

    def _tell_left(self, policy: Steps) -> None:
        if not self.left:
            return
        done = ", ".join(s.name for _, s in self.steps) or "nothing"
        left = ", ".join(f"{s.name} ({self._why_left(s, policy)})" for s in self.left)
        log.warning(
            "%s: policy.transform() does %s; it leaves to the injector %s: "
            "policy.attach(model, ..., done_in_data=transform)",
            policy.name,
            done,
            left,
        )

    def _tell_scale(self, name: str) -> None:
        if not self._explicit and self._adapter.canonical_scale is Scale.STANDARDISED:
            log.warning(
                "%s: policy.transform() takes the numbers of a sample as standardised; say "
                "policy.transform(input=policy.input) if they are, or "
                "input=dataclasses.replace(policy.input, scale='unit') for raw ones, which the mean and std of the "
                "description standardise",
                name,
            )

    def _tell_once(self, about: str, line: str) -> None:
        if about not in self._adapter.told:
            self._adapter.told.add(about)
            log.warning(line)


def without_done(
    policy: Steps, done: SampleTransform | None, raw: RawTransform | None
) -> tuple[Steps, RawTransform | None]:
    """What is left to the injector of a policy whose other steps act in the data set, and the transform it follows.

    Raises AttachError where the transform is of another policy, or comes together with one for strings.
    """
    if done is None:
        return policy, raw
    if not isinstance(done, SampleTransform):
        raise AttachError(f"done_in_data= must be what policy.transform() returned, but got a {type(done).__name__}")
    if raw is not None:
        raise AttachError("raw_transform= and done_in_data= both perturb strings: pass done_in_data= alone")
    if done.policy_hash != policy.hash:
        raise AttachError(
            f"done_in_data= is of policy {done.policy_hash}, not of {policy.hash}: make it by policy.transform()"
        )
    return done.rest, done


def _by_sample(step: Step) -> Step:
    """A step of every k-th update as one on every k-th sample, at random: a data set knows of no updates."""
    if step.gate.unit != "update" or step.gate.every == 1:
        return step
    return replace(step, gate=Gate(), probability=step.probability / step.gate.every)
