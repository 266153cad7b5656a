"""What scores must not depend on, and what they must agree with."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit.score.common.aggregate import representatives
from adit.score.crystals.composition import MAX_COMBINATIONS, compositionally_valid, element_data, reduced
from adit.score.crystals.protocols import ADIT, FLOWMM, LEMAT, MATTERGEN
from adit.score.crystals.validity import closest_contacts
from adit.score.matching.matcher import SETTINGS, index_references, match_all
from adit.score.molecules.validity import check_molecule
from adit.systems import AtomicSystem, Kind

NO_DEADLINE = settings(deadline=None, max_examples=40)
FEW = settings(deadline=None, max_examples=8)


def cells() -> st.SearchStrategy[np.ndarray]:
    """Cells with angles down to about 20°."""
    entry = st.floats(-4.0, 4.0).map(lambda x: round(x, 3))
    rows = st.lists(st.lists(entry, min_size=3, max_size=3), min_size=3, max_size=3).map(np.array)
    return rows.filter(lambda cell: abs(np.linalg.det(cell)) > 4.0)


@st.composite
def crystals(draw: st.DrawFn) -> AtomicSystem:
    cell = draw(cells())
    count = draw(st.integers(1, 4))
    unit = st.floats(0.0, 0.999).map(lambda x: round(x, 3))
    fractional = np.array(draw(st.lists(st.tuples(unit, unit, unit), min_size=count, max_size=count, unique=True)))
    numbers = draw(st.lists(st.sampled_from([3, 8, 11, 26, 55]), min_size=count, max_size=count))
    return AtomicSystem("c", Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


def brute_force(system: AtomicSystem) -> float:
    """Return the closest distance over all images within 7 cells, own images included, Å."""
    assert system.cell is not None
    shifts = np.array(list(itertools.product(range(-7, 8), repeat=3))) @ system.cell
    best = np.inf
    for first, second in itertools.product(range(len(system)), repeat=2):
        lengths = np.linalg.norm(system.positions[second] - system.positions[first] + shifts, axis=1)
        best = min(best, lengths[lengths > 0].min() if first == second else lengths.min())
    return float(best)


@NO_DEADLINE
@given(crystals())
def test_closest_distance_equals_brute_force(system: AtomicSystem) -> None:
    assert closest_contacts(system).distance == pytest.approx(brute_force(system), abs=1e-8)


@NO_DEADLINE
@given(crystals(), st.integers(0, 1000), st.tuples(*[st.floats(-9, 9)] * 3))
def test_contacts_do_not_see_order_origin_or_choice_of_cell(
    system: AtomicSystem, seed: int, shift: tuple[float, float, float]
) -> None:
    assert system.cell is not None
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(system))
    skew = np.array([[1, 0, 0], [generator.integers(-2, 3), 1, 0], [0, generator.integers(-2, 3), 1]])
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    images = generator.integers(-2, 3, size=(len(system), 3)) @ system.cell
    moved = AtomicSystem(
        "c",
        Kind.CRYSTAL,
        system.numbers[order],
        (system.positions + np.array(shift) + images)[order] @ rotation,
        skew @ system.cell @ rotation,
    )
    before, after = closest_contacts(system), closest_contacts(moved)
    assert after.distance == pytest.approx(before.distance, abs=1e-8)
    assert after.ratio == pytest.approx(before.ratio, abs=1e-8)


def enumerate_states(counts: dict[str, int]) -> bool:
    """Return the published test by enumerating every combination of oxidation states."""
    counts = reduced(counts)
    elements = [element_data(symbol) for symbol in counts]
    if len(elements) == 1 or all(element.metal for element in elements):
        return True
    if prod(len(element.states) for element in elements) > MAX_COMBINATIONS:
        return False
    for states in itertools.product(*(element.states for element in elements)):
        if sum(state * count for state, count in zip(states, counts.values(), strict=True)):
            continue
        ions = list(zip(states, (element.electronegativity for element in elements), strict=True))
        if all(
            not (q1 > 0 > q2) or x1 is None or x2 is None or x1 < x2
            for (q1, x1), (q2, x2) in itertools.permutations(ions, 2)
        ):
            return True
    return False


SYMBOLS = (
    "H",
    "Li",
    "B",
    "C",
    "N",
    "O",
    "F",
    "Na",
    "Al",
    "S",
    "Cl",
    "Ar",
    "Ti",
    "Mn",
    "Fe",
    "Br",
    "Pm",
    "Au",
    "Pb",
    "I",
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 6), min_size=1, max_size=4))
def test_composition_equals_enumeration(counts: dict[str, int]) -> None:
    assert compositionally_valid(counts) == enumerate_states(counts)


@NO_DEADLINE
@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 6), min_size=1, max_size=5), st.integers(2, 5))
def test_composition_sees_the_reduced_formula_alone(counts: dict[str, int], times: int) -> None:
    turned = {symbol: count * times for symbol, count in reversed(counts.items())}
    assert compositionally_valid(turned) == compositionally_valid(counts)


def salt(system_id: str, a: float, noise: float, seed: int) -> AtomicSystem:
    """Return CsCl (a below 5 Å) or rock salt as primitive cells, with noise."""
    generator = np.random.default_rng(seed)
    cell = np.eye(3) * a if a < 5 else (np.ones((3, 3)) - np.eye(3)) * a / 2
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) @ cell + generator.normal(0, noise, (2, 3))
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([11, 17]), positions, cell)


def test_matching_tells_structures_apart_and_finds_equal_ones() -> None:
    rock, cesium = salt("a", 5.6, 0.0, 0), salt("b", 4.0, 0.0, 0)
    moved = AtomicSystem("c", Kind.CRYSTAL, rock.numbers[::-1], rock.positions[::-1] + 1.3, rock.cell * 1.05)
    alone = AtomicSystem("d", Kind.CRYSTAL, np.array([3, 9]), cesium.positions, cesium.cell)
    matches = match_all(
        {"samples": [rock, cesium, moved, alone]},
        index_references([rock, cesium], ["test", "train"]),
        workers=1,
        wall_limit_s=60,
    )
    assert not matches.reasons
    for matcher in SETTINGS:
        groups = {each: matches.get("samples", each, matcher).group for each in "abcd"}
        assert groups == {"a": "a", "b": "b", "c": "a", "d": "d"}
        assert not matches.get("samples", "c", matcher).in_train
        assert matches.get("samples", "c", matcher).in_reference
        assert matches.get("samples", "b", matcher).in_train
        assert not matches.get("samples", "d", matcher).in_reference
    match = matches.get("samples", "c", ADIT.matcher)
    assert not ADIT.novel(match)
    assert FLOWMM.novel(match)


@FEW
@given(st.integers(0, 10_000))
def test_molecule_checks_do_not_see_order_or_place(seed: int) -> None:
    positions = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.6293
    numbers = np.array([6, 1, 1, 1, 1])
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(5)
    moved = positions[order] @ rotation + generator.normal(0, 5, 3)
    one, other = (
        check_molecule(AtomicSystem("m", Kind.MOLECULE, *atoms))
        for atoms in ((numbers[order], moved), (numbers, positions))
    )
    assert one.features is not None
    assert other.features is not None
    assert replace(one, features=None) == replace(other, features=None)
    assert replace(one.features, bond_lengths={}) == replace(other.features, bond_lengths={})
    lengths = [{name: sorted(bonds) for name, bonds in each.features.bond_lengths.items()} for each in (one, other)]
    assert lengths[0].keys() == lengths[1].keys() == {"C-H"}
    assert lengths[0]["C-H"] == pytest.approx(lengths[1]["C-H"], abs=1e-6)


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.sampled_from("xyz")), unique_by=lambda pair: pair[0]))
def test_each_group_has_one_representative(candidates: list[tuple[str, str]]) -> None:
    chosen = representatives(candidates)
    assert chosen == representatives(candidates[::-1])
    assert len(chosen) == len({group for _, group in candidates})


@given(st.one_of(st.floats(-1, 1), st.just(float("nan"))), st.integers(1, 5))
def test_protocols_agree_where_they_should(energy: float, n_elements: int) -> None:
    assert ADIT.stable(energy, n_elements) == FLOWMM.stable(energy, n_elements)
    assert not (LEMAT.stable(energy, n_elements) and LEMAT.metastable(energy, n_elements))
    if ADIT.stable(energy, n_elements):
        assert ADIT.metastable(energy, n_elements)
        assert LEMAT.stable(energy, n_elements)
    if LEMAT.stable(energy, n_elements) or LEMAT.metastable(energy, n_elements):
        assert MATTERGEN.stable(energy, n_elements)


def test_thresholds() -> None:
    assert not ADIT.stable(0.0, 2)
    assert LEMAT.stable(0.0, 2)
    assert not ADIT.metastable(0.1, 2)
    assert MATTERGEN.stable(0.1, 2)
    assert not ADIT.stable(-0.5, 1)
    assert not any(protocol.stable(float("nan"), 3) for protocol in (ADIT, FLOWMM, MATTERGEN, LEMAT))
