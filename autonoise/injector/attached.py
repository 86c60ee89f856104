"""What all parts of the injector share: the model that a policy is attached to, and where its training stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.batches.base import Form
from autonoise.batches.mappings import call_model
from autonoise.errors import AttachError
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.records import Records
from autonoise.injector.targets import SoftTargets, check_targets, fault_of_shares
from autonoise.technique.memory import MemoryLoss
from autonoise.technique.stages import PairPlan
from autonoise.technique.step import Steps
from autonoise.types import Batch, BatchInfo, InputSpec, Stage

CHECKED = 16
"""The number of first updates in which every batch is checked; later, what torch checks by itself is enough."""
NO_INDEX = -(2**31)
"""A class index that no target has, for cross entropy to ignore."""
_INPUT_STAGES = (Stage.INPUT, Stage.ADVERSARIAL, Stage.PAIR)
_SOFT_STAGES = (Stage.TARGET, Stage.PAIR, Stage.LOSS)


@dataclass
class MicroBatch:
    """The batch that is on its way through the model, as far as the hooks inside the model need to know it.

    Attributes:
        size: its number of rows; 0 before the first batch.
        blocks: the number of blocks of rows that it is made of, as many rows in each: versions of the same rows.
        mixed: the number of blocks, from the first on, whose rows ``plans`` mix.
        given: what is known of its input, or None where nobody has opened the batch yet.
        open: opens the batch for that.
        strengths: by step, the strength of each row, drawn once and used at each place of the step.
        plans: by pair step, who is mixed with whom, where that happens inside the model.
        chosen: by pair step, the number of the place at which the pairs of this batch are mixed.
        delta: what an attack adds to the output of the embedding.
        inner: what is known of the input, in the form that holds inside the model, where it is the same everywhere.
    """

    size: int
    given: BatchInfo | None
    open: Callable[[], BatchInfo]
    blocks: int = 1
    mixed: int = 1
    strengths: dict[int, Tensor | None] = field(default_factory=dict)
    plans: dict[int, PairPlan] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    delta: Tensor | None = None
    inner: BatchInfo | None = None

    @property
    def info(self) -> BatchInfo:
        if self.given is None:
            self.given = self.open()
        return self.given


class Attached:
    """A policy's steps together with the model that they act on.

    Attributes:
        policy: the steps and the strength that training began with.
        model: as it was given, which may be a wrapper such as DistributedDataParallel.
        inner: the model inside of the wrapper, whose modules carry the hooks; otherwise the same as ``model``.
        adapter: reads and writes batches of the data type.
        spec: what the batches look like; complete once the first has been seen.
        explicit: whether the user described the input, so that nothing about it is to be guessed.
        checked: whether the first batch has been seen.
        pretrained: whether the phases before training have run.
        clock: the update and micro-batch that training has reached, and the random numbers that belong to it.
        knob: the global strength, which everything reads and which may be changed while training goes on.
        batch: the micro-batch that is on its way through the model.
        soft: turns targets into (B, C) float32.
    """

    def __init__(
        self,
        policy: Steps,
        model: nn.Module,
        adapter: BatchAdapter,
        spec: InputSpec,
        clock: Clock,
        knob: Knob,
        *,
        explicit: bool,
        forward: Callable[[nn.Module, Any], Tensor] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.policy, self.model, self.inner = policy, model, unwrapped(model)
        self.adapter, self.spec, self.explicit, self.checked = adapter, spec, explicit, False
        self.pretrained = False
        self._form: Form | None = None
        self._seen: tuple[object, ...] = ()
        self._fault_of_shares = ""
        self.clock, self.knob = clock, knob
        clock.follow(policy)
        self._forward, self._loss = forward, loss
        self.batch = MicroBatch(0, BatchInfo(spec=spec), lambda: BatchInfo(spec=spec))
        self.soft = SoftTargets(self.classes)
        self.records = Records(self.classes) if self.memory is not None else None
        """A record of each sample, for a loss that needs it."""
        self.changes_input = any(s.stage in _INPUT_STAGES for s in policy.steps)
        """Whether a step needs the batch opened: its main tensor in canonical units."""
        self.wants_soft = any(s.stage in _SOFT_STAGES for s in policy.steps) or policy.needs_whole_step
        """Whether a step needs targets (B, C)."""

    @property
    def strength(self) -> float:
        """The global strength: the number that every step's strength is multiplied by."""
        return self.knob.value

    @property
    def memory(self) -> MemoryLoss | None:
        """The technique that keeps a record of each sample; a policy has at most one."""
        losses = (s.technique for _, s in self.policy.at_stage(Stage.LOSS))
        return next((t for t in losses if isinstance(t, MemoryLoss)), None)

    @property
    def classes(self) -> int:
        return self.spec.classes

    def forward(self, x: Batch, *, synchronised: bool = False) -> Tensor:
        """Logits of the model: by the user's ``forward``, or ``model(x)``, or ``model(**x)`` for models that are
        called with keywords.

        ``synchronised``: through DistributedDataParallel, whose own forward prepares the averaging of gradients.
        """
        model = self.model if synchronised else self.inner
        return call_model(model, x) if self._forward is None else self._forward(model, x)

    def base_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The loss without any step of the policy: the user's own, or else cross entropy."""
        if self._loss is not None:
            return self._loss(logits, y)
        if self._fault_of_shares:
            raise AttachError(self._fault_of_shares)
        try:
            # Cross entropy ignores -100 by default, which is no class either. On the CPU such a target raises an
            # error here; on a GPU it could only stop the whole process by an assertion, and so is ignored.
            ignored = NO_INDEX if y.device.type == "cpu" else -100
            return F.cross_entropy(logits.float(), y, ignore_index=ignored)
        except (IndexError, RuntimeError):
            check_targets(y, len(y), self.classes)
            raise

    def open(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        """(main tensor of a batch in canonical units, what is known of it)."""
        return self.adapter.open(x, self.spec)

    def begin(self, size: int, info: BatchInfo | None, x: Batch, *, blocks: int = 1, mixed: int = 1) -> MicroBatch:
        """A new micro-batch: what was drawn for the last one is forgotten."""
        self.batch = MicroBatch(size, info, lambda: self.open(x)[1], blocks, mixed)
        return self.batch

    def spec_for(self, x: Batch) -> InputSpec:
        """The description of batches such as x: that of training, or what x shows as long as there was no training.

        Raises AttachError where x does not fit the description that there is.
        """
        return self.spec if self.checked else self.adapter.check(x, self.spec, explicit=self.explicit)

    def check(self, x: Batch, y: Tensor) -> None:
        """Complete the description of the input by the first batch; raise AttachError where a batch does not fit."""
        if not self.checked:
            spec = self.spec_for(x)
            layout = spec.layout or tuple(self.adapter.main(x).shape[1:])
            self.spec, self.checked = replace(spec, classes=self.classes, layout=layout), True
        main = self.adapter.main(x)
        if self._form is None:
            # the first batch, or the first after resuming
            self.adapter.check_shape(main, self.spec)
            self._form, self._seen = self.adapter.form_of(main), ()
        # a batch that looks like one that was fine needs no second look
        if self._seen != (main.shape, main.dtype):
            self.adapter.same_form(main, self._form)
            self._seen = main.shape, main.dtype
        early = self.clock.update < CHECKED
        if early and not self.explicit:
            self.adapter.recheck(x, self.spec)
        check_targets(y, main.shape[0], self.classes, values=early)
        # a loss of the user's own may take them, so that they are refused where cross entropy would
        self._fault_of_shares = fault_of_shares(y) if early else ""


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DataParallel or DistributedDataParallel; any other model as it is."""
    wrapped = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner: nn.Module = getattr(model, "module", model) if wrapped else model
    return inner


@contextmanager
def input_gradient(model: nn.Module) -> Iterator[None]:
    """Let a model take an input that requires a gradient.

    Transformers' encoders of sound (wav2vec 2.0, HuBERT, WavLM and the like) ask for the gradient of their input
    themselves, for gradient checkpointing, and fail where the input has one already. Their attribute
    ``_requires_grad`` says whether they ask.
    """
    asking = [m for m in model.modules() if m.__dict__.get("_requires_grad") is True]
    for module in asking:
        module._requires_grad = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in asking:
            module._requires_grad = True  # type: ignore[assignment]


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm goes on using the batch's statistics but does not learn from it."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        # instance norm moves its running statistics whatever the flag says, unless its momentum is 0
        norm.track_running_stats, norm.momentum = False, 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.track_running_stats, norm.momentum = True, momentum
