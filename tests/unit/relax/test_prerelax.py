"""Pre-relaxation: every sample is a row, whatever it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import store
from adit.config import RelaxConfig, RelaxStage
from adit.isolate import Outcome
from adit.relax import prerelax as prerelax_module
from adit.relax.potentials import batch, chgnet, kept
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.outcome import Limits, of_outcome
from adit.relax.potentials.screen import contact, refuse
from adit.relax.prerelax import COLUMNS, prerelax
from adit.systems import AtomicSystem, Failure, Kind
from tests.conftest import random_crystal

LIMITS = Limits(fmax=0.05, max_steps=100, min_distance=0.5, max_volume_per_atom=250.0)


def fcc(
    name: str, numbers: list[int], a: float, second: float = 0.5, stretch: float = 1.0, shift: float = 0.0
) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * np.array([1, 1, stretch])
    positions = np.array([[0.0, 0, 0], [second] * 3])[: len(numbers)] @ cell
    positions[-1, 2] += shift
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), positions, cell)


ROWS: list[AtomicSystem | Failure] = [
    fcc("nacl", [11, 17], 5.5, stretch=1.05, shift=0.3),
    fcc("overlap", [11, 17], 5.5, second=0.02),
    Failure("undecoded", "decode", "lattice has no volume", Kind.CRYSTAL),
    fcc("polonium", [84], 4.7),
    fcc("empty", [11, 17], 16.0),
    AtomicSystem("molecule", Kind.MOLECULE, np.array([1, 1]), np.array([[0, 0, 0], [0, 0, 0.74]])),
    fcc("si", [14, 14], 5.3, second=0.25),
]


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("relax")
    store.write_systems(folder / "samples.arrow", ROWS)
    prerelax(
        RelaxStage(relax=RelaxConfig()),
        folder / "samples.arrow",
        folder / "0.parquet",
        folder / "0.arrow",
        folder / "0.extxyz",
        workers=1,
        cache=folder / "cache",
    )
    return folder, store.read_frame(folder / "0.parquet").set_index("system_id", drop=False)


def test_every_sample_is_a_row_in_order(relaxed: tuple[Path, pd.DataFrame]) -> None:
    folder, table = relaxed
    assert tuple(table.columns) == COLUMNS
    assert list(table.index) == [row.system_id for row in ROWS]
    assert store.read_systems(folder / "0.arrow").ids == list(table.index)
    assert (folder / "0.extxyz").read_text().count("Lattice=") == 2


def test_each_kind_of_trouble_has_its_status_and_reason(relaxed: tuple[Path, pd.DataFrame]) -> None:
    table = relaxed[1]
    assert dict(table["status"]) == {
        "nacl": "converged",
        "overlap": "refused",
        "undecoded": "failed",
        "polonium": "refused",
        "empty": "refused",
        "molecule": "refused",
        "si": "converged",
    }
    for name, words in {
        "overlap": "overlap",
        "undecoded": "lattice has no volume",
        "polonium": "Po",
        "empty": "too empty",
        "molecule": "not periodic",
    }.items():
        assert words in table.loc[name, "reason"]
        assert np.isnan(table.loc[name, "energy"])


def test_the_sampler_s_failure_stays_what_it_was(relaxed: tuple[Path, pd.DataFrame]) -> None:
    rows = {row.system_id: row for row in store.read_systems(relaxed[0] / "0.arrow")}
    assert rows["undecoded"] == ROWS[2]
    assert isinstance(rows["overlap"], Failure)
    assert rows["overlap"].stage == "relax"


def test_relaxed_cells_are_near_the_pbe_ones(relaxed: tuple[Path, pd.DataFrame]) -> None:
    folder, table = relaxed
    lattices = {s.system_id: (4 * s.volume) ** (1 / 3) for s in store.read_systems(folder / "0.arrow").systems()}
    assert lattices["nacl"] == pytest.approx(5.69, rel=0.015)
    assert lattices["si"] == pytest.approx(5.469, rel=0.01)
    assert (table.loc[["nacl", "si"], "fmax"] < 0.05).all()
    assert table.loc["si", "energy"] == pytest.approx(2 * table.loc["si", "energy_per_atom"])


def test_symmetry_is_told_before_and_after(relaxed: tuple[Path, pd.DataFrame]) -> None:
    table = relaxed[1]
    assert table.loc["nacl", "spacegroup_before"] == 107  # chlorine moved along c
    assert table.loc["nacl", "spacegroup_after"] == 225
    assert table.loc["overlap", "spacegroup_before"] > 0
    assert table.loc["overlap", "spacegroup_after"] == 0
    assert not table["pushed_apart"].any()


def test_the_bad_ones_change_nothing_for_the_good_ones(relaxed: tuple[Path, pd.DataFrame]) -> None:
    config = RelaxConfig()
    limits = prerelax_module.limits_of(config)
    for row in (ROWS[0], ROWS[-1]):
        assert isinstance(row, AtomicSystem)
        alone = chgnet.relax((row, limits))
        assert alone.energy == pytest.approx(relaxed[1].loc[row.system_id, "energy"], abs=1e-5)
        assert alone.steps == relaxed[1].loc[row.system_id, "steps"]


def test_finished_structures_are_taken_from_the_cache(
    relaxed: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, table = relaxed
    given_items: list[object] = []

    def nothing_to_do(function: object, items: list[object], **options: object) -> list[Outcome]:
        given_items.extend(items)
        return []

    monkeypatch.setattr(batch, "map_isolated", nothing_to_do)
    prerelax(
        RelaxStage(relax=RelaxConfig()),
        folder / "samples.arrow",
        folder / "again.parquet",
        folder / "again.arrow",
        folder / "again.extxyz",
        workers=1,
        cache=folder / "cache",
    )
    assert given_items == []
    pd.testing.assert_frame_equal(store.read_frame(folder / "again.parquet"), table.reset_index(drop=True))


def test_when_the_time_for_all_is_over_the_rest_is_left_and_not_kept(tmp_path: Path) -> None:
    """The first of three ends after the time; a later run goes on from it."""
    names = ("a", "b", "c")
    systems = [
        AtomicSystem(n, Kind.CRYSTAL, np.array([29]), np.zeros((1, 3)), np.eye(3) * a)
        for n, a in zip(names, (2.4, 2.5, 2.6), strict=True)
    ]
    limits, emt = Limits(0.1, 0, 0.5, 250.0), Chosen("emt")
    first = batch.relax_all(systems, limits, wall_limit_s=60.0, workers=1, cache=tmp_path, chosen=emt, budget_s=1e-9)
    assert [result.status for result in first] == ["unconverged", "timeout", "timeout"]
    assert first[1].reason == "not finished in the 1e-09 s for all structures"
    none = batch.relax_all(systems[1:], limits, wall_limit_s=60.0, workers=1, cache=tmp_path, chosen=emt, budget_s=0.0)
    assert [result.status for result in none] == ["timeout", "timeout"]
    again = batch.relax_all(systems, limits, wall_limit_s=60.0, workers=1, cache=tmp_path, chosen=emt)
    assert [result.status for result in again] == ["unconverged"] * 3
    assert again[0].energy == first[0].energy


def test_the_cache_forgets_what_other_settings_gave() -> None:
    system = ROWS[0]
    assert isinstance(system, AtomicSystem)
    moved = dataclasses.replace(system, positions=system.positions + 1e-9)
    keys = {
        kept.key(system, LIMITS),
        kept.key(system, dataclasses.replace(LIMITS, fmax=0.1)),
        kept.key(system, dataclasses.replace(LIMITS, optimizer="fire")),
        kept.key(moved, LIMITS),
    }
    assert len(keys) == 4


def test_steps_that_run_out_are_unconverged_with_an_energy() -> None:
    system = ROWS[0]
    assert isinstance(system, AtomicSystem)
    result = chgnet.relax((system, dataclasses.replace(LIMITS, max_steps=1)))
    assert result.status == "unconverged"
    assert "after 1 steps" in result.reason
    assert np.isfinite(result.energy)
    assert result.fmax > LIMITS.fmax


def test_a_lone_atom_out_of_reach_of_others_fails_with_a_reason() -> None:
    lone = AtomicSystem("lone", Kind.CRYSTAL, np.array([18]), np.zeros((1, 3)), np.eye(3) * 6.29)
    result = chgnet.relax((lone, LIMITS))
    assert result.status == "failed"
    assert "isolated" in result.reason.lower()


def test_energies_that_are_not_finite_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def evaluate(self, structures: list[object]) -> list[dict[str, object]]:
            nan = float("nan")
            forces = [np.full((len(atoms), 3), nan) for atoms in structures]  # type: ignore[arg-type]
            return [{"energy": nan, "free_energy": nan, "forces": f, "stress": np.full(6, nan)} for f in forces]

    monkeypatch.setattr(chgnet, "network", lambda device: Broken())
    system = ROWS[0]
    assert isinstance(system, AtomicSystem)
    result = chgnet.relax((system, LIMITS))
    assert result.status == "failed"
    assert result.reason == "diverged: energy or forces are not finite after 0 steps"
    assert result.system is None


@pytest.mark.parametrize("status", ["timeout", "crashed", "error"])
def test_a_killed_or_crashed_worker_is_a_row(status: str) -> None:
    result = of_outcome(Outcome(status, None, "what happened", 3.0))  # type: ignore[arg-type]
    assert result.status == ("timeout" if status == "timeout" else "failed")
    assert result.reason == "what happened"


def test_an_atom_s_own_image_counts_as_a_neighbour() -> None:
    cell = np.diag([0.4, 5.0, 5.0])
    flat = AtomicSystem("flat", Kind.CRYSTAL, np.array([11]), np.zeros((1, 3)), cell)
    assert "overlap" in (refuse(flat, 0.5, 250.0) or "")


def test_atoms_within_half_a_bond_are_no_crystal() -> None:
    assert "Na–Cl" in (contact(fcc("close", [11, 17], 5.5, second=0.12)) or "")
    assert contact(fcc("nacl", [11, 17], 5.5)) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_screening_does_not_depend_on_origin_orientation_or_order(seed: int, n: int) -> None:
    from scipy.stats import special_ortho_group

    random = np.random.default_rng(seed)
    system = random_crystal(random, n)
    assert system.cell is not None
    turn, order = special_ortho_group.rvs(3, random_state=random), random.permutation(n)
    turned = AtomicSystem(
        system.system_id,
        system.kind,
        system.numbers[order],
        (system.positions[order] + random.normal(size=3)) @ turn,
        system.cell @ turn,
    )
    assert refuse(system, 1.2, 40.0) == refuse(turned, 1.2, 40.0)
