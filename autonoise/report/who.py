"""One name for one policy: what each is called in the whole report, in which file it lies, and what its hash is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from autonoise.report.numbers import NONE, fixed, listed
from autonoise.report.page import Cell, Section, Table
from autonoise.study.names import WISHES
from autonoise.study.result import Result, StandingResult

NO_NOISE = "no noise"
LABELS = ("baseline", "preset", "start", "policy")
"""The contestants of a verdict, in the order in which they are shown."""
_WISH = {"balanced": "score", "robust": "accuracy under noise", "cheap": "few passes and techniques"}


def named(label: str) -> str:
    """A contestant's only name in the report: no noise, found, preset or start, as its file is called."""
    return {"baseline": NO_NOISE, "policy": "found"}.get(label, label)


@dataclass(frozen=True)
class Who:
    """A policy that the study has written: its name, its file inside the study's folder, its hash, what it is."""

    name: str
    file: str
    hash: str
    role: str
    techniques: tuple[str, ...]
    passes: float
    best_for: tuple[str, ...]


def written(result: Result) -> tuple[Who, ...]:
    """All policies that the study has written, each once: the contestants but no noise, then the other winners."""
    wishes: dict[str, list[str]] = {}
    for wish in sorted(result.winners, key=lambda w: (w not in WISHES, WISHES.index(w) if w in WISHES else 0)):
        wishes.setdefault(result.winners[wish].file or f"policies/{wish}.yaml", []).append(wish)
    out = []
    for label in reversed(LABELS):
        c = result.contestants.get(label)
        if c is None or label == "baseline":
            continue
        file = f"policies/{named(label)}.yaml"
        techniques = tuple(str(s.get("technique")) for s in c.steps)
        role = what_it_is(label, result)
        out.append(Who(named(label), file, c.hash, role, techniques, c.passes, tuple(wishes.pop(file, ()))))
    for file, best_for in wishes.items():
        w = result.winners[best_for[0]]
        role = "tried in the search, trained again, not judged on the test rows"
        out.append(Who(PurePosixPath(file).stem, file, w.hash, role, w.techniques, w.passes, tuple(best_for)))
    return tuple(out)


def what_it_is(label: str, result: Result) -> str:
    """A contestant in words."""
    c = result.contestants[label]
    if label == "baseline":
        return "the same training without any noise"
    if label == "preset":
        return f"the best published recipe, {c.name}"
    if label == "start":
        return f"the best policy that the search began with, {c.name}, unchanged"
    own = next((s for s in result.standings if s.hash and s.hash == c.hash and s.role in ("preset", "start")), None)
    if own is not None:
        kind = "published recipe" if own.role == "preset" else "starting policy"
        return f"what the search chose; it is the {kind} {own.name}, unchanged"
    return "what the search chose, without the techniques that add nothing"


def names_of_standings(result: Result) -> list[str]:
    """The names of the candidates that were trained again, in their order; no two different policies share one.

    What is a contestant, or was written for a wish, is called as everywhere else; the others by their own names.
    """
    known = {c.hash: named(label) for label, c in result.contestants.items() if c.hash}
    known |= {w.hash: w.name for w in written(result) if w.hash}
    taken = set(known.values()) | {named(label) for label in result.contestants}
    out = []
    for s in result.standings:
        name = known.get(s.hash) or _by_name(s, result)
        if name is None:
            name, n = s.name, 2
            while name in taken:
                name, n = f"{s.name} ({s.role}{f' {n}' if n > 2 else ''})", n + 1
            taken.add(name)
        out.append(name)
    return out


def _by_name(s: StandingResult, result: Result) -> str | None:
    """The contestant of that name and role, in results of older versions, which know no hash of a candidate."""
    if s.hash:
        return None
    roles = {"baseline": "baseline", "preset": "preset", "start": "start", "found": "policy"}
    label = roles.get(s.role, "")
    c = result.contestants.get(label)
    own = {"baseline": s.name, "policy": "found"}.get(label, c.name if c is not None else "")
    return named(label) if c is not None and s.name == own else None


def policies_section(result: Result) -> Section:
    """Which policies there are: names, files, hashes; which of them are the same."""
    title = "The policies of this study"
    rows = [
        [
            Cell(w.name),
            Cell(w.role),
            Cell(", ".join(w.techniques).replace("_", " ") or NONE),
            Cell(listed([_WISH.get(wish, wish) for wish in w.best_for]) or NONE),
            Cell(fixed(w.passes, 2)),
            Cell(w.file, tone="code"),
            Cell(w.hash or NONE, tone="code"),
        ]
        for w in written(result)
    ]
    if not rows:
        return Section("policies", title)
    head = ["name", "what it is", "techniques", "best of all for", "passes per step", "file", "hash"]
    note = (
        "A policy has the same name in this whole report; the hash stands for its content. Passes: forward and "
        "backward passes per training step; training without noise has 1."
    )
    return Section("policies", title, text=same_policies(result), tables=[Table(head, rows, wide=True, note=note)])


def same_policies(result: Result) -> list[str]:
    """A sentence for files that hold the same policy, and for a policy that is the best for several wishes."""
    out = []
    if result.exported == "baseline":
        out.append("policy.yaml has no steps: it stands for training without noise.")
    elif result.exported in result.contestants:
        name = named(result.exported)
        out.append(f"policy.yaml and policies/{name}.yaml are the same policy, {name}.")
    known = written(result)
    for w in known:
        if len(w.best_for) > 1:
            wishes = listed([_WISH.get(wish, wish) for wish in w.best_for])
            files = f"there is one file for {_number(w.best_for)}"
            out.append(f"{w.name.capitalize()} is the best for {wishes} at once, so {files}.")
    by_hash: dict[str, list[str]] = {}
    for w in known:
        by_hash.setdefault(w.hash or w.name, []).append(w.name)
    out += [f"{listed(names)} are the same policy, in two files." for names in by_hash.values() if len(names) > 1]
    return out


def _number(wishes: tuple[str, ...]) -> str:
    return {2: "both", 3: "all three"}.get(len(wishes), f"all {len(wishes)}")
