"""Places that foreign models name in their own way, that are no modules at all, or that they do not have."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError, UnknownNameError
from autonoise.injector.front_ends import front_end
from autonoise.policy import NoiseInjector, Policy, Step

CLASSES = 3
X = 0.2 * torch.randn(6, 640, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % CLASSES


class Frames(nn.Module):
    """A waveform (B, T) as (B, 8, frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv1d(1, 8, 64, 32)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.filters(x[:, None]).square()
        return out


class AmplitudeToDB(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x + 1e-3).log10()


class MelSpectrogram(Frames): ...


class Sound(nn.Module):
    """``parts``: by name, what comes before the convolution; with an inline front end ``sound.injector`` is asked."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.parts = list(parts)
        for name, part in parts.items():
            self.add_module(name, part)
        self.conv, self.norm, self.head = nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8), nn.Linear(8, CLASSES)
        self.injector: Any = None

    def forward(self, x: Tensor) -> Tensor:
        for name in self.parts:
            x = getattr(self, name)(x)
        if not self.parts:
            x = x.unfold(1, 80, 80).transpose(1, 2)[:, :8]
            x = x if self.injector is None else self.injector.apply("front_end", x)
        self.seen = x.detach()
        out: Tensor = self.head(self.norm(self.conv(x)).mean(2))
        return out


SPEC_AUGMENT = Step.of("spec_augment", frequency=0.4, time=0.4)


def attach(model: nn.Module, *steps: Step, data_type: str = "audio", **options: Any) -> NoiseInjector:
    policy = Policy(data_type, steps or (SPEC_AUGMENT,))  # type: ignore[arg-type]
    return policy.attach(model, **({"epochs": 1, "steps_per_epoch": 9} | options))


def made(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make()


# -- names of front ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parts", "chosen"), [
    ({"front_end": Frames}, "front_end"),
    ({"frontend": Frames}, "frontend"),
    ({"mel": Frames}, "mel"),
    ({"melspec": Frames}, "melspec"),
    ({"mel_spec": Frames}, "mel_spec"),
    ({"log_mel": Frames}, "log_mel"),
    ({"spectrogram": Frames}, "spectrogram"),
    ({"stft": Frames}, "stft"),
    ({"fbank": Frames}, "fbank"),
    ({"mfcc": Frames}, "mfcc"),
    ({"features": Frames}, "features"),
    ({"feature_extractor": Frames}, "feature_extractor"),
    ({"compute_features": Frames}, "compute_features"),
    ({"first": MelSpectrogram}, "first"),  # by its class
    ({"melspec": Frames, "to_db": AmplitudeToDB}, "to_db"),  # the last of several in a row
    ({"spec": lambda: nn.Sequential(MelSpectrogram(), AmplitudeToDB())}, "spec"),
    ({"mel": Frames, "features": lambda: nn.Sequential(nn.Conv1d(8, 8, 1))}, "mel"),  # convolutions come after it
])  # fmt: skip
def test_front_ends_are_found_by_their_names(
    parts: dict[str, Callable[[], nn.Module]], chosen: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = made(lambda: Sound(**{n: make() for n, make in parts.items()}))
    keys, clean = list(model.state_dict()), model.eval()(X)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = attach(model.train())
    assert [p.name for p in injector.layers.points[0]] == [chosen]
    assert (f"took {chosen} as the front end" in caplog.text) == (chosen != "front_end")
    x, y = injector.perturb(X, Y)
    injector.loss(model(x), y).backward()
    injector.step()
    noisy = model.seen
    injector.detach()
    model(X)
    assert not torch.equal(noisy, model.seen)
    assert list(model.state_dict()) == keys
    model.norm.reset_running_stats()
    assert torch.equal(model.eval()(X), clean)


def test_no_front_end_is_an_error_that_lists_the_modules() -> None:
    for model in (Sound(), nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, CLASSES))):
        with pytest.raises(AttachError) as caught:
            attach(model)
        message = str(caught.value)
        assert "spec_augment: site 'front_end' was not found: no module is named or made like one" in message
        assert "sites={'front_end': 'glob*'} (the model has " in message
        assert ("conv, norm, head" if isinstance(model, Sound) else "0, 1, 2") in message
        assert "injector.apply('front_end', h)" in message
        assert "\n" not in message


def test_several_front_ends_in_different_places_are_refused() -> None:
    model = nn.ModuleDict({"left": nn.ModuleDict({"mel": Frames()}), "right": nn.ModuleDict({"stft": Frames()})})
    with pytest.raises(AttachError, match=r"could be left.mel or right.stft: name one by sites="):
        front_end(model)


def test_a_stack_of_convolutions_called_features_is_no_front_end() -> None:
    model = nn.ModuleDict({"features": nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), "classifier": nn.Linear(4, 3)})
    assert front_end(model) is None


def test_a_place_that_gives_no_floats_is_refused() -> None:
    class Complex(Sound):
        def __init__(self) -> None:
            super().__init__()
            self.stft = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            self.stft(torch.complex(x, x))
            return super().forward(x)

    model = Complex()
    injector = attach(model)
    x, y = injector.perturb(X, Y)
    injector.loss(model(x), y).backward()
    with pytest.raises(AttachError, match=r"its site \(stft\) gives torch.complex64, no floating-point numbers"):
        injector.step()


# -- places that are no modules ----------------------------------------------------------------------------------


def inline_model() -> tuple[Sound, NoiseInjector]:
    model = made(Sound)
    assert isinstance(model, Sound)
    model.injector = attach(model, sites={"front_end": "inline"})
    return model, model.injector


def test_a_front_end_that_is_a_function() -> None:
    model, injector = inline_model()
    x, y = injector.perturb(X, Y)
    injector.loss(model(x), y).backward()
    injector.step()
    first = model.seen
    clean = X.unfold(1, 80, 80).transpose(1, 2)[:, :8]
    assert not torch.equal(first, clean)
    # whole bands and stretches became the mean of a row; the rest kept every bit
    changed = first != clean
    assert all(len(first[b][changed[b]].unique()) == 1 for b in range(6) if changed[b].any())
    assert changed.any(2).float().mean() < 1 or changed.any(1).float().mean() < 1
    injector.perturb(X, Y)
    model(X)
    assert not torch.equal(model.seen, first)
    model.eval()(X)
    assert torch.equal(model.seen, clean)
    copied = copy.deepcopy(model).train()
    copied(X)
    assert torch.equal(copied.seen, clean)
    injector.detach()
    model.train()(X)
    assert torch.equal(model.seen, clean)


def test_the_same_draws_wherever_the_module_or_the_call_stands() -> None:
    """An inline place gets the very noise that a module at the same place gets."""
    model, injector = inline_model()
    with_module = Sound(front_end=nn.Identity())
    other = attach(with_module)
    injector.perturb(X, Y)
    other.perturb(X, Y)
    model(X)
    h = X.unfold(1, 80, 80).transpose(1, 2)[:, :8]
    assert torch.equal(with_module.front_end(h), model.seen)


def test_several_inline_places_each_with_their_own_draws_and_either_layout() -> None:
    h = torch.ones(4, 5, 7)
    model = nn.Sequential(nn.Linear(5, CLASSES))
    policy = Policy("timeseries", [Step.of("spatial_dropout", p=0.5, site="mid")])  # type: ignore[arg-type]
    injector = policy.attach(model, epochs=1, steps_per_epoch=2, sites={"mid": "inline*2"})
    injector.perturb(torch.randn(4, 2, 9), torch.arange(4) % CLASSES)
    first, second = injector.apply("mid", h), injector.apply("mid", h, place=1)
    for out in (first, second):  # (B, C, ...): whole channels
        assert torch.equal((out == 0).all(2), (out == 0).any(2))
    assert torch.equal(injector.apply("mid", h), first)
    assert not torch.equal(first, second)
    last = injector.apply("mid", h, place=1, channels=-1)
    assert torch.equal((last == 0).all(1), (last == 0).any(1))
    assert 0 < (last == 0).float().mean() < 1
    with pytest.raises(AttachError, match=r"place=2\): attach with sites=\{'mid': 'inline\*3'\}"):
        injector.apply("mid", h, place=2)
    with pytest.raises(AttachError, match="dimension 1 or -1"):
        injector.apply("mid", h, channels=2)


def test_what_no_step_asks_for_passes_and_what_was_placed_elsewhere_is_refused() -> None:
    h = torch.ones(4, 5)
    injector = attach(Sound(mel=Frames()))
    assert injector.apply("after_norm", h) is h
    with pytest.raises(AttachError, match=r"acts there at modules: attach with sites=\{'front_end': 'inline'\}"):
        injector.apply("front_end", h)
    with pytest.raises(AttachError, match="means no place"):
        attach(Sound(), sites={"front_end": "inline*0"})
    # a slip of the pen is none of the words of another policy, which pass
    with pytest.raises(UnknownNameError, match=r"unknown site 'frontend' in apply\(\): did you mean front_end\?"):
        injector.apply("frontend", h)
    assert injector.apply("mid", h) is h


def test_an_inline_place_that_is_never_called_is_noticed() -> None:
    model = Sound()
    injector = attach(model, sites={"front_end": "inline"})
    x, y = injector.perturb(X, Y)
    injector.loss(model(x), y).backward()
    with pytest.raises(AttachError, match=r"never ran .* call injector.apply\('front_end'\) there or attach with"):
        injector.step()


def test_an_attack_needs_a_module_for_the_embedding() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, CLASSES))
    with pytest.raises(AttachError, match="fgsm: it calls the embedding by itself"):
        attach(model, Step.of("fgsm"), data_type="text", sites={"embedding": "inline"})


# -- parts of a policy -------------------------------------------------------------------------------------------


def test_what_cannot_be_attached_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """The steps that are left act with the same draws as in the whole policy."""
    steps = (Step.of("gaussian_snr"), SPEC_AUGMENT, Step.of("stochastic_depth"), Step.of("activation_noise"))
    with pytest.raises(AttachError, match="spec_augment"):
        attach(Sound(), *steps)
    model = made(Sound)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = attach(model, *steps, allow_partial=True)
    lines = [r.getMessage() for r in caplog.records]
    assert [line.split(":")[0] for line in lines if "is left out" in line] == [
        "spec_augment is left out", "stochastic_depth is left out",
    ]  # fmt: skip
    assert sorted(injector.placed.skipped) == [1, 2]
    whole = Policy("audio", steps)  # type: ignore[arg-type]
    assert injector.policy.hash == whole.hash
    complete = whole.attach(Sound(mel=Frames()), epochs=1, steps_per_epoch=9, sites={"residual": "conv"})
    noisy = injector.perturb(X, Y)[0]
    assert torch.equal(noisy, complete.perturb(X, Y)[0])
    injector.loss(model(noisy), Y).backward()
    injector.step()
    complete.load_state_dict(injector.state_dict())


@pytest.mark.parametrize("step", [
    Step.of("mixup", site="nowhere"), Step.of("noisy_feature_mixup", site="nowhere"),
    Step.of("dropout", site="nowhere"), Step.of("weight_noise", site="*norm"), Step.of("pgd"),
    Step.of("embedding_noise"),
], ids=lambda s: s.name)  # fmt: skip
def test_a_step_that_is_left_out_changes_nothing(step: Step) -> None:
    """Neither inputs nor targets: a pair step that cannot mix must not mix the labels either."""
    data_type = "text" if step.name in ("pgd", "embedding_noise") else "tabular"
    x = torch.randint(1, 9, (6, 4)) if data_type == "text" else torch.randn(6, 4)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.fc = nn.LayerNorm(4), nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.fc(self.norm(x.float()))
            return out

    model = made(Net)
    clean = model(x)
    injector = attach(model, step, data_type=data_type, allow_partial=True)
    noisy, y = injector.perturb(x, Y)
    assert torch.equal(noisy, x)
    assert torch.equal(y, Y) or torch.equal(y, nn.functional.one_hot(Y).float())
    assert torch.equal(model(noisy), clean)
    loss = injector.training_step(x, Y, torch.optim.SGD(model.parameters(), lr=0.1))
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(clean, Y).item())


def test_a_place_that_never_runs_is_told_where_a_part_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    class Unused(Sound):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Conv1d(2, 2, 1)

    model = Unused()
    step = Step.of("activation_noise", site="unused")
    injector = attach(model, step, Step.of("gradient_noise"), allow_partial=True)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        for _ in range(2):
            x, y = injector.perturb(X, Y)
            injector.loss(model(x), y).backward()
            injector.step()
    told = [r.getMessage() for r in caplog.records if r.getMessage().startswith("left out")]
    assert len(told) == 2
    assert "activation_noise: its site (unused) never ran" in told[0]
    assert "gradient noise: pass optimizer=" in told[1]
    assert "allow_partial" not in "".join(told)
