"""Hugging Face Transformers: ``Trainer(..., callbacks=[NoisePolicy("policy.yaml")])`` fine-tunes with a policy."""

from __future__ import annotations

from typing import Any

from torch import nn

from autonoise.integrations.hf_callback import NoisePolicy, cross_entropy, from_transformers
from autonoise.integrations.text_collator import TextCollator

__all__ = ["NoiseMixin", "NoisePolicy", "NoisyTrainer", "TextCollator"]


class NoiseMixin:
    """For a class of trainers: ``class Noisy(NoiseMixin, Seq2SeqTrainer)``. :class:`NoisyTrainer` is one.

    With it the callback :class:`NoisePolicy` works where the labels do not reach the model (``compute_loss_func``,
    ``label_smoothing_factor``, an own ``compute_loss``), noise on strings is in the training batches alone, and the
    model is left as it was after an error too. Without such a callback it changes nothing.
    """

    callback_handler: Any
    data_collator: Any
    label_smoother: Any

    @property
    def noise(self) -> NoisePolicy | None:
        """The callback that lets a policy act, if there is one."""
        return next((c for c in self.callback_handler.callbacks if isinstance(c, NoisePolicy)), None)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().train(*args, **kwargs)  # type: ignore[misc]
        finally:
            if self.noise is not None:
                self.noise.detach()

    def get_train_dataloader(self) -> Any:
        noise, collator = self.noise, self.data_collator
        if noise is not None and isinstance(collator, TextCollator) and noise._collator is collator:
            self.data_collator, noise._noisy_collator = collator.noisy(), True
        try:
            return super().get_train_dataloader()  # type: ignore[misc]
        finally:
            self.data_collator = collator

    def training_step(self, model: nn.Module, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        noise, smoother = self.noise, self.label_smoother
        if noise is None or noise.injector is None:
            return super().training_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if smoother is not None:
            # the same loss, computed by cross entropy, which the policy's targets reach
            self.label_smoother = lambda outputs, labels, num_items_in_batch=None, **_: cross_entropy(
                outputs, labels, num_items_in_batch, smoother.epsilon
            )
        labels = inputs.get("labels")
        try:
            with noise.labels(None if labels is None else self._prepare_input(labels)):  # type: ignore[attr-defined]
                return super().training_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        finally:
            self.label_smoother = smoother


class NoisyTrainer(NoiseMixin, from_transformers("Trainer")):  # type: ignore[misc]
    """Transformers' ``Trainer``, with :class:`NoiseMixin`."""
