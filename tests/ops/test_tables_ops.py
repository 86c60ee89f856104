import torch

from autonoise.ops.random import generator
from autonoise.ops.tables import categorical_columns, choose_features, exchange_features, flag_columns
from autonoise.types import BatchInfo, DataType, InputSpec

# columns: 0, 1 numeric; 2 flag of 0; 3 4 5 one-hot; 6 code; 7 belongs to nothing
SPEC = InputSpec(
    data_type=DataType.TABULAR, layout=(8,), numeric=(0, 1), flags=((2, 0),), onehot=((3, 4, 5),), codes=(6,)
)
OWNERS = torch.tensor([0, 1, 0, 2, 2, 2, 3, -1])


def info(valid: torch.Tensor | None = None) -> BatchInfo:
    return BatchInfo(spec=SPEC, feature_of=OWNERS, valid=valid)


def test_columns_from_the_description() -> None:
    x = torch.zeros(2, 8)
    assert flag_columns(x, info()).nonzero()[:, 0].tolist() == [2]
    assert categorical_columns(x, info()).nonzero()[:, 0].tolist() == [3, 4, 5, 6]
    told = BatchInfo(spec=SPEC, categorical=torch.arange(8) == 1)
    assert categorical_columns(x, told).nonzero()[:, 0].tolist() == [1]


def test_features_are_chosen_whole_at_the_rate_of_their_row() -> None:
    rate = torch.tensor([0.2, 0.6]).repeat(2000).unsqueeze(1)
    chosen = choose_features(torch.zeros(4000, 8), rate, generator(0), info())
    assert torch.equal(chosen[:, 0], chosen[:, 2])  # value and flag
    assert torch.equal(chosen[:, 3], chosen[:, 4]) and torch.equal(chosen[:, 3], chosen[:, 5])
    assert not chosen[:, 7].any()
    assert torch.allclose(chosen[0::2, :7].float().mean(0), torch.full((7,), 0.2), atol=0.04)
    assert torch.allclose(chosen[1::2, :7].float().mean(0), torch.full((7,), 0.6), atol=0.04)


def test_choice_among_columns_and_missing_features() -> None:
    x, always = torch.zeros(3, 8), torch.ones(3, 1)
    among = torch.zeros(8, dtype=torch.bool)
    among[0] = True
    assert choose_features(x, always, generator(0), info(), among)[0].nonzero()[:, 0].tolist() == [0, 2]
    valid = torch.ones(3, 8, dtype=torch.bool)
    valid[1, 0] = valid[2, 4] = False
    chosen = choose_features(x, always, generator(0), info(valid))
    assert chosen[0].nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert chosen[1].nonzero()[:, 0].tolist() == [1, 3, 4, 5, 6]
    assert chosen[2].nonzero()[:, 0].tolist() == [0, 1, 2, 6]


def test_exchange_takes_features_whole_from_other_rows() -> None:
    rows = torch.arange(50.0).unsqueeze(1).expand(50, 8)
    chosen = torch.ones(50, 8, dtype=torch.bool)
    chosen[:, 1] = False
    out = exchange_features(rows, chosen, generator(0), info())
    assert torch.equal(out[:, 1], rows[:, 1])
    assert (out[:, 0] != rows[:, 0]).all()  # another row, never the same
    assert torch.equal(out[:, 0], out[:, 2]) and torch.equal(out[:, 3], out[:, 5])
    assert (out[:, 0] != out[:, 3]).any()  # each feature draws its own row
    assert torch.equal(exchange_features(rows[:1], chosen[:1], generator(0), info()), rows[:1])
