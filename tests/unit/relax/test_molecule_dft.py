"""Molecules to DFT: which ones, with which settings, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule

from adit import convert, store
from adit.columns import Col
from adit.config import Config, DftConfig, DftStage, MoleculeSelectConfig, MoleculeSelectStage
from adit.errors import ConfigError
from adit.relax.dft.engines import vasp
from adit.relax.dft.engines.molecule_maker import boxed, gpaw_molecule_maker, moments
from adit.relax.dft.engines.presets import GpawMoleculePreset, VaspPreset, read_preset
from adit.relax.dft.engines.registry import available, resolve
from adit.relax.dft.select_molecules import select_molecules
from adit.relax.dft.stage import run_dft
from adit.relax.dft.task import task_of
from adit.relax.molecules.rows import columns_of
from adit.systems import AtomicSystem, Kind


def system(name: str, formula: str = "", **info: object) -> AtomicSystem:
    atoms = molecule(formula or name)
    return AtomicSystem(name, Kind.MOLECULE, atoms.numbers, atoms.positions, info=info)


GOOD = {Col.VALIDITY: True, Col.VALIDITY_AFTER: True, Col.BONDING_KEPT: True, Col.STEREO_KEPT: True}


def row(name: str, smiles: str, n_atoms: int, **values: Any) -> dict[str, Any]:
    common = {Col.SYSTEM_ID: name, Col.STATUS: "converged", Col.REASON: "", Col.N_ATOMS: n_atoms}
    return {**columns_of({}), **GOOD, Col.CHARGE: 0, Col.UNPAIRED: 0, Col.RELAXED_SMILES: smiles} | common | values


@pytest.fixture
def relaxed(tmp_path: Path) -> Path:
    """Return a table of relaxed molecules with its structures beside it; a dataset that has methane lies there too."""
    rows = [
        row("water", "O", 3, relaxation_energy=0.3, homo_lumo_gap=14.0),
        row("water-again", "O", 3, relaxation_energy=0.4, homo_lumo_gap=14.0),
        row("ammonia", "N", 4, relaxation_energy=0.1, homo_lumo_gap=11.0),
        row("methane", "C", 5, relaxation_energy=0.0, homo_lumo_gap=13.0),
        row("ethane", "CC", 8, relaxation_energy=0.2, bonding_kept=False),
        row("late", "CC", 8, status="timeout"),
    ]
    names = {"water": "H2O", "water-again": "H2O", "ammonia": "NH3", "methane": "CH4", "ethane": "C2H6", "late": "C2H6"}
    store.write_frame(tmp_path / "0.parquet", pd.DataFrame(rows))
    store.write_systems(tmp_path / "0.arrow", [system(name, formula) for name, formula in names.items()])
    store.write_systems(tmp_path / "data.arrow", [system("d", "CH4")], splits=["train"])
    return tmp_path / "0.parquet"


def selected(relaxed: Path, **values: Any) -> pd.DataFrame:
    config = MoleculeSelectConfig(**{"max_structures": None, **values})
    stage = MoleculeSelectStage(select=config, engine="gpaw", preset="demo")
    out = relaxed.parent / "selected.parquet"
    select_molecules(stage, [relaxed], [relaxed.parent / "data.arrow"], out)
    return store.read_frame(out).set_index(Col.SYSTEM_ID)


def test_molecules_go_to_dft_by_what_they_are(relaxed: Path) -> None:
    table = selected(relaxed)
    chosen = table[table[Col.SELECTED]].sort_values(Col.RANK)
    assert list(chosen.index) == ["ammonia", "water"]
    reasons = dict(table[Col.REASON])
    assert reasons["methane"] == "in the training split"
    assert reasons["water-again"] == "same molecule as one of water"
    assert reasons["ethane"] == "changed by relaxation"
    assert reasons["late"] == "relaxation timeout"


def test_limits_window_and_budget_choose(relaxed: Path) -> None:
    assert list(selected(relaxed, max_structures=1).query("selected").index) == ["ammonia"]
    assert set(selected(relaxed, novel=False).query("selected").index) == {"ammonia", "water", "methane"}
    window = selected(relaxed, window={"homo_lumo_gap": (12.0, 15.0)})
    assert list(window.query("selected").index) == ["water"]
    assert window.loc["ammonia", Col.REASON] == "homo_lumo_gap outside the window"
    assert list(selected(relaxed, rank_by="cost", max_structures=1).query("selected").index) == ["water"]
    none = selected(relaxed, budget_core_hours=1e-6)
    assert not none[Col.SELECTED].any()
    assert none.loc["water", Col.REASON] == "beyond select.molecule.budget_core_hours"


def test_a_count_that_is_not_known_is_outside_every_window(relaxed: Path) -> None:
    """Hydrogen molecules have no heavy atoms, whose rings could be counted."""
    table = store.read_frame(relaxed)
    counts = pd.array([0, 0, None, 1, 0, 0], dtype="Int64")
    store.write_frame(relaxed, table.assign(ring_count=counts))
    chosen = selected(relaxed, window={"ring_count": (0, 0)})
    assert chosen.loc["ammonia", Col.REASON] == "ring_count unknown"
    assert chosen.loc["methane", Col.REASON] == "ring_count outside the window"
    assert list(chosen.query("selected").index) == ["water"]


def test_strain_must_be_computed_to_rank_by_it() -> None:
    values: dict[str, Any] = {"select": {"molecule": {"rank_by": "strain"}}}
    with pytest.raises(ValueError, match=r"relax\.molecule\.conformers"):
        Config.model_validate(values)
    assert Config.model_validate({**values, "relax": {"molecule": {"conformers": 5}}}).n_molecule_dft_shards == 0


def test_gpaw_gets_a_box_and_the_spin_of_the_molecule() -> None:
    preset = read_preset("gpaw", "standard", molecules=True)
    assert isinstance(preset, GpawMoleculePreset)
    closed, opened = (gpaw_molecule_maker(preset, 0, unpaired) for unpaired in (0, 1))
    assert not closed.calculator_kwargs["spinpol"]
    assert opened.calculator_kwargs["spinpol"]
    assert opened.calculator_kwargs["occupations"]["fixmagmom"]
    atoms = boxed(convert.to_molecule(system("CH3"), 0, 1), 5.0)
    assert not atoms.pbc.any()
    low, high = atoms.positions.min(axis=0), atoms.positions.max(axis=0)
    assert (low >= 4.99).all()
    assert (atoms.cell.diagonal() - high >= 4.99).all()
    edges = atoms.cell.diagonal() - (high - low)
    assert (edges < 10.5).all(), "the box is no larger than the vacuum needs"
    assert len(set(edges.round(3))) == 3, "edges of equal length would keep an open shell spherical"
    assert moments(atoms.numbers, 1).tolist() == [1.0, 0.0, 0.0, 0.0]
    with pytest.raises(ConfigError, match="standard"):
        read_preset("gpaw", "accurate", molecules=True)


def test_vasp_gets_one_k_point_and_a_dipole_correction() -> None:
    preset = VaspPreset(flow="mp-gga", molecules=True)
    structure = vasp.boxed(convert.to_molecule(system("CH3"), 0, 1))
    assert structure.lattice.abc[0] > 2 * vasp.VACUUM
    first = vasp.flow_maker(preset, unpaired=1).relax_maker.relax_maker1
    inputs = first.input_set_generator.get_input_set(structure, potcar_spec=True)
    incar = inputs.incar
    assert (incar["ISIF"], incar["LDIPOL"], incar["IDIPOL"]) == (2, True, 4)
    assert (incar["ISPIN"], incar["NUPDOWN"]) == (2, 1)
    assert not incar.get("LDAU", False)
    assert [tuple(point) for point in inputs.kpoints.kpts] == [(1, 1, 1)]
    with pytest.raises(ConfigError, match="gpaw"):
        vasp.boxed(convert.to_molecule(system("OH"), -1, 0))


def test_a_task_has_the_charge_and_spin_of_its_molecule(tmp_path: Path) -> None:
    engine = resolve(DftStage(dft=DftConfig(engine="gfn1-xtb", preset="demo")), molecules=True)
    assert engine.energy_tag.startswith("gfn1-xtb-molecule-demo-")
    plain = task_of(system("CH3"), engine, tmp_path)
    assert (plain.charge, plain.unpaired) == (0, 1)
    ion = task_of(system("CH3", total_charge=1, unpaired_electrons=0), engine, tmp_path)
    assert (ion.charge, ion.unpaired) == (1, 0)
    assert ion.key != plain.key


def test_molecules_are_relaxed_through_the_same_stage(relaxed: Path, tmp_path: Path) -> None:
    selected(relaxed, max_structures=1)
    stage = DftStage(dft=DftConfig(engine="gfn1-xtb", preset="demo", shards=1))
    outs = tmp_path / "dft.parquet", tmp_path / "dft.arrow"
    run_dft(stage, tmp_path / "selected.parquet", [relaxed], 0, tmp_path / "dft", *outs, workers=1, molecules=True)
    (record,) = store.read_frame(outs[0]).to_dict("records")
    assert (record[Col.SYSTEM_ID], record[Col.STATUS]) == ("ammonia", "converged")
    (after,) = store.read_systems(outs[1]).systems()
    assert after.kind is Kind.MOLECULE
    assert after.cell is None
    lengths = np.linalg.norm(after.positions[1:] - after.positions[0], axis=1)
    assert lengths == pytest.approx(np.full(3, 1.01), abs=0.02)
    result = store.read_json(tmp_path / "dft" / "ammonia" / "result.json")
    assert result["stress"] is None


@pytest.mark.skipif(available("gpaw") is None, reason="GPAW is not installed")
def test_gpaw_relaxes_a_radical_in_its_box(tmp_path: Path) -> None:
    from adit.relax.dft.run import run_tasks

    engine = resolve(DftStage(dft=DftConfig(engine="gpaw", preset="demo")), molecules=True)
    task = task_of(system("OH"), engine, tmp_path / "OH")
    result = run_tasks([task], wall_limit_s=300.0, workers=1)["OH"]
    assert result[Col.STATUS] == "converged", result[Col.REASON]
    first, second = np.array(result["structure"]["positions"])
    assert np.linalg.norm(first - second) == pytest.approx(0.98, abs=0.03)
    assert result["structure"]["cell"] is None
