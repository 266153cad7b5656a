"""Files of a user that a command destroys, and files that it writes."""

from __future__ import annotations

import csv
import shutil
import stat
from pathlib import Path

from benchmarks.security.tool import Case, Tool, lost, snapshot

SALT = """data_NaCl
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""
QUICK = "relax: {max_steps: 1, fmax: 5.0}\n"
SCORE = ("--workers", "1", "--cache", "cache")


def bundle(tool: Tool, folder: Path) -> str:
    """``adit bundle`` into the folder of the parts."""
    weights = tool.weights(folder)
    (weights / "bundle.json").unlink()
    before = snapshot(weights)
    tool.adit(folder, "bundle", "--vae", "W/vae", "--dit", "W/dit", "--out", "W")
    return lost(before, weights)


def state(tool: Tool, folder: Path) -> str:
    """``adit prepare --state`` with a folder that has files of the user."""
    (folder / "DIR/mine").mkdir(parents=True)
    (folder / "DIR/mine/thesis.tex").write_text("mine")
    (folder / "DIR/0.arrow").write_text("mine")
    (folder / "four.yaml").write_text("data: {datasets: [{name: builtin-crystals, limit: 4}]}\n")
    before = snapshot(folder / "DIR")
    words = ("--config", "four.yaml", "--dataset", "builtin-crystals", "--out", "x.arrow", "--state", "DIR")
    tool.adit(folder, "prepare", *words)
    return lost(before, folder / "DIR")


def relaxed(tool: Tool, folder: Path) -> str:
    """``adit relax`` into the folder of the input."""
    (folder / "X/structures").mkdir(parents=True)
    (folder / "X/structures/mine.cif").write_text(SALT)
    (folder / "X/structures/other.cif").write_text("mine")
    (folder / "quick.yaml").write_text(QUICK)
    before = snapshot(folder / "X")
    tool.adit(folder, "relax", "X/structures/mine.cif", "--out", "X", "--config", "quick.yaml")
    return lost(before, folder / "X")


def report(tool: Tool, folder: Path) -> str:
    """``adit report`` into a folder with figures, tables and data of the user."""
    (folder / "R/scores").mkdir(parents=True)
    (folder / "R/scores/summary.json").write_text("[]")
    for name in ("figures/mine.svg", "figures/mine.pdf", "tables/mine.csv", "data/mine.js"):
        (folder / "D" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "D" / name).write_text("mine")
    before = snapshot(folder / "D")
    (folder / "run.yaml").write_text("name: x\n")
    done = tool.adit(folder, "report", "--config", "run.yaml", "--run", "R", "--out", "D")
    return lost(before, folder / "D") or done.unsafe(0)


def score(tool: Tool, folder: Path) -> str:
    """``adit score`` into the folder of the samples."""
    samples = folder / "S/samples/crystal/samples.arrow"
    samples.parent.mkdir(parents=True)
    shutil.copy(tool.systems(folder), samples)
    before = snapshot(folder / "S")
    tool.adit(folder, "score", "S/samples/crystal/samples.arrow", "--out", "S", *SCORE)
    return lost(before, folder / "S")


def permissions(tool: Tool, folder: Path) -> str:
    """Files are written with the permissions of the umask."""
    (folder / "four.yaml").write_text("data: {datasets: [{name: builtin-crystals, limit: 4}]}\n")
    words = ("--config", "four.yaml", "--dataset", "builtin-crystals", "--out", "x.arrow")
    tool.adit(folder, "prepare", *words, umask=0o077)
    mode = stat.S_IMODE((folder / "x.arrow").stat().st_mode)
    return "" if mode == 0o600 else f"mode {mode:o} with umask 077"


def formulas(tool: Tool, folder: Path) -> str:
    """Ids that a spreadsheet would compute."""
    (folder / "in").mkdir()
    (folder / "in/=1+1.cif").write_text(SALT)
    done = tool.adit(folder, "score", "in", "--out", "S", *SCORE)
    tables = list((folder / "S").rglob("*.csv"))
    cells = [cell for path in tables for row in csv.reader(path.open(newline="")) for cell in row]
    return done.unsafe(0) or next(
        (f"cell {cell}" for cell in cells if cell.startswith("=")), "" if tables else "no table"
    )


CASES = [
    Case("1", "bundle into the folder of its parts", bundle),
    Case("2", "prepare --state with a folder of the user", state),
    Case("3a", "relax into the folder of its input", relaxed),
    Case("3b", "report into a folder with figures, tables, data", report),
    Case("3c", "score into the folder of its samples", score),
    Case("13a", "permissions under umask 077", permissions),
    Case("13b", "ids that are formulas of a spreadsheet", formulas),
]
