"""``prepare``: limits, failures, statistics, provenance; on tiny files written here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adit import convert, store
from adit.config import ChosenDataset, PrepareStage
from adit.data.datasets.catalogue import known_dataset
from adit.data.datasets.records import Record
from adit.data.prepare import shards
from adit.data.prepare.stage import prepare
from adit.data.sources.mirrors import DIFFERENT
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind

MIRROR = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def rock_salt(name: str, numbers: tuple[int, int], a: float) -> AtomicSystem:
    cell = a / 2 * (1 - pd.DataFrame([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).to_numpy(float))
    return AtomicSystem(name, Kind.CRYSTAL, numbers, [[0, 0, 0], [a / 2, a / 2, a / 2]], cell)


SALTS = [rock_salt(f"mp-{i}", (3 + 8 * (i % 3), 9 + 8 * (i % 2)), 4.0 + 0.1 * i) for i in range(12)]


def write_mp20(folder: Path, extra: list[dict[str, object]] = (), suffix: str = ".csv.gz") -> Path:
    """Write a mirror with twelve salts (eight train, two val, two test); ``extra`` rows go into train."""
    (folder / "mp20").mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "material_id": s.system_id,
            "cif": convert.to_cif(s),
            "formation_energy_per_atom": -1.5,
            "spacegroup.number": 225,
        }
        for s in SALTS
    ]
    for split, part in (("train", rows[:8] + list(extra)), ("val", rows[8:10]), ("test", rows[10:])):
        pd.DataFrame(part).to_csv(folder / "mp20" / f"{split}{suffix}")
    return folder


def run(
    folder: Path, name: str = "mp20", mirror: Path | None = None, **changes: object
) -> tuple[store.SystemTable, dict]:
    limit = changes.pop("limit", None)
    workers, custom = changes.pop("workers", 1), changes.pop("custom", None)
    values = {"seed": 0, "max_atoms": 256, "max_atomic_number": 100, **changes}
    stage = PrepareStage(dataset=ChosenDataset(name=name, limit=limit), custom=custom, **values)
    out, stats = folder / "d.arrow", folder / "d.stats.json"
    prepare(stage, out, stats, mirror=None if mirror is None else str(mirror), workers=workers)
    return store.read_systems(folder / "d.arrow"), store.read_json(folder / "d.stats.json")


def test_mp20_keeps_its_own_splits_and_properties(tmp_path):
    table, stats = run(tmp_path, mirror=write_mp20(tmp_path / "mirror"))
    assert stats["n_systems"] == {"train": 8, "val": 2, "test": 2}
    assert table.splits == ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    assert table.ids == [s.system_id for s in SALTS]
    assert table[0].info == {"source": "MP20, mp20", "formation_energy_per_atom": -1.5, "spacegroup": 225}
    assert table[0].volume == pytest.approx(SALTS[0].volume)


def test_statistics_are_those_of_the_training_split(tmp_path):
    _, stats = run(tmp_path, mirror=write_mp20(tmp_path / "mirror"))
    assert stats["size_histogram"] == {"2": 8}
    assert stats["spacegroups"] == {"225": 8}
    assert stats["elements"] == {"Li": 3, "Na": 3, "K": 2, "F": 4, "Cl": 4}
    assert (stats["dataset"], stats["kind"], stats["licence"]) == ("mp20", "crystal", "CC-BY-4.0")
    assert "Xie" in stats["citation"]


def test_file_says_where_it_comes_from(tmp_path):
    mirror = write_mp20(tmp_path / "mirror")
    table, _ = run(tmp_path, mirror=mirror)
    meta = table.metadata
    assert meta["origin"] == "mirror"
    assert meta["files"]["mp20/val.csv.gz"] == store.sha256(mirror / "mp20" / "val.csv.gz")
    assert meta["verified"]["mp20/val.csv.gz"] == DIFFERENT
    assert "Niggli" in meta["cell"]
    assert "atomic number" in meta["atom_order"]
    assert str(tmp_path) not in str(meta)


def test_broken_rows_among_good_ones_become_failures(tmp_path):
    good = convert.to_cif(rock_salt("x", (12, 8), 4.2))
    extra = [
        {"material_id": "bad-text", "cif": "this is not CIF"},
        {"material_id": "bad-empty", "cif": None},
        {"material_id": "bad-number", "cif": good.replace("_cell_length_a", "_cell_length_a   x")},
        {"material_id": "mp-3", "cif": good},
        {"material_id": "twin", "cif": convert.to_cif(SALTS[5])},
        {"material_id": "heavy", "cif": convert.to_cif(rock_salt("x", (101, 8), 4.2))},
        {"material_id": "fine", "cif": good, "spacegroup.number": "no number"},
    ]
    table, stats = run(tmp_path, mirror=write_mp20(tmp_path / "mirror", extra))
    reasons = {failure.system_id: failure.reason for failure in table.failures()}
    assert set(reasons) == {"bad-text", "bad-empty", "bad-number", "mp-3#2", "twin", "heavy"}
    assert reasons["heavy"] == "element outside the vocabulary: Md"
    assert "mp-5" in reasons["twin"]
    assert all(failure.stage == "prepare" and failure.kind is Kind.CRYSTAL for failure in table.failures())
    assert stats["n_failed"] == 6
    assert stats["failures"]["element outside the vocabulary"] == 1
    assert stats["failures"]["duplicate"] == 2
    assert sum(count for reason, count in stats["failures"].items() if reason.startswith("CIF")) == 3
    assert stats["n_systems"]["train"] == 9
    assert len(set(table.ids)) == len(table)


def test_a_row_with_the_id_of_an_earlier_one_gets_an_id_that_no_other_row_has(tmp_path):
    good = [convert.to_cif(rock_salt("x", (12, 8), a)) for a in (4.0, 4.2, 4.4)]
    extra = [{"material_id": name, "cif": cif} for name, cif in zip(("a", "a", "a#2"), good, strict=True)]
    table, _ = run(tmp_path, mirror=write_mp20(tmp_path / "mirror", extra))
    assert [failure.system_id for failure in table.failures()] == ["a#3"]
    assert "a#2" in {system.system_id for system in table.systems()}
    assert len(set(table.ids)) == len(table)


def test_elements_outside_the_vocabulary_are_named(tmp_path):
    table, stats = run(tmp_path, mirror=write_mp20(tmp_path / "mirror"), max_atomic_number=11)
    assert {f.reason for f in table.failures()} == {
        f"element outside the vocabulary: {names}" for names in ("Cl", "K", "Cl, K")
    }
    assert stats["failures"] == {"element outside the vocabulary": 8}


def test_large_systems_are_dropped(tmp_path):
    with pytest.raises(DataError, match=r"mp20: no usable system is left .*too many atoms: 2, the limit is 1"):
        run(tmp_path, mirror=write_mp20(tmp_path / "mirror"), max_atoms=1)
    assert not (tmp_path / "d.arrow").exists()


def test_no_training_system_is_an_error(tmp_path):
    mirror = write_mp20(tmp_path / "mirror")
    pd.DataFrame([{"material_id": "a", "cif": "nothing"}]).to_csv(mirror / "mp20" / "train.csv.gz")
    with pytest.raises(DataError, match="no training system is left"):
        run(tmp_path, mirror=mirror)


def test_limit_draws_before_anything_is_parsed(tmp_path, monkeypatch):
    parsed: list[str] = []
    original = shards.normal_form
    monkeypatch.setattr(shards, "normal_form", lambda s, *rest: parsed.append(s.system_id) or original(s, *rest))
    table, stats = run(tmp_path, mirror=write_mp20(tmp_path / "mirror"), limit=6)
    assert len(parsed) == len(table) == 6
    assert stats["n_systems"] == {"train": 4, "val": 1, "test": 1}


def test_limit_depends_on_the_seed_alone(tmp_path):
    mirror = write_mp20(tmp_path / "mirror")
    first, again = (run(tmp_path / name, mirror=mirror, limit=6)[0] for name in ("a", "b"))
    assert first.path.read_bytes() == again.path.read_bytes()
    others = [run(tmp_path / str(seed), mirror=mirror, limit=6, seed=seed)[0].ids for seed in range(1, 5)]
    assert any(ids != first.ids for ids in others)


def test_row_that_makes_a_parser_raise_is_a_failure():
    def broken() -> AtomicSystem:
        raise ZeroDivisionError("float division by zero")

    record = Record("odd", "train", broken)
    row = shards._prepared_row(record, shards.Work([record], Kind.CRYSTAL, 256, 100, Path()))
    assert row.reason == "does not parse (ZeroDivisionError: float division by zero)"


def test_every_named_dataset_is_in_the_catalogue():
    from adit.config import DATASETS

    datasets = {name: known_dataset(name) for name in DATASETS}
    assert all(each.licence and each.citation and each.source for each in datasets.values())
    assert {name: str(each.kind) for name, each in datasets.items()} == {n: e.kind for n, e in DATASETS.items()}


@pytest.mark.skipif(not MIRROR.is_dir(), reason="no mirror beside the repository")
@pytest.mark.parametrize("name", ["mp20", "qm9", "qmof", "druglike"])
def test_real_mirror(tmp_path, name):
    table, stats = run(tmp_path, name, mirror=MIRROR, limit=150)
    assert len(table) == 150
    assert stats["n_failed"] == 0
    assert all(stats["n_systems"].values())
    original = {r.system_id: r for r in known_dataset(name).load(str(MIRROR)).records}
    for system in table.systems()[::15]:
        raw = original[system.system_id].make()
        assert sorted(system.numbers) == sorted(raw.numbers)
        assert system.volume == pytest.approx(raw.volume)
