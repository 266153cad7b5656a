"""Relaxation of molecules with GFN2-xTB: every sample is a row, whatever it is; what relaxed has properties."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import molecule

from adit import cli, convert, store
from adit.columns import Col
from adit.config import MoleculeRelaxConfig, MoleculeRelaxStage
from adit.convert import Perceived, perceive
from adit.isolate import Outcome
from adit.relax.molecules import gfn2, properties
from adit.relax.molecules.gfn2 import free_atom, outside_the_core
from adit.relax.molecules.relaxation import SDF, _relaxed, aligned_rmsd, relax_molecule
from adit.relax.molecules.rows import COLUMNS
from adit.relax.molecules.settings import molecule_limits
from adit.relax.potentials import batch
from adit.relax.potentials.divergence import DivergedError, Watch
from adit.relax.prerelax import relax_molecule_shard
from adit.systems import AtomicSystem, Failure, Kind

LIMITS = molecule_limits(MoleculeRelaxConfig())


def system(name: str, atoms: Atoms, **info: object) -> AtomicSystem:
    return AtomicSystem(name, Kind.MOLECULE, atoms.numbers, atoms.positions, info=info)


def moved(atoms: Atoms, shift: float) -> Atoms:
    atoms.positions[0, 2] += shift
    return atoms


def beside(first: Atoms, second: Atoms) -> Atoms:
    second.translate([4.0, 0.0, 0.0])
    return first + second


def ammonium() -> Atoms:
    d = 1.03 / 3**0.5
    return Atoms("NH4", positions=[[0, 0, 0], [d, d, d], [-d, -d, d], [-d, d, -d], [d, -d, -d]])


ROWS: list[AtomicSystem | Failure] = [
    system("water", moved(molecule("H2O"), 0.1)),
    system("radical", molecule("CH3")),
    system("ion", ammonium()),
    system("pair", beside(molecule("H2O"), molecule("CH4"))),
    system("overlap", Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.01]])),
    Failure("undecoded", "decode", "no atoms left", Kind.MOLECULE),
    system("uranium", Atoms("U", positions=[[0, 0, 0]])),
    system("apart", moved(molecule("H2O"), 6.0)),
    system("atom", Atoms("Ar", positions=[[0, 0, 0]])),
    system("argon", Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.6]])),
    AtomicSystem("crystal", Kind.CRYSTAL, np.array([14, 14]), np.array([[0.0] * 3, [1.35] * 3]), np.eye(3) * 5.4),
]


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("molecules")
    store.write_systems(folder / "samples.arrow", ROWS)
    return folder, run(folder, "0")


def run(folder: Path, name: str) -> pd.DataFrame:
    stage = MoleculeRelaxStage(molecule=MoleculeRelaxConfig(wall_limit_s=120.0))
    outs = [folder / f"{name}.{suffix}" for suffix in ("parquet", "arrow", "extxyz", "sdf")]
    relax_molecule_shard(stage, folder / "samples.arrow", *outs, workers=1, cache=folder / "cache")
    return store.read_frame(folder / f"{name}.parquet").set_index("system_id", drop=False)


def test_each_kind_of_trouble_is_a_row_with_its_reason(relaxed: tuple[Path, pd.DataFrame]) -> None:
    table = relaxed[1]
    assert list(table.index) == [row.system_id for row in ROWS]
    assert dict(table["status"]) == {
        "water": "converged",
        "radical": "converged",
        "ion": "converged",
        "pair": "converged",
        "overlap": "refused",
        "undecoded": "failed",
        "uranium": "refused",
        "apart": "failed",
        "atom": "converged",
        "argon": "converged",
        "crystal": "refused",
    }
    for name, words in {
        "pair": "2 fragments",
        "overlap": "0.01 Å apart",
        "undecoded": "no atoms left",
        "uranium": "no parameters of U",
        "apart": "SCF not converged",
        "argon": "fell apart into 2 fragments",
        "crystal": "is periodic",
    }.items():
        assert words in table.loc[name, "reason"], name
    assert table.loc["water", "reason"] == ""
    assert table.loc["water", Col.STEPS] > 0
    assert table.loc["atom", Col.STEPS] == 0


def test_charge_and_spin_come_from_the_geometry(relaxed: tuple[Path, pd.DataFrame]) -> None:
    table = relaxed[1]
    states = table.loc[["water", "radical", "ion"], [Col.CHARGE, Col.UNPAIRED]].to_numpy(float)
    assert states.tolist() == [[0, 0], [0, 1], [1, 0]]
    assert table.loc["radical", Col.BONDING_KEPT]
    assert not table.loc["radical", Col.VALIDITY_AFTER]
    assert np.isnan(table.loc["radical", Col.GAP])
    assert np.isnan(table.loc["ion", Col.DIPOLE])


def test_a_relaxed_molecule_has_gfn2_properties(relaxed: tuple[Path, pd.DataFrame]) -> None:
    row = relaxed[1].loc["water"]
    assert row[Col.ENERGY] == pytest.approx(-137.9769, abs=2e-3)  # tblite's own example, relaxed
    assert row[Col.GAP] == pytest.approx(14.4, abs=0.2)
    assert row[Col.DIPOLE] == pytest.approx(2.22, abs=0.05)
    assert row[Col.RELAXATION_ENERGY] > 0.05
    assert row[Col.VALIDITY]
    assert row[Col.VALIDITY_AFTER]
    assert row[Col.ENERGY_TAG].startswith("gfn2-xtb-")
    water = next(s for s in store.read_systems(relaxed[0] / "0.arrow").systems() if s.system_id == "water")
    assert np.linalg.norm(water.positions[0] - water.positions[1]) == pytest.approx(0.96, abs=0.01)
    assert water.info[Col.GAP] == row[Col.GAP]


def test_the_sdf_has_the_relaxed_molecules_with_bonds(relaxed: tuple[Path, pd.DataFrame]) -> None:
    entries = convert.read_sdf(relaxed[0] / "0.sdf")
    names = [block.splitlines()[0] for block, _ in entries]
    assert names == ["water", "radical", "ion", "pair", "atom", "argon"]
    assert convert.smiles_of_block(entries[0][0]) == "O"
    assert float(entries[0][1]["dipole"]) == relaxed[1].loc["water", Col.DIPOLE]


def test_finished_molecules_are_taken_from_the_cache(
    relaxed: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, table = relaxed
    given: list[object] = []

    def nothing_to_do(function: object, items: list[object], **options: object) -> list[Outcome]:
        given.extend(items)
        return []

    monkeypatch.setattr(batch, "map_isolated", nothing_to_do)
    again = run(folder, "again")
    assert given == []
    pd.testing.assert_frame_equal(again, table)
    assert (folder / "again.sdf").read_text() == (folder / "0.sdf").read_text()


def test_bonds_that_change_are_not_kept() -> None:
    atoms = molecule("CH4")
    atoms.positions[1] *= 1.5  # this hydrogen atom is out of reach of a bond, and comes back
    result = relax_molecule(system("pulled", atoms), LIMITS)
    assert result.status == "converged"
    assert not result.details[Col.BONDING_KEPT]
    assert not result.details[Col.VALIDITY]
    assert result.details[Col.VALIDITY_AFTER]
    assert result.details[Col.RELAXED_SMILES] == "C"
    assert "bonding changed" in result.reason or "neutral with lowest spin" in result.reason


def test_ions_and_conformers_are_computed_where_asked_for() -> None:
    start = system("ethanol", molecule("CH3CH2OH"))
    plain = relax_molecule(start, LIMITS)
    assert Col.IONISATION not in plain.details
    assert Col.STRAIN not in plain.details
    result = relax_molecule(start, dataclasses.replace(LIMITS, ions=True, conformers=4))
    assert result.energy == pytest.approx(plain.energy, abs=1e-9)
    assert result.details[Col.IONISATION] > 10
    assert result.details[Col.AFFINITY] < 0
    assert result.details[Col.CONFORMERS] >= 1
    assert 0 <= result.details[Col.STRAIN] < 0.2


def test_a_molecule_whose_free_atoms_have_no_energy_stays_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks the atomisation energy alone, and says why."""
    original = gfn2.gfn2_energy

    def without_oxygen(numbers: np.ndarray, positions: np.ndarray, charge: int, unpaired: int) -> float:
        if numbers.tolist() == [8]:
            raise gfn2.NoEnergyError("GFN2-xTB gives no energy (SCF not converged)")
        return original(numbers, positions, charge, unpaired)

    start = system("water", moved(molecule("H2O"), 0.1))
    limits = dataclasses.replace(LIMITS, ions=True)
    whole = relax_molecule(start, limits)
    monkeypatch.setattr(gfn2, "gfn2_energy", without_oxygen)
    free_atom.cache_clear()
    result = relax_molecule(start, limits)
    free_atom.cache_clear()
    assert (result.status, result.energy, result.steps) == ("converged", whole.energy, whole.steps)
    assert result.reason == ("no atomisation_energy: free atom of O: GFN2-xTB gives no energy (SCF not converged)")
    del whole.details[Col.ATOMISATION], whole.details[SDF]  # type: ignore[attr-defined]
    assert {name: value for name, value in result.details.items() if name != SDF} == whole.details


def test_an_ion_without_an_energy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(numbers: np.ndarray, positions: np.ndarray, charge: int, unpaired: int) -> float:
        raise gfn2.NoEnergyError("no energy")

    monkeypatch.setattr(properties, "gfn2_energy", none)
    result = relax_molecule(system("water", molecule("H2O")), dataclasses.replace(LIMITS, ions=True))
    assert result.status == "converged"
    assert result.reason == f"no {Col.IONISATION}: no energy; no {Col.AFFINITY}: no energy"


def test_a_relaxation_without_a_zero_of_energy_is_watched_all_the_same() -> None:
    watch, atoms = Watch(lambda _numbers: None), molecule("H2O")
    watch.leave(atoms, -1e9, np.zeros((3, 3)))
    for energy, forces in ((float("nan"), 0.0), (float("-inf"), 0.0), (-1.0, 1e7)):
        with pytest.raises(DivergedError):
            watch.leave(atoms, energy, np.full((3, 3), forces))


def test_a_charge_that_is_known_is_taken() -> None:
    hydroxide = system("hydroxide", Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]]), total_charge=-1)
    result = relax_molecule(hydroxide, LIMITS)
    assert (result.details[Col.CHARGE], result.details[Col.UNPAIRED]) == (-1, 0)


def test_a_result_belongs_to_the_charge_that_it_was_computed_with(tmp_path: Path) -> None:
    stage = MoleculeRelaxStage(molecule=MoleculeRelaxConfig())
    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]])
    charges = []
    for number, info in enumerate(({}, {Col.CHARGE: -1}, {Col.UNPAIRED: 0})):
        store.write_systems(tmp_path / "samples.arrow", [system("x", atoms, **info)])
        outs = [tmp_path / f"{number}.{suffix}" for suffix in ("parquet", "arrow", "extxyz", "sdf")]
        relax_molecule_shard(stage, tmp_path / "samples.arrow", *outs, workers=1, cache=tmp_path / "cache")
        (record,) = store.read_frame(outs[0]).to_dict("records")
        charges.append((record[Col.CHARGE], record[Col.UNPAIRED]))
    assert charges == [(0, 1), (-1, 0), (-1, 0)]


def test_oxygen_is_a_triplet() -> None:
    result = relax_molecule(system("O2", molecule("O2")), LIMITS)
    assert (result.details[Col.CHARGE], result.details[Col.UNPAIRED]) == (0, 2)
    singlet = relax_molecule(system("O2", molecule("O2"), unpaired_electrons=0), LIMITS)
    assert singlet.details[Col.UNPAIRED] == 0
    assert singlet.energy is not None
    assert result.energy is not None
    assert Col.GAP not in result.details
    entropy = 4 * np.log(2) * 0.02585  # of two electrons in four spin orbitals at 300 K; GFN2-xTB has no exchange
    assert result.energy - singlet.energy == pytest.approx(entropy, abs=1e-3)


def test_no_strain_where_the_relaxed_molecule_is_perceived_with_another_charge() -> None:
    """Ammonium is relaxed as the neutral radical where its file says so; its conformers would be cations."""
    limits = dataclasses.replace(LIMITS, conformers=2)
    before = Perceived(None, 0, 1, "", "", 1, "no bonding fits")
    details = _relaxed(system("NH4", ammonium()), before, limits).details
    assert (perceive(system("NH4", ammonium())).charge, Col.STRAIN in details) == (1, False)


def test_f_electrons_are_in_the_core_of_gfn2() -> None:
    for number in range(57, 72):
        assert np.isfinite(free_atom(number))
    assert outside_the_core(np.array([60]), 4) == 1
    assert outside_the_core(np.array([8, 8]), 2) == 2


def test_rmsd_ignores_translation_and_rotation_but_no_reflection() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert aligned_rmsd(points, points @ turn.T + 5) == pytest.approx(0, abs=1e-7)
    assert aligned_rmsd(points, points * [1, 1, -1]) > 0.5


def test_own_files_each_get_the_engine_of_their_kind(tmp_path: Path) -> None:
    (tmp_path / "water.xyz").write_text("3\n\nO 0 0 0.12\nH 0 0.76 -0.47\nH 0 -0.76 -0.47\n")
    store.write_text(tmp_path / "si.cif", convert.to_cif(silicon()))
    files = [str(tmp_path / name) for name in ("water.xyz", "si.cif")]
    assert cli.main(["relax", *files, "--out", str(tmp_path / "out"), "--ions"]) == 0
    table = store.read_frame(tmp_path / "out" / "relaxed.csv")
    assert list(table["status"]) == ["converged", "converged"]
    assert [tag.partition("-")[0] for tag in table["energy_tag"]] == ["gfn2", "chgnet"]
    assert set(COLUMNS) <= set(table.columns)
    assert table[Col.GAP].notna().tolist() == [True, False]
    assert table[Col.IONISATION].notna().tolist() == [True, False]
    assert {p.name for p in (tmp_path / "out" / "structures").iterdir()} == {"water.sdf", "si.cif"}


def silicon() -> AtomicSystem:
    cell = 5.4 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return AtomicSystem("si", Kind.CRYSTAL, np.array([14, 14]), np.array([[0.0] * 3, [0.25] * 3]) @ cell, cell)
