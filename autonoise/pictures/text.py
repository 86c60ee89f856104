"""Texts: what the noise puts in is marked, what it takes out is struck through."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders

from autonoise.batches import batch_adapter
from autonoise.data import Dataset, Preparation, Rows
from autonoise.errors import plain
from autonoise.pictures.differences import Piece, difference, marked, words_of
from autonoise.pictures.values import Examples
from autonoise.pictures.words import label_line, point
from autonoise.policy import Policy
from autonoise.types import Batch, Stage

ROWS = 4
"""Rows that are shown where nobody says how many."""
SIZE, LINE, NAME = 8.0, 0.165, 0.62
"""Size of type in points, height of a line, and width of the column with the points' names (inches)."""
MOST = 6
"""Lines that one text may take; of a longer one the beginning is shown."""
_DECODER = decoders.ByteLevel()


@dataclass(frozen=True)
class Reading:
    """``tokens``: the policy changes tokens, so that texts are shown as the tokenizer reads them."""

    tokens: bool
    cut: int


def about(dataset: Dataset, preparation: Preparation, policy: Policy) -> Reading:
    """Whether texts are shown as tokens, and how many of them a model reads."""
    return Reading(bool(policy.at_stage(Stage.INPUT)), preparation.spec.layout[0])


def restored(rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: Reading) -> list[Any]:
    """The words of each text; or, where a step changes tokens, its tokens without padding and the ends."""
    if not about.tokens:
        return [words_of(str(text)) for text in rows]
    spec = preparation.spec
    ids = batch_adapter(spec.data_type).main(batch)
    hidden = set(spec.special_ids) - {spec.mask_id, spec.unk_id}
    tokenizer: Tokenizer = preparation.tokenizer  # type: ignore[attr-defined]
    read = [[_token(tokenizer, i) for i in row if i not in hidden] for row in ids.tolist()]
    return [[t.lstrip() if n == 0 else t for n, t in enumerate(tokens)] for tokens in read]


def _token(tokenizer: Tokenizer, number: int) -> str:
    piece = tokenizer.id_to_token(number) or "?"
    return f" {piece}" if piece.startswith("[") and piece.endswith("]") else str(_DECODER.decode([piece]))


def pieces(row: Any, i: int, *, letters: bool) -> list[Piece]:
    """What point number ``i`` changes of a row; ``letters``: which letters of a word."""
    found = difference(row.clean, row.noisy[i], letters=letters)
    return [Piece(plain(p.text).replace("\n", "⏎").replace("\t", " "), p.kind) for p in found]


def body(e: Examples, width: float) -> tuple[float, Any]:
    """(height in inches, what draws it)."""
    from autonoise.pictures.glyphs import families
    from autonoise.pictures.page import MONO

    def drawn(found: Sequence[Piece]) -> list[list[Piece]]:
        return broken([Piece(families(p.text, mono=True)[0], p.kind) for p in found], columns)

    columns = int((width - NAME) * 72 / (SIZE * MONO))
    blocks = []
    for row in e.rows:
        same = [Piece(plain("".join(row.clean)).replace("\n", "⏎"), "same")]
        block = [("clean", drawn(same), True)]
        for i, t in enumerate(e.at):
            block.append((point(t), drawn(pieces(row, i, letters=not e.about.tokens)), row.changed[i]))
        blocks.append((label_line(row.label, row.labels, e.at), block))
    heights = [0.2 + sum(0.04 + LINE * (len(text) if c else 1) for _, text, c in block) + 0.14 for _, block in blocks]

    def draw(page: Any, top: float) -> None:
        left = (page.width - width) / 2
        _legend(page, left, top, tokens=e.about.tokens)
        y = top + 0.28
        for (label, block), height in zip(blocks, heights, strict=True):
            _block(page, left, y, label, block)
            y += height

    return 0.28 + sum(heights), draw


def broken(found: Sequence[Piece], columns: int) -> list[list[Piece]]:
    """The pieces in lines of so many columns, cut between words; after ``MOST`` lines the rest is left out."""
    from autonoise.pictures.glyphs import columns as wide

    letters = [(c, p.kind) for p in found for c in p.text]
    lines, line, used = list[list[tuple[str, Any]]](), list[tuple[str, Any]](), 0
    for blank, group in itertools.groupby(letters, lambda letter: letter[0] == " "):
        word = list(group)
        long = sum(wide(c) for c, _ in word)
        if used and not blank and used + long > columns:
            lines, line, used = [*lines, line], [], 0
        for letter in word:
            if used + wide(letter[0]) > columns:
                lines, line, used = [*lines, line], [], 0
            line.append(letter)
            used += wide(letter[0])
    lines = [*lines, line]
    if len(lines) > MOST:
        lines = [*lines[: MOST - 1], [(c, "same") for c in "… (the rest is not shown)"]]
    return [
        [Piece("".join(c for c, _ in run), kind) for kind, run in itertools.groupby(line, lambda letter: letter[1])]
        for line in lines
    ]


def _legend(page: Any, left: float, top: float, *, tokens: bool) -> None:
    from autonoise.pictures.page import ADDED, MUTED, REMOVED

    as_tokens = "; texts as the tokenizer reads them" if tokens else ""
    page.box(left, top, 0.16, 0.13, ADDED)
    page.text(left + 0.22, top, "put in", size=8, color=MUTED)
    page.box(left + 0.75, top, 0.16, 0.13, REMOVED)
    page.line(left + 0.76, top + 0.068, left + 0.9, "#b3400a", 0.8)
    page.text(left + 0.97, top, f"taken out{as_tokens}", size=8, color=MUTED)


def _block(page: Any, left: float, top: float, label: str, block: list[Any]) -> None:
    from autonoise.pictures.glyphs import columns as wide
    from autonoise.pictures.page import ADDED, GONE, GRID, INK, MONO, MUTED, REMOVED, fitted

    page.line(left, top - 0.05, page.width - left, GRID, 0.8)
    page.text(left, top, fitted(label, page.width - 2 * left, 8), size=8, weight="bold")
    y, cell = top + 0.2, SIZE * MONO / 72
    for name, text, changed in block:
        page.text(left, y, name, size=7.5, color=MUTED)
        if not changed:
            page.text(left + NAME, y, "unchanged", size=7.5, color=MUTED)
            y += LINE + 0.04
            continue
        for line in text:
            x = left + NAME
            for piece in line:
                long = sum(wide(c) for c in piece.text) * cell
                if piece.kind != "same":
                    page.box(x, y - 0.01, long, LINE - 0.02, ADDED if piece.kind == "added" else REMOVED)
                page.text(x, y, piece.text, size=SIZE, mono=True, color=GONE if piece.kind == "removed" else INK)
                if piece.kind == "removed":
                    page.line(x, y + 0.068, x + long, GONE, 0.7)
                x += long
            y += LINE
        y += 0.04


def lines(e: Examples) -> list[str]:
    """For the terminal: each text clean, then at each point with marks at what was put in and taken out."""
    out = ["[-taken out-] {+put in+}" + ("  (texts as the tokenizer reads them)" if e.about.tokens else "")]
    for row in e.rows:
        out += ["", f"row {row.number}  {label_line(row.label, row.labels, e.at)}"]
        out.append(f"  {'clean':8}{plain(''.join(row.clean)).strip()}")
        for i, t in enumerate(e.at):
            text = marked(pieces(row, i, letters=False)).strip() if row.changed[i] else "unchanged"
            out.append(f"  {point(t):8}{text}")
    return out
