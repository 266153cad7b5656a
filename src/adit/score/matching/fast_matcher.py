"""pymatgen's ``StructureMatcher``, which computes each average lattice of a comparison once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice


class FastMatcher(StructureMatcher):  # type: ignore[misc]
    """Gives exactly the results of ``StructureMatcher``, in less time.

    ``StructureMatcher`` computes the reduced and the reciprocal lattice of the average lattice at every translation,
    and a new average for each mapping of the lattices; mappings that are rotations of each other have equal averages.
    """

    def _get_supercells(self, *args: Any, **options: Any) -> Iterator[tuple[Any, ...]]:
        lattices: dict[bytes, _Lattice] = {}
        for first, second, average, supercell in super()._get_supercells(*args, **options):
            key = average.matrix.tobytes()
            if key not in lattices:
                lattices[key] = _Lattice(average.matrix, average.pbc)
            yield first, second, lattices[key], supercell


class _Lattice(Lattice):  # type: ignore[misc]
    """A lattice that computes each of its derived lattices once."""

    @cached_property
    def reciprocal_lattice(self) -> Lattice:
        return super().reciprocal_lattice

    @cached_property
    def lll_inverse(self) -> np.ndarray:
        return np.asarray(super().lll_inverse)

    @cached_property
    def _lll_reduced(self) -> Lattice:
        return super().get_lll_reduced_lattice()

    def get_lll_reduced_lattice(self, delta: float = 0.75) -> Lattice:
        return self._lll_reduced if delta == 0.75 else super().get_lll_reduced_lattice(delta)
