"""Large structures: linear memory, the same numbers as with all pairs, and no picture that no browser draws."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import convert
from adit.errors import DataError
from adit.isolate import map_isolated, worker_memory
from adit.limits import PAIRWISE_ATOMS
from adit.report.candidates.frames import path
from adit.report.candidates.pictures import ball_and_stick, bonds
from adit.score.crystals import validity
from adit.score.matching.fingerprints import reduce_crystal
from adit.score.molecules.validity import check_molecule
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal


def cloud(count: int, kind: Kind = Kind.MOLECULE) -> AtomicSystem:
    """Return atoms at the density of a solid."""
    random = np.random.default_rng(0)
    side = (12.0 * count) ** (1 / 3)
    cell = None if kind is Kind.MOLECULE else np.eye(3) * side
    numbers = random.choice([1, 6, 8, 55], count)
    return AtomicSystem("cloud", kind, numbers, random.uniform(0, side, (count, 3)), cell)


@given(st.integers(0, 10_000), st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_contacts_from_trees_are_those_of_all_pairs(seed: int, count: int) -> None:
    system = random_crystal(np.random.default_rng(seed), count)
    dense = validity.closest_contacts(system)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "_DENSE", 0)
        sparse = validity.closest_contacts(system)
    assert sparse.distance == pytest.approx(dense.distance, rel=1e-9, abs=1e-9)
    assert sparse.ratio == pytest.approx(dense.ratio, rel=1e-9, abs=1e-9)


def all_pairs(numbers: np.ndarray, points: np.ndarray) -> list[tuple[int, int]]:
    from adit.elements import covalent_radii

    radii = covalent_radii()[numbers]
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    close = np.triu((distance < 1.2 * (radii[:, None] + radii[None])) & (distance > 0.1), k=1)
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(close), strict=True)]


def test_sticks_are_those_of_all_pairs() -> None:
    for seed in range(5):
        system = random_crystal(np.random.default_rng(seed), 30)
        assert bonds(system.numbers, system.positions) == all_pairs(system.numbers, system.positions)
    assert bonds(np.array([6]), np.zeros((1, 3))) == []


def test_what_grows_with_the_square_is_refused_with_a_reason() -> None:
    large = cloud(PAIRWISE_ATOMS + 1, Kind.CRYSTAL)
    with pytest.raises(DataError, match="bonds and matching are for at most"):
        reduce_crystal(large)
    molecule = cloud(PAIRWISE_ATOMS + 1)
    with pytest.raises(DataError, match="bonds and matching are for at most"):
        convert.to_rdkit(molecule)
    checks = check_molecule(molecule)
    assert not checks.strict
    assert "bonds and matching are for at most" in checks.reason
    assert path([("generated", large)]) == []
    assert len(ball_and_stick(cloud(PAIRWISE_ATOMS, Kind.CRYSTAL), "x")) < 5_000_000


PEAK = """
import resource, sys
import numpy as np
from adit.report.candidates.pictures import bonds
from adit.score.crystals.validity import closest_contacts
from tests.unit.limits.test_large_structures import cloud
from adit.systems import Kind
system = cloud(int(sys.argv[1]), Kind.CRYSTAL)
print(closest_contacts(system), len(bonds(system.numbers, system.positions)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_large_crystal_takes_no_memory_by_the_square_of_its_atoms() -> None:
    """30,000 atoms: all pairs of them as 64-bit numbers are 7.2 GB."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "30000"], capture_output=True, text=True, timeout=300, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert int(done.stdout.splitlines()[-1]) < 1500


def takes(megabytes: int) -> int:
    if megabytes < 0:
        time.sleep(0.1)
    return len(np.ones(abs(megabytes) << 17))


def test_an_item_that_needs_too_much_memory_is_an_error_and_touches_no_other() -> None:
    with worker_memory(500_000_000):
        outcomes = map_isolated(takes, [1, 2000, 1, 2000, 2], workers=1, wall_limit_s=60.0)
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "ok", "error", "ok"]
    assert "limits.worker_bytes" in outcomes[1].reason
    free = map_isolated(takes, [700], workers=1, wall_limit_s=60.0)
    assert free[0].status == "ok"
