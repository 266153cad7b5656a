"""The central types: ``AtomicSystem`` (one system, numpy), ``SystemBatch`` (many, torch) and ``Failure``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from adit.errors import DataError
from adit.transfer import to_device

if TYPE_CHECKING:
    import torch


class Kind(StrEnum):
    """The class label of a system; the order is the order of the model's class embedding."""

    CRYSTAL = "crystal"
    MOLECULE = "molecule"
    MOF = "mof"

    @property
    def periodic(self) -> bool:
        """Whether systems of this kind have a cell."""
        return self is not Kind.MOLECULE

    @property
    def label(self) -> int:
        """Return the class label: the position in the class embedding."""
        return list(Kind).index(self)


@dataclass(frozen=True)
class Failure:
    """A row that is not a valid system, with a reason; a structure is never corrected instead.

    Attributes:
        system_id: id that the system would have had.
        stage: the stage that failed, e.g. ``"decode"``.
        reason: one line of text for display.
        kind: requested kind; ``None`` if it is not known.
    """

    system_id: str
    stage: str
    reason: str
    kind: Kind | None = None


@dataclass(frozen=True, eq=False)
class AtomicSystem:
    """One atomic system, validated when it is created; arrays are read-only.

    Attributes:
        system_id: unique within its file.
        kind: crystal, molecule or MOF.
        numbers: (n,) int, atomic numbers.
        positions: (n, 3) float64, Å, Cartesian.
        cell: (3, 3) float64, Å, **rows** are lattice vectors; ``None`` for molecules.
        info: annotations that can be stored as JSON (source, properties).

    Raises:
        DataError: shapes do not fit, a number is not an element, a value is not finite, or the cell is singular.
    """

    system_id: str
    kind: Kind
    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = np.array(self.numbers, dtype=np.int64)
        positions = np.array(self.positions, dtype=np.float64)
        cell = None if self.cell is None else np.array(self.cell, dtype=np.float64)
        problem = _problem(self.kind, numbers, positions, cell)
        if problem:
            raise DataError(f"{self.system_id}: {problem}")
        for name, value in (("numbers", numbers), ("positions", positions), ("cell", cell)):
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "kind", Kind(self.kind))

    def __len__(self) -> int:
        return len(self.numbers)

    def labelled(self, system_id: str, info: Mapping[str, Any]) -> AtomicSystem:
        """Return the same structure with another id and other annotations."""
        return self._with(system_id=system_id, info=info)

    def ordered(self, order: np.ndarray) -> AtomicSystem:
        """Return the system with its atoms in another order.

        Args:
            order: (n,) int, a permutation of the atoms' indices.
        """
        arrays = {"numbers": self.numbers[order], "positions": self.positions[order]}
        for array in arrays.values():
            array.setflags(write=False)
        return self._with(**arrays)

    def _with(self, **fields: Any) -> AtomicSystem:
        """Return a copy with other fields, which are not validated again: a replacement for ``dataclasses.replace``."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__ | fields)
        return copy

    @property
    def fractional(self) -> np.ndarray:
        """Return fractional coordinates (n, 3) in [0, 1); zeros for molecules.

        Source: Section 2.1, F = L⁻¹X (with rows as lattice vectors: F = X·cell⁻¹).
        """
        if self.cell is None:
            return np.zeros_like(self.positions)
        return wrap(np.linalg.solve(self.cell.T, self.positions.T).T)

    @property
    def lengths(self) -> np.ndarray:
        """Return the three cell lengths (3,) in Å; zeros for molecules."""
        return np.zeros(3) if self.cell is None else np.linalg.norm(self.cell, axis=1)

    @property
    def angles(self) -> np.ndarray:
        """Return the cell angles α, β, γ (3,) in degrees; zeros for molecules."""
        return np.zeros(3) if self.cell is None else cell_angles(self.cell)

    @property
    def volume(self) -> float:
        """Return the cell volume in Å³; 0 for molecules."""
        return 0.0 if self.cell is None else float(abs(np.linalg.det(self.cell)))


def _problem(kind: Kind, numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray | None) -> str | None:
    """Return why the fields are not a valid system, or ``None``."""
    if numbers.ndim != 1 or len(numbers) == 0:
        return "has no atoms"
    if positions.shape != (len(numbers), 3):
        return f"has {len(numbers)} atoms but positions of shape {positions.shape}"
    if numbers.min() < 1 or numbers.max() > 118:
        return (
            f"has atomic number {int(numbers.min() if numbers.min() < 1 else numbers.max())}, which is not an element"
        )
    if not np.isfinite(positions).all():
        return "has positions that are not finite"
    if Kind(kind).periodic != (cell is not None):
        return f"is a {kind} {'without' if cell is None else 'with'} a cell"
    if cell is not None:
        if cell.shape != (3, 3) or not np.isfinite(cell).all():
            return "has a cell that is not a finite 3 x 3 matrix"
        if abs(np.linalg.det(cell)) < 1e-6:
            return "has a cell of zero volume"
    return None


def wrap(fractional: np.ndarray) -> np.ndarray:
    """Wrap fractional coordinates (any shape) into [0, 1); tiny negative values become 0, never 1."""
    wrapped = fractional - np.floor(fractional)
    return np.where(wrapped >= 1.0, 0.0, wrapped)


def cell_angles(cell: np.ndarray) -> np.ndarray:
    """Return α, β, γ (3,) in degrees of a cell (3, 3) with rows as lattice vectors."""
    unit = cell / np.linalg.norm(cell, axis=1, keepdims=True)
    cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    return np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def cell_from_parameters(lengths: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return the cell (3, 3), Å, rows as lattice vectors, with a along x and b in the xy plane.

    Args:
        lengths: (3,) Å.
        angles: (3,) α, β, γ in degrees.

    Raises:
        DataError: lengths or angles are not finite or not positive, or make no cell with a volume.
    """
    lengths, angles = np.asarray(lengths, dtype=float), np.asarray(angles, dtype=float)
    if not (np.isfinite(lengths).all() and np.isfinite(angles).all()):
        raise DataError("lattice parameters are not finite")
    if (lengths <= 0).any() or (angles <= 0).any() or (angles >= 180).any():
        raise DataError(
            f"no cell has lengths {np.round(lengths, 3).tolist()} Å, angles {np.round(angles, 1).tolist()}°"
        )
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(angles))
    sin_gamma = np.sin(np.radians(angles[2]))
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    c_z_squared = 1.0 - cos_beta**2 - c_y**2
    if c_z_squared <= 1e-8:
        raise DataError(f"angles {np.round(angles, 1).tolist()}° span no volume")
    a, b, c = lengths
    return np.array(
        [[a, 0.0, 0.0], [b * cos_gamma, b * sin_gamma, 0.0], [c * cos_beta, c * c_y, c * np.sqrt(c_z_squared)]]
    )


@dataclass(frozen=True)
class SystemArrays:
    """Many systems as flat arrays, from which a batch is gathered quickly.

    Attributes:
        numbers: (N,) uint8, atomic numbers of all atoms.
        positions: (N, 3) float32, Å.
        cell: (n, 3, 3) float32, Å, rows are lattice vectors; zeros for molecules.
        offsets: (n + 1,) int64, index of the first atom of each system, and N.
        kind: (n,) int64, ``Kind.label``.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    offsets: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def n_atoms(self) -> np.ndarray:
        """Return the number of atoms of each system, (n,) int."""
        return np.diff(self.offsets)

    def atoms_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the indices of all atoms of the systems ``rows`` (b,), system by system."""
        sizes = self.n_atoms[rows]
        starts = np.cumsum(sizes) - sizes
        return np.repeat(self.offsets[rows] - starts, sizes) + np.arange(int(sizes.sum()))

    @classmethod
    def concatenate(cls, parts: Sequence[SystemArrays]) -> SystemArrays:
        """Return the systems of several arrays, one after the other."""
        sizes = np.concatenate([part.n_atoms for part in parts])
        return cls(
            numbers=np.concatenate([part.numbers for part in parts]),
            positions=np.concatenate([part.positions for part in parts]),
            cell=np.concatenate([part.cell for part in parts]),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            kind=np.concatenate([part.kind for part in parts]),
        )


@dataclass
class SystemBatch:
    """Many systems, concatenated.

    Attributes:
        numbers: (N,) int64, atomic numbers.
        positions: (N, 3) float, Å.
        cell: (B, 3, 3) float, Å, rows are lattice vectors; zeros for molecules.
        n_atoms: (B,) int64, number of atoms of each system.
        system_idx: (N,) int64, index of the system of each atom.
        kind: (B,) int64, ``Kind.label``.
    """

    numbers: torch.Tensor
    positions: torch.Tensor
    cell: torch.Tensor
    n_atoms: torch.Tensor
    system_idx: torch.Tensor
    kind: torch.Tensor

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def periodic(self) -> torch.Tensor:
        """Return (B,) bool: whether a system has a cell."""
        return self.kind != Kind.MOLECULE.label

    def inverse_cells(self) -> torch.Tensor:
        """Return cell⁻¹ (B, 3, 3), 1/Å; the unit matrix for molecules."""
        import torch

        eye = torch.eye(3, dtype=self.cell.dtype, device=self.cell.device)
        # inv() would wait for the device to check the result
        return torch.linalg.inv_ex(torch.where(self.periodic[:, None, None], self.cell, eye)).inverse

    @classmethod
    def from_arrays(cls, arrays: SystemArrays, rows: np.ndarray) -> SystemBatch:
        """Return the systems ``rows`` (B,) of flat arrays as a batch (float32 on the CPU)."""
        import torch

        atoms = arrays.atoms_of(rows)
        n_atoms = torch.from_numpy(arrays.n_atoms[rows])
        return cls(
            numbers=torch.from_numpy(arrays.numbers[atoms].astype(np.int64)),
            positions=torch.from_numpy(arrays.positions[atoms]),
            cell=torch.from_numpy(arrays.cell[rows]),
            n_atoms=n_atoms,
            system_idx=torch.repeat_interleave(torch.arange(len(rows)), n_atoms),
            kind=torch.from_numpy(arrays.kind[rows]),
        )

    def to(self, device: torch.device | str) -> SystemBatch:
        """Return the batch on ``device``."""
        return SystemBatch(
            numbers=to_device(self.numbers, device),
            positions=to_device(self.positions, device),
            cell=to_device(self.cell, device),
            n_atoms=to_device(self.n_atoms, device),
            system_idx=to_device(self.system_idx, device),
            kind=to_device(self.kind, device),
        )
