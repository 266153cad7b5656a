"""Invariances of the Niggli reduction, the normal form, the draw and the splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adit import convert
from adit.data.datasets import qm9
from adit.data.datasets.records import Record, hashed_split
from adit.data.prepare.normal import fingerprint, normal_form, principal_frame
from adit.data.prepare.stage import draw
from adit.data.sources.registry import SPLITS
from adit.errors import DataError
from adit.systems import AtomicSystem, Kind, cell_from_parameters

FEW = settings(max_examples=40, deadline=None)


@st.composite
def crystals(draw: st.DrawFn) -> AtomicSystem:
    """Random crystals in cells that are sheared by whole numbers, rotated and of either handedness."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    try:
        cell = cell_from_parameters(random.uniform(2.5, 9.0, 3), random.uniform(50.0, 130.0, 3))
    except DataError:
        assume(False)
    assume(np.linalg.det(cell) > 15.0)
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = random.integers(-2, 3, 3)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    cell = shear[random.permutation(3)] @ cell @ rotation
    n = draw(st.integers(1, 5))
    return AtomicSystem("random", Kind.CRYSTAL, random.integers(1, 9, n), random.random((n, 3)) @ cell, cell)


def _distances(system: AtomicSystem) -> np.ndarray:
    return np.asarray(convert.to_structure(system).distance_matrix)


@FEW
@given(crystals())
def test_niggli_keeps_volume_atoms_and_distances(system):
    reduced = convert.niggli(system)
    assert np.isclose(reduced.volume, system.volume)
    assert np.array_equal(reduced.numbers, system.numbers)
    assert np.allclose(_distances(reduced), _distances(system), atol=1e-6)


@FEW
@given(crystals())
def test_niggli_cell_meets_its_conditions(system):
    reduced = convert.niggli(system)
    a, b, c = reduced.lengths
    assert a <= b + 1e-3 <= c + 2e-3
    assert (reduced.angles <= 90.1).all() or (reduced.angles >= 89.9).all()
    products = reduced.cell @ reduced.cell.T
    assert 2 * abs(products[0, 1]) <= products[0, 0] + 1e-2
    assert 2 * abs(products[0, 2]) <= products[0, 0] + 1e-2
    assert 2 * abs(products[1, 2]) <= products[1, 1] + 1e-2
    assert np.allclose(reduced.cell[np.triu_indices(3, 1)], 0.0)
    assert np.linalg.det(reduced.cell) > 0


@FEW
@given(crystals())
def test_niggli_is_idempotent(system):
    once = convert.niggli(system)
    twice = convert.niggli(once)
    assert np.allclose(twice.lengths, once.lengths, atol=1e-4)
    assert np.allclose(twice.angles, once.angles, atol=1e-3)


@FEW
@given(crystals(), st.integers(0, 1000))
def test_niggli_keeps_the_handedness(system, seed):
    """Four atoms close to each other keep the sign of their volume: no mirror image is made."""
    random = np.random.default_rng(seed)
    corners = random.normal(size=(4, 3))
    corners *= 0.6 / np.abs(corners).max()
    assume(abs(_signed_volume(corners)) > 1e-3)
    molecule = AtomicSystem("chiral", Kind.CRYSTAL, [6, 7, 8, 9], corners, system.cell * 2)
    reduced = convert.niggli(molecule)
    # Corners lie within 2.1 Å of each other, less than half of any period: the nearest image is the right one.
    assume(reduced.lengths.min() > 4.3)
    offsets = np.linalg.solve(reduced.cell.T, (reduced.positions - reduced.positions[0]).T).T
    images = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    vectors = ((offsets - np.round(offsets))[:, None] + images[None]) @ reduced.cell
    nearest = vectors[np.arange(4), np.linalg.norm(vectors, axis=-1).argmin(axis=1)]
    assert np.isclose(_signed_volume(nearest), _signed_volume(corners), atol=1e-6)


def _signed_volume(corners: np.ndarray) -> float:
    return float(np.linalg.det(corners[1:] - corners[0]))


@FEW
@given(crystals(), st.randoms(use_true_random=False))
def test_normal_form_does_not_depend_on_the_order_of_atoms(system, random):
    order = list(range(len(system)))
    random.shuffle(order)
    shuffled = replace(system, numbers=system.numbers[order], positions=system.positions[order])
    first, second = (normal_form(s, 256, 100) for s in (system, shuffled))
    assert fingerprint(first) == fingerprint(second)
    assert (np.diff(first.numbers) >= 0).all()


@FEW
@given(st.integers(4, 20), st.integers(0, 10**6))
def test_normal_form_of_a_molecule_depends_on_neither_order_nor_frame(n, seed):
    """Positions without symmetry: their spreads and third moments are all different."""
    random = np.random.default_rng(seed)
    positions = random.exponential(1.0, (n, 3)) * np.array([3.0, 1.5, 0.7])
    molecule = AtomicSystem("m", Kind.MOLECULE, random.integers(1, 9, n), positions)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    order = random.permutation(n)
    moved = AtomicSystem("m", Kind.MOLECULE, molecule.numbers[order], (positions @ rotation + 5.0)[order])
    first, second = (normal_form(s, 256, 100) for s in (molecule, moved))
    spreads = np.sort(np.linalg.eigvalsh(np.cov(positions.T)))
    moments = np.abs((first.positions**3).sum(axis=0))
    assume(np.diff(spreads).min() > 1e-2 and moments[:2].min() > 1e-2)
    assert np.array_equal(first.numbers, second.numbers)
    assert np.allclose(first.positions, second.positions, atol=1e-6)


@FEW
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_principal_frame_is_a_proper_rotation(n, seed):
    positions = np.random.default_rng(seed).normal(size=(n, 3))
    turned = principal_frame(positions)
    assert np.allclose(turned.mean(axis=0), 0.0, atol=1e-9)
    between = np.linalg.norm(turned[:, None] - turned[None], axis=-1)
    assert np.allclose(between, np.linalg.norm(positions[:, None] - positions[None], axis=-1), atol=1e-9)
    if n >= 4:
        assert np.isclose(_signed_volume(turned[:4]), _signed_volume(positions[:4]), atol=1e-8)


@FEW
@given(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 5))
def test_draw_takes_the_limit_each_split_in_proportion(labels, limit, seed):
    records = [Record(str(i), split, lambda: None) for i, split in enumerate(labels)]
    drawn = draw(records, limit, "mp20", seed)
    assert len(drawn) == min(limit, len(records))
    numbers = [int(record.system_id) for record in drawn]
    assert numbers == sorted(set(numbers))
    assert draw(records, limit, "mp20", seed) == drawn
    before, after = Counter(labels), Counter(record.split for record in drawn)
    for split in SPLITS:
        assert abs(after[split] - before[split] * len(drawn) / len(labels)) < 1.0


@FEW
@given(st.integers(0, 10**9).map(str))
def test_hashed_split_is_one_of_the_three(identity):
    assert hashed_split(identity) in SPLITS
    assert hashed_split(identity) == hashed_split(identity)


@FEW
@given(st.sets(st.integers(1, qm9.N_PUBLISHED), min_size=10, max_size=200))
def test_qm9_split_does_not_depend_on_the_order_of_rows(indices):
    forward = sorted(indices)
    labels = dict(zip(forward, qm9.splits(forward), strict=True))
    assert dict(zip(forward[::-1], qm9.splits(forward[::-1]), strict=True)) == labels
