"""Pre-training on masked tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from autonoise.errors import AttachError
from autonoise.ops.masks import chance
from autonoise.ops.random import randint
from autonoise.ops.token_states import find_token_states, ids_of, outputs_of, with_ids
from autonoise.ranges import ranged, whole
from autonoise.stages import StepTechnique
from autonoise.technique import technique
from autonoise.types import Batch, Family, InputSpec


@technique(
    data_types={"text"},
    family=Family.OBJECTIVE,
    also={Family.TOKEN_EDIT},
    reference="Devlin et al. 2019, BERT: Pre-training of deep bidirectional transformers",
)
class MLMPretraining(StepTechnique):
    """Before training, predict a share ``mask`` of the tokens from the others for ``epochs`` passes over the data.

    Of the chosen tokens 80 % become the mask id, 10 % a random word, 10 % stay; the loss is the cross entropy of
    a linear head on the last per-token hidden states at those positions, with its own AdamW for model and head.
    ``tools``: ``rng`` (Generator), ``spec`` (InputSpec), ``forward`` (batch → logits).
    Raises AttachError without mask_id or unk_id, or for a model without per-token states.
    """

    pretrains: ClassVar[bool] = True

    mask: float = ranged(0.1, 0.4, default=0.15, unit="share of tokens", maximum=0.9)
    epochs: int = whole(1, 5, default=2, unit="passes over the data", maximum=1000)
    learning_rate: float = ranged(1e-4, 3e-3, default=1e-3, log=True, minimum=1e-7, maximum=1.0)

    def pretrain(self, model: nn.Module, batches: Callable[[], Iterable[Batch]], tools: Mapping[str, Any]) -> float:
        spec, rng, forward = tools["spec"], tools["rng"], tools["forward"]
        mask_id = spec.mask_id if spec.mask_id is not None else spec.unk_id
        if mask_id is None:
            raise AttachError("mlm_pretraining needs mask_id or unk_id in the input description")
        words = spec.vocabulary_size or max(m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding))
        training, head, optimizer = model.training, None, None
        model.train()
        for _ in range(self.epochs):
            for batch in batches():
                ids = ids_of(batch)
                real = _real(ids, spec)
                if head is None or optimizer is None:
                    position = int(real[0].float().cumsum(0).sub(real[0].sum() / 2).abs().argmin())
                    states, across = find_token_states(
                        model, forward, batch, position=position, other_id=mask_id, classes=spec.classes
                    )
                with outputs_of([states]) as seen:
                    corrupted, chosen = self.corrupted(ids, real, mask_id, words, spec, rng)
                    forward(with_ids(batch, corrupted))
                hidden = seen[states].transpose(1, 2) if across else seen[states]
                if head is None or optimizer is None:
                    head = _head(hidden.shape[2], words, rng).to(hidden.device)
                    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=self.learning_rate)
                if bool(chosen.any()):
                    optimizer.zero_grad(set_to_none=True)
                    F.cross_entropy(head(hidden[chosen]), ids[chosen]).backward()
                    optimizer.step()
        if optimizer is not None:
            optimizer.zero_grad(set_to_none=True)
        model.train(training)
        return float(self.epochs)

    def corrupted(
        self, ids: Tensor, real: Tensor, mask_id: int, words: int, spec: InputSpec, rng: Generator
    ) -> tuple[Tensor, Tensor]:
        """(ids with masked and replaced tokens, bool (B, L) of the chosen ones)."""
        chosen = chance(torch.full((), self.mask, device=ids.device), ids.shape, rng) & real
        fate = randint(10, ids.shape, rng, ids)
        drawn = randint(words, ids.shape, rng, ids)
        drawn = torch.where(_real(drawn, spec), drawn, mask_id).to(ids.dtype)
        out = torch.where(chosen & (fate < 8), mask_id, ids)
        return torch.where(chosen & (fate == 8), drawn, out), chosen


def _real(ids: Tensor, spec: InputSpec) -> Tensor:
    """True where ids are words: no padding, no special token."""
    real = torch.ones_like(ids, dtype=torch.bool)
    for special in {spec.pad_id, spec.mask_id, *spec.special_ids} - {None}:
        real &= ids != special
    return real


def _head(width: int, words: int, rng: Generator) -> nn.Linear:
    """A linear layer whose weights come from ``rng`` and not from the global generator's state."""
    head = nn.Linear(width, words, device="meta").to_empty(device=rng.device)
    bound = width**-0.5
    for parameter in head.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=rng)
    return head
