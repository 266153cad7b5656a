"""Bonds of a molecule, and its drawing in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adit import convert
from adit.errors import DataError
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol


def molecule_graph(system: AtomicSystem) -> dict[str, Any]:
    """Return ``b`` (flat: atom, atom, order), ``q`` (flat: atom, charge) and ``d`` (drawing); empty without bonds.

    ``d`` has ``a`` (flat: x, y in hundredths of Å, label) and ``b`` (flat: atom, atom, order) of the heavy atoms;
    bonds are those of one Kekulé structure.
    """
    from rdkit import Chem

    try:
        mol = convert.to_rdkit(system)
        Chem.Kekulize(mol, clearAromaticFlags=True)
        drawing = _drawing(mol)
    except (DataError, ValueError, RuntimeError):  # RDKit's own errors derive from these
        return {}
    charges = [(atom.GetIdx(), atom.GetFormalCharge()) for atom in mol.GetAtoms() if atom.GetFormalCharge()]
    graph: dict[str, Any] = {"b": _bonds(mol), "d": drawing}
    return {**graph, "q": [value for pair in charges for value in pair]} if charges else graph


def _bonds(mol: Mol) -> list[int]:
    rows = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), int(b.GetBondTypeAsDouble())) for b in mol.GetBonds()]
    return [value for row in rows for value in row]


def _drawing(mol: Mol) -> dict[str, Any]:
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    flat = Chem.RemoveHs(mol, sanitize=False)
    rdDepictor.Compute2DCoords(flat, canonOrient=True)
    places = flat.GetConformer().GetPositions()
    atoms: list[Any] = []
    for atom, (x, y, _) in zip(flat.GetAtoms(), places, strict=True):
        atoms += [round(100 * float(x)), round(100 * float(y)), _label(atom)]
    return {"a": atoms, "b": _bonds(flat)}


def _label(atom: Atom) -> str:
    """Return symbol, hydrogens and charge; empty for a carbon with bonds and no charge."""
    charge = atom.GetFormalCharge()
    if atom.GetSymbol() == "C" and atom.GetDegree() and not charge:
        return ""
    hydrogens = atom.GetTotalNumHs()
    held = f"H{hydrogens if hydrogens > 1 else ''}" if hydrogens else ""
    size = str(abs(charge)) if abs(charge) > 1 else ""
    sign = f"{'+' if charge > 0 else '−'}{size}" if charge else ""
    return f"{atom.GetSymbol()}{held}{sign}"
