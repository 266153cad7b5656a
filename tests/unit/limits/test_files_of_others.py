"""``adit score`` and ``adit relax`` on files made to break them: one row each, bounded time and memory, and a page."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from adit.config import LimitsConfig, ReadConfig
from adit.readers import read_structures, settings_of
from adit.readers.read import ReadRow
from adit.store import write_extxyz, write_systems
from adit.systems import Failure
from tests.conftest import random_crystal


def good(count: int = 2) -> list:  # type: ignore[type-arg]
    return [random_crystal(np.random.default_rng(seed), 3, f"s{seed}") for seed in range(count)]


def read(paths: Sequence[Path], **limits: float) -> list[ReadRow]:
    return read_structures(paths, settings_of(ReadConfig(), LimitsConfig.model_validate(limits), 1))


def reasons(rows: Sequence[ReadRow]) -> list[str]:
    return [each.row.reason if isinstance(each.row, Failure) else "" for each in rows]


def bomb(path: Path, members: int, megabytes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(members):
            archive.writestr(f"{number}.cif", b" " * (megabytes << 20))
    return path


def test_an_archive_of_many_large_members_is_one_row_beyond_the_limit(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "a.extxyz", good())
    path = bomb(tmp_path / "bomb.zip", 6, 30)
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(tmp_path / "a.extxyz", "0.extxyz")
    rows = read([path], archive_bytes=50_000_000)
    messages = reasons(rows)
    assert sum("limits.archive_bytes" in each for each in messages) == 1
    assert messages.count("") == 2


def test_a_member_larger_than_a_file_may_be_is_a_row(tmp_path: Path) -> None:
    messages = reasons(read([bomb(tmp_path / "bomb.zip", 2, 3)], file_bytes=1_000_000))
    assert ["limits.file_bytes" in each for each in messages] == [True, True]


def test_a_damaged_member_is_a_row(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "a.extxyz", good())
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.extxyz", "0.extxyz")
        archive.write(tmp_path / "a.extxyz", "1.extxyz")
    content = bytearray(path.read_bytes())
    content[60:64] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    messages = reasons(read([path]))
    assert messages.count("") == 2
    assert len(messages) == 3


def test_structures_beyond_the_limits_are_rows(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "many.extxyz", good(5))
    messages = reasons(read([tmp_path / "many.extxyz"], entries=3))
    assert messages[:3] == ["", "", ""]
    assert len(messages) == 4
    assert "limits.entries" in messages[3]
    messages = reasons(read([tmp_path / "many.extxyz"], atoms=2))
    assert all("has 3 atoms, more than 2 (limits.atoms)" in each for each in messages)


def test_a_broken_arrow_file_among_others_costs_itself_alone(tmp_path: Path) -> None:
    write_systems(tmp_path / "a.arrow", good())
    (tmp_path / "b.arrow").write_bytes(b"ARROW1\0\0" + b"x" * 100)
    messages = reasons(read([tmp_path / "a.arrow", tmp_path / "b.arrow"]))
    assert messages.count("") == 2
    assert len(messages) == 3
    assert not any("run the stage" in each or "delete it" in each for each in messages)


def adit(*words: str, folder: Path, limit_s: float = 300.0) -> tuple[int, str, int]:
    """Run the command line; return exit code, standard error, and the most memory of one of its processes (bytes)."""
    with (folder / "err.txt").open("w") as err:
        process, peak = psutil.Popen([sys.executable, "-m", "adit", *words], cwd=folder, stderr=err), 0
        started = time.monotonic()
        while process.poll() is None:
            assert time.monotonic() - started < limit_s, (folder / "err.txt").read_text()
            try:
                family = [process, *process.children(recursive=True)]
                peak = max([peak, *(each.memory_info().rss for each in family)])
            except psutil.Error:
                pass
            time.sleep(0.05)
    return process.returncode, (folder / "err.txt").read_text(), peak


@pytest.fixture
def large(tmp_path: Path) -> Path:
    count = 30_000
    places = np.random.default_rng(0).uniform(0, 70, (count, 3))
    lines = [f"C {x:.4f} {y:.4f} {z:.4f}" for x, y, z in places]
    (tmp_path / "large.xyz").write_text(f"{count}\n\n" + "\n".join(lines) + "\n")
    return tmp_path / "large.xyz"


@pytest.mark.slow
@pytest.mark.parametrize("limits", ["{}", "{atoms: 1000000}"])
def test_a_structure_of_30000_atoms_is_scored_in_bounded_memory(large: Path, tmp_path: Path, limits: str) -> None:
    (tmp_path / "run.yaml").write_text(f"name: x\nlimits: {limits}\n")
    words = ["score", str(large), "--out", "scored", "--workers", "1", "--config", "run.yaml"]
    code, output, peak = adit(*words, folder=tmp_path)
    assert code == 0, output
    assert peak < 2_000_000_000
    kind = "crystal" if limits == "{}" else "molecule"  # what cannot be read has no kind
    row = pd.read_parquet(tmp_path / f"scored/scores/{kind}.parquet").iloc[0]
    wanted = "limits.atoms" if limits == "{}" else "bonds and matching are for at most"
    assert any(wanted in str(value) for value in row)
    assert (tmp_path / "scored/report/index.html").is_file()


def test_relax_has_a_wall_limit_for_reading(tmp_path: Path) -> None:
    """3,000 sites and 400 operators make 1,200,000 atoms: minutes, where nothing stops it."""
    operators = "\n".join(f"'x+{n}/997,y,z'" for n in range(400))
    places = [(n / 3000, n * 7 % 3000 / 3000, n * 13 % 3000 / 3000) for n in range(3000)]
    sites = "\n".join(f"C{n} C {x:.6f} {y:.6f} {z:.6f}" for n, (x, y, z) in enumerate(places))
    angles = ("alpha", "beta", "gamma")
    cell = "\n".join(f"_cell_length_{x} 50\n_cell_angle_{y} 90" for x, y in zip("abc", angles, strict=True))
    loops = f"loop_\n_symmetry_equiv_pos_as_xyz\n{operators}\nloop_\n_atom_site_label\n_atom_site_type_symbol\n"
    text = f"data_x\n{cell}\n{loops}_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n{sites}\n"
    (tmp_path / "slow.cif").write_text(text)
    (tmp_path / "run.yaml").write_text("name: x\nlimits: {read_s: 3.0, atoms: 10000000}\n")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "adit", "relax", "slow.cif", "--out", "relaxed", "--config", "run.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr  # nothing else was given
    assert time.monotonic() - started < 150
    assert "the structure cannot be read (slow: killed at the wall limit of 3 s)" in done.stderr
