"""How a folder of pictures or clips is laid out: which sub-folders are parts of a split, and which are classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autonoise.data.names import split_name
from autonoise.data.notes import Notes
from autonoise.errors import DataError

ASIDE = frozenset({
    ".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".html", ".htm", ".ini",
    ".cfg", ".toml", ".db", ".log", ".py", ".pyc", ".ipynb", ".sh", ".js", ".css", ".pdf", ".doc", ".docx", ".zip",
    ".gz", ".tar", ".names", ".lst", ".sql", ".pth", ".pt", ".pkl", ".bib", ".cff",
})  # fmt: skip
"""Files that accompany data and are no data: a folder that holds nothing else is not a class."""
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "@eadir", "lost+found"})


@dataclass(frozen=True)
class Entry:
    """A file in a class folder; ``part`` is the name of its part of an official split, or ""."""

    file: Path
    label: str
    part: str


def entries(root: Path, suffixes: frozenset[str], notes: Notes) -> list[Entry]:
    """All files in class folders in a stable order; folders without data are passed over, which is told.

    Hidden files are not looked at, links to folders are followed, but never in a circle. ``suffixes``: what can be
    read. Raises DataError where names of splits would become classes.
    """
    root_tree = _Tree(root, suffixes)
    top = _unwrapped(root_tree, notes)
    folders = top.with_data(notes)
    parts = _parts(root, folders, notes)
    out: list[Entry] = []
    for base, part in parts or [(top, "")]:
        inner = base
        if part:
            inner = _unwrapped(base, notes, inside_part=True)
            folders = inner.with_data(notes)
            if not folders:
                if part == "train":
                    raise DataError(f"{base.path}: no class folders in it: put the files into one folder per class")
                notes.tell(f"folder {base.path.name!r} has no class folders and is left out", guess=True)
                continue
        if inner.loose and folders:
            some = f"{len(inner.loose)} files beside the class folders are left out (such as {inner.loose[0].name})"
            notes.tell(some, guess=True)
        inside = {} if part else _parts_of_classes(folders)
        for folder in folders:
            for file in folder.every:
                first = file.relative_to(folder.path).parts[0]
                out.append(Entry(file, folder.path.name, part or inside.get(first, "")))
    return out


class _Tree:
    """A folder, its files and its sub-folders, without hidden ones, each real folder once on a way down."""

    def __init__(self, path: Path, suffixes: frozenset[str], above: frozenset[Path] = frozenset()) -> None:
        self.path, self.suffixes = path, suffixes
        above |= {path.resolve()}
        inside = sorted(p for p in path.iterdir() if not p.name.startswith(".") and p.name.lower() not in _SYSTEM)
        self.files = [p for p in inside if p.is_file()]
        self.lost = [p for p in inside if not p.is_file() and not p.is_dir()]  # links that lead nowhere
        self.folders = [_Tree(p, suffixes, above) for p in inside if p.is_dir() and p.resolve() not in above]

    @cached_property
    def every(self) -> list[Path]:
        """All files in it and below it."""
        return sorted([*self.files, *self.lost, *(f for d in self.folders for f in d.every)])

    @cached_property
    def readable(self) -> bool:
        return any(f.suffix.lower() in self.suffixes for f in self.every)

    @cached_property
    def loose(self) -> list[Path]:
        """Files to read that lie in it directly."""
        return [f for f in self.files if f.suffix.lower() in self.suffixes]

    def with_data(self, notes: Notes) -> list[_Tree]:
        """Sub-folders that hold data, or files that might be data; the others are told."""
        kept: list[_Tree] = []
        passed: list[_Tree] = []
        for folder in self.folders:
            data = folder.readable or any(f.suffix.lower() not in ASIDE for f in folder.every)
            (kept if data else passed).append(folder)
        if passed:
            names = ", ".join(repr(f.path.name) for f in passed)
            notes.tell(f"folders without pictures or clips are passed over: {names}", guess=bool(kept))
        return kept


def _unwrapped(tree: _Tree, notes: Notes, *, inside_part: bool = False) -> _Tree:
    """Go down while a folder holds nothing but one folder of folders, as unpacked archives do."""
    while True:
        data = [d for d in tree.folders if d.readable]
        if tree.loose or len(data) != 1 or data[0].loose:
            return tree
        if _part_of(data[0]) and not inside_part:
            return tree
        tree = data[0]
        notes.tell(f"the classes are looked for in {tree.path.name!r}, the only folder with data")


def _part_of(tree: _Tree) -> str:
    """The part "train", "valid" or "test" where the folder's name says so, also as one of its words, else ""."""
    return split_name(tree.path.name, words=True) or ""


def _parts(root: Path, folders: Sequence[_Tree], notes: Notes) -> list[tuple[_Tree, str]]:
    """The folders as parts of a split, or none; DataError where some are and some are not."""
    named = [d for d in folders if split_name(d.path.name)]
    if not named:  # longer names (seg_train) mean parts only together, and only if classes are in them
        named = [d for d in folders if _part_of(d) and d.with_data(Notes())]
        parts = {_part_of(d) for d in named}
        if "train" not in parts or len(parts) < 2:
            return []
    others = [d for d in folders if not _part_of(d)]
    if [d.path.name.lower() for d in named] == ["train"] and others and not named[0].with_data(Notes()):
        notes.tell("folder 'train' is taken for a class: it holds no class folders", guess=True)
        return []
    if not others and any(_part_of(d) == "train" for d in folders):
        return [(d, _part_of(d)) for d in folders]
    names = " and ".join(repr(d.path.name) for d in named)
    why = f"{others[0].path.name!r} beside them is not" if others else "none is named train"
    raise DataError(
        f"{root}: {names} would become classes: such names are parts of a split, but {why}: name the parts train, "
        "valid and test, and move other folders away"
    )


def _parts_of_classes(folders: Sequence[_Tree]) -> dict[str, str]:
    """Folder name → part where every class folder holds nothing but its own train/, test/ ..., else empty."""
    found: dict[str, str] = {}
    for folder in folders:
        inner = {d.path.name: split_name(d.path.name) for d in folder.folders if d.readable}
        if folder.loose or "train" not in inner.values() or not all(inner.values()):
            return {}
        found |= {name: part for name, part in inner.items() if part}
    return found
