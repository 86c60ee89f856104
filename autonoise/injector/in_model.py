"""What acts inside the model: hooks at the places of activation and embedding steps, and of pairs mixed in a layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from autonoise.batches.rows import info_of_rows
from autonoise.errors import AttachError
from autonoise.injector.attached import Attached
from autonoise.injector.attaching import Hook
from autonoise.injector.clock import LEAF, SITE
from autonoise.injector.dropouts import OwnDropout, own_dropout
from autonoise.injector.layout import Hint, batch_dimension, channel_axis, channels_back, channels_second, hints_for
from autonoise.injector.recurrent import changed_output
from autonoise.injector.sites import Inline, Point, sequence_first
from autonoise.ops.masks import select
from autonoise.technique.stages import ActivationNoise, PairNoise
from autonoise.technique.step import Step
from autonoise.types import BatchInfo, per_sample


class LayerNoise:
    """Owns the forward hooks. Nothing is added in ``eval()`` or while ``quiet()``.

    Attributes:
        points: by step, its places in the model.
        own: by step and number of the place, the model's own dropout that the step replaces there.
        fired: the steps of which a hook has run.
        unfit: by step, the kind of numbers that came where there were no floats for it to act on.
        off: the steps that do nothing, since they turned out to be at the wrong places.
        as_searched: the steps that act as in the search, whatever the number of their places.
        mixing: by pair step, the numbers of its places that no pass has come through yet.
        capture: by name, what passed last at a place that is watched.
    """

    def __init__(self, attached: Attached) -> None:
        self._attached, self._model, self._clock = attached, attached.inner, attached.clock
        self._handles: list[RemovableHandle] = []
        self._quiet = False
        self._sequence_first = sequence_first(attached.inner)
        self.own: dict[tuple[int, int], OwnDropout] = {}
        self.points: dict[int, list[Point]] = {}
        self.fired: set[int] = set()
        self.unfit: dict[int, torch.dtype] = {}
        self.off: set[int] = set()
        self.as_searched: set[int] = set()
        self.mixing: dict[int, set[int]] = {}
        self._refusal = ""
        self._hints: dict[tuple[int, int], list[Hint]] = {}
        self.capture: dict[str, Tensor] = {}

    def add(self, index: int, step: Step, points: list[Point], *, searched: Step | None = None) -> None:
        """Let a step act at points. Where two steps share a point, the one that was added first acts first.

        ``searched``: the same step as it acted in the search, should it come into ``as_searched``.
        """
        self.points[index] = points
        if isinstance(step.technique, PairNoise):
            self.mixing[index] = set(range(len(points)))
        for number, point in enumerate(points):
            if getattr(step.technique, "channels", False):
                output = point.where == "output"
                self._hints[index, number] = hints_for(self._model, point.module, output=output)

            def act(h: Tensor, number: int = number) -> Tensor:
                return self._act(h, index, searched if searched and index in self.as_searched else step, number)

            self._hook(point, act)

    def take_over(self, index: int, step: Step, points: list[Point]) -> None:
        """Let a step replace the model's own modules (nn.Dropout) where it acts. Call it before any ``add``."""
        assert isinstance(step.technique, ActivationNoise)
        for number, point in enumerate(points):

            def acts(called: nn.Module, h: Tensor, point: Point = point) -> bool:
                if not (self._allowed(called) and h.is_floating_point()):
                    return False
                return self._strengths(step, index, h, *self._located(h, point)) is not None

            own = own_dropout(self._model, point, step.technique.adopts, acts)
            if own is not None:
                self.own[index, number] = own

    def replaced(self, index: int) -> tuple[str, ...]:
        """The model's own dropouts that a step replaces, or may replace where they stand directly before its place."""
        return tuple(n for (i, _), own in self.own.items() if i == index for n, _ in own.modules)

    def add_delta(self, point: Point) -> None:
        """Let an attack's shift be added to the output of the embedding."""

        def shift(h: Tensor) -> Tensor:
            delta = self._attached.batch.delta
            return h if delta is None else h + delta.to(h.dtype)

        self._hook(point, shift, always=True)

    def watch(self, name: str, point: Point) -> None:
        """Keep in ``capture[name]`` what passes at a point (the features before the classifier) in training."""

        def keep(h: Tensor) -> Tensor:
            self.capture[name] = h
            return h

        self._hook(point, keep, always=True, changes=False)

    @contextmanager
    def quiet(self, delta: Tensor | None = None) -> Iterator[None]:
        """No noise inside the model meanwhile; ``delta`` is what is added to the embedding instead of the shift."""
        batch = self._attached.batch
        before, kept = self._quiet, batch.delta
        self._quiet, batch.delta = True, delta
        try:
            yield
        finally:
            self._quiet, batch.delta = before, kept

    @contextmanager
    def no_recompute(self, names: list[str]) -> Iterator[None]:
        """Refuse forward passes meanwhile.

        Activation checkpointing repeats forward passes during the backward pass. Where some had noise inside the model
        and others had none, nobody could tell which of them is being repeated.
        """
        if names:
            self._refusal = (
                f"activation checkpointing and inner noise do not go together with {', '.join(names)}, which needs "
                f"passes with and without noise: switch checkpointing off, or remove one of the steps"
            )
        try:
            yield
        finally:
            self._refusal = ""

    @property
    def active(self) -> bool:
        """Whether noise inside the model acts in the pass that is running."""
        if self._refusal:
            raise AttachError(self._refusal)
        return self._model.training and not self._quiet

    def remove(self) -> None:
        """Take all hooks off again; the model's own dropouts act as before."""
        for handle in self._handles:
            handle.remove()
        for own in self.own.values():
            own.remove()

    def _allowed(self, called: nn.Module, *, always: bool = False, changes: bool = True) -> bool:
        if self._refusal and changes:
            raise AttachError(self._refusal)
        return self._model.training and called.training and (always or not self._quiet)

    def _hook(self, point: Point, change: Any, *, always: bool = False, changes: bool = True) -> None:
        def allowed(called: nn.Module) -> bool:
            return self._allowed(called, always=always, changes=changes)

        def output(called: nn.Module, _: Any, out: Any) -> Any:
            if not allowed(called):
                return None
            return changed_output(called, out, change, tokens_first=called in self._sequence_first)

        def before(called: nn.Module, args: tuple[Any, ...]) -> Any:
            if not allowed(called) or not args or not isinstance(args[0], Tensor):
                return None
            return (change(args[0]), *args[1:])

        if point.where == "input":
            hook = Hook(point.module, before, self.remove)
            self._handles.append(point.module.register_forward_pre_hook(hook))
        else:
            hook = Hook(point.module, output, self.remove)
            self._handles.append(point.module.register_forward_hook(hook))

    def _act(self, h: Tensor, index: int, step: Step, number: int) -> Tensor:
        if index in self.off:
            return h
        if not h.is_floating_point():
            self.unfit[index] = h.dtype
            return h
        self.fired.add(index)
        point = self.points[index][number]
        dim, repeat = self._located(h, point)
        technique = step.technique
        if isinstance(technique, PairNoise):
            return self._mix(h, index, step, technique, number, dim, repeat)
        assert isinstance(technique, ActivationNoise)
        strength = self._strengths(step, index, h, dim, repeat)
        if strength is None:
            return h
        moved = h.transpose(0, dim) if dim else h
        turned = moved.shape
        # from (B * parts, ...) to (B, parts, ...): all parts of a sample get the same strength
        folded = strength.shape[0] != moved.shape[0]
        moved = moved.reshape(-1, repeat, *moved.shape[1:]) if folded else moved
        info = self._info_for(moved)
        axis = 1
        if technique.channels:
            shape = (moved.shape[0], *moved.shape[1 + folded :])
            axis = self._channel_axis(point, self._hints[index, number], shape, folded=folded)
            moved = channels_second(moved, axis, folded)
            valid = None if info.valid is None else channels_second(info.valid, axis, folded)
            info = replace(info, valid=valid)
        depth = technique.at_depth(number + 1, len(self.points[index]))
        shaped = per_sample(strength if depth == 1 else strength * depth, moved)
        rng = self._clock.rng(index, LEAF, number, h.device)
        own = self.own.get((index, number))
        if own is not None and own.rate is not None:
            out = technique.taken_over(moved, own=own.rate, strength=shaped, rng=rng).to(h.dtype).reshape(turned)
            return out.transpose(0, dim) if dim else out
        out = technique.perturb(moved, strength=shaped, rng=rng, info=info)
        if info.valid is not None or not (technique.exact or self._clock.everywhere(step, self._attached.strength)):
            keep = shaped > 0 if info.valid is None else (shaped > 0) & info.valid
            out = select(keep, out, moved)
        out = channels_back(out, axis, folded) if technique.channels else out
        out = out.to(h.dtype).reshape(turned)
        return out.transpose(0, dim) if dim else out

    def _channel_axis(self, point: Point, hints: list[Hint], shape: tuple[int, ...], *, folded: bool) -> int:
        if isinstance(point.module, Inline):
            return point.module.axis
        return -1 if len(shape) == 2 and folded else channel_axis(hints, shape, point.name)

    def _located(self, h: Tensor, point: Point) -> tuple[int, int]:
        return batch_dimension(h, self._attached.batch.size, prefer=int(point.module in self._sequence_first))

    def _strengths(self, step: Step, index: int, h: Tensor, dim: int, repeat: int) -> Tensor | None:
        drawn = self._attached.batch.strengths
        if index not in drawn:
            batch = self._attached.batch
            size, strength = batch.size or h.shape[0], self._attached.strength
            drawn[index] = self._clock.strengths(step, index, size, strength, h.device, blocks=batch.blocks)
        found = drawn[index]
        if found is None:
            return None
        if found.shape[0] * repeat != h.shape[dim]:
            # this is not the batch that perturb() saw: rows are drawn anew, for its own size
            return self._clock.strengths(step, index, h.shape[dim], self._attached.strength, h.device)
        return found

    def _mix(
        self, h: Tensor, index: int, step: Step, technique: PairNoise, number: int, dim: int, repeat: int
    ) -> Tensor:
        self.mixing[index].discard(number)
        plan = self._attached.batch.plans.get(index)
        batch = self._attached.batch
        if plan is None or plan.weight.shape[0] * batch.blocks * repeat != h.shape[dim]:
            return h
        if index not in batch.chosen:
            rng = self._clock.rng(index, SITE)
            batch.chosen[index] = int(torch.randint(len(self.points[index]), (1,), generator=rng))
        if batch.chosen[index] != number:
            return h
        moved = h.transpose(0, dim) if dim else h
        moved = moved.reshape(-1, repeat, *moved.shape[1:]) if repeat > 1 else moved
        info, parts = self._info_for(moved), list(moved.chunk(batch.blocks))
        for block in range(batch.mixed):
            part = parts[block]
            rows = torch.arange(block * len(part), (block + 1) * len(part), device=h.device)
            about = info if batch.blocks == 1 else info_of_rows(info, rows)
            # one generator, seeded anew for each block: versions of a row are mixed alike
            rng = self._clock.rng(index, LEAF, number, h.device)
            out = technique.mix(part, plan, rng=rng, info=about).to(h.dtype)
            if not (technique.exact or self._clock.everywhere(step, self._attached.strength)):
                out = select(per_sample(plan.weight, part) < 1, out, part)
            parts[block] = out
        out = parts[0] if len(parts) == 1 else torch.cat(parts)
        out = out.flatten(0, 1) if repeat > 1 else out
        return out.transpose(0, dim) if dim else out

    def _info_for(self, h: Tensor) -> BatchInfo:
        """What is known of the batch, as far as it holds for these activations (B, ...).

        Which tokens are valid holds where they are (B, L, E).
        """
        if self._attached.batch.inner is not None:
            return self._attached.batch.inner
        info, valid = self._attached.batch.info, self._attached.batch.info.valid
        if valid is None:
            self._attached.batch.inner = info.at_a_layer(None)
            return self._attached.batch.inner
        filled = None if info.lengths is None else info.lengths / valid.shape[-1]
        fits = valid.ndim == 2 and h.ndim == 3 and valid.shape == h.shape[:2]
        return replace(info, filled=filled).at_a_layer(valid[..., None] if fits else None)
