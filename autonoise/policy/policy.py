"""The document: what a search exports and a training loads again."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonoise.errors import PolicyError, PolicyWarning, level_of_the_user
from autonoise.policy.format import contents_of, described, read_policy, write_policy
from autonoise.policy.judged import NO_NOISE, Judged
from autonoise.policy.shipped import file_of
from autonoise.technique import words
from autonoise.technique.step import Steps
from autonoise.types import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from autonoise.injector.injector import NoiseInjector
    from autonoise.injector.raw import RawTransform
    from autonoise.injector.sample import SampleTransform

log = logging.getLogger("autonoise")
TRIAL_ATTRIBUTE = "autonoise.policy"
"""Name of the user attribute in which an Optuna trial keeps the policy that it drew."""


@dataclass(frozen=True, repr=False)
class Policy(Steps):
    """Which noise to train with: an ordered list of steps for one data type, with what is known about it.

    Raises PolicyError when it is made, if a technique does not work for the data type or two steps contradict
    each other. Steps run in the order of their stages, within a stage as listed.

    Attributes:
        scores: what the search measured, by name; plain data.
        provenance: where the policy comes from (study, date, versions); plain data.
        check: what lets a file be checked: a digest of its content, and statistics of the noise
            (see :mod:`autonoise.policy.verify`).
        data_type, steps, name, input, strength: see :class:`autonoise.technique.step.Steps`.

    Example:
        >>> from autonoise import Policy, Step
        >>> policy = Policy("image", [Step.of("gaussian_noise", std=0.1, probability=0.5), Step.of("mixup")])
        >>> policy.passes
        1.0
    """

    scores: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What the policy does, for people: a line about the whole, then one for each step."""
        layout = f"input {'x'.join(map(str, self.input.layout))}" if self.input is not None else ""
        strength = f"strength {self.strength:g}" if self.strength != 1 else ""
        clean = f"{words.percent(self.clean_share)} of the rows stay clean" if self.clean_share else ""
        verdict = f"verdict: {self.judged.word}" if self.judged.word else ""
        head = [
            f"Policy {self.name!r}",
            str(self.data_type),
            layout,
            strength,
            clean,
            f"{self.passes:.3g} passes",
            verdict,
        ]
        steps = [words.line(s) for s in self.steps] or ["no steps: trains without noise"]
        return "\n  ".join([" · ".join(part for part in head if part), *steps])

    @property
    def judged(self) -> Judged:
        """How the policy was judged, as far as it says."""
        return Judged.of(self.scores)

    def scaled(self, strength: float) -> Policy:
        """The same policy with another global strength, for a bigger model or more data."""
        return replace(self, strength=strength)

    def attach(
        self,
        model: nn.Module,
        *,
        epochs: int,
        steps_per_epoch: int,
        optimizer: Optimizer | None = None,
        input: InputSpec | None = None,  # noqa: A002 - the word a user looks for
        num_classes: int | None = None,
        forward: Callable[[nn.Module, Any], Tensor] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        sites: Mapping[str, str] | None = None,
        seed: int = 0,
        rank: int | None = None,
        allow_partial: bool = False,
        replace: bool = False,
        raw_transform: RawTransform | None = None,
        done_in_data: SampleTransform | None = None,
    ) -> NoiseInjector:
        """Attach the policy to a model that is about to be trained; the injector that is returned adds the noise.

        See :class:`autonoise.injector.injector.NoiseInjector` for the lines in the training loop. One policy at a
        time acts on a model.

        Args:
            model: the model, on its device already; wrap it in DistributedDataParallel before, compile it after.
            epochs, steps_per_epoch: the length of training; ``steps_per_epoch`` counts optimiser updates, which are
                fewer than batches where gradients are accumulated. Schedules stretch over the whole length.
            optimizer: the one that trains the model. Only gradient noise needs it, and only in the form of three
                lines (``training_step`` gets the optimiser anyway).
            input: the description of the batches, where they look different from those of the search (other means,
                other token ids); it is checked on the first batch. By default the policy's own, adapted to the first
                batch.
            num_classes: needed where it is not the number of outputs of the model's last linear layer.
            forward: ``forward(model, batch) -> logits``, for a model that is not called as ``model(batch)`` or
                ``model(**batch)``.
            loss: ``loss(logits, targets) -> scalar``, in place of cross entropy.
            sites: where a word for a place in the model shall point, as a glob over module names:
                ``{"penultimate": "head.fc"}``; ``"inline"`` for a place that is no module, where the model calls
                :meth:`NoiseInjector.apply`.
            seed, rank: every draw is a function of both. The rank comes from torch.distributed where it is not given.
            allow_partial: leave out steps that cannot act (a place that the model does not have or never runs, noise on
                strings without the transform in the loader) and say so in a warning; by default that is an
                AttachError.
            replace: detach the policy that the model has already; by default a second policy is refused.
            raw_transform: the policy's noise on strings, made by :meth:`raw_transform`, where the data loader had to
                be built before the model.
            done_in_data: the transform of :meth:`transform` that acts in the data set: its steps are left out here,
                and its strength follows that of the injector.

        Raises AttachError when the policy does not fit the model or, later, the first batch.
        """
        from autonoise.injector.injector import NoiseInjector
        from autonoise.injector.sample import without_done

        if not self.steps and self.judged.word == NO_NOISE:
            log.warning("%s has no steps, since no noise was recommended: the model trains without noise", self.name)
        steps, raw_transform = without_done(self, done_in_data, raw_transform)
        return NoiseInjector(
            steps,
            model,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            optimizer=optimizer,
            input=input,
            num_classes=num_classes,
            forward=forward,
            loss=loss,
            sites=sites,
            seed=seed,
            rank=rank,
            allow_partial=allow_partial,
            replace=replace,
            raw_transform=raw_transform,
        )

    def raw_transform(self, *, epochs: int = 1, seed: int = 0) -> RawTransform:
        """The policy's noise on raw strings, for use inside a data loader; see :class:`RawTransform`."""
        from autonoise.injector.raw import RawTransform

        return RawTransform(self, epochs=epochs, seed=seed)

    def transform(
        self,
        *,
        epochs: int = 1,
        seed: int = 0,
        input: InputSpec | None = None,  # noqa: A002 - the word of ``attach``
    ) -> SampleTransform:
        """The policy's noise on single samples, for use inside a data set; see :class:`SampleTransform`.

        Args:
            epochs: the length of training, over which schedules stretch.
            seed: every draw is a function of it, of the epoch and of the sample.
            input: the description of the samples; by default images are 0..255 in bytes and 0..1 in floats, waveforms
                -1..1 or the range of their integers, series and rows of tables standardised.
        """
        from autonoise.injector.sample import SampleTransform

        return SampleTransform(self, epochs=epochs, seed=seed, spec=input)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in a policy file; defaults are left out."""
        beside = {"scores": self.scores, "provenance": self.provenance, "check": self.check}
        # through JSON, so that nobody can change the policy by changing what is returned
        return described(self) | {k: json.loads(json.dumps(v)) for k, v in beside.items() if v}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "policy", *, tell: bool = True) -> Policy:
        """The policy of plain data as :meth:`to_dict` returns it.

        Args:
            values: read from a file or another source, not checked yet.
            where: the source, as error messages shall name it.
            tell: warn of a technique whose formula has changed since the policy was found.

        Raises PolicyError, one line with the place and the remedy, for anything that is no valid policy.
        """
        contents = contents_of(values, where, tell=tell)
        try:
            return cls(**contents)
        except PolicyError as e:
            raise PolicyError(f"{where}: {e}") from None

    @classmethod
    def from_trial(cls, trial: Any) -> Policy:
        """The policy that ``SearchSpace.suggest`` made for an Optuna trial, finished or not."""
        values = trial.user_attrs.get(TRIAL_ATTRIBUTE)
        if values is None:
            raise PolicyError("the trial carries no policy: only trials of SearchSpace.suggest do")
        return cls.from_dict(values, f"trial {getattr(trial, 'number', '')}".strip())

    def save(self, path: str | Path) -> None:
        """Write a file of YAML (.yaml, .yml) or JSON (.json), whole or not at all. PolicyError for another ending."""
        write_policy(self.to_dict(), path)


def load_policy(path: str | Path, *, warn: bool = True) -> Policy:
    """Read a policy from a file (YAML or JSON), or one of those that come with autonoise.

    Args:
        path: the file; or, as text, the name of a shipped policy, which ``autonoise policies`` lists.
        warn: give a PolicyWarning where the file says that the policy was not judged better than no noise (it is
            unconfirmed, without significant gain, worse ...), with the numbers, and with what was recommended instead.
            A file without a verdict, such as one written by hand, gives none.

    Raises PolicyError, one line that names the place and the remedy, for anything that is no valid policy;
    UnknownNameError with the nearest names where there is neither such a file nor such a name.
    """
    policy = Policy.from_dict(read_policy(file_of(path)), str(path))
    if warn and policy.judged.doubtful:
        warnings.warn(policy.judged.warning(str(path)), PolicyWarning, stacklevel=level_of_the_user())
    return policy


def save_policy(policy: Policy, path: str | Path) -> None:
    """The same as ``policy.save(path)``."""
    policy.save(path)
