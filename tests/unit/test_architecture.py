"""The house: which room may import which, and what a bare GPU image needs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/adit"
ROOMS = ("data", "model", "flow", "train", "sample", "relax", "score", "report")
ALLOWED = {"train": {"data", "model", "flow"}, "sample": {"model", "flow"}}
BARE = {"torch", "numpy", "pyarrow", "pandas", "safetensors", "pydantic", "yaml", "jaxtyping"}
"""pandas only for metrics.csv; ase and pymatgen are not among them."""
LAZY = {
    "flow/coupling.py": {"scipy"},
    "flow/solvers/adaptive.py": {"scipy"},
    "model/equivariant_blocks.py": {"e3nn"},
    "train/loggers.py": {"wandb"},
}
"""What one feature imports when it is asked for, with an error of its own where it is missing."""


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_import_each_other(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        others = {n.split(".")[1] for n in imports(path) if n.startswith("adit.") and n.split(".")[1] in ROOMS}
        extra = others - {room} - ALLOWED.get(room, set())
        assert not extra, f"{path.relative_to(PACKAGE)} imports {extra}"


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda p: p.name)
def test_top_level_modules_do_not_import_rooms(path: Path) -> None:
    if path.name == "cli.py":
        return
    assert not {n for n in imports(path) if n.startswith("adit.") and n.split(".")[1] in ROOMS}


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
        if path.is_relative_to(PACKAGE / "convert"):
            continue
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
