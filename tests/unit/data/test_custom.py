"""A user's own datasets in every format, and preparation that is killed."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
import yaml

from adit import config, convert, store
from adit.cli import main
from adit.config import ChosenDataset, CustomDataset, PrepareStage, parse
from adit.data.datasets import custom
from adit.data.prepare import shards
from adit.data.prepare.stage import prepare
from adit.elements import reduced_formula
from adit.errors import ConfigError, DataError
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal, random_molecule

RANDOM = np.random.default_rng(0)
CRYSTALS = [random_crystal(RANDOM, 3, f"c{i}") for i in range(8)]
MOLECULES = [random_molecule(RANDOM, 5, f"m{i}") for i in range(8)]


def write(folder: Path, form: str) -> CustomDataset:
    """Write the systems in a format and describe the dataset."""
    if form == "cif":
        for system in CRYSTALS:
            path = folder / "cifs" / f"{system.system_id}.cif"
            path.parent.mkdir(exist_ok=True)
            path.write_text(convert.to_cif(system))
        return CustomDataset(path=str(folder / "cifs"), format="cif", kind="crystal")
    path = folder / f"data.{form}"
    if form == "extxyz":
        atoms = [convert.to_atoms(s) for s in CRYSTALS]
        for i, a in enumerate(atoms):
            a.info |= {"name": f"c{i}", "gap": 0.5 * i}
        ase.io.write(path, atoms, format="extxyz")
        return CustomDataset(path=str(path), format="extxyz", kind="crystal", id="name", properties=("gap",))
    if form == "sdf":
        block = (
            "{0}\n  x\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n{1}{2}  1  2  1  0\nM  END\n> <name>\n{0}\n\n$$$$\n"
        )
        atom = "{:10.4f}    0.0000    0.0000 {:<3s} 0  0  0  0  0  0  0  0  0  0  0  0\n"
        text = "".join(
            block.format(f"m{i}", atom.format(0.0, "H"), atom.format(1.27 + i / 100, "Cl")) for i in range(8)
        )
        path.write_text(text)
        return CustomDataset(path=str(path), format="sdf", kind="molecule", id="name", split={"by": "id"})
    frame = pd.DataFrame(
        {
            "name": [s.system_id for s in CRYSTALS],
            "structure": [convert.to_cif(s) for s in CRYSTALS],
            "gap": np.arange(8) * 0.5,
            "part": ["train"] * 6 + ["validation", "test"],
        }
    )
    frame.to_csv(path) if form == "csv" else frame.to_parquet(path)
    return CustomDataset(
        path=str(path),
        format=form,
        kind="crystal",
        id="name",
        cif="structure",
        properties=("gap",),
        split={"by": "column", "column": "part"},
    )


@pytest.mark.parametrize("form", ["cif", "extxyz", "csv", "parquet"])
def test_crystals_in_every_format(tmp_path: Path, form: str) -> None:
    loaded = custom.dataset("mine", write(tmp_path, form)).load(None)
    systems = [record.make() for record in loaded.records]
    above = "cifs/" if form == "cif" else ""
    assert [s.system_id for s in systems] == [f"{above}{s.system_id}" for s in CRYSTALS]
    for system, original in zip(systems, CRYSTALS, strict=True):
        assert sorted(system.numbers) == sorted(original.numbers)
        assert system.volume == pytest.approx(original.volume, rel=1e-4)
    if form != "cif":
        assert systems[3].info["gap"] == 1.5
    if form in ("csv", "parquet"):
        assert [r.split for r in loaded.records] == ["train"] * 6 + ["val", "test"]
    assert loaded.files


def test_molecules_of_an_sdf(tmp_path: Path) -> None:
    loaded = custom.dataset("mine", write(tmp_path, "sdf")).load(None)
    systems = [record.make() for record in loaded.records]
    assert [s.system_id for s in systems] == [f"m{i}" for i in range(8)]
    assert systems[2].numbers.tolist() == [1, 17]
    assert np.ptp(systems[2].positions[:, 0]) == pytest.approx(1.29)


def test_parquet_of_atoms(tmp_path: Path) -> None:
    rows = [{"atomic_numbers": s.numbers, "positions": s.positions.ravel()} for s in MOLECULES]
    pd.DataFrame(rows).to_parquet(tmp_path / "m.parquet")
    described = CustomDataset(path=str(tmp_path / "m.parquet"), format="parquet", kind="molecule")
    (first, *_) = [record.make() for record in custom.dataset("mine", described).load(None).records]
    assert np.allclose(first.positions, MOLECULES[0].positions)


def test_no_formula_is_in_two_splits(tmp_path: Path) -> None:
    systems = [
        AtomicSystem(f"c{i}", Kind.CRYSTAL, [3 + i % 30, 8], [[0, 0, 0], [1, 1, 1 + i / 99]], np.eye(3) * 4)
        for i in range(90)
    ]
    frame = pd.DataFrame({"cif": [convert.to_cif(s) for s in systems]})
    frame.to_csv(tmp_path / "t.csv")
    described = CustomDataset(path=str(tmp_path / "t.csv"), format="csv", kind="crystal")
    splits: dict[str, set[str]] = {}
    for record in custom.dataset("mine", described).load(None).records:
        splits.setdefault(reduced_formula(record.make().numbers), set()).add(record.split)
    assert all(len(labels) == 1 for labels in splits.values())
    assert len({next(iter(labels)) for labels in splits.values()}) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "nowhere"}, "nowhere: no such file or folder; check data.custom"),
        ({"format": "csv", "cif": "geometry"}, "has no column 'geometry'"),
        ({"split": {"by": "column", "column": "gap"}}, "is not a split \\(train, val, test\\)"),
        ({"format": "parquet"}, "is CSV, not parquet; correct format"),
        ({"id": "nope"}, "has no column 'nope' .*; columns: .*name"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    described = CustomDataset.model_validate({**write(tmp_path, "csv").model_dump(), **changes})
    with pytest.raises(DataError, match=message) as error:
        custom.dataset("mine", described).load(None)
    assert "\n" not in str(error.value)


def test_broken_entries_are_rows(tmp_path: Path) -> None:
    described = write(tmp_path, "cif")
    (tmp_path / "cifs/bad.cif").write_text("this is not CIF")
    stage = PrepareStage(
        dataset=ChosenDataset(name="mine"), custom=described, seed=0, max_atoms=9, max_atomic_number=100
    )
    prepare(stage, tmp_path / "d.arrow", tmp_path / "d.json")
    table = store.read_systems(tmp_path / "d.arrow")
    assert {f.system_id for f in table.failures()} == {"cifs/bad"}
    assert len(table) == 9


def test_own_datasets_are_read_beside_the_configuration(tmp_path: Path) -> None:
    described = write(tmp_path, "csv").model_dump(mode="json")
    (tmp_path / "datasets.yaml").write_text(yaml.safe_dump({"data": {"custom": {"my-set": described}}}))
    (tmp_path / "run.yaml").write_text("name: mine\ndata:\n  datasets: [{name: my-set}]\n")
    loaded = config.load(tmp_path / "run.yaml")
    assert loaded.data.custom["my-set"].cif == "structure"
    with pytest.raises(ConfigError, match="no dataset is called 'my-sett'; did you mean 'my-set'"):
        parse({"data": {"datasets": [{"name": "my-sett"}], "custom": {"my-set": described}}})
    with pytest.raises(ConfigError, match="has the name of a known one"):
        parse({"data": {"custom": {"mp20": described}}})


def test_an_empty_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match="is empty"):
        config.load(tmp_path / "run.yaml")


# --- shards and kills -------------------------------------------------------------------------------------------------


def many(folder: Path, count: int) -> Path:
    """Write a mirror of many small molecules as QM9's Parquet form, some of them twice."""
    random_ = np.random.default_rng(1)
    rows = []
    for i in range(1, count + 1):
        molecule = random_molecule(
            random_ if i % 50 else np.random.default_rng(5), int(3 + i % 4) if i % 50 else 4, "m"
        )
        rows.append({"id": f"gdb_{i}", "atomic_numbers": molecule.numbers, "positions": molecule.positions.ravel()})
    (folder / "qm9").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(folder / "qm9/qm9_hcno.parquet")
    return folder


STAGE = PrepareStage(dataset=ChosenDataset(name="qm9"), custom=None, seed=0, max_atoms=5, max_atomic_number=100)


def test_the_result_does_not_depend_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 64)
    mirror = str(many(tmp_path / "mirror", 500))
    for workers in (1, 2, 3):
        prepare(STAGE, tmp_path / f"{workers}.arrow", tmp_path / f"{workers}.json", mirror=mirror, workers=workers)
    for suffix in ("arrow", "json"):
        assert len({(tmp_path / f"{workers}.{suffix}").read_bytes() for workers in (1, 2, 3)}) == 1
    table = store.read_systems(tmp_path / "1.arrow")
    reasons = [f.reason.split(":")[0] for f in table.failures()]
    assert set(reasons) == {"duplicate", "too many atoms"}
    assert len(table) == 500
    assert not list(tmp_path.glob(".*shards"))


def test_killed_at_random_points_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    mirror = str(many(tmp_path / "mirror", 12_000))
    stage = STAGE.model_dump_json()

    def command(out: Path) -> list[str]:
        options = ["--config", stage, "--out", str(out), "--mirror", mirror, "--workers", "2"]
        return [sys.executable, "-m", "adit", "stage", "prepare", *options]

    whole, killed = tmp_path / "whole.arrow", tmp_path / "killed/d.arrow"
    subprocess.run(command(whole), check=True, capture_output=True)
    moments = random.Random(3)
    state = killed.parent / f".{killed.name}.shards"
    kills, seen = 0, 0
    while kills < 4:
        process = subprocess.Popen(command(killed), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and len(list(state.glob("*/*.arrow"))) <= seen and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        assert not killed.exists()
        kills, seen = kills + 1, len(list(state.glob("*/*.arrow")))
    assert kills >= 2
    subprocess.run(command(killed), check=True, capture_output=True)
    assert killed.read_bytes() == whole.read_bytes()
    assert json.loads(killed.with_suffix(".stats.json").read_text())["n_rows"] == 12_000


def test_two_preparations_of_one_file_follow_each_other(tmp_path: Path) -> None:
    mirror = str(many(tmp_path / "mirror", 3000))
    options = ["--config", STAGE.model_dump_json(), "--out", str(tmp_path / "d.arrow"), "--mirror", mirror]
    command = [sys.executable, "-m", "adit", "stage", "prepare", *options]
    running = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(store.read_systems(tmp_path / "d.arrow")) == 3000


def test_shards_of_another_configuration_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 100)
    mirror = str(many(tmp_path / "mirror", 300))
    original, calls = shards.make_shard, []

    def stops_after_two(work: shards.Work, shard: int) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(shard)
        original(work, shard)

    monkeypatch.setattr(shards, "make_shard", stops_after_two)
    with pytest.raises(KeyboardInterrupt):
        prepare(STAGE, tmp_path / "d.arrow", tmp_path / "d.json", mirror=mirror)
    monkeypatch.setattr(shards, "make_shard", lambda work, shard: calls.append(shard) or original(work, shard))
    calls.clear()
    prepare(STAGE.model_copy(update={"max_atoms": 4}), tmp_path / "d.arrow", tmp_path / "d.json", mirror=mirror)
    assert calls == [0, 1, 2]


def test_compressed_sdf_is_read(tmp_path: Path) -> None:
    described = write(tmp_path, "sdf")
    packed = tmp_path / "data.sdf.gz"
    packed.write_bytes(gzip.compress(Path(described.path).read_bytes()))
    assert len(convert.read_sdf(packed)) == len(convert.read_sdf(Path(described.path))) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nmirror: /nowhere/at/all\n", "mirror: /nowhere/at/all: no such folder"),
        (
            "name: x\ndata:\n  datasets: [{name: mine}]\n"
            "  custom: {mine: {path: gone.csv, format: csv, kind: crystal}}\n",
            "data.custom.mine: gone.csv: no such file or folder",
        ),
    ],
)
def test_check_finds_what_a_run_would_stumble_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    (tmp_path / "run.yaml").write_text(text)
    assert main(["check", "--config", str(tmp_path / "run.yaml")]) == 2
    assert message in capsys.readouterr().err


def test_fetch_lists_and_refuses_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--list"]) == 0
    assert "qm9/dsgdb9nsd.xyz.tar.bz2" in capsys.readouterr().err
    assert main(["fetch", "--dataset", "mp21"]) == 2
    assert "no such source; known: mp20" in capsys.readouterr().err
