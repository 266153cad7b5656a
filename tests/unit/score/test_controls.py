"""Control populations."""

from __future__ import annotations

import numpy as np

from adit.columns import Population
from adit.score.common.controls import NOISE_STD, controls, randomised
from adit.systems import AtomicSystem, Kind
from tests.systems import same_systems


def crystals(count: int) -> list[AtomicSystem]:
    cell = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.5, 0.5, 6.0]])
    return [
        AtomicSystem(f"c{n}", Kind.CRYSTAL, np.array([11, 17]), np.array([[0.0, 0, 0], [2.0, 2, 2]]), cell)
        for n in range(count)
    ]


def test_populations_do_not_depend_on_the_order_of_the_data() -> None:
    systems, splits = crystals(20), ["train"] * 10 + ["test"] * 10
    forward = controls(systems, splits, 4, seed=3)
    backward = controls(systems[::-1], splits[::-1], 4, seed=3)
    for name, population in forward.items():
        assert len(population) == 4
        assert all(same_systems(one, other) for one, other in zip(population, backward[name], strict=True))
    assert {s.system_id for s in forward[Population.TRAIN]} <= {f"c{n}" for n in range(10)}
    assert {s.system_id for s in forward[Population.NOISE]} == {s.system_id for s in forward[Population.TEST]}


def test_another_seed_is_another_choice() -> None:
    systems, splits = crystals(40), ["train"] * 20 + ["test"] * 20
    one, other = (controls(systems, splits, 5, seed=seed) for seed in (0, 1))
    assert [s.system_id for s in one[Population.TEST]] != [s.system_id for s in other[Population.TEST]]


def test_noise_is_a_tenth_of_an_angstrom() -> None:
    populations = controls(crystals(400), ["test"] * 400, 400, seed=0)
    moved = np.concatenate(
        [
            (n.positions - t.positions).ravel()
            for n, t in zip(populations[Population.NOISE], populations[Population.TEST], strict=True)
        ]
    )
    assert abs(moved.std() - NOISE_STD) < 0.005
    assert abs(moved.mean()) < 0.01


def test_random_atoms_stay_in_their_box() -> None:
    crystal = crystals(1)[0]
    atoms = randomised(crystal, np.array([3, 8]), seed=0)
    assert set(atoms.numbers) <= {3, 8}
    assert np.array_equal(atoms.cell, crystal.cell)
    unwrapped = atoms.positions @ np.linalg.inv(crystal.cell)
    assert ((unwrapped >= 0) & (unwrapped < 1)).all()
    molecule = AtomicSystem("m", Kind.MOLECULE, np.array([8, 1, 1]), np.array([[0, 0, 0], [1.0, 0, 0], [0, 2.0, 0]]))
    positions = randomised(molecule, molecule.numbers, seed=0).positions
    assert (positions >= 0).all()
    assert (positions <= [1.0, 2.0, 0.0]).all()


def test_without_a_test_split_the_fakes_are_made_from_the_training_split() -> None:
    populations = controls(crystals(3), ["train"] * 3, 5, seed=0)
    assert populations[Population.TEST] == []
    for fake in (Population.NOISE, Population.RANDOM):
        assert [each.system_id for each in populations[fake]] == [
            each.system_id for each in populations[Population.TRAIN]
        ]
    assert not any(controls([], [], 5, seed=0).values())
