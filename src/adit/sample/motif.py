"""Motifs: fixed atoms, around which the rest of a system is sampled (scaffolding, infilling)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adit import convert
from adit.errors import ConfigError, DataError, why_no_file
from adit.progress import log
from adit.readers import ReadSettings, read_structures
from adit.systems import AtomicSystem, Failure, Kind


@dataclass(frozen=True)
class Motif:
    """Fixed atoms, in the model's order of atoms.

    Attributes:
        numbers: (h,) atomic numbers, ascending.
        positions: (h, 3) Å; of molecules centred.
        fractional: (h, 3) in [0, 1); zeros for molecules.
        cell: (3, 3) Å, rows are lattice vectors, fixed too; ``None`` for molecules.
    """

    numbers: np.ndarray
    positions: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray | None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def counts(self) -> dict[int, int]:
        """Return atomic number → number of atoms."""
        return {int(z): int((self.numbers == z).sum()) for z in np.unique(self.numbers)}


def read_motif(path: Path, kind: Kind) -> Motif:
    """Read the fixed atoms: the first structure of a file of any format that the readers know.

    Periodic kinds need a cell; a crystal's is brought to its Niggli form, as in training.

    Raises:
        ConfigError: the file is missing, or a cell is missing or not allowed for the kind.
        DataError: the file is of no known format, or cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"motif {path}: {why_no_file(path)}")
    try:
        rows = read_structures([path], ReadSettings(workers=0))
    except DataError as error:
        raise DataError(f"motif {path}: cannot be read ({error}); give a file with one structure") from error
    system = next((each.row for each in rows if isinstance(each.row, AtomicSystem)), None)
    if system is None:
        reasons = "; ".join(each.row.reason for each in rows[:3] if isinstance(each.row, Failure))
        raise DataError(f"motif {path}: cannot be read ({reasons}); give a file with one structure")
    if len(rows) > 1:
        log.warning("motif %s: the first of its %d structures is held (%s)", path, len(rows), system.system_id)
    if kind.periodic != (system.cell is not None):
        raise ConfigError(f"motif {path}: a {kind} needs a motif {'with' if kind.periodic else 'without'} a cell")
    system = replace(system, kind=kind)
    if kind is Kind.CRYSTAL:
        system = convert.niggli(system)
    elif system.cell is None:
        system = replace(system, positions=system.positions - system.positions.mean(axis=0))
    first = system.fractional if system.cell is not None else system.positions
    order = np.lexsort((first[:, 2], first[:, 1], first[:, 0], system.numbers))
    return Motif(system.numbers[order], system.positions[order], system.fractional[order], system.cell)


def place(motif: Motif, n: int, counts: dict[int, int] | None, random: np.random.Generator) -> np.ndarray:
    """Return the indices (h,) of the motif's atoms among the ``n`` atoms of a sample, ascending.

    Atoms are ordered by atomic number. With a given composition, an atom of the motif is placed among the atoms of its
    element; otherwise every ascending choice is equally likely.

    Args:
        motif: the fixed atoms.
        n: number of atoms of the sample.
        counts: atomic number → number of atoms of the sample; ``None``: not known.
        random: generator of the choice.

    Raises:
        ConfigError: the motif has more atoms, or more of an element, than the sample.
    """
    if counts is None:
        if len(motif) > n:
            raise ConfigError(f"the motif has {len(motif)} atoms, more than the {n} requested")
        return np.sort(random.choice(n, len(motif), replace=False))
    places, start = [], 0
    for z in sorted(counts):
        held = int((motif.numbers == z).sum())
        if held > counts[z]:
            raise ConfigError(f"the motif holds {held} atoms of element {z}, the composition only {counts[z]}")
        places.append(start + np.sort(random.choice(counts[z], held, replace=False)))
        start += counts[z]
    if sum(map(len, places)) < len(motif):
        raise ConfigError("the motif holds an element that the composition lacks")
    return np.concatenate(places)


def superpose(moving: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return ``moving`` (h, 3) rotated and shifted onto ``target`` (h, 3) with least squares, without reflection.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    a, b = moving - moving.mean(axis=0), target - target.mean(axis=0)
    u, _, vt = np.linalg.svd(a.T @ b)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return a @ u @ flip @ vt + target.mean(axis=0)
