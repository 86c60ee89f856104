"""Pre-train a text model by having it predict masked tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from autonoise.errors import AttachError
from autonoise.ops.masks import chance, movable
from autonoise.ops.random import randint
from autonoise.ops.token_states import find_token_states, outputs_of
from autonoise.ops.tokens import random_tokens
from autonoise.technique import Batch, Family, InputSpec, StepTechnique, ranged, technique, whole


@technique(
    data_types={"text"},
    family=Family.OBJECTIVE,
    also={Family.TOKEN_EDIT},
    reference="Devlin et al. 2019, BERT: Pre-training of deep bidirectional transformers",
)
class MLMPretraining(StepTechnique):
    """Before training, learn for ``epochs`` passes over the data to predict a share ``mask`` of the tokens.

    As in BERT, of the chosen tokens 80 % become the mask id, 10 % become a random word and 10 % do not change. Padding,
    unknown and special tokens are neither chosen nor drawn. The loss
    is the cross entropy of a linear head that reads the last hidden state of each chosen token. Model and head have an
    AdamW optimiser of their own, with ``learning_rate``.

    ``tools`` holds ``rng`` (Generator), ``spec`` (InputSpec), ``forward`` (batch → logits), ``open`` (batch → ids,
    info) and ``close`` (batch, ids, spec → batch). Raises AttachError if the input description has neither mask_id nor
    unk_id, or if the model has no hidden state for each token.
    """

    pretrains: ClassVar[bool] = True
    whole_step: ClassVar[bool] = False

    # 0.15 is BERT's share
    mask: float = ranged(0.1, 0.4, default=0.15, unit="share of tokens", maximum=0.9)
    epochs: int = whole(1, 5, default=2, unit="passes over the data", maximum=1000)
    learning_rate: float = ranged(1e-4, 3e-3, default=1e-3, log=True, minimum=1e-7, maximum=1.0)

    def pretrain(self, model: nn.Module, batches: Callable[[], Iterable[Batch]], tools: Mapping[str, Any]) -> float:
        spec, mask_id = tools["spec"], _mask_id(tools["spec"])
        training = model.training
        run: _Run | None = None
        model.train()
        for _ in range(self.epochs):
            for batch in batches():
                ids, info = tools["open"](batch)

                def forward(changed: Tensor, batch: Batch = batch) -> object:
                    return tools["forward"](tools["close"](batch, changed, spec))

                real = movable(ids, info)
                real = _words(ids, spec) & (True if real is None else real)
                run = run or _Run(self, model, forward, ids, real, mask_id, tools)
                run.update(forward, ids, real)
        model.zero_grad(set_to_none=True)
        model.train(training)
        return float(self.epochs)

    def corrupted(
        self, ids: Tensor, real: Tensor, mask_id: int, words: int, spec: InputSpec, rng: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the ids with masked and replaced tokens, and a bool mask (B, L) of the tokens that were chosen."""
        chosen = chance(torch.full((), self.mask, device=ids.device), ids.shape, rng) & real
        # of ten equal cases 0 to 7 mask the token, 8 replaces it and 9 leaves it
        fate = randint(10, ids.shape, rng, ids)
        drawn = random_tokens(ids, rng, replace(spec, vocabulary_size=words), technique=self.name)
        out = torch.where(chosen & (fate < 8), mask_id, ids)
        return torch.where(chosen & (fate == 8), drawn, out), chosen


class _Run:
    """One pre-training: the head, the optimiser, and the module of the model that gives the hidden states."""

    def __init__(
        self,
        technique: MLMPretraining,
        model: nn.Module,
        forward: Callable[[Tensor], object],
        ids: Tensor,
        real: Tensor,
        mask_id: int,
        tools: Mapping[str, Any],
    ) -> None:
        self.technique, self.model, self.mask_id = technique, model, mask_id
        self.spec, self.rng = tools["spec"], tools["rng"]
        tables = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
        self.words = self.spec.vocabulary_size or max([*tables, int(ids.max()) + 1])
        # a word in the middle of the first text is exchanged to see which module's output reacts to it
        places = torch.nonzero(real[0])[:, 0]
        position = int(places[len(places) // 2]) if len(places) else 0
        self.states, self.order = find_token_states(
            model, forward, ids, position=position, other_id=mask_id, classes=self.spec.classes
        )
        self.head: nn.Linear | None = None

    def update(self, forward: Callable[[Tensor], object], ids: Tensor, real: Tensor) -> None:
        """Do one update of model and head on a batch of ids; ``real`` says which of them are words."""
        corrupted, chosen = self.technique.corrupted(ids, real, self.mask_id, self.words, self.spec, self.rng)
        if not bool(chosen.any()):
            return
        with outputs_of([self.states]) as seen:
            forward(corrupted)
        hidden = seen[self.states].permute(self.order)
        if self.head is None:
            self.head = _head(hidden.shape[2], self.words, self.rng)
            parameters = [*self.model.parameters(), *self.head.parameters()]
            self.optimizer = torch.optim.AdamW(parameters, lr=self.technique.learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        loss: Any = F.cross_entropy(self.head(hidden[chosen].to(self.head.weight.dtype)), ids[chosen].long())
        loss.backward()
        self.optimizer.step()


def _mask_id(spec: InputSpec) -> int:
    """Return the id that stands for a masked token: mask_id, or unk_id where there is none."""
    found = spec.mask_id if spec.mask_id is not None else spec.unk_id
    if found is None:
        raise AttachError("mlm_pretraining needs mask_id or unk_id in the input description")
    return found


def _words(ids: Tensor, spec: InputSpec) -> Tensor:
    """Return a mask that is True where ids are words, and False at padding, unknown and special tokens."""
    words = torch.ones_like(ids, dtype=torch.bool)
    for special in {spec.pad_id, spec.mask_id, spec.unk_id, *spec.special_ids} - {None}:
        words &= ids != special
    return words


def _head(width: int, words: int, rng: Generator) -> nn.Linear:
    """Make the linear head; its weights are drawn from ``rng``, so that the global generator is left alone."""
    head = nn.Linear(width, words, device="meta").to_empty(device=rng.device)
    bound = width**-0.5
    for parameter in head.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=rng)
    return head
