"""What holds for every proxy: shapes, reproducible weights, padding without effect, gradients, noise sites."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from autonoise.errors import DataError, StudyError, UnknownNameError
from autonoise.proxies import Recipe, build_proxy, default_recipe, proxy_names
from autonoise.types import Batch, DataType, InputSpec, Scale

ALL = [(data_type, name) for data_type in DataType for name in proxy_names(data_type)]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def spec_of(data_type: DataType, **changes) -> InputSpec:
    values = {
        DataType.IMAGE: {"layout": (3, 15, 17), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.3)},
        DataType.TEXT: {"layout": (11,), "pad_id": 0, "vocabulary_size": 30},
        DataType.TABULAR: {"layout": (9,), "numeric": (0, 1), "onehot": ((2, 3, 4), (5, 6)), "flags": ((7, 0),)},
        DataType.TIMESERIES: {"layout": (3, 31), "scale": Scale.STANDARDISED},
        DataType.AUDIO: {"layout": (3001,), "sample_rate": 8000},
    }[data_type]
    return InputSpec(data_type=data_type, classes=4, **(values | changes))


def batch_of(spec: InputSpec, rows: int = 5) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    if spec.data_type is DataType.TEXT:
        return torch.randint(1, spec.vocabulary_size, (rows, *spec.layout), generator=rng)
    x = torch.rand((rows, *spec.layout), generator=rng)
    return x if spec.data_type is DataType.IMAGE else 2 * x - 1


def with_padding(x: Tensor, data_type: DataType, extra: int, lengths: Tensor) -> Batch:
    """The same rows cut to ``lengths``, with ``extra`` more steps and rubbish in everything behind the end."""
    wide = torch.cat((x, x[..., :extra]), -1)
    valid = torch.arange(wide.shape[-1]) < lengths[:, None]
    if data_type is DataType.TEXT:
        return {"input_ids": torch.where(valid, wide, 3), "attention_mask": valid.long()}
    key = "series" if data_type is DataType.TIMESERIES else "waveform"
    valid = valid[:, None] if data_type is DataType.TIMESERIES else valid
    return {key: torch.where(valid, wide, 0.7), "lengths": lengths}


def proxy_of(data_type: DataType, name: str, spec: InputSpec | None = None, seed: int = 3) -> nn.Module:
    """A proxy in eval mode whose norms have the batch's statistics: fresh ones shrink what padding could leak."""
    spec = spec or spec_of(data_type)
    model = build_proxy(spec, name=name, rng=torch.Generator().manual_seed(seed))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    model(batch_of(spec, 16))
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NORMS):
                module.bias.copy_(torch.randn(module.bias.shape, generator=rng))
    return model.eval()


@pytest.mark.parametrize(("data_type", "name"), ALL)
class TestEveryProxy:
    def test_logits_and_parts(self, data_type, name):
        model = build_proxy(spec_of(data_type), name=name)
        assert model(batch_of(spec_of(data_type))).shape == (5, 4)
        assert isinstance(model.classifier, nn.Linear)
        assert any(isinstance(module, NORMS) for module in model.modules())
        assert not any(isinstance(module, nn.Dropout) for module in model.modules())

    def test_weights_follow_the_generator_alone(self, data_type, name):
        spec = spec_of(data_type)
        before = torch.random.get_rng_state()
        first, again, other = (
            build_proxy(spec, name=name, rng=torch.Generator().manual_seed(seed)).state_dict() for seed in (5, 5, 6)
        )
        assert torch.equal(before, torch.random.get_rng_state())
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert not torch.equal(first["classifier.weight"], other["classifier.weight"])

    def test_size_multiplies_the_width(self, data_type, name):
        usual, twice = (build_proxy(spec_of(data_type), name=name, size=size) for size in (1.0, 2.0))
        assert twice.classifier.in_features == 2 * usual.classifier.in_features

    def test_every_parameter_gets_a_gradient(self, data_type, name):
        model = build_proxy(spec_of(data_type), name=name)
        x = batch_of(spec_of(data_type))
        x = x.requires_grad_() if x.is_floating_point() else x
        nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 3, 0])).backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
            assert parameter.grad.abs().sum() > 0, key
        assert x.grad is None if data_type is DataType.TEXT else x.grad.abs().sum() > 0

    def test_rows_do_not_meet_in_eval(self, data_type, name):
        model = proxy_of(data_type, name)
        x = batch_of(spec_of(data_type))
        assert torch.allclose(model(x)[2:4], model(x[2:4]), atol=1e-5)


@pytest.mark.parametrize(
    ("data_type", "name"), [(t, n) for t, n in ALL if t in (DataType.TEXT, DataType.TIMESERIES, DataType.AUDIO)]
)
class TestPadding:
    @pytest.mark.parametrize("extra", [1, 6])
    def test_padding_changes_no_logit(self, data_type, name, extra):
        model, x = proxy_of(data_type, name), batch_of(spec_of(data_type))
        full = x.shape[-1]
        lengths = torch.tensor([full, full - 1, full // 2, 5, 1])
        padded = model(with_padding(x, data_type, extra, lengths))
        for row, length in enumerate(lengths.tolist()):
            alone = model(x[row : row + 1, ..., :length])
            assert torch.allclose(padded[row], alone[0], atol=1e-4), (row, length)

    def test_the_end_of_a_row_is_read(self, data_type, name):
        model, x = proxy_of(data_type, name), batch_of(spec_of(data_type))
        lengths = torch.full((5,), x.shape[-1])
        cut = lengths - max(2, x.shape[-1] // 8)
        whole, shorter = (model(with_padding(x, data_type, 4, n)) for n in (lengths, cut))
        assert ((whole - shorter).abs().amax(1) > 1e-3).all()

    def test_empty_rows_stay_finite_with_their_gradients(self, data_type, name):
        model, x = build_proxy(spec_of(data_type), name=name), batch_of(spec_of(data_type))
        logits = model(with_padding(x, data_type, 2, torch.tensor([0, 0, 3, 9, 11])))
        logits.square().sum().backward()
        assert torch.isfinite(logits).all()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", proxy_names("image"))
@pytest.mark.parametrize("layout", [(1, 8, 8), (3, 9, 30), (1, 28, 28), (3, 50, 70), (3, 130, 97)])
def test_image_sizes(layout, name):
    spec = spec_of(DataType.IMAGE, layout=layout, mean=(), std=())
    model = build_proxy(spec, name=name, size=0.25)
    smallest = []
    model.blocks.register_forward_hook(lambda module, args, out: smallest.append(min(out.shape[2:])))
    assert model(batch_of(spec, 2)).shape == (2, 4)
    assert smallest[0] >= 4


@pytest.mark.parametrize("name", proxy_names("image"))
def test_images_are_normalised_inside_in_every_scale(name):
    unit = spec_of(DataType.IMAGE)
    models = {
        scale: build_proxy(spec_of(DataType.IMAGE, scale=scale), name=name).eval()
        for scale in (Scale.UNIT, Scale.BYTE, Scale.STANDARDISED)
    }
    x = batch_of(unit)
    mean, std = torch.tensor(unit.mean).view(3, 1, 1), torch.tensor(unit.std).view(3, 1, 1)
    expected = models[Scale.STANDARDISED]((x - mean) / std)
    assert torch.allclose(models[Scale.UNIT](x), expected, atol=1e-5)
    assert torch.allclose(models[Scale.BYTE](x * 255), expected, atol=1e-5)


def test_long_series_are_read_with_strides():
    spec = spec_of(DataType.TIMESERIES, layout=(1, 1001))
    x = batch_of(spec, 3)
    for name in proxy_names("timeseries"):
        model = proxy_of(DataType.TIMESERIES, name, spec)
        padded = model(with_padding(x, DataType.TIMESERIES, 7, torch.tensor([1001, 600, 333])))
        assert torch.allclose(padded[2], model(x[2:, :, :333])[0], atol=1e-4)


def test_text_ids_alone_are_masked_by_the_padding_id():
    model = proxy_of(DataType.TEXT, "text_cnn")
    ids = torch.tensor([[4, 5, 6, 0, 0]])
    assert torch.allclose(model(ids), model({"input_ids": ids[:, :3], "attention_mask": torch.ones(1, 3)}))


def test_ft_transformer_makes_one_token_per_feature():
    model = build_proxy(spec_of(DataType.TABULAR), name="ft_transformer")
    assert model.members.sum(1).tolist() == [3, 2, 1, 1, 1, 1]  # two categories, two numbers, a flag, an unnamed
    assert model.members.sum(0).tolist() == [1] * 9


def test_digits_are_learned_in_seconds():
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    y = torch.tensor(labels)
    spec = spec_of(DataType.IMAGE, layout=(1, 8, 8), mean=(0.305,), std=(0.376,))
    spec = InputSpec(**{**spec.__dict__, "classes": 10})
    rng = torch.Generator().manual_seed(0)
    model, recipe = build_proxy(spec, rng=rng), Recipe(epochs=6, batch_size=64, learning_rate=5e-3)
    optimizer = recipe.build_optimizer(model.parameters())
    steps = recipe.steps_per_epoch(1000)
    for update in range(recipe.epochs * steps):
        if update % steps == 0:
            order = torch.randperm(1000, generator=rng)
        rows = order[update % steps * 64 :][:64]
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * recipe.learning_rate_factor(update / (recipe.epochs * steps))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[1000:]).argmax(1) == y[1000:]).float().mean()
    assert accuracy > 0.9


class TestRefusals:
    def test_unknown_names(self):
        with pytest.raises(UnknownNameError, match="unknown proxy 'resnet9' for image data: did you mean resnet8"):
            build_proxy(spec_of(DataType.IMAGE), name="resnet9")
        with pytest.raises(UnknownNameError, match="unknown data type 'images': did you mean image"):
            proxy_names("images")
        with pytest.raises(UnknownNameError, match="unknown data type"):
            default_recipe("images", 100)

    @pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
    def test_sizes(self, size):
        with pytest.raises(StudyError, match="size > 0 must hold"):
            build_proxy(spec_of(DataType.TABULAR), size=size)

    @pytest.mark.parametrize(
        ("data_type", "changes", "message"),
        [
            (DataType.IMAGE, {"layout": (1, 7, 20)}, "sides of at least 8"),
            (DataType.IMAGE, {"layout": (28, 28)}, r"layout \(C, H, W\)"),
            (DataType.IMAGE, {"mean": (0.1, 0.2)}, "1 or 3 values"),
            (DataType.TEXT, {"vocabulary_size": None}, "vocabulary_size"),
            (DataType.TEXT, {"pad_id": 30}, "pad_id < 30"),
            (DataType.TABULAR, {"layout": (3, 3)}, r"layout \(D,\)"),
            (DataType.TIMESERIES, {"layout": (31,)}, r"layout \(C, L\)"),
            (DataType.AUDIO, {"sample_rate": None}, "sample_rate of at least 1000 Hz"),
        ],
    )
    def test_inputs(self, data_type, changes, message):
        with pytest.raises(DataError, match=message):
            build_proxy(spec_of(data_type, **changes))

    def test_one_class(self):
        with pytest.raises(DataError, match="at least 2 classes, but got 0"):
            build_proxy(InputSpec(data_type=DataType.TABULAR, layout=(3,)))

    def test_onehot_columns_outside_the_table(self):
        with pytest.raises(DataError, match="one-hot column 12 lies outside the 9 columns"):
            build_proxy(spec_of(DataType.TABULAR, onehot=((8, 12),)), name="ft_transformer")

    def test_dict_batches_with_other_keys(self):
        for data_type in (DataType.TEXT, DataType.TIMESERIES, DataType.AUDIO):
            with pytest.raises(DataError, match=r"but has \['x'\]"):
                build_proxy(spec_of(data_type))({"x": batch_of(spec_of(data_type))})
