"""Molecules from rows to scores: nothing depends on order or workers, and one that hangs costs one row."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from adit.columns import Population
from adit.config import Config, ScoreConfig, ScoreStage
from adit.posebusters import POSEBUSTERS_COLUMNS
from adit.progress import log
from adit.relax.molecules.rows import columns_of
from adit.score.common.inputs import Energies, Reference, Row
from adit.score.common.scored import check_populations
from adit.score.molecules import edm
from adit.score.molecules.novelty import TrainNames, composition_key
from adit.score.molecules.run import drawn_ids, reference_rows, score_molecules
from adit.score.molecules.validity import MoleculeChecks, check_molecule
from adit.score.tools import posebusters
from adit.score.tools.posebusters import bust
from adit.systems import AtomicSystem, Failure, Kind

CONFIG = ScoreConfig(controls=2, xtb=0, posebusters=None, wall_limit_s=60)
STAGE = Config(score=CONFIG).stage(ScoreStage)


def water(system_id: str, stretch: float = 1.0) -> AtomicSystem:
    positions = np.array([[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]) * stretch
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([8, 1, 1]), positions)


def ammonia(system_id: str) -> AtomicSystem:
    positions = [[0, 0, 0.12], [0, 0.94, -0.27], [0.81, -0.47, -0.27], [-0.81, -0.47, -0.27]]
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([7, 1, 1, 1]), np.array(positions))


def atoms(system_id: str, *numbers: int, spacing: float = 1.0) -> AtomicSystem:
    grid = np.stack(np.meshgrid(*[np.arange(10.0)] * 3), -1).reshape(-1, 3)[: len(numbers)] * spacing
    return AtomicSystem(system_id, Kind.MOLECULE, np.array(numbers), grid)


STRANGE: list[Row] = [
    Failure("none", "read", "has no atoms", Kind.MOLECULE),
    Failure("nan", "read", "has positions that are not finite", Kind.MOLECULE),
    Failure("zero", "read", "has atomic number 0, which is not an element", Kind.MOLECULE),
    atoms("huge", *[6, 1, 8, 7] * 250, spacing=1.4),
    atoms("noble", 2, 54),
    atoms("rare", 61, 43, 92),
    atoms("on-top", 6, 6, 6, spacing=0.0),
    atoms("lone", 1),
]
ROWS: list[Row] = [water("w0"), ammonia("a0"), water("w1", 1.02), water("far", 4.0), *STRANGE]
REFERENCE = Reference([water("d0", 1.01), ammonia("d1"), ammonia("d2")], ["train", "test", "test"])


def test_neither_order_nor_workers_matter_and_strange_entries_are_rows(tmp_path: Path) -> None:
    first = score_molecules(STAGE, ROWS, REFERENCE, workers=1, cache=tmp_path)
    second = score_molecules(STAGE, ROWS[::-1], REFERENCE, workers=2, cache=tmp_path)  # control rows as kept
    assert [row["system_id"] for row in first.table] == [row.system_id for row in ROWS]
    for one, other in zip(first.table, second.table[::-1], strict=True):
        for column in first.columns:
            same = np.array_equal(one[column], other[column], equal_nan=True) if one[column] != one[column] else None
            assert same or one[column] == other[column], column
    assert first.records == second.records
    assert first.measures == second.measures
    table = {row["system_id"]: row for row in first.table}
    assert all(table[row.system_id]["reason"] for row in STRANGE)
    assert not any(table[row.system_id]["validity"] for row in STRANGE if row.system_id != "noble")
    assert {table[name]["unique"] for name in ("w0", "a0")} == {True}
    assert not table["w1"]["unique"]
    assert [table[name]["novel"] for name in ("w0", "a0", "w1")] == [False, True, False]
    validity = next(r for r in first.records if (r.metric, r.population) == ("validity", Population.SAMPLES))
    assert validity.denominator == len(ROWS)
    assert any(record.population == Population.RANDOM for record in second.records)


def hang_on_w1(system: AtomicSystem) -> MoleculeChecks:
    if system.system_id == "w1":
        time.sleep(600)
    return check_molecule(system)


def busts_but_for_w1(system: AtomicSystem) -> dict[str, bool | None]:
    if system.system_id == "w1":
        time.sleep(600)
    return dict.fromkeys(POSEBUSTERS_COLUMNS, True)


def test_a_check_that_hangs_costs_one_row() -> None:
    rows = {Population.SAMPLES: [water("w0"), water("w1"), water("w2")]}
    config = ScoreConfig(wall_limit_s=2)
    outcomes = check_populations(hang_on_w1, rows, config, 1, "molecules checked")[Population.SAMPLES]
    assert [outcomes[name].status for name in ("w0", "w1", "w2")] == ["ok", "timeout", "ok"]


def test_posebusters_cuts_a_hang_and_shows_progress(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posebusters, "STARTUP_S", 40.0)
    log.addHandler(caplog.handler)
    log.setLevel("INFO")
    answers = bust([water("w0"), water("w1"), water("w2")], workers=2, wall_limit_s=2, one=busts_but_for_w1)
    log.removeHandler(caplog.handler)
    assert [isinstance(each, dict) for each in answers] == [True, False, True]
    assert "wall limit" in str(answers[1])
    assert "3/3 molecules checked with PoseBusters" in caplog.text


def test_a_conformer_that_cannot_be_embedded_is_known_from_the_first() -> None:
    """Conformer 0 is the same alone and among many, so that giving up early gives up no answer."""
    from rdkit import Chem
    from rdkit.Chem.rdDistGeom import EmbedMultipleConfs, ETKDGv3

    settings = ETKDGv3()
    settings.randomSeed = 42
    settings.useRandomCoords = True
    mols = [Chem.AddHs(Chem.MolFromSmiles("CC(=O)NCC")) for _ in range(2)]
    for mol, count in zip(mols, (1, 3), strict=True):
        assert len(EmbedMultipleConfs(mol, count, settings)) == count
    one, many = (mol.GetConformer(0).GetPositions() for mol in mols)
    np.testing.assert_array_equal(one, many)


def test_a_choice_depends_on_ids_alone() -> None:
    rows = [water(f"m-{number}") for number in range(20)]
    some = drawn_ids(rows, 5, seed=1)
    assert some == drawn_ids(rows[::-1], 5, seed=1)
    assert len(some) == 5
    assert some != drawn_ids(rows, 5, seed=2)
    assert len(drawn_ids(rows, None, seed=1)) == 20


def test_the_reference_of_distances_leaves_the_control_row_out() -> None:
    train = [water(f"t-{number}") for number in range(6)]
    rows = reference_rows(train, {Population.TRAIN: train[:2]}, 3, seed=1)
    assert len(rows) == 3
    assert not {row.system_id for row in rows} & {"t-0", "t-1"}
    assert len(reference_rows(train[:2], {Population.TRAIN: train[:2]}, 3, seed=1)) == 2


def test_names_of_the_training_set_are_kept(tmp_path: Path) -> None:
    train = [water("d0"), ammonia("d1"), water("far", 4.0)]
    wanted = {composition_key(water("w"))}
    first = TrainNames(train, workers=1, wall_limit_s=60, cache=tmp_path).of(wanted)
    assert first.smiles == {"O"}
    assert len(list(tmp_path.iterdir())) == 1
    again = TrainNames(train, workers=1, wall_limit_s=0.0, cache=tmp_path).of(wanted)  # no time to name anything
    assert again == first


def row_of(name: str, **values: object) -> dict[str, object]:
    """Return a row of a stage's table of relaxed molecules."""
    blank = {"system_id": name, "status": "converged", "reason": "", "rmsd_moved": 0.25, **columns_of({})}
    return blank | {"relaxation_energy": 0.5, "bonding_kept": True, "validity_after_relaxation": True} | values


def test_relaxations_of_the_stage_are_taken_as_they_are() -> None:
    rows: list[Row] = [water("w"), ammonia("a"), water("far", 4.0), atoms("lone", 1)]
    relaxed = {
        "w": row_of("w", homo_lumo_gap=14.0, dipole=2.0),
        "a": row_of("a", bonding_kept=False, homo_lumo_gap=12.0),
        "far": row_of("far", status="failed", reason="no energy", bonding_kept=False, homo_lumo_gap=float("nan")),
        "lone": row_of("lone", homo_lumo_gap=float("nan")),  # a radical, never valid
    }
    dft = {"w": {"status": "converged", "reason": ""}}
    energies = Energies(relaxed=relaxed, dft=dft)
    scored = score_molecules(STAGE, rows, Reference((), ()), workers=1, energies=energies)
    table = {row["system_id"]: row for row in scored.table}
    assert [table[name]["xtb_status"] for name in ("w", "a", "far")] == ["converged", "converged", "failed"]
    assert [table[name]["xtb_same_molecule"] for name in ("w", "a", "far")] == [True, False, False]
    assert table["w"]["xtb_relaxation_energy"] == 0.5
    assert table["w"]["homo_lumo_gap"] == 14.0
    steps = {step["step"]: step["count"] for step in scored.funnel}
    assert steps == {"asked": 4, "decoded": 4, "valid": 2, "bonding kept": 1, "unique": 1, "DFT": 1}
    assert scored.properties["samples"]["dipole"] == [2.0]


def test_without_relaxations_the_chosen_are_relaxed_here() -> None:
    stage = Config(score=CONFIG.model_copy(update={"xtb": 2, "posebusters": 0})).stage(ScoreStage)
    scored = score_molecules(stage, [water("w"), water("stretched", 1.2)], REFERENCE, workers=1)
    table = {row["system_id"]: row for row in scored.table}
    assert table["w"]["xtb_same_molecule"]
    assert 0 <= table["w"]["xtb_relaxation_energy"] < 0.05
    assert table["stretched"]["xtb_relaxation_energy"] > table["w"]["xtb_relaxation_energy"] + 0.3
    assert table["stretched"]["xtb_rmsd"] > table["w"]["xtb_rmsd"]
    distances = {m.metric: m for m in scored.measures if m.population == "samples"}
    assert distances["homo_lumo_gap_distance"].value == pytest.approx(0.0, abs=0.05)  # all of them are water
    assert distances["homo_lumo_gap_distance"].unit == "eV"


def test_the_bond_table_is_applied_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edm, "PAIRWISE_ATOMS", 3)
    assert edm.check_edm(water("of three atoms")) == edm.EdmChecks(3, True, "[H]O[H]")
    assert edm.check_edm(ammonia("of four atoms")) == edm.EdmChecks(0, False, None)
