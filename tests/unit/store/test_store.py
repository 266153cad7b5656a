"""Files: whole or not there, errors of one line, round trips."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import store
from adit.errors import DataError, printable
from adit.readers import ReadSettings, read_structures
from adit.systems import AtomicSystem, Failure, Kind
from tests.conftest import random_crystal, random_molecule
from tests.systems import same_systems


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_systems_round_trip_bit_for_bit(seed: int) -> None:
    import tempfile

    random = np.random.default_rng(seed)
    rows: list[store.Row] = [
        random_crystal(random, int(random.integers(1, 9)), "a"),
        Failure("b", "decode", "no ‘reason’", Kind.MOF),
        random_molecule(random, int(random.integers(1, 9)), "c"),
        Failure("d", "prepare", "x"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.arrow"
        store.write_systems(path, rows, splits=["train", "val", "test", "test"], metadata={"seed": seed})
        table = store.read_systems(path)
        assert table.metadata == {"seed": seed}
        assert table.splits == ["train", "val", "test", "test"]
        for before, after in zip(rows, table, strict=True):
            assert same_systems(before, after) if isinstance(before, AtomicSystem) else before == after
        again = Path(folder) / "y.arrow"
        store.write_systems(again, list(table), splits=["train", "val", "test", "test"], metadata={"seed": seed})
        assert path.read_bytes() == again.read_bytes()


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="no space left"):
        store.write_json(path, {"a": 1})
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with store.atomic_path(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet", "x.json", "x.safetensors"])
def test_broken_and_missing_files_are_named(tmp_path: Path, name: str) -> None:
    readers = {
        "arrow": store.read_systems,
        "parquet": store.read_frame,
        "json": store.read_json,
        "safetensors": store.read_tensors,
    }
    read = readers[name.split(".")[1]]
    path = tmp_path / name
    with pytest.raises(DataError, match="no such file"):
        read(path)
    path.write_bytes(b"PAR1 not really {")
    with pytest.raises(DataError, match="not readable"):
        read(path)


def test_a_truncated_arrow_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    store.write_systems(path, [random_crystal(np.random.default_rng(0), 5)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="not readable"):
        store.read_systems(path)


def test_a_cut_resume_state_counts_as_none(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "resume.pt"
    assert store.read_torch(path) is None
    store.write_torch(path, {"x": torch.zeros(1000)})
    assert store.read_torch(path) is not None
    path.write_bytes(path.read_bytes()[:700])
    assert store.read_torch(path) is None


def test_cached_json_is_made_once_per_key(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    path = tmp_path / "x.json"
    assert store.cached_json(path, "k", make)["n"] == 1
    assert store.cached_json(path, "k", make)["n"] == 1
    assert store.cached_json(path, "other", make)["n"] == 2


def test_extxyz_is_read_by_ase(tmp_path: Path) -> None:
    from ase.io import read

    systems = [random_crystal(np.random.default_rng(0), 3, "a"), random_molecule(np.random.default_rng(0), 4, "b")]
    store.write_extxyz(tmp_path / "x.extxyz", systems)
    for system, atoms in zip(systems, read(tmp_path / "x.extxyz", index=":"), strict=True):
        assert np.array_equal(atoms.numbers, system.numbers)
        assert np.allclose(atoms.positions, system.positions)
        assert atoms.info["system_id"] == system.system_id


ODD = st.text(st.sampled_from("ab 1='\"\\{}[],\n\r\té\u2028\x85"), max_size=8) | st.text(max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(ODD, min_size=2, max_size=2), ODD, ODD)
def test_ids_and_texts_of_an_extxyz_are_read_back(ids: list[str], key: str, text: str) -> None:
    """By ASE and by our own reader. Control characters are escapes there; ASE takes `1` for a number, `T` for true."""
    import tempfile

    from ase.io import read

    from adit.readers.formats.texts import split_xyz
    from adit.readers.formats.xyz import comment_keys, parse_xyz

    random = np.random.default_rng(0)
    systems = [random_crystal(random, 2, ids[0]), random_molecule(random, 3, ids[1])]
    systems = [system.labelled(system.system_id, {key: text, "t": 0.5, "good": True}) for system in systems]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.extxyz"
        store.write_extxyz(path, systems)
        frames = list(split_xyz(path.read_text(encoding="utf-8")))
        theirs = read(path, index=":")
    for system, atoms, frame in zip(systems, theirs, frames, strict=True):
        keys = comment_keys(frame.comment)
        assert keys.get("system_id", "") == printable(system.system_id)
        assert printable(text) in [*keys.values(), ""]
        written = 4 + sum(map(bool, (system.system_id, text, system.cell is not None)))
        assert (keys["t"], keys["good"], len(keys)) == ("0.5", "true", written)
        parsed = parse_xyz(frame.text).system
        for numbers, positions in ((parsed.numbers, parsed.positions), (atoms.numbers, atoms.positions)):
            assert np.array_equal(numbers, system.numbers)
            assert np.allclose(positions, system.positions, atol=1e-9)
        assert bool(atoms.pbc.all()) == (parsed.cell is not None) == (system.cell is not None)
        assert (atoms.info["t"], atoms.info["good"]) == (0.5, True)
        if isinstance(atoms.info.get("system_id"), str):
            assert atoms.info["system_id"] == printable(system.system_id)


@pytest.mark.parametrize("key", ["Lattice", "pbc", "system_id", "stress", "1 Å", "a b"])
def test_a_key_that_means_something_in_extxyz_is_renamed(tmp_path: Path, key: str) -> None:
    from ase.io import read

    system = random_crystal(np.random.default_rng(0), 3, "a b").labelled("a b", {key: "x y", "a_b": 2.0})
    store.write_extxyz(tmp_path / "x.extxyz", [system])
    atoms = read(tmp_path / "x.extxyz")
    assert atoms.info["system_id"] == "a b"
    assert "x y" in atoms.info.values()
    assert 2.0 in atoms.info.values()
    assert np.allclose(atoms.cell, system.cell)


@pytest.mark.parametrize(("key", "value"), [("units", "nm"), ("scaled", True), ("is_fractional", 1), ("Frac", "T")])
def test_an_annotation_never_says_that_coordinates_are_not_in_angstroms(tmp_path: Path, key: str, value: Any) -> None:
    system = random_crystal(np.random.default_rng(0), 3, "a").labelled("a", {key: value})
    store.write_extxyz(tmp_path / "x.extxyz", [system])
    (row,) = read_structures([tmp_path / "x.extxyz"], ReadSettings(workers=0))
    assert isinstance(row.row, AtomicSystem), row.row
    assert np.allclose(row.row.positions, system.positions)


def test_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (Path("/dev/null"), tmp_path / "folder"):
        with pytest.raises(DataError, match="not a plain file"):
            store.write_json(path, {})
    assert Path("/dev/null").is_char_device()
