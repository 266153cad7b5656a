"""Reference energies that travel with the package: they are what computing gives, and hold for nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.cli import main
from adit.config import HullConfig, ReferenceStage, RelaxConfig
from adit.data.datasets.builtin_crystals import DATASET
from adit.errors import DataError
from adit.hull import reference, shipped
from adit.hull.pair_search import SEARCHED, SET
from adit.hull.reference_rows import COLUMNS
from adit.relax.potentials import batch, chgnet
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem

RECOMPUTED = 20


def builtin() -> list[AtomicSystem]:
    """Return the crystals of the built-in set; misprinted prototypes are none."""
    systems = []
    for record in DATASET.load(None).records:
        try:
            systems.append(record.make())
        except DataError:
            continue
    return systems


@pytest.fixture(scope="module")
def crystals() -> list[AtomicSystem]:
    return builtin()


@pytest.fixture(scope="module")
def small(crystals: list[AtomicSystem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of four crystals under the name of the built-in set."""
    path = tmp_path_factory.mktemp("data") / f"{reference.BUILTIN}.arrow"
    store.write_systems(path, sorted(crystals, key=len)[:4], splits=["train"] * 4)
    return path


def stage(**relax: float) -> ReferenceStage:
    return ReferenceStage(relax=RelaxConfig(**relax), hull=HullConfig(reference="builtin"))  # type: ignore[arg-type]


@pytest.fixture
def relaxed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Ids that were to be relaxed, one list a call; each gets the energy 7 eV/atom."""
    calls: list[list[str]] = []

    def fake(systems: list[AtomicSystem], limits: Limits, **_: object) -> list[Relaxed]:
        calls.append([system.system_id for system in systems])
        return [Relaxed("converged", "", system, 7.0 * len(system)) for system in systems]

    monkeypatch.setattr(batch, "relax_all", fake)
    return calls


def test_every_builtin_crystal_has_a_row(crystals: list[AtomicSystem]) -> None:
    rows = shipped.read_shipped(chgnet.identity())
    missing = [system.system_id for system in crystals if rows.row(system, reference.FMAX) is None]
    assert not missing
    frame = rows.frame[rows.frame["set"] == "builtin"]
    assert len(frame) == len(crystals)
    good = frame[frame["status"] == "converged"]
    assert len(good) >= 0.97 * len(crystals)
    assert good["energy_per_atom"].between(-16.0, 1.0).all()
    assert set(frame.loc[~frame["energy_per_atom"].notna(), "status"]) <= {"refused", "failed", "timeout"}


def test_prototypes_that_ship_are_finished_in_a_small_file() -> None:
    assert shipped.TABLE.stat().st_size < 5_000_000
    pairs = {}
    for chosen in (Chosen(), Chosen("sevennet")):
        frame = shipped.read_shipped(chosen.identity()).frame
        frame = frame[frame["set"].str.startswith(SET)]
        marked = frame[frame["status"] == SEARCHED]
        pairs[chosen.name] = set(marked["set"])
        assert set(frame["set"]) == set(marked["set"])
        energies = frame.loc[frame["status"] != SEARCHED, "energy_per_atom"]
        assert energies.between(-16.0, 1.0).all()
    assert pairs["sevennet"] <= pairs["chgnet"]
    assert {f"{SET}Li-O", f"{SET}Ba-O"} <= pairs["sevennet"]


def test_the_table_is_what_computing_gives(crystals: list[AtomicSystem]) -> None:
    """Twenty crystals of one or two atoms, spread over the set."""
    candidates = sorted((s for s in crystals if len(s) <= 2), key=lambda s: s.system_id)
    chosen = candidates[:: len(candidates) // RECOMPUTED][:RECOMPUTED]
    assert len(chosen) == RECOMPUTED
    rows = shipped.read_shipped(chgnet.identity())
    for system in chosen:
        row, now = rows.row(system, reference.FMAX), chgnet.relax((system, reference.limits_for(reference.FMAX)))
        assert row is not None
        assert row["status"] == now.status, system.system_id
        if now.system is not None:
            assert row["energy_per_atom"] == pytest.approx(now.energy_per_atom, abs=shipped.TOLERANCE)


def test_the_stage_takes_the_table_and_relaxes_nothing(small: Path, relaxed: list[list[str]], tmp_path: Path) -> None:
    reference.reference(stage(fmax=0.1), [small], tmp_path / "r.parquet", None, 1)
    table = store.read_frame(tmp_path / "r.parquet")
    assert relaxed == []
    assert tuple(table.columns) == COLUMNS
    assert list(table["entry_id"]) == store.read_systems(small).ids
    assert set(table["hull_tag"]) == {chgnet.ENERGY_TAG}


@pytest.mark.parametrize(
    "change",
    [{"potential": "sevennet"}, {"version": "0.2.0"}, {"weights_sha256": "0" * 64}],
    ids=lambda c: next(iter(c)),
)
def test_another_potential_is_computed(
    change: dict[str, str], small: Path, relaxed: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(chgnet.identity(), **change)
    monkeypatch.setattr(chgnet, "identity", lambda: other)
    reference.reference(stage(), [small], tmp_path / "r.parquet", None, 1)
    assert relaxed == [store.read_systems(small).ids]
    assert set(store.read_frame(tmp_path / "r.parquet")["energy_per_atom"]) == {7.0}


def test_a_run_that_relaxes_further_computes_its_references(
    small: Path, relaxed: list[list[str]], tmp_path: Path
) -> None:
    reference.reference(stage(fmax=0.01), [small], tmp_path / "r.parquet", None, 1)
    assert relaxed == [store.read_systems(small).ids]


def test_an_id_with_another_geometry_is_another_crystal(small: Path, relaxed: list[list[str]], tmp_path: Path) -> None:
    systems = store.read_systems(small).systems()
    first = systems[0]
    assert first.cell is not None
    systems[0] = AtomicSystem(first.system_id, first.kind, first.numbers, first.positions * 1.01, first.cell * 1.01)
    changed = tmp_path / f"{reference.BUILTIN}.arrow"
    store.write_systems(changed, systems, splits=["train"] * 4)
    reference.reference(stage(), [changed], tmp_path / "r.parquet", None, 1)
    assert relaxed == [[first.system_id]]
    energies = store.read_frame(tmp_path / "r.parquet")["energy_per_atom"]
    assert energies[0] == 7.0
    assert (energies[1:] != 7.0).all()


def test_without_the_file_everything_is_computed(tmp_path: Path) -> None:
    assert shipped.read_shipped(chgnet.identity(), tmp_path / "none.parquet").frame.empty


def test_a_new_set_leaves_the_rows_of_others(small: Path, tmp_path: Path) -> None:
    systems = store.read_systems(small).systems()
    rows = shipped.read_shipped(chgnet.identity()).frame
    frame = pd.DataFrame([rows[rows["entry_id"] == system.system_id].iloc[0][list(COLUMNS)] for system in systems])
    path, other = tmp_path / "t.parquet", replace(chgnet.identity(), potential="other")
    for identity, name in ((chgnet.identity(), "builtin"), (other, "builtin"), (chgnet.identity(), "prototypes")):
        shipped.write_shipped(identity, name, systems, frame, 0.05, path)
    shipped.write_shipped(chgnet.identity(), "builtin", systems[:2], frame[:2], 0.01, path)
    assert store.read_frame(path).groupby(["potential", "set"]).size().to_dict() == {
        ("chgnet", "builtin"): 2,
        ("chgnet", "prototypes"): 4,
        ("other", "builtin"): 4,
    }
    assert shipped.read_shipped(other, path).row(systems[3], 0.05) is not None


def test_the_table_gets_what_the_time_was_enough_for(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elements come first; what was not finished is left out of the table, and rows of others stay."""
    names: list[str] = []

    def fake(systems: list[AtomicSystem], limits: Limits, **options: object) -> list[Relaxed]:
        assert options["budget_s"] == 7.0
        names.extend(system.system_id for system in systems)
        first = Relaxed("converged", "", systems[0], 7.0 * len(systems[0]))
        return [first, *(Relaxed("timeout", "not finished") for _ in systems[1:])]

    monkeypatch.setattr(batch, "relax_all", fake)
    path = tmp_path / "t.parquet"
    reference.ship(path, small, tmp_path, 1, budget_s=7.0)
    assert list(store.read_frame(path)["entry_id"]) == names[:1]
    kinds = {system.system_id: len(set(system.numbers.tolist())) for system in store.read_systems(small).systems()}
    assert [kinds[name] for name in names] == sorted(kinds[name] for name in names)


def test_a_table_of_another_version_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = replace(chgnet.identity(), version="9.9")
    with caplog.at_level(logging.INFO, logger="adit"):
        assert shipped.read_shipped(other).frame.empty
    assert "references.parquet: holds energies of chgnet 0.3.0 and not of 9.9; they are not used" in caplog.text


def test_a_table_that_was_carried_is_merged(tmp_path: Path) -> None:
    """Its sets replace the same sets of the same potential; all others stay."""
    rows = shipped.read_shipped(chgnet.identity()).frame.to_dict("records")
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    other = replace(chgnet.identity(), potential="other")
    for identity, name, n, path in (
        (chgnet.identity(), "builtin", 3, ours),
        (other, "prototypes:Au-Cu", 2, ours),
        (other, "prototypes:Au-Cu", 1, theirs),
        (other, "prototypes:Au-Pt", 2, theirs),
    ):
        shipped.add_set(identity, name, rows[:n], 0.05, path)
    shipped.merge(theirs, ours)
    assert store.read_frame(ours).groupby(["potential", "set"]).size().to_dict() == {
        ("chgnet", "builtin"): 3,
        ("other", "prototypes:Au-Cu"): 1,
        ("other", "prototypes:Au-Pt"): 2,
    }
    shipped.merge(ours, tmp_path / "new.parquet")
    assert len(store.read_frame(tmp_path / "new.parquet")) == 6


def test_another_table_is_neither_read_nor_replaced(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    store.write_frame(path, pd.DataFrame({"mine": [1]}))
    for use in (
        lambda: shipped.read_shipped(chgnet.identity(), path),
        lambda: shipped.write_shipped(chgnet.identity(), "x", [], pd.DataFrame(columns=list(COLUMNS)), 0.05, path),
    ):
        with pytest.raises(DataError, match="not a table of reference energies"):
            use()
    assert list(store.read_frame(path)) == ["mine"]


def test_the_verb_hull_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "relax_all", lambda *_, **__: pytest.fail("relaxed what ships with the package"))
    monkeypatch.chdir(tmp_path)
    rows = shipped.read_shipped(chgnet.identity()).frame
    salt = rows[rows["formula"] == "NaCl"].iloc[0]
    energy = float(salt["energy_per_atom"]) + 0.1
    table = pd.DataFrame({"system_id": ["mine"], "formula": ["NaCl"], "energy_per_atom": [energy]})
    store.write_frame(tmp_path / "mine.csv", table)
    arguments = ["hull", "mine.csv", "--hull", "builtin", "--energy-tag", chgnet.ENERGY_TAG, "--out", "hull.csv"]
    assert main(arguments) == 0
    above = pd.read_csv(tmp_path / "hull.csv")
    column = next(name for name in above.columns if name.endswith("e_above_hull"))
    assert np.isfinite(above[column]).all()
    assert 0.0 <= above[column][0] <= 0.2
