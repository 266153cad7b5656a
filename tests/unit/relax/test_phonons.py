"""Dynamical stability: supercells, frequencies of springs, metals by EMT, and crystals by CHGNet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from adit.columns import Col
from adit.config import RelaxConfig, StabilityConfig
from adit.relax.phonons.check import check_phonons
from adit.relax.phonons.modes import modes
from adit.relax.phonons.outcome import Checked
from adit.relax.phonons.supercell import boundary_points, heights, repeats
from adit.relax.potentials.chosen import Chosen
from adit.relax.stability import limits_of
from adit.systems import AtomicSystem, Kind

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
MASS, SPRING, THZ = 63.546, 3.0, 15.633302
"""u; eV/Å²; THz of √(eV/Å²/u) over 2π."""


def crystal(name: str, numbers: list[int], cell: np.ndarray, fractional: Sequence[Sequence[float]]) -> AtomicSystem:
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), np.array(fractional) @ cell, cell)


def result(system: AtomicSystem, engine: str, **settings: float) -> Checked:
    limits = limits_of(StabilityConfig(**settings), RelaxConfig(engine=engine))  # type: ignore[arg-type]
    return check_phonons((system, limits, Chosen(engine)))


@pytest.mark.parametrize(
    ("cell", "n_atoms", "most", "numbers"),
    [
        (np.eye(3) * 4.0, 1, 200, (4, 4, 4)),
        (np.eye(3) * 4.0, 5, 200, (2, 2, 2)),  # 4 × 4 × 4 would have 320 atoms
        (np.diag([4.0, 4.0, 9.0]), 4, 200, (4, 4, 2)),
        (np.diag([4.0, 4.0, 9.0]), 8, 200, (2, 2, 2)),  # the two equal heights change together
        (np.eye(3) * 9.0, 60, 200, (1, 1, 1)),
        (np.diag([4.0, 9.0, 9.0]), 60, 200, (2, 1, 1)),
        (np.eye(3) * 9.0, 201, 200, None),
    ],
)
def test_supercells_are_even_and_as_large_as_allowed(
    cell: np.ndarray, n_atoms: int, most: int, numbers: tuple[int, int, int] | None
) -> None:
    assert repeats(cell, n_atoms, 10.0, most) == numbers


def test_a_skewed_cell_is_measured_by_its_heights() -> None:
    np.testing.assert_allclose(heights(FCC * 3.6), [3.6 / np.sqrt(3)] * 3)
    assert repeats(FCC * 3.6, 1, 10.0, 1000) == (6, 6, 6)


def test_only_points_that_the_supercell_holds_are_checked() -> None:
    assert len(boundary_points((2, 4, 2))) == 7
    np.testing.assert_array_equal(boundary_points((2, 1, 1)), [[0.5, 0, 0]])
    assert boundary_points((1, 1, 1)).shape == (0, 3)


def springs(cells: Sequence[AtomicSystem]) -> list[np.ndarray]:
    """Return the forces of a simple cubic crystal whose neighbours are joined by springs of all directions."""
    rest = cells[0]
    assert rest.cell is not None
    all_forces = []
    for one in cells:
        shift = one.positions - rest.positions
        shift -= np.round(shift @ np.linalg.inv(rest.cell)) @ rest.cell
        distance = rest.positions[:, None] - rest.positions[None]
        fractional = distance @ np.linalg.inv(rest.cell)
        distance = (fractional - np.round(fractional)) @ rest.cell
        near = np.isclose(np.linalg.norm(distance, axis=2), 3.0)
        all_forces.append(SPRING * (near[:, :, None] * (shift[None] - shift[:, None])).sum(axis=1))
    return all_forces


def test_frequencies_of_springs_are_exact() -> None:
    """ω² = (2 k / m) Σ (1 - cos q): 4, 8 and 12 k/m at the faces, edges and corners of the zone; three times each."""
    copper = crystal("cu", [29], np.eye(3) * 3.0, [[0, 0, 0]])
    phonons = modes(copper, (4, 4, 4), 0.02, springs)
    unit = THZ * np.sqrt(SPRING / MASS)
    np.testing.assert_allclose(phonons.gamma, 0, atol=1e-3)
    expected = [unit * np.sqrt(4 * np.count_nonzero(point)) for point in boundary_points((4, 4, 4))]
    np.testing.assert_allclose(phonons.boundary, np.repeat(np.array(expected)[:, None], 3, axis=1), rtol=1e-4)
    assert phonons.displacements == 1
    frequencies, densities = np.array(phonons.dos.frequencies), np.array(phonons.dos.densities)
    assert np.trapezoid(densities, frequencies) == pytest.approx(3, rel=0.02)
    assert frequencies[np.flatnonzero(densities > 0.01).max()] == pytest.approx(unit * np.sqrt(12), rel=0.1)


def test_fcc_copper_is_stable_and_simple_cubic_is_not() -> None:
    """EMT's copper has a bulk modulus of 134 GPa (ASE's own documentation of EMT)."""
    good = result(crystal("fcc", [29], FCC * 3.7, [[0, 0, 0]]), "emt", length=4.0)
    assert (good.status, good.values[Col.DYNAMICALLY_STABLE]) == ("ok", True)
    assert good.values[Col.BULK_MODULUS] == pytest.approx(134, abs=6)
    assert good.values[Col.SPACEGROUP_AFTER] == 225
    assert good.values[Col.FMAX] < 0.002
    bad = result(crystal("sc", [29], np.eye(3) * 2.4, [[0, 0, 0]]), "emt", length=4.0)
    assert (bad.status, bad.values[Col.DYNAMICALLY_STABLE]) == ("ok", False)
    assert bad.values[Col.IMAGINARY_BOUNDARY]
    assert not bad.values[Col.IMAGINARY_GAMMA]  # one atom: only translations
    assert bad.values[Col.LOWEST_BOUNDARY] < -0.1
    assert min(bad.dos.frequencies) < 0


def test_a_conventional_cell_gives_the_frequencies_of_the_primitive_one() -> None:
    cubic = crystal("four", [29] * 4, np.eye(3) * 3.6, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    one = result(crystal("one", [29], FCC * 3.6, [[0, 0, 0]]), "emt", length=4.0)
    four = result(cubic, "emt", length=4.0)
    for name in (Col.LOWEST_BOUNDARY, Col.BULK_MODULUS):
        assert four.values[name] == pytest.approx(one.values[name], rel=0.01)
    assert four.values[Col.PHONON_SUPERCELL] == one.values[Col.PHONON_SUPERCELL] == "2×2×2"


def test_what_cannot_be_checked_has_a_reason() -> None:
    water = AtomicSystem("h2o", Kind.MOLECULE, np.array([8]), np.zeros((1, 3)))
    large = crystal(
        "cuau", [29, 29, 29, 79], np.diag([3.7, 3.8, 3.9]), [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    reasons = {
        "is not periodic": result(water, "emt"),
        "EMT (to try an interpreter, no potential for results) does not know Si": result(SI, "emt"),
        "4 atoms in the primitive cell, at most 3 (stability.max_atoms)": result(large, "emt", max_atoms=3),
    }
    assert {reason: (each.status, each.reason) for reason, each in reasons.items()} == {
        reason: ("refused", reason) for reason in reasons
    }


def test_a_crystal_that_does_not_relax_fails_with_its_force() -> None:
    far = crystal("cuau", [29, 79], np.diag([2.9, 2.9, 4.4]), [[0, 0, 0], [0.5, 0.5, 0.47]])
    checked = result(far, "emt", max_steps=1)
    assert checked.status == "failed"
    assert checked.reason.startswith("not relaxed tightly: fmax ")


SI = crystal("si", [14, 14], FCC * 5.43, [[0, 0, 0], [0.25, 0.25, 0.25]])
NACL = crystal("nacl", [11, 17], FCC * 5.64, [[0, 0, 0], [0.5, 0.5, 0.5]])
MGO = crystal("mgo", [12, 8], FCC * 4.21, [[0, 0, 0], [0.5, 0.5, 0.5]])
BATIO3 = crystal(
    "batio3",
    [56, 22, 8, 8, 8],
    np.eye(3) * 4.0,
    [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)


@pytest.mark.parametrize(
    ("system", "modulus"),
    [(SI, 79), (NACL, 25), pytest.param(MGO, 128, marks=pytest.mark.slow)],
    ids=["si", "nacl", "mgo"],
)
def test_crystals_are_stable_by_chgnet(system: AtomicSystem, modulus: float) -> None:
    """Measured moduli are 98, 24 and 163 GPa: CHGNet's are lower for stiff crystals."""
    checked = result(system, "chgnet", length=6.0)
    assert (checked.status, checked.reason) == ("ok", "")
    assert checked.values[Col.DYNAMICALLY_STABLE]
    assert checked.values[Col.BOUNDARY_POINTS] == 7
    assert abs(checked.values[Col.LOWEST_GAMMA]) < 0.01
    assert checked.values[Col.LOWEST_BOUNDARY] > 0.5
    assert checked.values[Col.BULK_MODULUS] == pytest.approx(modulus, rel=0.05)


@pytest.mark.slow
def test_cubic_barium_titanate_is_unstable_by_chgnet() -> None:
    """Its ferroelectric mode is imaginary at Γ; the relaxation with symmetry kept stays cubic."""
    checked = result(BATIO3, "chgnet")
    assert checked.values[Col.SPACEGROUP_AFTER] == 221
    assert checked.values[Col.IMAGINARY_GAMMA]
    assert not checked.values[Col.DYNAMICALLY_STABLE]
    assert checked.values[Col.LOWEST_GAMMA] < -2
