"""The callback for the Trainer of Hugging Face's Transformers."""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.batches.mappings import logits_of
from autonoise.errors import AttachError, MissingExtraError
from autonoise.injector.attaching import Hook
from autonoise.integrations.foreign_loss import (
    ForeignLoss,
    Once,
    average_of,
    check_form,
    check_seen,
    needing_the_loss,
    softening,
)
from autonoise.integrations.text_collator import TextCollator
from autonoise.policy import NoiseInjector, Policy, load_policy
from autonoise.types import DataType, InputSpec, Stage

STATE = "autonoise"
"""Under this name the injector's state lies in ``trainer_state.json``, beside those of other callbacks."""
_NO_INPUT = {"labels", "num_items_in_batch"}
_BY_LABELS = (Stage.ADVERSARIAL, Stage.TARGET, Stage.PAIR, Stage.LOSS, Stage.STEP)
_USE_NOISY = "use autonoise.integrations.transformers.NoisyTrainer in place of Trainer"


def from_transformers(name: str) -> Any:
    try:
        return getattr(importlib.import_module("transformers"), name)
    except ImportError:
        raise MissingExtraError.of("transformers", "transformers", "the callback for Transformers") from None


class NoisePolicy(from_transformers("TrainerCallback")):  # type: ignore[misc]
    """A callback of Transformers' ``Trainer`` that lets a policy act while a model is trained.

    It attaches when training starts and detaches when it ends. The model gets noisy inputs with the labels as they are,
    and the cross entropy that it computes of them gets the policy's targets. Evaluation and prediction are clean. Its
    state is in the Trainer's checkpoints.

    Args:
        policy: a policy file (YAML or JSON), or a policy.
        seed: every draw is a function of it.
        attach: further arguments of ``Policy.attach``, such as ``input=``, ``sites=``, ``num_classes=``,
            ``raw_transform=`` and ``allow_partial=``. A tokenizer that is the Trainer's ``processing_class`` describes
            the input of a text policy by itself.

    Raises AttachError where the policy cannot act in this training: techniques that need the whole training step,
    labels that do not reach the model, a loss that the targets cannot reach, compiled models, DataParallel.

    Attributes:
        injector: the injector while training goes on; otherwise None.
        averaged_state_dict: after training with a policy that averages weights: the model's state with the average.
    """

    def __init__(self, policy: str | Path | Policy, *, seed: int = 0, **attach: Any) -> None:
        self.policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self.injector: NoiseInjector | None = None
        self.averaged_state_dict: dict[str, Tensor] | None = None
        self._seed, self._options = seed, attach
        self._handles: list[Any] = []
        self._collator: TextCollator | None = None
        self._noisy_collator = self._perturbing = False
        self._given: Tensor | None = None
        self._watch: ForeignLoss | None = None
        self._tell = Once(lambda line: logging.getLogger("autonoise").warning("%s: %s", self.policy.name, line))

    # -- what goes into the Trainer ------------------------------------------------------------------------------

    def collator(self, tokenizer: Any, **options: Any) -> TextCollator:
        """A data collator for rows of raw text, with the policy's noise on strings in training: pass it on as
        ``NoisyTrainer(..., data_collator=...)``. ``options``: see :class:`TextCollator`.
        """
        self._collator = TextCollator(tokenizer, self.policy.raw_transform(seed=self._seed), **options)
        return self._collator

    @staticmethod
    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Cross entropy as a ``compute_loss_func`` for :class:`NoisyTrainer`, for models that return logits alone."""
        return cross_entropy(outputs, labels, num_items_in_batch)

    # -- the hooks of the Trainer --------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.detach()
        model, loader, optimizer = given["model"], given["train_dataloader"], given["optimizer"]
        if not self._options.get("allow_partial"):
            check_form(self.policy, "write the loop yourself, with injector.training_step (docs/training.md)")
        _check(self.policy, args, self._tell)
        self._check_strings()
        total = int(state.max_steps)
        steps = total
        if hasattr(loader, "__len__"):
            steps = max(math.ceil(len(loader) / args.gradient_accumulation_steps), 1)
        epochs = max(math.ceil(total / steps), 1)
        options = {"input": _spec(self.policy, given.get("processing_class"))} | self._options
        if self._collator is not None:
            assert self._collator.transform is not None
            self._collator.transform.epochs = epochs
            options = {"raw_transform": self._collator.transform} | options
        self.injector = injector = self.policy.attach(
            model,
            epochs=epochs,
            steps_per_epoch=steps,
            # accelerate's wrapper takes no hooks
            optimizer=getattr(optimizer, "optimizer", optimizer),
            seed=self._seed,
            rank=args.process_index,
            **options,
        )
        try:
            self._resume(injector, state)
        except BaseException:
            self.detach()
            raise
        injector.clock.total = total
        before, after = Hook(model, self._before, self.detach), Hook(model, self._after, self.detach)
        self._handles = [
            model.register_forward_pre_hook(before, with_kwargs=True),
            model.register_forward_hook(after, always_call=True),
        ]

    def _resume(self, injector: NoiseInjector, state: Any) -> None:
        injector.clock.update = state.global_step
        saved = state.stateful_callbacks.get(STATE)
        if saved is not None and state.global_step:
            injector.load_state_dict(saved)
            if saved.get("averaged"):
                self._tell("average again", "checkpoints hold no average of the weights: it begins anew")
        elif state.global_step:
            self._tell(
                "resumed",
                f"the checkpoint has no state of this callback: noise goes on at update {state.global_step}",
            )

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for transform in self.injector.raw if self.injector is not None else ():
            transform.set_epoch(self.injector.clock.epoch)  # type: ignore[union-attr]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.injector is not None:
            self.injector.step()
            # the Trainer writes JSON, which holds no weights
            saved = self.injector.state_dict() | {"average": None, "averaged": self.injector.averages}
            state.stateful_callbacks[STATE] = saved

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.detach()

    def detach(self) -> None:
        """Leave the model as it was; done at the end of training. After an error, NoisyTrainer does it, Trainer not."""
        self._close()
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self.injector is not None:
            self.averaged_state_dict = average_of(self.injector, self._tell)
            self.injector.detach()
            self.injector = None

    # -- one batch -----------------------------------------------------------------------------------------------

    @contextmanager
    def labels(self, labels: Tensor | None) -> Iterator[None]:
        """One training step with these labels, whether or not the Trainer hands them to the model."""
        self._given = labels
        try:
            yield
            if self._watch is not None:
                self._told_of(self._watch)
        finally:
            self._given = None
            self._close()

    def _before(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        injector = self.injector
        if injector is None or self._perturbing or not model.training:
            return None
        y = kwargs.get("labels", self._given)
        x = {k: v for k, v in kwargs.items() if k not in _NO_INPUT and isinstance(v, Tensor) and v.ndim}
        if y is None and any(s.stage in _BY_LABELS for s in self.policy.steps):
            raise AttachError(
                f"the model is called without labels, which the policy's noise needs (the Trainer keeps them back for "
                f"label_smoothing_factor, compute_loss_func or a compute_loss of your own): {_USE_NOISY}"
            )
        self._perturbing = True  # attacks call the model too
        try:
            known = y if y is not None else torch.zeros(injector.adapter.size(x), dtype=torch.long)
            noisy, targets = injector.perturb(x, known)
        finally:
            self._perturbing = False
        assert isinstance(noisy, Mapping)
        self._close()
        if needing_the_loss(injector):
            assert y is not None
            self._watch = ForeignLoss(injector, y, targets, len(y))
            self._watch.__enter__()  # type: ignore[no-untyped-call]
        return args, {**kwargs, **noisy}

    def _after(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        watch = self._watch
        # where the labels are given, the loss may be computed after the model
        if watch is None or self._perturbing or self._given is not None:
            return
        self._close()
        if output is not None:  # else the model failed, and says so itself
            self._told_of(watch)

    def _close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _told_of(self, watch: ForeignLoss) -> None:
        assert self.injector is not None
        check_seen(
            watch,
            self.injector,
            "the training",
            f"let the model or compute_loss compute cross entropy, or {_USE_NOISY}",
        )
        if watch.smoothed and softening(self.injector):
            names = ", ".join(softening(self.injector))
            self._tell(
                "smoothing",
                f"the labels are softened twice, by {names} of the policy and by label_smoothing_factor or a "
                f"label_smoothing: set that to 0",
            )

    def _check_strings(self) -> None:
        """Raise AttachError where the policy has noise on strings, and none will act, or in evaluation too."""
        raw = [s.name for _, s in self.policy.at_stage(Stage.RAW)]
        if raw and self._collator is not None and not self._noisy_collator:
            raise AttachError(f"{', '.join(raw)}: Trainer collates training and evaluation alike: {_USE_NOISY}")
        if raw and not (self._collator or {"raw_transform", "allow_partial"} & self._options.keys()):
            raise AttachError(
                f"{', '.join(raw)} acts on strings, before the tokenizer: {_USE_NOISY}, with "
                f"data_collator=noise.collator(tokenizer), or leave it out by allow_partial=True"
            )
        self._noisy_collator = False


def _check(policy: Policy, args: Any, tell: Once) -> None:
    """Raise AttachError for trainings in which the policy cannot act."""
    if args.n_gpu > 1:
        raise AttachError(
            "DataParallel splits each batch over threads, which noise cannot follow: start one process for each "
            "GPU (torchrun, accelerate launch), or show the program one GPU (CUDA_VISIBLE_DEVICES=0)"
        )
    if args.torch_compile:
        raise AttachError("hooks added to a compiled model are ignored: set torch_compile=False")
    inner = [s.name for s in policy.steps if s.stage in (Stage.WEIGHT, Stage.GRADIENT)]
    if inner and (args.fsdp or args.deepspeed):
        raise AttachError(f"{', '.join(inner)} needs whole parameters, which FSDP and DeepSpeed cut in pieces: use DDP")
    if args.neftune_noise_alpha and any(s.name == "neftune" for s in policy.steps):
        tell("neftune", "neftune_noise_alpha and the policy's neftune both add noise: leave one out")


def cross_entropy(outputs: Any, labels: Tensor, items: Tensor | int | None, smoothing: float = 0.0) -> Tensor:
    """Cross entropy of logits (B, C) and labels, over ``items`` rows where an update has several micro-batches."""
    logits = logits_of(outputs)
    reduction = "mean" if items is None else "sum"
    loss = F.cross_entropy(logits, labels.to(logits.device), reduction=reduction, label_smoothing=smoothing)
    return loss if items is None else loss / items


def _spec(policy: Policy, tokenizer: Any) -> InputSpec | None:
    """The input as a tokenizer describes it; None for other data, or where the Trainer knows no tokenizer."""
    special = getattr(tokenizer, "all_special_ids", None)
    if special is None or policy.data_type != DataType.TEXT:
        return None
    return InputSpec(
        data_type=policy.data_type,
        layout=(),
        pad_id=tokenizer.pad_token_id,
        mask_id=tokenizer.mask_token_id,
        unk_id=tokenizer.unk_token_id,
        special_ids=tuple(sorted(special)),
        vocabulary_size=len(tokenizer),
    )
