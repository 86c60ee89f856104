"""Preparations: what raw rows become, against second derivations and literal numbers."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from autonoise.data import Dataset, compare_form, count, load, prepare, split, take
from autonoise.data.tabular import from_frame
from autonoise.errors import DataError
from autonoise.types import DataType, InputSpec, Scale


def make(data_type, x, **kw):
    n = len(x)
    return Dataset("toy", DataType(data_type), x, np.arange(n) % 2, ("a", "b"), **kw)


@pytest.mark.parametrize("name", ["digits", "wine", "cylinder_bell_funnel", "toy_topics"])
def test_builtin_sets_are_prepared_as_described(name):
    d = load(name)
    train = split(d, seed=0).folds[0].train
    p = prepare(d, train)
    x = p(take(d.x, train))
    tensors = x.values() if isinstance(x, dict) else [x]
    assert all(t.shape == (len(train), *p.spec.layout) for t in tensors)
    assert p.spec.classes == d.classes and p.spec.data_type is d.data_type
    assert InputSpec.from_dict(d.data_type, json.loads(json.dumps(p.spec.to_dict()))) == p.spec
    assert json.loads(json.dumps(p.state())) == p.state()


def test_image():
    x = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3), dtype=np.uint8)
    p = prepare(make("image", x), np.arange(20))
    out = p(x)
    assert out.shape == (30, 3, 5, 4) and out.dtype == torch.float32
    np.testing.assert_allclose(out[3, 1, 2, 0].item(), x[3, 2, 0, 1] / 255, rtol=1e-6)
    np.testing.assert_allclose(p.spec.mean, (x[:20] / 255).mean((0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(p.spec.std, (x[:20] / 255).std((0, 1, 2)), rtol=1e-9)
    assert p.spec.scale is Scale.UNIT and p.spec.layout == (3, 5, 4)


def test_constant_channels_have_std_one():
    x = np.full((10, 4, 4, 1), 7, dtype=np.uint8)
    assert prepare(make("image", x), np.arange(10)).spec.std == (1.0,)
    s = np.full((10, 2, 4), 1e6, dtype=np.float32)
    s[:, 1] = np.nan
    s[:, 1, 0] = 0
    assert prepare(make("timeseries", s), np.arange(10)).spec.std == (1.0, 1.0)


def test_series_of_equal_length():
    x = np.random.default_rng(0).normal(5, 3, (30, 2, 50)).astype(np.float32)
    x[:, 1] *= 10
    raw = x.copy()
    p = prepare(make("timeseries", x), np.arange(20))
    z = p(x)
    np.testing.assert_allclose(z[:20].mean((0, 2)), [0, 0], atol=1e-5)
    np.testing.assert_allclose(z[:20].std((0, 2), correction=0), [1, 1], rtol=1e-5)
    np.testing.assert_allclose(p.spec.mean, x[:20].mean((0, 2), dtype=float), rtol=1e-5)
    assert p.spec.scale is Scale.STANDARDISED
    np.testing.assert_array_equal(x, raw)


def test_series_with_gaps_and_short_rows():
    n = np.nan
    x = np.array([[[1, 3, 1, 3, 1, 3]], [[1, n, n, 3, n, n]], [[n, 3, 1, n, 3, 1]]] * 4, dtype=np.float32)
    p = prepare(make("timeseries", x), np.arange(0, 12, 3))  # rows like the first: mean 2, std 1
    out = p(x[:3])
    assert out["lengths"].tolist() == [6, 4, 6]
    assert out["series"][1, 0].tolist() == [-1, -1, -1, 1, 0, 0]  # carried forward inside, zero beyond
    assert out["series"][2, 0].tolist() == [0, 1, -1, -1, 1, -1]


def test_equal_series_with_gaps_stay_one_tensor():
    x = np.random.default_rng(0).normal(size=(10, 1, 6)).astype(np.float32)
    x[2, 0, 3] = np.nan
    z = prepare(make("timeseries", x), np.arange(10))(x)
    assert isinstance(z, torch.Tensor) and z[2, 0, 3] == z[2, 0, 2]


def test_audio():
    x = np.random.default_rng(0).uniform(-1, 1, (6, 40)).astype(np.float32)
    p = prepare(make("audio", x, sample_rate=8000), np.arange(4))
    assert torch.equal(p(x), torch.from_numpy(x)) and p.spec.sample_rate == 8000
    ragged = x.copy()
    ragged[1, 25:] = np.nan
    out = prepare(make("audio", ragged, sample_rate=8000), np.arange(4))(ragged)
    assert out["lengths"].tolist() == [40, 25, 40, 40, 40, 40]
    assert (out["waveform"][1, 25:] == 0).all() and torch.equal(out["waveform"][0], torch.from_numpy(x[0]))


def table():
    frame = pd.DataFrame(
        {
            "v": [1.0, 3.0, 1.0, 3.0, 100.0, np.nan],
            "c": ["r", "g", "r", None, "new", None],
            "m": [2.0, np.nan, 4.0, np.nan, 2.0, np.nan],
            "b": [True, False, True, True, False, True],
            "k": [5, 5, 5, 5, 5, 6],
        }
    )
    return make("tabular", from_frame(frame, "toy"))


def test_table_by_hand():
    d = table()
    p = prepare(d, np.arange(4))
    # columns: v m k | c=r c=g c=missing | b=True b=False | m missing; v is not missing in training, so has no flag
    s = p.spec
    assert (s.numeric, s.onehot, s.flags) == ((0, 1, 2), ((3, 4, 5), (6, 7)), ((8, 1),))
    assert (s.mean, s.std, s.layout) == ((2.0, 3.0, 5.0), (1.0, 1.0, 1.0), (9,))
    assert p(d.x).tolist() == [
        [-1, -1, 0, 1, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0, 0, 1, 1],
        [-1, 1, 0, 1, 0, 0, 1, 0, 0],
        [1, 0, 0, 0, 0, 1, 1, 0, 1],
        [10, -1, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1, 1, 0, 1],
    ]


def test_table_missing_category_unseen_in_training():
    d = table()
    p = prepare(d, np.array([0, 1, 2, 4]))
    assert p.categories[0].values == ("r", "g", "new") and not p.categories[0].missing
    assert p(d.x)[3, list(p.spec.onehot[0])].tolist() == [0, 0, 0]


def test_table_keeps_the_fifty_most_frequent_categories():
    values = np.repeat([f"c{i:02d}" for i in range(60)], np.arange(60, 0, -1))
    d = make("tabular", from_frame(pd.DataFrame({"c": values}), "toy"))
    p = prepare(d, np.arange(len(values)))
    assert p.categories[0].values == tuple(f"c{i:02d}" for i in range(50))
    assert p(d.x).sum().item() == np.arange(60, 10, -1).sum()


def test_table_after_a_corruption_and_with_a_column_gone():
    d = table()
    p = prepare(d, np.arange(4))
    noisy = d.x.copy()
    noisy["v"] = noisy["v"].astype(object)
    noisy.loc[0, "v"] = "broken"
    noisy.loc[1, "v"] = np.inf
    assert p(noisy)[:2, 0].tolist() == [0, 10]
    assert torch.equal(p(noisy[noisy.columns[::-1]]), p(noisy))
    with pytest.raises(DataError, match="no column 'c'"):
        p(d.x.drop(columns="c"))


def test_text():
    texts = [f"The weather in town {i} is nice" for i in range(40)]
    d = make("text", texts)
    p, q = prepare(d, np.arange(30)), prepare(d, np.arange(30))
    s = p.spec
    assert (s.pad_id, s.unk_id, s.mask_id, s.special_ids) == (0, 1, 4, (0, 1, 2, 3, 4))
    out = p([*texts, "", "thw weahter 你好 \u0000", "[SEP] [PAD] [MASK]", "x" * 500])
    ids, mask = out["input_ids"], out["attention_mask"]
    assert ids.dtype == mask.dtype == torch.int64 and ids.shape == mask.shape == (44, s.layout[0])
    assert (ids[:, 0] == 2).all() and ids.max() < s.vocabulary_size
    assert ids[40].tolist() == [2, 3] + [0] * (s.layout[0] - 2) and mask[40].sum() == 2
    assert not (ids == 1).any()  # bytes are tokens: a typo or a foreign script is never [UNK]
    for row in range(41, 44):  # special tokens spelled in a text are text
        inner = ids[row, 1:][mask[row, 1:] == 1]
        assert inner[-1] == 3 and (inner[:-1] > 4).all()
    assert torch.equal(p(["THE Weather"])["input_ids"], p(["the weather"])["input_ids"])
    assert torch.equal(ids[:40], q(texts)["input_ids"])
    assert p([])["input_ids"].shape == (0, s.layout[0])


def test_text_length_is_the_98th_percentile_at_most_64():
    texts = ["a b"] * 99 + [" ".join("word" for _ in range(300))]
    assert prepare(make("text", texts), np.arange(100)).spec.layout == (4,)
    long = [" ".join("abcdefghij"[(i * j) % 10] for j in range(200)) for i in range(50)]
    assert prepare(make("text", long), np.arange(50)).spec.layout == (64,)


def test_of_overlong_words_and_gaps_only_the_beginning_is_learned_from():
    """Else learning from one word of 300,000 letters takes minutes."""

    def learned(texts):
        return prepare(make("text", texts), np.arange(len(texts))).tokenizer.get_vocab()

    start = "".join(np.random.default_rng(0).choice(list("abcdefgh"), 1000))
    assert learned(["rain " + start + "zq" * 1000 + " snow"] * 2) == learned(["rain " + start + " snow"] * 2)
    assert "zq" in learned(["rain " + start[:-2] + "zq" * 1000 + " snow", "zq", "zq"])
    assert learned(["a" + " " * 9000 + "b"] * 2) == learned(["a" + " " * 1000 + "b"] * 2)
    assert learned(["ab" * 150_000, "a" * 300_000, " " * 300_000])["Ġ" * 512] > 4


def test_nothing_to_fit_on():
    with pytest.raises(DataError, match="no training rows"):
        prepare(table(), np.array([], dtype=int))


def test_take_of_every_kind():
    index = np.array([2, 0])
    assert take(["a", "b", "c"], index) == ["c", "a"]
    assert list(take(np.arange(3), index)) == [2, 0]
    frame = take(pd.DataFrame({"v": [1, 2, 3]}), index)
    assert list(frame["v"]) == [3, 1] and list(frame.index) == [0, 1] and count(frame) == 2


def test_rows_of_another_form_are_refused():
    images = make("image", np.zeros((4, 5, 5, 3), np.uint8))
    compare_form(make("image", np.zeros((2, 5, 5, 3), np.uint8)), images, what="A")
    with pytest.raises(DataError, match=r"^A has rows of 5x4x3, the training data of 5x5x3: give the same form$"):
        compare_form(make("image", np.zeros((2, 5, 4, 3), np.uint8)), images, what="A")
    series = make("timeseries", np.zeros((4, 2, 9), np.float32))
    compare_form(make("timeseries", np.zeros((4, 2, 30), np.float32)), series, what="A")  # the length may differ
    with pytest.raises(DataError, match="1 channels"):
        compare_form(make("timeseries", np.zeros((4, 1, 9), np.float32)), series, what="A")
    table = make("tabular", pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]}))
    with pytest.raises(DataError, match="A lacks the column 'b'"):
        compare_form(make("tabular", pd.DataFrame({"a": [1.0, 2.0]})), table, what="A")
    sound = make("audio", np.zeros((2, 80), np.float32), sample_rate=8000)
    with pytest.raises(DataError, match="16000 Hz, the training data 8000 Hz"):
        compare_form(make("audio", np.zeros((2, 80), np.float32), sample_rate=16000), sound, what="A")
