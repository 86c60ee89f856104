"""The closed vocabularies (data types, stages, families) and the description of a model's input."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from autonoise.errors import AttachError, UnknownNameError
from autonoise.fields import coerced

Array = np.ndarray[Any, np.dtype[Any]]
Batch = Tensor | Mapping[str, Tensor]
"""A batch of model inputs: one tensor, or a mapping such as ``{"input_ids", "attention_mask"}``."""


class DataType(StrEnum):
    IMAGE = "image"
    TEXT = "text"
    TABULAR = "tabular"
    TIMESERIES = "timeseries"
    AUDIO = "audio"


class Stage(StrEnum):
    """Where a technique enters a training step, in the order in which the stages run.

    One training step, with each stage at the line where it acts::

        text = RAW(text)                        # strings, in the data loader; then the tokenizer makes x of them
        x = INPUT(x)                            # the batch, in canonical units
        x = ADVERSARIAL(x, gradient of loss)    # to where the loss is larger
        y = TARGET(y)                           # soft targets (B, C)
        x, y = PAIR(x, y)                       # rows are mixed with other rows, and their targets alike
        w = WEIGHT(w)                           # for this forward and backward pass; the optimiser keeps the clean w
        h = EMBEDDING(embedding(x))             # the model's forward pass begins
        h = ACTIVATION(layer(h))                # at each layer that is chosen
        loss = LOSS(logits, y)                  # in place of cross entropy, or blended with it
        loss = loss + STEP(whole step)          # further passes and losses, or a second gradient
        loss.backward()
        g = GRADIENT(g)                         # the finished gradients
        optimizer.step()                        # with g, on the clean w
    """

    RAW = "raw"
    INPUT = "input"
    ADVERSARIAL = "adversarial"
    TARGET = "target"
    PAIR = "pair"
    EMBEDDING = "embedding"
    ACTIVATION = "activation"
    WEIGHT = "weight"
    LOSS = "loss"
    GRADIENT = "gradient"
    STEP = "step"


class Scale(StrEnum):
    """How the numbers of an input are scaled: 0..255, 0..1 (audio: -1..1), or (x - mean) / std."""

    BYTE = "byte"
    UNIT = "unit"
    STANDARDISED = "standardised"


class Family(StrEnum):
    """What kind of noise a technique or a corruption is; says what a policy has "seen" in training."""

    INDEPENDENT = "independent"
    IMPULSE = "impulse"
    BLUR = "blur"
    PHOTOMETRIC = "photometric"
    GEOMETRIC = "geometric"
    OCCLUSION = "occlusion"
    COMPRESSION = "compression"
    LOW_FREQUENCY = "low_frequency"
    PERIODIC = "periodic"
    QUANTISATION = "quantisation"
    CHARACTER_EDIT = "character_edit"
    CHARACTER_CONFUSION = "character_confusion"
    TOKEN_EDIT = "token_edit"
    TOKEN_ORDER = "token_order"
    SPACING = "spacing"
    DISTRACTOR = "distractor"
    TRUNCATION = "truncation"
    MISSINGNESS = "missingness"
    VALUE_SWAP = "value_swap"
    CATEGORY = "category"
    UNIT_ERROR = "unit_error"
    OUTLIER = "outlier"
    SHIFT = "shift"
    GAIN = "gain"
    SATURATION = "saturation"
    RESAMPLING = "resampling"
    TIME_WARP = "time_warp"
    BACKGROUND = "background"
    REVERBERATION = "reverberation"
    BAND_LIMIT = "band_limit"
    MIXING = "mixing"
    ADVERSARIAL = "adversarial"
    LABEL = "label"
    FEATURE = "feature"
    WEIGHT = "weight"
    GRADIENT = "gradient"
    OBJECTIVE = "objective"


Word = TypeVar("Word", bound=StrEnum)


def member(kind: type[Word], value: object, noun: str) -> Word:
    """``value``, a word or a member already, as a member of the vocabulary ``kind``; code may then compare by ``is``.

    Raises UnknownNameError, with the nearest words, for any other.
    """
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise UnknownNameError.of(noun, value, list(kind))


_RELATED_PAIRS: tuple[tuple[Family, Family], ...] = (
    (Family.INDEPENDENT, Family.IMPULSE), (Family.IMPULSE, Family.OUTLIER), (Family.BLUR, Family.RESAMPLING),
    (Family.PHOTOMETRIC, Family.GAIN), (Family.COMPRESSION, Family.QUANTISATION),
    (Family.LOW_FREQUENCY, Family.SHIFT), (Family.CHARACTER_EDIT, Family.CHARACTER_CONFUSION),
    (Family.CHARACTER_EDIT, Family.SPACING), (Family.TOKEN_EDIT, Family.MISSINGNESS),
    (Family.TRUNCATION, Family.MISSINGNESS), (Family.OCCLUSION, Family.MISSINGNESS),
    (Family.VALUE_SWAP, Family.CATEGORY), (Family.GAIN, Family.SATURATION),
    (Family.GEOMETRIC, Family.TIME_WARP), (Family.MIXING, Family.BACKGROUND),
)  # fmt: skip
RELATED: frozenset[frozenset[Family]] = frozenset(frozenset(pair) for pair in _RELATED_PAIRS)


def related(a: Family, b: Family) -> bool:
    """Whether training on one family teaches something direct about the other (same or related)."""
    return a == b or frozenset((a, b)) in RELATED


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a model's input looks like, so that strengths in physical units can be applied to it.

    Words (``"image"``, ``"unit"``) become members of their vocabulary; lists, arrays and single numbers become tuples.
    Raises UnknownNameError for an unknown word, AttachError for a value that its field cannot hold.

    Attributes:
        layout: shape of one sample without the batch: image (C, H, W), series (C, L), audio (T,), text (L,),
            table (D,). Sizes are those of the search; a policy may be used at other sizes of the same rank.
        classes: number of classes.
        scale, mean, std: how numbers are scaled; mean and std per channel or column (image: in units of 0..1),
            of length 1 or of the number of channels. Empty means 0 and 1.
        pad_id, mask_id, unk_id, special_ids, vocabulary_size: token ids of text models.
        numeric, onehot, codes, flags: columns of a table. ``numeric`` are standardised columns, each of
            ``onehot`` the columns of one categorical, ``codes`` columns that hold integer codes (0 = missing),
            ``flags`` pairs (flag column, first column of the feature whose absence it marks).
        names: the names of a table's columns, one for each of ``layout``, or empty.
        sample_rate: of audio, in Hz.
    """

    data_type: DataType
    layout: tuple[int, ...]
    classes: int = 0
    scale: Scale = Scale.UNIT
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pad_id: int | None = None
    mask_id: int | None = None
    unk_id: int | None = None
    special_ids: tuple[int, ...] = ()
    vocabulary_size: int | None = None
    numeric: tuple[int, ...] = ()
    onehot: tuple[tuple[int, ...], ...] = ()
    codes: tuple[int, ...] = ()
    flags: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))
        object.__setattr__(self, "scale", member(Scale, self.scale, "scale"))
        for f in fields(self):
            if f.name not in ("data_type", "scale"):
                object.__setattr__(self, f.name, coerced(f.name, getattr(self, f.name)))
        if self.names and (len(self.names),) != self.layout:
            raise AttachError(
                f"input: there are {len(self.names)} names for a layout of {self.layout}: give one a column"
            )

    def __hash__(self) -> int:
        # kept: it is asked for in every batch, and a table has hundreds of columns
        if "_hash" not in self.__dict__:
            self.__dict__["_hash"] = hash(tuple(getattr(self, f.name) for f in fields(self)))
        return int(self.__dict__["_hash"])

    def __getstate__(self) -> dict[str, Any]:
        """Without the hash, which is another one in every process."""
        return {k: v for k, v in self.__dict__.items() if k != "_hash"}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a policy file; fields at their defaults are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {k: _plain(v) for k, v in values.items() if k != "data_type"} | {"scale": str(self.scale)}

    @classmethod
    def from_dict(cls, data_type: DataType, values: Mapping[str, Any]) -> InputSpec:
        """Inverse of :meth:`to_dict`. Raises UnknownNameError or AttachError on unknown or ill-typed fields."""
        known = {f.name for f in fields(cls)} - {"data_type"}
        unknown = set(values) - known
        if unknown:
            raise UnknownNameError.of("input field", sorted(unknown)[0], known)
        return cls(data_type=data_type, **values)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class BatchInfo:
    """What a technique may know of the batch it perturbs.

    Attributes:
        spec: the input description.
        valid: bool, broadcastable to x; False where x is padding, a special token or missing. None: all valid.
        lengths: (B,) number of valid steps or samples of each row, counted from its beginning (series, audio); of
            texts ``valid`` alone says which tokens count. None: full length.
        filled: at a layer inside the model, the share (B,) of each row that is no padding (series, audio). None: all.
        bounds: closed range of valid values in canonical units (image (0, 1), audio (-1, 1)), or None.
        feature_of: tables only, (D,) long: which feature each column belongs to; -1 for none.
        categorical: tables only, (D,) bool: True for one-hot and code columns.
        unit: how much one unit of strength is in the numbers of x: 1, at an embedding the root mean square of x, which
            on a GPU is a tensor () rather than a float.
        targets: (B, C) soft targets of the batch, or None.
    """

    spec: InputSpec
    valid: Tensor | None = None
    lengths: Tensor | None = None
    filled: Tensor | None = None
    bounds: tuple[float, float] | None = None
    feature_of: Tensor | None = None
    categorical: Tensor | None = None
    unit: float | Tensor = 1.0
    targets: Tensor | None = None

    def at_a_layer(self, valid: Tensor | None) -> BatchInfo:
        """What holds for the activations of a layer, whose steps, columns and range are not those of the input."""
        spec = self.spec if self.feature_of is None else _without_columns(self.spec)
        return replace(self, spec=spec, valid=valid, lengths=None, bounds=None, feature_of=None, categorical=None)


@functools.lru_cache(maxsize=16)
def _without_columns(spec: InputSpec) -> InputSpec:
    """The description without what is said of columns; it is kept, since every batch asks for it."""
    return replace(spec, numeric=(), onehot=(), codes=(), flags=(), names=())


def per_sample(values: Tensor, like: Tensor, dim: int = 0) -> Tensor:
    """``values`` (B,), one for each row, in a shape that broadcasts over ``like``, whose rows are along ``dim``."""
    shape = [1] * like.ndim
    shape[dim] = -1
    return values.to(dtype=like.dtype if like.is_floating_point() else torch.float32).reshape(shape)
