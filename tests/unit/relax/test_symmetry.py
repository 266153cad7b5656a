"""Symmetry found before relaxation: exact starts, symmetric steps, the lower energy kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import convert
from adit.columns import Col
from adit.config import RelaxConfig
from adit.relax import symmetry
from adit.relax.potentials import chgnet, kept
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.prerelax import COLUMNS, relax_rows, table_of
from adit.relax.symmetry import relax_with_symmetry, symmetrized
from adit.systems import AtomicSystem, Kind

LIMITS = Limits(fmax=0.1, max_steps=60, min_distance=0.5, max_volume_per_atom=250.0)


def noisy(system: AtomicSystem, noise: float, seed: int) -> AtomicSystem:
    """Return a crystal with Gaussian noise on atoms (Å) and cell (half of it)."""
    random = np.random.default_rng(seed)
    cell = system.cell + noise / 2 * random.normal(size=(3, 3))  # type: ignore[operator]
    return replace(system, cell=cell, positions=system.fractional @ cell + noise * random.normal(size=(len(system), 3)))


def salt(a: float = 5.6) -> AtomicSystem:
    """NaCl in its conventional cell, Fm-3m."""
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    fractional = np.concatenate([face, face + np.array([0.5, 0, 0])])
    return AtomicSystem("nacl", Kind.CRYSTAL, np.array([11] * 4 + [17] * 4), fractional % 1 * a, np.eye(3) * a)


def rutile() -> AtomicSystem:
    """TiO2, P4_2/mnm."""
    u, cell = 0.305, np.diag([4.6, 4.6, 2.96])
    fractional = np.array(
        [[0, 0, 0], [0.5] * 3, [u, u, 0], [1 - u, 1 - u, 0], [0.5 + u, 0.5 - u, 0.5], [0.5 - u, 0.5 + u, 0.5]]
    )
    return AtomicSystem("tio2", Kind.CRYSTAL, np.array([22, 22, 8, 8, 8, 8]), fractional @ cell, cell)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([(salt(), 225), (rutile(), 136)]), st.floats(0.005, 0.05), st.integers(0, 2**32 - 1))
def test_noise_on_a_crystal_is_taken_back(example: tuple[AtomicSystem, int], noise: float, seed: int) -> None:
    crystal, number = example
    start = symmetrized(noisy(crystal, noise, seed), LIMITS)
    assert start is not None
    assert start.spacegroup == number == convert.spacegroup_number(start.system, 1e-3)
    assert (start.system.numbers == crystal.numbers).all()
    shift = start.system.fractional - crystal.fractional
    shift -= np.round(shift)
    assert np.abs((shift - shift.mean(axis=0)) @ crystal.cell).max() < 6 * noise


def test_what_has_no_start() -> None:
    general = AtomicSystem(
        "p1",
        Kind.CRYSTAL,
        np.array([11, 17, 8]),
        np.array([[0, 0, 0], [1.9, 1.1, 2.3], [3.9, 2.6, 0.7]]),
        np.array([[5.1, 0, 0], [1.2, 5.9, 0], [0.7, 1.6, 6.8]]),
    )
    molecule = AtomicSystem("h2", Kind.MOLECULE, np.array([1, 1]), np.array([[0, 0, 0], [0, 0, 0.74]]))
    assert symmetrized(general, LIMITS, (0.1,)) is None
    assert symmetrized(molecule, LIMITS) is None
    assert symmetrized(salt(), LIMITS) is None, "it has its symmetry already"


def test_a_symmetrised_crystal_that_would_be_refused_is_no_start() -> None:
    assert symmetrized(noisy(salt(), 0.02, 0), replace(LIMITS, max_volume_per_atom=10.0)) is None


def test_steps_keep_the_symmetry_of_the_start() -> None:
    start = symmetrized(noisy(rutile(), 0.03, 1), LIMITS)
    assert start is not None
    result = chgnet.relax((start.system, replace(LIMITS, fmax=0.02, keep_symmetry=True)))
    assert result.status == "converged"
    assert result.system is not None
    assert result.steps > 0
    assert convert.spacegroup_number(result.system, 1e-3) == 136


def row(energy: float, status: str = "converged", steps: int = 3) -> Relaxed:
    system = salt() if status in {"converged", "unconverged"} else None
    return Relaxed(status, "" if system else "diverged", system, energy, steps=steps, wall_s=1.0, spacegroup_after=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "symmetric", "keeps"),
    [
        (row(-24.0), row(-24.1), True),
        (row(-24.0), row(-24.0 + 8 * 0.9e-3), True),
        (row(-24.0), row(-24.0 + 8 * 1.1e-3), False),
        (row(-24.0), row(0.0, "failed"), False),
        (row(0.0, "failed"), row(-20.0), True),
        (row(-24.0), row(-24.0, "unconverged"), False),
        (row(-24.0, "unconverged"), row(-24.1), True),
    ],
)
def test_the_lower_energy_is_kept(raw: Relaxed, symmetric: Relaxed, keeps: bool) -> None:
    crystal = noisy(salt(), 0.02, 3)
    calls: list[bool] = []

    def relax(systems: Sequence[AtomicSystem], limits: Limits) -> list[Relaxed]:
        calls.append(limits.keep_symmetry)
        return [symmetric if limits.keep_symmetry else raw for _ in systems]

    (result,) = relax_with_symmetry([crystal], LIMITS, "try", relax)
    assert calls == [True, False]
    assert result.details[Col.SYMMETRIZED] is keeps
    assert result.status == (symmetric if keeps else raw).status
    assert result.details[Col.RAW_STEPS] == 3
    assert result.details[Col.SPACEGROUP_SYMMETRIZED] == 225
    if keeps:
        assert result.spacegroup_before == convert.spacegroup_number(crystal)


def test_only_relaxes_as_given_what_has_no_symmetric_result() -> None:
    crystals = [noisy(salt(), 0.02, 3), salt(), replace(noisy(salt(), 0.02, 4), system_id="bad")]
    seen: list[list[str]] = []

    def relax(systems: Sequence[AtomicSystem], limits: Limits) -> list[Relaxed]:
        seen.append([system.system_id for system in systems])
        fails = limits.keep_symmetry
        return [row(0.0, "failed") if fails and system.system_id == "bad" else row(-24.0) for system in systems]

    results = relax_with_symmetry(crystals, LIMITS, "only", relax)
    assert seen == [["nacl", "bad"], ["nacl", "bad"]]
    assert [result.details[Col.SYMMETRIZED] for result in results] == [True, False, False]
    assert [result.status for result in results] == ["converged"] * 3


def test_off_changes_nothing() -> None:
    crystal = noisy(salt(), 0.02, 3)
    result = row(-1.0)
    assert relax_with_symmetry([crystal], LIMITS, "off", lambda systems, limits: [result])[0] is result
    assert kept.key(crystal, LIMITS) != kept.key(crystal, replace(LIMITS, keep_symmetry=True))


def test_the_table_has_both_relaxations() -> None:
    rows = [noisy(salt(), 0.03, 5)]
    frame, _ = table_of(rows, relax_rows(RelaxConfig(symmetrize="try", fmax=0.1), rows, 1, None), "tag")
    assert list(frame.columns) == [*COLUMNS, *symmetry.COLUMNS]
    (values,) = frame.to_dict("records")
    assert values[Col.SYMMETRIZED]
    assert values[Col.SPACEGROUP_AFTER] == values[Col.SYMMETRIZED_SPACEGROUP_AFTER] == 225
    assert values[Col.SYMMETRIZED_STEPS] > 0
    assert values[Col.RAW_STEPS] > 0
    assert abs(values[Col.SYMMETRIZED_ENERGY_DIFFERENCE]) < 0.01
