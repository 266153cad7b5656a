"""Features of one molecule for distributions: rings, functional groups and bond lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np

_ORDER_SIGNS: Final = {1.0: "-", 1.5: ":", 2.0: "=", 3.0: "#"}


@dataclass(frozen=True)
class MoleculeFeatures:
    """Counts and lengths of one molecule with bonds.

    Attributes:
        n_rings: number of rings in the smallest set of smallest rings.
        ring_sizes: number of rings by number of members.
        functional_groups: number of RDKit's fragments that occur, by name (``fr_...``).
        bond_lengths: lengths in Å by kind of bond, e.g. ``C-C``, ``C:N`` (aromatic), ``C=O``, ``C#N``.
    """

    n_rings: int
    ring_sizes: Mapping[int, int] = field(default_factory=dict)
    functional_groups: Mapping[str, int] = field(default_factory=dict)
    bond_lengths: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def molecule_features(mol: Any) -> MoleculeFeatures:
    """Return the features of a sanitised RDKit molecule with one conformer."""
    rings = [len(ring) for ring in mol.GetRingInfo().AtomRings()]
    groups = {name: int(count(mol)) for name, count in _fragments().items()}
    return MoleculeFeatures(
        n_rings=len(rings),
        ring_sizes=dict(sorted(Counter(rings).items())),
        functional_groups={name: n for name, n in groups.items() if n},
        bond_lengths=_bond_lengths(mol),
    )


@cache
def _fragments() -> dict[str, Any]:
    """Return RDKit's 85 counters of functional groups by name."""
    from rdkit.Chem import Fragments

    return {name: getattr(Fragments, name) for name in sorted(dir(Fragments)) if name.startswith("fr_")}


def _bond_lengths(mol: Any) -> dict[str, tuple[float, ...]]:
    positions = np.asarray(mol.GetConformer().GetPositions())
    lengths_by_bond: dict[str, list[float]] = {}
    for bond in mol.GetBonds():
        one, other = bond.GetBeginAtom(), bond.GetEndAtom()
        sign = _ORDER_SIGNS.get(bond.GetBondTypeAsDouble(), "~")
        name = sign.join(sorted((one.GetSymbol(), other.GetSymbol())))
        length = float(np.linalg.norm(positions[one.GetIdx()] - positions[other.GetIdx()]))
        lengths_by_bond.setdefault(name, []).append(length)
    return {name: tuple(sorted(lengths)) for name, lengths in sorted(lengths_by_bond.items())}
