"""Fast uniqueness and novelty give what all pairs give; what hangs or crashes is one row with its reason."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit import convert, store
from adit.score.common.content import content_key
from adit.score.matching import formula_groups
from adit.score.matching.fingerprints import Bound, reduce_crystal, reduce_references, successive_minima
from adit.score.matching.linking import SETTINGS, Groups, LinkTask, MatcherSettings, fits, link, matcher
from adit.score.matching.matcher import Match, Matches, index_references, match_all
from adit.systems import AtomicSystem, Kind, cell_from_parameters
from tests.conftest import random_crystal
from tests.systems import same_systems

FORMULAS = [(cation, anion) for anion in (17, 8, 9, 35, 16, 34, 53, 7) for cation in (11, 12, 20, 3, 19, 30, 48, 55)]

PROTOTYPES = {
    "rocksalt": ((np.ones((3, 3)) - np.eye(3)) / 2, [0, 1], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "cscl": (np.eye(3) * 0.62, [0, 1], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "zincblende": ((np.ones((3, 3)) - np.eye(3)) * 0.56, [0, 1], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    "layer": (np.diag([0.6, 0.6, 1.5]), [0, 1], [[0, 0, 0.1], [0.5, 0.5, 0.4]]),
}


def crystal(random: np.random.Generator, name: str, formulas: int) -> AtomicSystem:
    """Return a distorted prototype, sometimes as a supercell in another setting, or random atoms of its formula."""
    elements = FORMULAS[random.integers(formulas)]
    vectors, species, places = PROTOTYPES[str(random.choice(list(PROTOTYPES)))]
    cell = np.array(vectors) * random.uniform(4.5, 6.0)
    numbers = np.array([elements[s] for s in species])
    fractional = np.array(places, dtype=float)
    if random.random() < 0.2:
        cell = cell_from_parameters(random.uniform(2.5, 6, 3), random.uniform(65, 115, 3))
        fractional = random.random((2, 3))
    if random.random() < 0.3:
        fractional = np.vstack([fractional, fractional + np.array([1, 0, 0])]) / [2, 1, 1]
        numbers, cell = np.tile(numbers, 2), cell * np.array([[2], [1], [1]])
    strain = np.eye(3) + random.normal(0, random.choice([0.0, 0.03, 0.12]), (3, 3))
    cell = np.array([[1, 0, 0], [random.integers(-1, 2), 1, 0], [0, random.integers(-1, 2), 1]]) @ cell @ strain
    positions = fractional @ cell + random.normal(0, random.choice([0.0, 0.1, 0.4]), (len(numbers), 3))
    return AtomicSystem(name, Kind.CRYSTAL, numbers, positions, cell)


def brute_force(
    samples: list[AtomicSystem], references: list[AtomicSystem], splits: list[str], settings: MatcherSettings
) -> dict[str, tuple[str, bool, bool]]:
    """Compare all pairs, in both orders, with ``StructureMatcher.fit`` on whole structures: group, train, anywhere."""
    plain = matcher(settings)

    def match(one: Any, other: Any) -> bool:
        return bool(plain.fit(one, other) or plain.fit(other, one))

    ordered = sorted(samples, key=content_key)
    structures = [convert.to_structure(s) for s in ordered]
    others = [convert.to_structure(r) for r in references]
    groups = Groups(len(ordered))
    for i, first in enumerate(structures):
        for j in range(i + 1, len(structures)):
            if match(first, structures[j]):
                groups.join(i, j)
    names: dict[int, str] = {}
    for i, system in enumerate(ordered):
        root = groups.root(i)
        names[root] = min(names.get(root, system.system_id), system.system_id)
    pairs = {}
    for i, first in enumerate(structures):
        hits = {split for other, split in zip(others, splits, strict=True) if match(first, other)}
        pairs[ordered[i].system_id] = (names[groups.root(i)], "train" in hits, bool(hits))
    return pairs


def both_ways(n_samples: int, n_references: int, formulas: int) -> Matches:
    random = np.random.default_rng(n_samples)
    samples = [crystal(random, f"s{n:04d}", formulas) for n in range(n_samples)]
    references = [crystal(random, f"r{n:04d}", formulas) for n in range(n_references)]
    splits = [str(random.choice(["train", "val", "test"], p=[0.3, 0.3, 0.4])) for _ in references]
    matches = match_all({"samples": samples}, index_references(references, splits), workers=2, wall_limit_s=300)
    assert not matches.reasons
    for settings in SETTINGS:
        fast = {}
        for sample in samples:
            match = matches.get("samples", sample.system_id, settings)
            assert match is not None
            fast[sample.system_id] = (match.group, match.in_train, match.in_reference)
        expected = brute_force(samples, references, splits, settings)
        assert fast == expected
        assert 1 < len({group for group, _, _ in fast.values()}) < n_samples
    return matches


def test_equal_to_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formula_groups, "BLOCK", 3)
    matches = both_ways(14, 30, 2)
    assert matches.excluded > 0
    assert matches.compared > 0


@pytest.mark.slow
def test_equal_to_brute_force_on_300_and_1000() -> None:
    matches = both_ways(300, 1000, len(FORMULAS))
    assert matches.excluded > 1000


def test_the_bound_excludes_nothing_that_matches() -> None:
    random = np.random.default_rng(7)
    crystals = [reduce_crystal(crystal(random, f"c{n}", 1)) for n in range(16)]
    bounds = [Bound(each) for each in crystals]
    structures = [convert.to_structure(each) for each in crystals]
    excluded = matched = 0
    for settings in SETTINGS:
        for i in range(len(crystals)):
            for j in range(len(crystals)):
                out = bounds[i].excludes(bounds[j], settings.ltol)
                same = fits(structures[i], structures[j], settings)
                excluded, matched = excluded + out, matched + same
                assert not (out and same)
    assert excluded > 20
    assert matched > 20


def test_successive_minima_of_a_known_lattice() -> None:
    fcc = (np.ones((3, 3)) - np.eye(3)) * 2.0
    assert successive_minima(fcc) == pytest.approx([2 * np.sqrt(2)] * 3)
    assert successive_minima(np.diag([5.0, 2.0, 3.0])) == pytest.approx([2, 3, 5])


def test_names_and_order_do_not_matter() -> None:
    random = np.random.default_rng(3)
    samples = [crystal(random, f"s{n}", 1) for n in range(10)]
    from dataclasses import replace

    renamed = [replace(each, system_id=f"x{n}") for n, each in enumerate(reversed(samples))]
    sizes = []
    for population in (samples, renamed):
        matches = match_all({"samples": population}, {}, workers=1, wall_limit_s=300)
        groups = [matches.get("samples", s.system_id, SETTINGS[0]).group for s in population]  # type: ignore[union-attr]
        sizes.append(sorted(groups.count(group) for group in set(groups)))
    assert sizes[0] == sizes[1]
    assert sizes[0][-1] > 1


def test_samples_that_repeat_each_other_are_compared_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formula_groups, "BLOCK", 4)
    cell = (np.ones((3, 3)) - np.eye(3)) * 2.82
    copies = [
        AtomicSystem(f"s{n:02d}", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [2.82] * 3]) + n, cell)
        for n in range(24)
    ]
    matches = match_all({"samples": copies}, {}, workers=1, wall_limit_s=300)
    assert {matches.get("samples", each.system_id, SETTINGS[0]) for each in copies} == {Match("s00", False, False)}
    assert matches.compared == len(SETTINGS) * 23  # a spanning tree for each setting, where all pairs would be 276


def hang_on_wide_pairs(first: Any, second: Any, settings: MatcherSettings) -> bool:
    if max(first.volume, second.volume) > 1000:
        time.sleep(600)
    return fits(first, second, settings)


def hang_on_wide_cells(system: AtomicSystem) -> AtomicSystem:
    if system.volume > 1000:
        time.sleep(600)
    return reduce_crystal(system)


@pytest.mark.parametrize("where", ["compare", "reduce"])
def test_a_hang_costs_its_own_row_alone(where: str) -> None:
    random = np.random.default_rng(1)
    good = [crystal(random, f"s{n}", 1) for n in range(4)]
    cell = (np.ones((3, 3)) - np.eye(3)) * 12
    bad = AtomicSystem("bad", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [12, 12, 12]]), cell)
    functions: dict[str, dict[str, Any]] = {
        "compare": {"compare": hang_on_wide_pairs},
        "reduce": {"reduce": hang_on_wide_cells},
    }
    references = index_references([crystal(random, "r", 1)], ["train"])
    matches = match_all({"samples": [*good, bad]}, references, workers=2, wall_limit_s=20, **functions[where])
    assert list(matches.reasons) == [("samples", "bad")]
    assert "wall limit" in matches.reasons["samples", "bad"]
    assert all(matches.get("samples", each.system_id, SETTINGS[0]) for each in good)


def test_reduced_references_are_kept_on_disk(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    references = [crystal(random, f"r{n}", 3) for n in range(4)]
    reduced = reduce_references(references[:3], tmp_path, workers=1, wall_limit_s=300)
    (kept,) = tmp_path.glob("reduced-*.arrow")
    assert len(store.read_systems(kept)) == 3
    rows = store.read_systems(kept).systems()
    marked = [AtomicSystem(r.system_id, r.kind, r.numbers, r.positions + 1.0, r.cell) for r in rows]
    store.write_systems(kept, marked)  # what is read again is what lies there
    again = reduce_references(references, tmp_path, workers=1, wall_limit_s=300)
    assert [row.system_id for row in again] == ["r0", "r1", "r2", "r3"]
    for one, other in zip(reduced, again[:3], strict=True):
        assert isinstance(one, AtomicSystem)
        assert isinstance(other, AtomicSystem)
        assert other.positions == pytest.approx(one.positions + 1.0)
    assert len(store.read_systems(kept)) == 4
    kept.write_bytes(b"cut short")
    assert len(reduce_references(references, tmp_path, workers=1, wall_limit_s=300)) == 4


def skewed(name: str, turned: bool) -> tuple[AtomicSystem, AtomicSystem]:
    """Return two crystals of one structure, of which the matcher knows the other in one order alone (a stand-in)."""
    first = AtomicSystem(f"{name}-1", Kind.CRYSTAL, [11, 17], [[0, 0, 0], [2.8, 2.8, 2.8]], np.eye(3) * 5.6)
    second = AtomicSystem(f"{name}-2", Kind.CRYSTAL, [11, 17], [[0, 0, 0], [2.9, 2.9, 2.9]], np.eye(3) * 5.8)
    return (second, first) if turned else (first, second)


def fits_larger_second(first: Any, second: Any, settings: MatcherSettings) -> bool:
    return bool(first.volume < second.volume)


@pytest.mark.parametrize("turned", [False, True])
def test_both_orders_are_tried(turned: bool) -> None:
    links = link(LinkTask(skewed("x", turned), ((0, 1),), compare=fits_larger_second))
    assert all(edges == [(0, 1)] for edges in links.edges.values())


def test_the_reduced_crystal_does_not_depend_on_the_order_of_the_atoms() -> None:
    random = np.random.default_rng(3)
    for seed in range(8):
        system = random_crystal(np.random.default_rng(seed), 7, "x")
        order = random.permutation(len(system))
        mixed = replace(system, numbers=system.numbers[order], positions=system.positions[order])
        assert same_systems(reduce_crystal(system), reduce_crystal(mixed))


def test_a_sample_that_the_matcher_knows_in_one_order_alone_is_not_novel() -> None:
    """Ordered Fe3Si in a stretched tetragonal cell of eight atoms, and its face-centred primitive cell."""
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0.5], [0.5, 0.5, 0]]
    places += [[0, 0.5, 0.25], [0.5, 0, 0.25], [0.5, 0, 0.75], [0, 0.5, 0.75]]
    tetragonal = np.diag([3.5, 3.5, 8.02])
    sample = AtomicSystem("s", Kind.CRYSTAL, [32, 32, *[25] * 6], np.array(places) @ tetragonal, tetragonal)
    cell = cell_from_parameters(np.full(3, 4.0), np.full(3, 60.0))
    cubic = AtomicSystem("r", Kind.CRYSTAL, [25] * 3 + [32], np.outer([0.75, 0, 0.25, 0.5], np.ones(3)) @ cell, cell)
    reduced = [convert.to_structure(reduce_crystal(each)) for each in (sample, cubic)]
    orders = [[fits(*pair, settings) for settings in SETTINGS] for pair in (reduced, reduced[::-1])]
    matches = match_all({"s": [sample]}, index_references([cubic], ["train"]), workers=1, wall_limit_s=60)
    assert [order[0] for order in orders] == [False, True]  # loose
    for number, settings in enumerate(SETTINGS):
        match = matches.get("s", "s", settings)
        assert match is not None
        assert match.in_train == any(order[number] for order in orders)


def test_nothing_to_compare_is_no_pair() -> None:
    group = formula_groups.FormulaGroup("samples", "NaCl", [crystal(np.random.default_rng(0), "alone", 1)])
    for stage in formula_groups.STAGES:
        assert formula_groups.compare_with_each_other([group], stage, fits, 1, 60.0) == (0, 0)
