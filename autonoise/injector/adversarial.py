"""The adversarial stage: inputs, or their embeddings, are moved to where the loss is larger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached, frozen_statistics, input_gradient
from autonoise.injector.changed import closed
from autonoise.injector.clock import LEAF
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.losses import loss_of
from autonoise.injector.same_draws import global_state, same_draws
from autonoise.injector.sites import Point
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.technique.stages import AdversarialNoise
from autonoise.types import Batch, BatchInfo, Stage, per_sample


class Attack:
    """Runs the adversarial steps of a policy on one batch after the other.

    ``embedding`` is the place that the attack moves where the input itself cannot be moved, since it is made of token
    ids; None where the input is moved.
    """

    def __init__(self, attached: Attached, layers: LayerNoise, embedding: Point | None) -> None:
        self._attached, self._layers, self._embedding = attached, layers, embedding

    def __call__(self, x: Batch, y: Tensor, main: Tensor, info: BatchInfo) -> Tensor:
        """The main tensor after the attack. For an attack on the embedding it stays as it is, and the batch that is
        on its way through the model holds the shift of the embedding's output.
        """
        attached = self._attached
        noised = attached.adapter.close(x, main, attached.spec)
        missing = torch.isnan(main)
        start, about = self._start(x, noised, main, info)
        gradient = self._gradient(x, noised, missing, lambda logits: loss_of(attached, logits, y))
        before = start
        for index, step in attached.policy.at_stage(Stage.ADVERSARIAL):
            technique = step.technique
            assert isinstance(technique, AdversarialNoise)
            strength = attached.clock.strengths(step, index, main.shape[0], attached.strength, main.device)
            if strength is None:
                continue
            shaped = per_sample(strength, start)
            rng = attached.clock.rng(index, LEAF, 0, main.device)
            out = technique.perturb(start, gradient=gradient, strength=shaped, rng=rng, info=about)
            if about.bounds is not None:
                out = out.clamp(*about.bounds)
            keep = shaped > 0 if about.valid is None else (shaped > 0) & about.valid
            if about.categorical is not None:
                keep = keep & ~about.categorical
            start = torch.where(keep, out.to(start.dtype), start).detach()
        if self._embedding is not None:
            # where no step acted in this update there is no shift; to look at its numbers would wait for a GPU
            attached.batch.delta = None if start is before else start
            return main
        return start.masked_fill(missing, torch.nan)

    def move(self, technique: ConsistencyTechnique, x: Batch, rng: torch.Generator) -> tuple[Batch, Tensor | None]:
        """(what a technique makes of the batch x, the shift of its embedding where that is what moves)."""
        attached = self._attached
        main, info = attached.open(x)
        missing = torch.isnan(main)
        start, about = self._start(x, x, main, info)
        before = attached.batch.delta
        if self._embedding is not None and before is not None:
            start = before
        # whatever the model's own dropout removes is the same in all passes, or it would decide about the direction
        state = global_state(attached.inner)
        with same_draws(state), torch.no_grad(), self._layers.quiet(before), frozen_statistics(attached.inner):
            here = attached.forward(x).float().log_softmax(1)

        def divergence(logits: Tensor) -> Tensor:
            return F.kl_div(logits.float().log_softmax(1), here, reduction="batchmean", log_target=True)

        def gradient(point: Tensor) -> Tensor:
            with same_draws(state):
                return self._gradient(x, x, missing, divergence)(point)

        out = technique.move(start, gradient=gradient, rng=rng, info=about)
        if about.bounds is not None:
            out = out.clamp(*about.bounds)
        if about.valid is not None:
            out = torch.where(about.valid, out, start)
        out = out.to(start.dtype).detach()
        if self._embedding is not None:
            return x, out
        return closed(attached, x, main, out.masked_fill(missing, torch.nan)), None

    def _start(self, x: Batch, noised: Batch, main: Tensor, info: BatchInfo) -> tuple[Tensor, BatchInfo]:
        """(the point from which an attack on the batch moves away, what is known of it)."""
        if self._embedding is not None:
            return self._embedded(self._embedding, noised, info)
        if self._attached.adapter.main(x).dtype == torch.uint8:
            self._check_takes_floats(x)
        return torch.nan_to_num(main), info

    def _embedded(self, point: Point, noised: Batch, info: BatchInfo) -> tuple[Tensor, BatchInfo]:
        """(no shift yet, in the shape of the embedding's output; what is known of that output)."""
        with torch.no_grad(), self._layers.quiet():
            embedded: Tensor = point.module(self._attached.adapter.main(noised))
        valid = None if info.valid is None else info.valid[..., None]
        # sizes of an attack are in units of the embedding's root mean square, padding not counted
        unit = root_mean_square(embedded, info.valid)
        return torch.zeros_like(embedded), replace(info, valid=valid, unit=unit, bounds=None)

    def _gradient(
        self, x: Batch, noised: Batch, missing: Tensor, loss_at: Callable[[Tensor], Tensor]
    ) -> Callable[[Tensor], Tensor]:
        """A function from a point to the gradient there of a mean over rows; each call is a pass through the model.

        ``loss_at`` gives that mean from the logits.
        """
        attached, embedding = self._attached, self._embedding

        def gradient(point: Tensor) -> Tensor:
            leaf = point.detach().clone().requires_grad_(True)
            batch = noised
            if embedding is None:
                # the attack computes with numbers everywhere; the model gets its missing values back
                filled = leaf.masked_fill(missing, torch.nan)
                batch = attached.adapter.close_for_gradient(x, filled, attached.spec)
            delta = None if embedding is None else leaf
            with torch.enable_grad(), self._layers.quiet(delta), frozen_statistics(attached.inner):
                with input_gradient(attached.inner):
                    loss = loss_at(attached.forward(batch))
                # The loss is a mean over rows. Times the number of rows, the gradient of one row is the same in a
                # batch of any size.
                (g,) = torch.autograd.grad(loss * point.shape[0], leaf, allow_unused=True)
            if g is None:
                raise AttachError(
                    "adversarial noise needs the loss's gradient, but the model's loss does not depend on its input"
                    + (
                        f" through {embedding.name}: name its embedding by sites={{'embedding': 'module'}}"
                        if embedding is not None
                        else ": check forward= and loss="
                    )
                )
            return g.detach()

        return gradient

    def _check_takes_floats(self, x: Batch) -> None:
        """Once: raise AttachError where the model answers differently to 8-bit pixels and to the same as floats."""
        attached, adapter = self._attached, self._attached.adapter
        if "floats" in adapter.told:
            return
        answers = []
        for batch in (x, adapter.replace(x, adapter.main(x).float())):
            devices = {p.device for p in attached.inner.parameters() if p.device.type == "cuda"}
            # the model's own dropout must draw the same in both
            with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad(), self._layers.quiet():
                try:
                    with frozen_statistics(attached.inner):
                        answers.append(attached.forward(batch).float())
                except Exception:
                    if not answers:
                        raise  # the floats are not the cause: this was the batch as it came
        if len(answers) < 2 or not torch.allclose(answers[0], answers[1], rtol=1e-2, atol=1e-3):
            raise AttachError(
                "adversarial noise needs a gradient, which 8-bit integers have none of, and the model answers "
                "differently to the same pixels as floats from 0 to 255: convert the batch as the model does before "
                "perturb, for example x.float() / 255"
            )
        adapter.told.add("floats")


def root_mean_square(embedded: Tensor, valid: Tensor | None) -> float | Tensor:
    """The root mean square of the tokens (B, L, E) where ``valid`` (B, L) is True, or of all if it is True nowhere.

    A number on a CPU; elsewhere a tensor (), since nothing is to wait for a GPU.
    """
    if embedded.device.type != "cpu":
        return weighted_rms(embedded, valid)
    real = embedded if valid is None or not bool(valid.any()) else embedded[valid]
    return float(real.float().pow(2).mean().sqrt())


def weighted_rms(embedded: Tensor, valid: Tensor | None) -> Tensor:
    """What :func:`root_mean_square` gives, as a tensor (), found without picking out the tokens."""
    squares = embedded.float().pow(2)
    if valid is None:
        return squares.mean().sqrt()
    counted = valid | ~valid.any()
    return ((squares.mean(2) * counted).sum() / counted.sum()).sqrt()
