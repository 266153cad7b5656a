"""The table of formats in docs/formats.md: every format through every verb, as files, packed, and in archives."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import cli, convert, store
from adit.hull.reference_rows import reference_row
from adit.readers import ReadSettings, read_structures
from adit.readers.formats.registry import ARCHIVES, FORMATS, REFUSED, format_of
from adit.sample.motif import read_motif
from adit.systems import AtomicSystem, Kind
from tests.unit.readers import cases
from tests.unit.relax.test_standalone import SALT, SILICON

CRYSTALS = [replace(SALT, info={"energy": -7.0}), replace(SILICON, info={"energy": -10.0})]
WATER = AtomicSystem(
    "water", Kind.MOLECULE, np.array([8, 1, 1]), np.array([[0, 0, 0.117], [0, 0.757, -0.469], [0, -0.757, -0.469]])
)
TAG = "chgnet-0.3.0/PBE(+U)/MP2020"
HELD = ("frames.extxyz", "mol_entries.sdf", "table.csv", "table.tsv", "numbers.csv", "table.parquet", "numbers.parquet")
HELD += ("records.json", "own.arrow")
"""Files with an energy for each of their two structures."""


def parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def contents(folder: Path) -> dict[str, tuple[str | bytes, int]]:
    """Return content and number of structures of a file of each format, by name; molecules have ``mol`` in theirs."""
    cifs = [convert.to_cif(each) for each in CRYSTALS]
    structures = [convert.to_structure(each) for each in CRYSTALS]
    energies = [each.info["energy"] for each in CRYSTALS]
    poscars = [str(each.to(fmt="poscar")) for each in structures]
    table = pd.DataFrame({"id": ["a", "b"], "cif": cifs, "energy": energies})
    arrays: list[dict[str, Any]] = [
        {"numbers": s.numbers.tolist(), "positions": s.positions.tolist(), "cell": np.ravel(s.cell).tolist()}
        for s in CRYSTALS
    ]
    numbers = pd.DataFrame(arrays).assign(energy=energies)
    records = [{"id": f"r{n}", "structure": s.as_dict(), "energy": energies[n]} for n, s in enumerate(structures)]
    frames = folder / "x.extxyz"
    store.write_extxyz(frames, CRYSTALS)
    store.write_systems(folder / "x.arrow", CRYSTALS)
    mol = convert.to_sdf(WATER).partition("M  END")[0] + "M  END\n"
    return {
        "one.cif": (cifs[0], 1),
        "blocks.mcif": ("\n".join(cifs), 2),
        "frames.extxyz": (frames.read_text(), 2),
        "mol.xyz": (cases.WATER.format(h="H"), 1),
        "mol_raw.xyz": (cases.METHANE_QM9, 1),
        "mol_entries.sdf": ((mol + "> <energy>\n-14.0\n\n$$$$\n") * 2, 2),
        "mol_entry.sd": (mol + "$$$$\n", 1),
        "mol_one.mol": (mol, 1),
        "two.vasp": ("".join(poscars), 2),
        "one.poscar": (poscars[0], 1),
        "POSCAR": (poscars[0], 1),
        "CONTCAR-si": (poscars[1], 1),
        "table.csv": (table.to_csv(index=False), 2),
        "table.tsv": (table.to_csv(index=False, sep="\t"), 2),
        "numbers.csv": (numbers.to_csv(index=False), 2),
        "table.parquet": (parquet(table), 2),
        "numbers.parquet": (parquet(numbers), 2),
        "one.json": (json.dumps(structures[0].as_dict()), 1),
        "records.json": (json.dumps(records), 2),
        "own.arrow": ((folder / "x.arrow").read_bytes(), 2),
    }


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of files, a folder of the same packed with gzip, and an archive of each kind with all of them."""
    folder = tmp_path_factory.mktemp("in")
    files = contents(tmp_path_factory.mktemp("made"))
    for name, (content, _) in files.items():
        raw = content if isinstance(content, bytes) else content.encode()
        for path, data in ((folder / "plain" / name, raw), (folder / "packed" / f"{name}.gz", gzip.compress(raw))):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    archives = {suffix: folder / f"all{suffix}" for suffix in ARCHIVES}
    with zipfile.ZipFile(archives[".zip"], "w") as packed:
        for name in files:
            packed.write(folder / "plain" / name, f"in/{name}")
    for suffix in ARCHIVES[1:]:
        compression = {".tar": "", ".tgz": "gz"}.get(suffix, suffix.rpartition(".")[2])
        with tarfile.open(archives[suffix], f"w:{compression}") as tar:
            tar.add(folder / "packed", "in")
    return {"plain": folder / "plain", "packed": folder / "packed"} | archives


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return the number of structures of each file."""
    return {name: count for name, (_, count) in contents(tmp_path_factory.mktemp("counted")).items()}


def totals(counts: dict[str, int]) -> tuple[int, int]:
    """Return the numbers of crystals and molecules of all files."""
    molecules = sum(count for name, count in counts.items() if name.startswith("mol"))
    return sum(counts.values()) - molecules, molecules


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_there_is_a_file_of_every_suffix(counts: dict[str, int]) -> None:
    files = [Path(name) for name in counts]
    formats = [each for each in FORMATS.values() if each.suffixes]
    assert {each.suffix for each in files if each.suffix} == {suffix for each in formats for suffix in each.suffixes}
    assert {match[0].name for each in files if (match := format_of(each))} == {each.name for each in formats}


@pytest.mark.parametrize("place", ["plain", "packed", *ARCHIVES])
def test_every_file_is_read(places: dict[str, Path], counts: dict[str, int], place: str) -> None:
    rows = read_structures([places[place]], ReadSettings(workers=0))
    systems = [each.row for each in rows if isinstance(each.row, AtomicSystem)]
    assert len(systems) == len(rows)
    molecules = sum(system.cell is None for system in systems)
    assert (len(systems) - molecules, molecules) == totals(counts)


_SLOW = [pytest.param(place, marks=pytest.mark.slow) for place in ("plain", "packed", ".tar.xz")]
PLACES = pytest.mark.parametrize("place", [".zip", *_SLOW])
"""The files of all places are read in the test above; every verb reads one archive here, and the rest in slow tests."""


@PLACES
def test_score(places: dict[str, Path], counts: dict[str, int], tmp_path: Path, place: str) -> None:
    assert run("score", places[place], "--out", tmp_path / "o", "--workers", "1") == 0
    tables = [store.read_frame(tmp_path / f"o/scores/{kind}.parquet") for kind in ("crystal", "molecule")]
    assert tuple(int((table["status"] == "ok").sum()) for table in tables) == totals(counts)
    assert tuple(map(len, tables)) == totals(counts)


@PLACES
def test_relax(places: dict[str, Path], counts: dict[str, int], tmp_path: Path, place: str) -> None:
    assert run("relax", places[place], "--out", tmp_path / "o") == 0
    table = store.read_frame(tmp_path / "o/relaxed.parquet")
    assert set(table["status"]) == {"converged"}
    assert len(table) == sum(counts.values())


@PLACES
def test_hull(places: dict[str, Path], counts: dict[str, int], tmp_path: Path, place: str) -> None:
    elements = [reference_row(name, name, {name: 1}, -1.0, TAG) for name in ("H", "C", "O", "Na", "Cl", "Si")]
    store.write_frame(tmp_path / "reference.parquet", pd.DataFrame(elements))
    options = ("--reference", tmp_path / "reference.parquet", "--energy-tag", TAG, "--out", tmp_path / "h.csv")
    assert run("hull", places[place], *options) == 0
    table = store.read_frame(tmp_path / "h.csv")
    assert len(table) == sum(counts.values())
    assert table["e_above_hull"].notna().sum() == 2 * len(HELD)
    assert set(table.loc[table["e_above_hull"].isna(), "reason"]) == {"no energy"}


@pytest.mark.parametrize("name", ["one.cif", "two.vasp", "POSCAR", "one.json", "mol.xyz"])
def test_files_without_energies_have_no_hull(
    places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / "h.csv"
    assert run("hull", places["plain"] / name, "--hull", "builtin", "--energy-tag", TAG, "--out", out) == 3
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no energ" in last
    assert "adit relax" in last


@PLACES
def test_prepare(places: dict[str, Path], counts: dict[str, int], tmp_path: Path, place: str) -> None:
    assert run("prepare", places[place], "--out", tmp_path / "p.arrow") == 0
    table = store.read_systems(tmp_path / "p.arrow")
    crystals, molecules = totals(counts)
    reasons = [failure.reason.partition(":")[0] for failure in table.failures()]
    assert len(table) == crystals + molecules
    assert sorted(set(reasons)) == ["duplicate", "has no cell, or is not periodic"]
    assert len(reasons) - reasons.count("duplicate") == molecules


@PLACES
def test_take(places: dict[str, Path], counts: dict[str, int], tmp_path: Path, place: str) -> None:
    crystals, molecules = totals(counts)
    settings = f"sample: {{from: {places[place]}, crystal: {crystals}, molecule: {molecules}, mof: 0}}\n"
    (tmp_path / "c.yaml").write_text(settings)
    outs = {kind: tmp_path / f"{kind}.arrow" for kind in ("crystal", "molecule")}
    options = [word for kind, out in outs.items() for word in (f"--{kind}", out)]
    assert run("stage", "take", "--config", tmp_path / "c.yaml", *options) == 0
    assert tuple(len(store.read_systems(out).systems()) for out in outs.values()) == (crystals, molecules)


@pytest.mark.parametrize("place", ["plain", "packed"])
def test_motif(places: dict[str, Path], counts: dict[str, int], place: str) -> None:
    for name in counts:
        path = places[place] / (name if place == "plain" else f"{name}.gz")
        if name.startswith("mol"):
            assert len(read_motif(path, Kind.MOLECULE)) == (5 if name == "mol_raw.xyz" else 3)
        else:
            assert len(read_motif(path, Kind.CRYSTAL)) == 2


@pytest.mark.parametrize("suffix", REFUSED)
def test_refused_formats_are_one_line_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("?")
    for verb in (("score",), ("relax",), ("hull", "--energy-tag", TAG), ("prepare",)):
        assert run(verb[0], path, *verb[1:], "--out", tmp_path / "o.csv") in (2, 3)
        assert REFUSED[suffix] in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_ids_are_the_same_in_every_verb(tmp_path: Path, order: str) -> None:
    for name, system in zip("ab", CRYSTALS, strict=True):
        store.write_text(tmp_path / name / "gen_0.cif", convert.to_cif(system))
    files = [tmp_path / name / "gen_0.cif" for name in order]
    assert run("relax", *files, "--out", tmp_path / "r") == 0
    relaxed = ("--relaxed", tmp_path / "r")
    assert run("score", *files, *relaxed, "--out", tmp_path / "s", "--workers", "1") == 0
    assert run("hull", tmp_path / "r", "--hull", "builtin", "--out", tmp_path / "h.parquet") == 0
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / name).rename(tmp_path / "in" / name)
    assert run("prepare", tmp_path / "in", "--out", tmp_path / "p.arrow") == 0
    tables = [
        store.read_frame(tmp_path / name) for name in ("r/relaxed.parquet", "s/scores/crystal.parquet", "h.parquet")
    ]
    assert [set(table["system_id"]) for table in tables] == [{"a/gen_0", "b/gen_0"}] * 3
    formulas = dict(zip(tables[1]["system_id"], tables[1]["formula"], strict=True))
    assert formulas == {"a/gen_0": "ClNa", "b/gen_0": "Si"}
    assert set(tables[1]["relax_status"]) == {"converged"}
    assert set(store.read_systems(tmp_path / "p.arrow").ids) == {"in/a/gen_0", "in/b/gen_0"}
