"""Finding the front end of a foreign model for sound: what makes a spectrogram, or frames, of a waveform."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from autonoise.errors import AttachError

_SPECTRAL = frozenset({
    "frontend", "mel", "melspec", "melspectrogram", "melspectrum", "melfeatures", "melscale", "logmel", "logmelspec",
    "logmelspectrogram", "logmelextractor", "logmelfilterbank", "spec", "spectrogram", "spectrogramextractor",
    "logspectrogram", "spectrum", "stft", "fbank", "fbanks", "filterbank", "filterbanks", "mfcc", "lfcc", "cqt",
    "gammatone", "tomel", "todb", "amplitudetodb", "powertodb", "audiofeatures",
})  # fmt: skip
"""Names of modules, and of their classes, that make a spectrogram; small letters without underscores."""
_GENERAL = frozenset({
    "features", "featureextractor", "featureextraction", "featureencoder", "featurizer", "computefeatures",
    "preprocessor", "preprocessing", "preprocess",
})  # fmt: skip
"""Names that mean a front end only where nothing has a name of the first kind, since some models call a whole stack of
convolutions so."""
SHOWN = ", ".join(("front_end", "mel", "spectrogram", "stft", "fbank", "mfcc", "features", "feature_extractor"))


def front_end(model: nn.Module) -> tuple[str, nn.Module] | None:
    """(name, module) of the front end; None where no module is named or made like one.

    Of several beside each other (a spectrogram, then decibels) it is the one that was defined last. Raises AttachError
    where there are several in different parts of the model.
    """
    for names in (_SPECTRAL, _GENERAL):
        found = list(_outermost(model, names))
        if names is _GENERAL:
            # a convolution in two dimensions works on a spectrogram, which is made elsewhere
            found = [(n, m) for n, m in found if not any(isinstance(c, nn.Conv2d) for c in m.modules())]
        if len({n.rpartition(".")[0] for n, _ in found}) > 1:
            raise AttachError(
                f"site 'front_end' could be {' or '.join(n for n, _ in found)}: name one by "
                f"sites={{'front_end': {found[0][0]!r}}}"
            )
        if found:
            return found[-1]
    return None


def _outermost(model: nn.Module, names: Iterable[str]) -> Iterable[tuple[str, nn.Module]]:
    """Modules whose own name or class is one of the names, without those inside of another."""
    inside = "/"
    for name, module in model.named_modules():
        if not name or name.startswith(inside):
            continue
        if _plain(name.rpartition(".")[2]) in names or _plain(type(module).__name__) in names:
            inside = f"{name}."
            yield name, module


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
