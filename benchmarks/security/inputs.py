"""Inputs that take memory or time without bound, or that are damaged."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.security.files import SALT, SCORE
from benchmarks.security.tool import Case, Tool

BLOCK = b"0" * (1 << 20)


def flipped(tool: Tool, folder: Path) -> str:
    """Sample with weights of which two bytes were changed."""
    weights = tool.weights(folder)
    path = next(iter(sorted((weights / "dit").glob("model*.safetensors"))))
    content = bytearray(path.read_bytes())
    content[-1000] ^= 255
    content[-2000] ^= 255
    path.write_bytes(content)
    return _sampled(tool, folder, 2, 3)


def _sampled(tool: Tool, folder: Path, *codes: int) -> str:
    (folder / "run.yaml").write_text("name: x\n")
    words = ("--kind", "molecule", "--n", "1", "--steps", "2", "--out", "x.arrow", "--config", "run.yaml")
    return tool.adit(folder, "sample", "--vae", "W/vae", "--dit", "W/dit", *words).unsafe(*codes)


def record(tool: Tool, folder: Path, change: str) -> str:
    """Sample with a ``config.json`` of weights that is none, or claims huge sizes."""
    path = tool.weights(folder) / "dit/config.json"
    if change == "list":
        path.write_text("[1, 2]")
    elif change == "deep":
        path.write_text("[" * 100_000)
    else:
        values = json.loads(path.read_text())
        values["model"] |= {"d_model": 8192, "heads": 8, "layers": 24}
        path.write_text(json.dumps(values))
    return _sampled(tool, folder, 2, 3)


def bomb(tool: Tool, folder: Path) -> str:
    """Score a zip archive of six members of 1.4 GB, and a crystal."""
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.cif", SALT)
        for number in range(6):
            with archive.open(f"{number + 1}.cif", "w", force_zip64=True) as member:
                for _ in range(1400):
                    member.write(BLOCK)
    return tool.adit(folder, "score", "bomb.zip", "--out", "S", *SCORE).unsafe(0)


def atoms(tool: Tool, folder: Path, count: int) -> str:
    """Score one structure of many atoms."""
    places = np.random.default_rng(0).uniform(0, (12.0 * count) ** (1 / 3), (count, 3))
    lines = [f"C {x:.4f} {y:.4f} {z:.4f}" for x, y, z in places]
    (folder / "large.xyz").write_text(f"{count}\n\n" + "\n".join(lines) + "\n")
    return tool.adit(folder, "score", "large.xyz", "--out", "S", *SCORE, limit_s=1200).unsafe(0)


def member(tool: Tool, folder: Path) -> str:
    """Score a zip archive with a damaged member."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", SALT)
        archive.writestr("b.cif", SALT * 50)
    content = bytearray((folder / "a.zip").read_bytes())
    start = content.rfind(b"b.cif", 0, content.rfind(b"PK\x01\x02"))
    content[start + 20 : start + 40] = b"\xff" * 20
    (folder / "a.zip").write_bytes(content)
    return tool.adit(folder, "score", "a.zip", "--out", "S", *SCORE).unsafe(0)


def broken_arrow(tool: Tool, folder: Path) -> str:
    """Score samples beside a broken file of samples."""
    good = tool.systems(folder)
    (folder / "broken.arrow").write_bytes(b"ARROW1\0\0 and nothing")
    return tool.adit(folder, "score", good, "broken.arrow", "--out", "S", *SCORE).unsafe(0)


def slow_cif(tool: Tool, folder: Path) -> str:
    """Relax a CIF that makes 1,200,000 atoms."""
    operators = "\n".join(f"'x+{n}/997,y,z'" for n in range(400))
    places = [(n / 3000, n * 7 % 3000 / 3000, n * 13 % 3000 / 3000) for n in range(3000)]
    sites = "\n".join(f"C{n} C {x:.6f} {y:.6f} {z:.6f}" for n, (x, y, z) in enumerate(places))
    loops = f"loop_\n_symmetry_equiv_pos_as_xyz\n{operators}\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
    head = SALT.partition("loop_")[0].replace(" 4\n", " 50\n")
    places_of = "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    (folder / "slow.cif").write_text(f"{head}{loops}{places_of}{sites}\n")
    (folder / "quick.yaml").write_text("relax: {max_steps: 1, fmax: 5.0}\n")
    return tool.adit(folder, "relax", "slow.cif", "--out", "X", "--config", "quick.yaml", limit_s=180).unsafe(0)


def messages(tool: Tool, folder: Path, name: str, content: str) -> str:
    """Score a file whose name or columns do not fit into a line."""
    (folder / name).write_text(content)
    said = tool.adit(folder, "score", name, "--out", "S", *SCORE).said
    if "\x1b" in said:
        return "raw bytes in a message"
    return next((f"a line of {len(line):,} characters" for line in said.splitlines() if len(line) > 3000), "")


COLUMNS = ",".join(f"column{n}" for n in range(20_000)) + "\n" + ",".join("1" * 20_000) + "\n"
CASES = [
    Case("6", "two flipped bytes in the weights", flipped),
    Case("7a", "a zip of six members of 1.4 GB", bomb),
    Case("7b", "an XYZ file of 30,000 atoms", partial(atoms, count=30_000)),
    Case("7c", "an XYZ file of 1,000,000 atoms", partial(atoms, count=1_000_000)),
    Case("8a", "a damaged member of a zip", member),
    Case("8b", "config.json of weights that is a list", partial(record, change="list")),
    Case("8c", "config.json of weights that is nested deep", partial(record, change="deep")),
    Case("8e", "config.json that claims huge sizes", partial(record, change="huge")),
    Case("9", "a broken .arrow beside good samples", broken_arrow),
    Case("11", "relax of a CIF that takes minutes to read", slow_cif),
    Case("13c", "raw bytes in messages", partial(messages, name="a\x1b[31m.unknown", content="nothing")),
    Case("13d", "20,000 columns in a message", partial(messages, name="many.csv", content=COLUMNS)),
]
