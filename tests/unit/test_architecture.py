"""The layout of the package: who imports whom, how large folders and files are, what a bare GPU image needs."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/adit"
TESTS = Path(__file__).parents[1]
TABLE = tomllib.loads(Path(__file__).with_name("imports.toml").read_text(encoding="utf-8"))
MAX_FILES = 20
MAX_LINES = 400
BARE = {"torch", "numpy", "pyarrow", "pandas", "safetensors", "pydantic", "yaml", "jaxtyping"}
"""pandas only for metrics.csv; ase and pymatgen are not among them."""
LAZY = {
    "flow/solvers/adaptive.py": {"scipy"},
    "model/equivariant_blocks.py": {"e3nn"},
    "train/loggers.py": {"wandb"},
}
"""What one feature imports when it is requested, with its own error where it is missing."""


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join([*package_of(path, node.level), *filter(None, [node.module])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def package_of(path: Path, level: int) -> tuple[str, ...]:
    """Return what the dots of a relative import name; nothing for an absolute one."""
    if not level:
        return ()
    parts = path.relative_to(PACKAGE.parent).parts[:-1]
    return parts[: len(parts) - level + 1]


def modules_imported(path: Path) -> set[tuple[str, ...]]:
    """Return what a file imports of this package, as parts below it: ("score", "common", "inputs", "Row")."""
    return {tuple(name.split(".")[1:]) for name in imports(path) if name.startswith("adit.")}


def subroom(parts: tuple[str, ...]) -> str:
    """Return the sub-room of a module given as parts below the package; "." beside the sub-rooms."""
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[0] / parts[1]).is_dir() else "."


def test_the_table_names_every_room() -> None:
    """A module or folder that the table does not know could import anything."""
    there = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert there - {"__init__", "__main__"} <= {*TABLE["for_all"], *TABLE["rooms"]}
    for room in TABLE["rooms"]:
        folders = {p.parent.name for p in (PACKAGE / room).glob("*/__init__.py")}
        assert folders == set(TABLE["subrooms"].get(room, {})) - {"."}, room


def breaches(room: str) -> list[str]:
    """Return the imports of a room that the table does not allow."""
    allowed = {*TABLE["for_all"], *TABLE["rooms"].get(room, []), room, "__version__"}
    crossings = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        for other in sorted(modules_imported(path)):
            if other[0] not in allowed:
                crossings.append(f"{'/'.join(parts)} imports {'.'.join(other)}")
            elif other[0] == room and room in TABLE["subrooms"]:
                mine, theirs = subroom(parts), subroom(other)
                if theirs not in {mine, *TABLE["subrooms"][room][mine]}:
                    crossings.append(f"{'/'.join(parts)} imports {'.'.join(other)}")
    return crossings


@pytest.mark.parametrize("room", sorted({*TABLE["rooms"], *TABLE["subrooms"]}))
def test_rooms_import_what_the_table_allows(room: str) -> None:
    assert not breaches(room)


def test_the_page_on_the_architecture_names_every_room() -> None:
    page = (TESTS.parent / "docs/architecture.md").read_text(encoding="utf-8")
    for name in [*TABLE["for_all"], *TABLE["rooms"]]:
        assert f"{name}/" in page or f"{name}.py" in page, name


@pytest.mark.parametrize("name", sorted(TABLE["for_all"]))
def test_what_is_for_all_imports_no_room(name: str) -> None:
    paths = [*(PACKAGE / name).rglob("*.py"), *PACKAGE.glob(f"{name}.py")]
    for path in paths:
        extra = {parts[0] for parts in modules_imported(path)} & set(TABLE["rooms"])
        assert not extra, f"{path.relative_to(PACKAGE)} imports {extra}"


@pytest.mark.parametrize(
    "source",
    [
        "from adit.score.crystals.table import check_crystal",
        "from ..crystals.table import check_crystal",
        "from ..crystals import table",
        "def f():\n    import adit.score.crystals.table",
        "from ... import sample",
    ],
)
def test_a_forbidden_import_is_seen(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text
    smuggler = PACKAGE / "score/common/content.py"
    monkeypatch.setattr(Path, "read_text", lambda path, *a, **k: source if path == smuggler else read(path, *a, **k))
    assert [breach for breach in breaches("score") if breach.startswith("score/common/content.py imports ")]


def test_the_tables_rooms_have_no_circle() -> None:
    """Rooms and the sub-rooms of each can be ordered so that each imports earlier ones alone."""
    for table in (TABLE["rooms"], *TABLE["subrooms"].values()):
        left = {name: set(others) - {name} for name, others in table.items()}
        while ready := [name for name, others in left.items() if not others & set(left)]:
            left = {name: others for name, others in left.items() if name not in ready}
        assert not left


def test_folders_and_files_stay_small() -> None:
    counts = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    for folder, count in counts.items():
        assert count <= MAX_FILES, f"{folder}: split it into rooms"
    others = [*(TESTS.parent / "benchmarks").glob("*.py"), *(TESTS.parent / "workflow").rglob("*.py")]
    for path in [*PACKAGE.rglob("*.py"), *TESTS.rglob("*.py"), *others]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{path}: {lines} lines"


@pytest.mark.parametrize("room", ["model", "flow", "train", "sample"])
def test_networks_and_training_run_on_a_bare_gpu_image(room: str) -> None:
    import sys

    for path in (PACKAGE / room).rglob("*.py"):
        outside = {n.split(".")[0] for n in imports(path)} - set(sys.stdlib_module_names) - {"adit", "__future__"}
        name = str(path.relative_to(PACKAGE))
        assert outside <= BARE | LAZY.get(name, set()), f"{name} imports {outside - BARE}"
        assert not LAZY.get(name, set()) & {n.split(".")[0] for n in imports(path, top_level_only=True)}


@pytest.mark.parametrize("library", ["pymatgen", "rdkit", "ase"])
def test_only_convert_makes_their_types(library: str) -> None:
    """Rooms may use what these libraries compute; systems become their types in convert.py alone."""
    for path in PACKAGE.rglob("*.py"):
        if any(path.is_relative_to(PACKAGE / place) for place in ("convert", "relax/potentials/interpreter")):
            continue  # the latter runs where this package is not
        names = imports(path)
        forbidden = {"pymatgen.core.Structure", "pymatgen.core.Molecule", "ase.Atoms", "rdkit.Chem.MolFromXYZBlock"}
        runtime = {n for n in names if n in forbidden and n.startswith(library)}
        if runtime:
            assert "TYPE_CHECKING" in path.read_text(), f"{path.name} imports {runtime}"


def test_the_snakefile_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys; import adit.config, adit.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
