"""The matcher that keeps lattices gives pymatgen's answers, and computes less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from adit.score.matching.linking import SETTINGS, matcher


def _pairs(random: np.random.Generator) -> list[tuple[Structure, Structure]]:
    """Return pairs of crystals: strained copies, copies with moved atoms, and crystals of the same formula."""
    pairs = []
    for n in range(12):
        lattice = Lattice.cubic(5.0) if n % 2 else Lattice.from_parameters(4.0, 4.6, 5.3, 82, 95, 104)
        first = Structure(lattice, ["Na", "Na", "Cl", "Cl", "O"], random.random((5, 3)))
        moved = random.normal(scale=(0.02, 0.1, 0.4)[n % 3], size=(5, 3))
        strained = Lattice(lattice.matrix @ (np.eye(3) + random.normal(scale=0.03, size=(3, 3))))
        pairs.append((first, Structure(strained, first.species, first.frac_coords + moved)))
    return pairs


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: each.name)
def test_answers_and_distances_are_those_of_pymatgen(settings: Any) -> None:
    plain = StructureMatcher(ltol=settings.ltol, stol=settings.stol, angle_tol=settings.angle_tol)
    pairs = _pairs(np.random.default_rng(0))
    expected = [plain.get_rms_dist(*pair) for pair in pairs]
    assert [matcher(settings).get_rms_dist(*pair) for pair in pairs] == expected
    assert 0 < sum(each is None for each in expected) < len(pairs)


def test_each_average_lattice_is_reduced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cube has 48 mappings onto itself, all with one average."""
    reduced = []
    plain = Lattice._calculate_lll
    monkeypatch.setattr(Lattice, "_calculate_lll", lambda self, delta=0.75: reduced.append(1) or plain(self, delta))
    random = np.random.default_rng(1)
    first, second = (Structure(Lattice.cubic(5.0), ["Na"] * 3 + ["Cl"] * 3, random.random((6, 3))) for _ in range(2))
    matcher(SETTINGS[2]).fit(first, second, skip_structure_reduction=True)
    assert 1 <= len(reduced) <= 12
