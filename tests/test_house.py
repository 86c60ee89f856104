"""How the house is built: floors, sizes, what may know what, and what importing costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autonoise.errors import SEARCH_PACKAGES
from autonoise.technique.registry import technique_names
from autonoise.types import DataType

PACKAGE = Path(__file__).parent.parent / "autonoise"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOORS: list[set[str]] = [
    {"errors", "types", "files", "array_files", "fields"},
    {"ops", "technique"},
    {"techniques", "corruptions", "data", "batches", "proxies"},
    {"injector"},
    {"policy"},
    {"space", "evaluation", "pictures"},
    {"training"},
    {"study"},
    {"report"},
    {"dashboard"},
    {"trials"},
    {"verdict"},
    {"run", "found", "phases", "calling", "evaluating", "previewing", "comparing", "joining", "on_ray"},
    {"cli", "integrations", "testing", "__init__", "__main__"},
]
PUBLIC = {
    "AutonoiseError", "InputSpec", "NoiseInjector", "Policy", "PolicySampler", "RobustnessMonitor", "Schedule",
    "SearchSpace", "Step", "__version__", "evaluate", "load_policy", "preview", "search",
}  # fmt: skip
GENERAL = ("injector", "policy", "space", "training", "study", "trials", "verdict")
"""Rooms that must work for every technique and data type without knowing one by name."""


def name_of(file: Path) -> str:
    return ".".join(("autonoise", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor_of(module: str) -> int:
    found = [i for i, rooms in enumerate(FLOORS) if room_of(module) in rooms]
    assert found, f"{module} has no floor: add its room to FLOORS here and to the design"
    return found[0]


MODULES = {name_of(f) for f in FILES}


def imports_of(file: Path) -> Iterator[str]:
    """Modules of autonoise that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "autonoise")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            if node.module and node.module.split(".")[0] == "autonoise":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in MODULES else node.module


def short(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


every_file = pytest.mark.parametrize("file", FILES, ids=short)


@every_file
def test_lower_floors_never_import_higher_ones(file: Path) -> None:
    here = name_of(file)
    for imported in sorted(imports_by_any_means(file)):
        assert floor_of(imported) <= floor_of(here), f"{here} (floor {floor_of(here)}) imports {imported}"


@every_file
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300


def imports_by_any_means(file: Path) -> set[str]:
    """Modules of autonoise that a file imports, those named by a string (``importlib.import_module``) included."""
    found = set(imports_of(file))
    for node in ast.walk(ast.parse(file.read_text())):
        # "autonoise" alone is the name of the log
        if isinstance(node, ast.Constant) and node.value in MODULES - {"autonoise"}:
            found.add(str(node.value))
    return found - {name_of(file)}


def test_no_files_import_each_other() -> None:
    """Not even in a circle over several files: each file can be read knowing only what lies below it."""
    graph = {name_of(f): imports_by_any_means(f) & MODULES for f in FILES if f.name != "__init__.py"}
    path: list[str] = []
    done: set[str] = set()

    def visit(module: str) -> None:
        if module in path:
            raise AssertionError("a circle: " + " → ".join([*path[path.index(module) :], module]))
        if module in done or module not in graph:
            return
        path.append(module)
        for imported in sorted(graph[module]):
            visit(imported)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


def reach(module: str) -> set[str]:
    """All modules of autonoise that a module imports, directly or not."""
    files = {name_of(f): f for f in FILES}
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for imported in imports_of(files[waiting.pop()]):
            if imported in files and imported not in found:
                found.add(imported)
                waiting.append(imported)
    return found


def test_corruptions_share_no_code_with_techniques() -> None:
    held_out = [name_of(f) for f in FILES if f.parent.name == "corruptions" and f.stem.endswith("_held_out")]
    assert len(held_out) == len(DataType)
    for module in held_out:
        rooms = {room_of(m) for m in reach(module)}
        assert not rooms & {"ops", "techniques", "stages", "technique"}, module
    for file in (PACKAGE / "corruptions").glob("*.py"):
        assert "techniques" not in {room_of(m) for m in reach(name_of(file))}, file


def test_one_file_knows_how_facts_of_a_trial_are_named() -> None:
    for file in FILES:
        if room_of(name_of(file)) in ("study", "search", "verdict") and file.name != "trial_record.py":
            texts = {word for _, word, is_string in strings_and_names(file) if is_string}
            assert not [t for t in texts if t.startswith("autonoise.")], short(file)


def test_each_technique_stands_alone() -> None:
    for file in (PACKAGE / "techniques").glob("*.py"):
        assert "techniques" not in {room_of(m) for m in imports_of(file)}, f"{file.name} imports another technique"


def strings_and_names(file: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, string or identifier, whether it is a string) outside docstrings."""
    tree = ast.parse(file.read_text())
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value, True
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id, False
        elif isinstance(node, ast.Attribute):
            whole = f"DataType.{node.attr}" if getattr(node.value, "id", "") == "DataType" else node.attr
            yield node.lineno, whole, False


@pytest.mark.parametrize("file", [f for f in FILES if room_of(name_of(f)) in GENERAL], ids=short)
def test_general_code_knows_no_technique_and_no_data_type(file: Path) -> None:
    """``text`` and the like may name a variable; as a string, or as ``DataType.TEXT``, they are knowledge."""
    techniques = set(technique_names())
    data_types = {str(d) for d in DataType} | {f"DataType.{d.name}" for d in DataType}
    for line, word, is_string in strings_and_names(file):
        assert word not in techniques, f"{short(file)}:{line} knows the technique {word}"
        if is_string or word.startswith("DataType."):
            assert word not in data_types, f"{short(file)}:{line} knows the data type {word}"
    assert "autonoise.techniques" not in set(imports_of(file))


def loaded_by(statement: str) -> list[str]:
    """Top-level packages, and modules of autonoise, that a fresh interpreter loads for a statement."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_importing_a_policy_imports_little() -> None:
    golden = Path(__file__).parent / "golden" / "policy_format1_tabular.yaml"
    imported = "import sys\nimport autonoise\nautonoise.load_policy\nassert 'pydantic' not in sys.modules\n"
    loading = f"{imported}policy = autonoise.load_policy({str(golden)!r})"
    training = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(policy.input.layout[0], 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
injector = policy.attach(model, epochs=1, steps_per_epoch=1, optimizer=optimizer)
injector.training_step(torch.randn(8, *policy.input.layout), torch.arange(8) % 3, optimizer)
"""
    loaded = loaded_by(loading + training)
    top = {m.split(".")[0] for m in loaded}
    assert "autonoise" in top
    assert not top & (set(SEARCH_PACKAGES) | {"soundfile", "transformers", "lightning", "datasets"})
    techniques = {m.removeprefix("autonoise.techniques.") for m in loaded if m.startswith("autonoise.techniques.")}
    assert techniques == {"swap_noise", "feature_masking", "weight_noise", "gradient_noise", "vrex"}


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not {m.split(".")[0] for m in loaded_by("import autonoise")} & {"torch", "numpy", "optuna", "pandas"}


def test_public_names() -> None:
    import autonoise

    assert set(autonoise.__all__) == PUBLIC
    assert set(dir(autonoise)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(autonoise, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = autonoise.nothing  # type: ignore[attr-defined]


def test_no_file_of_the_project_knows_this_machine() -> None:
    for file in [*FILES, *Path(__file__).parent.rglob("*.py")]:
        # put together here, so that this file does not find itself
        assert "/" + "work/" not in file.read_text(), f"{file} holds a path of the machine it was written on"
