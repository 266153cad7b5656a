"""Stability and validity of molecules by a table of typical bond lengths.

Source: Hoogeboom et al., ICML 2022 (EDM), Section 5 and the appendix "Bond distances": a pair has a single, double or
triple bond if it is closer than the typical length of such a bond plus 10, 5 or 3 pm; an atom is stable if its bond
orders add up to its valency, a molecule if all its atoms are. EDM quotes the lengths from common tables of bond lengths
and energies (chemistry-reference.com, wiredchemist.com).
Differs: an entry is valid for both orders of a pair (the published table has C=S only for C before S).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from adit.elements import ATOMIC_NUMBER, SYMBOLS
from adit.limits import PAIRWISE_ATOMS
from adit.systems import AtomicSystem

MARGINS_PM: Final = (10, 5, 3)
"""Added to the typical length of single, double and triple bonds, pm. Source: EDM, tuned on QM9 for stability."""

BOND_LENGTHS_PM: Final = """
H-H 74 | H-B 119 | H-C 109 | H-N 101 | H-O 96 | H-F 92 | H-Si 148 | H-P 144 | H-S 134 | H-Cl 127 | H-As 152
H-Br 141 | H-I 161 | B-Cl 175
C-C 154 134 120 | C-N 147 129 116 | C-O 143 120 113 | C-F 135 | C-Si 185 | C-P 184 | C-S 182 160 | C-Cl 177
C-Br 194 | C-I 214
N-N 145 125 110 | N-O 140 121 | N-F 136 | N-P 177 | N-S 168 | N-Cl 175 | N-Br 214 | N-I 222
O-O 148 121 | O-F 142 | O-Si 163 | O-P 163 150 | O-S 151 | O-Cl 164 | O-Br 172 | O-I 194
F-F 142 | F-Si 160 | F-P 156 | F-S 158 | F-Cl 166 | F-Br 178 | F-I 187
Si-Si 233 | Si-S 200 | Si-Cl 202 | Si-Br 215 | Si-I 243
P-P 221 | P-S 210 186 | P-Cl 203 | P-Br 222
S-S 204 | S-Cl 207 | S-Br 225 | S-I 234 | Cl-Cl 199 | Cl-Br 214 | Br-Br 228 | I-I 266
"""
"""Typical lengths of single, double and triple bonds, pm; a pair that is missing is never bonded."""

VALENCIES: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("H", "F", "Cl", "Br", "I"), (1,)),
    **dict.fromkeys(("B", "N", "Al", "As"), (3,)),
    **dict.fromkeys(("C", "Si", "S"), (4,)),
    "O": (2,),
    "P": (3, 5),
    "Hg": (1, 2),
    "Bi": (3, 5),
}
"""Sums of bond orders of a stable atom; other elements are never stable. Source: EDM."""


@dataclass(frozen=True)
class EdmChecks:
    """Result of the bond table for one molecule.

    Attributes:
        n_stable: number of stable atoms.
        stable: whether every atom is stable.
        smiles: canonical SMILES of the largest fragment if RDKit sanitises the molecule, else ``None``.
    """

    n_stable: int
    stable: bool
    smiles: str | None


@cache
def _reach() -> np.ndarray:
    """Return (3, Z, Z), Å: the largest length of a bond of order 1, 2, 3 for each pair of elements; 0 for no bond."""
    reach = np.zeros((len(MARGINS_PM), len(SYMBOLS), len(SYMBOLS)))
    for entry in BOND_LENGTHS_PM.replace("\n", "|").split("|"):
        if not entry.strip():
            continue
        pair, *lengths = entry.split()
        one, other = (ATOMIC_NUMBER[symbol] for symbol in pair.split("-"))
        for order, length in enumerate(lengths):
            reach[order, one, other] = reach[order, other, one] = (int(length) + MARGINS_PM[order]) / 100
    return reach


def bond_orders(system: AtomicSystem) -> np.ndarray:
    """Return the bond order of every pair, (n, n) int, from the distances only.

    The orders are tested in order: a double bond must also pass the test of a single one, and a triple bond both.
    """
    numbers, positions = system.numbers, system.positions
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    short = distances < _reach()[:, numbers[:, None], numbers[None, :]]
    return np.logical_and.accumulate(short, axis=0).sum(axis=0)


def stable_atoms(numbers: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return (n,) bool: the atoms whose bond orders (n, n) add up to a valency of their element."""
    sums = orders.sum(axis=1)
    return np.array(
        [int(total) in VALENCIES.get(SYMBOLS[number], ()) for number, total in zip(numbers, sums, strict=True)]
    )


def check_edm(system: AtomicSystem) -> EdmChecks:
    """Apply the bond table to one molecule; a molecule of more than ``PAIRWISE_ATOMS`` atoms fails."""
    if len(system) > PAIRWISE_ATOMS:
        return EdmChecks(0, False, None)
    orders = bond_orders(system)
    stable = stable_atoms(system.numbers, orders)
    return EdmChecks(int(stable.sum()), bool(stable.all()), _smiles(system.numbers, orders))


def _smiles(numbers: np.ndarray, orders: np.ndarray) -> str | None:
    from rdkit import Chem, rdBase

    kinds = (None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
    mol: Any = Chem.RWMol()
    for number in numbers:
        mol.AddAtom(Chem.Atom(int(number)))
    for one, other in np.argwhere(np.triu(orders)).tolist():
        mol.AddBond(one, other, kinds[orders[one, other]])
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(mol)
            fragments: Any = Chem.GetMolFrags(mol, asMols=True)
            return str(Chem.MolToSmiles(max(fragments, key=lambda fragment: fragment.GetNumAtoms())))
        except Exception:  # noqa: BLE001 - RDKit raises its own classes; a molecule that it cannot write is not valid
            return None
