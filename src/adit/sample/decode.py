"""Conversion of decoder outputs to systems; an invalid system becomes a ``Failure`` with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adit.errors import DataError
from adit.model.vae import Decoded
from adit.sample.assignment import exact_types, system_types
from adit.sample.motif import superpose
from adit.sample.prior import Draw
from adit.sample.request import Request
from adit.store import Row
from adit.systems import AtomicSystem, Failure, Kind, cell_from_parameters, wrap
from adit.units import ANGSTROM_PER_NM

Parts = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Atomic numbers (n,), positions (n, 3) in Å, cell (3, 3) in Å with lattice vectors as rows, or ``None``."""


@dataclass(frozen=True)
class Arrays:
    """Decoder outputs of a batch as arrays, in Å and degrees.

    Attributes:
        logits: (B, M, Z_max) scores of atomic numbers 1 … Z_max.
        positions: (B, M, 3) Å.
        fractional: (B, M, 3), not wrapped into [0, 1).
        lattice: (B, 6) lengths in Å over n^(1/3), angles in degrees.
    """

    logits: np.ndarray
    positions: np.ndarray
    fractional: np.ndarray
    lattice: np.ndarray

    @classmethod
    def of(cls, decoded: Decoded) -> Arrays:
        """Return the arrays of decoder outputs."""
        lattice = decoded.lattice.cpu().numpy().astype(float)
        return cls(
            logits=decoded.logits.cpu().numpy(),
            positions=decoded.positions.cpu().numpy().astype(float) * ANGSTROM_PER_NM,
            fractional=decoded.fractional.cpu().numpy().astype(float),
            lattice=np.concatenate([lattice[:, :3], np.degrees(lattice[:, 3:])], axis=1),
        )

    def parts(self, i: int, numbers: np.ndarray, kind: Kind) -> Parts:
        """Return system ``i`` with these atoms: from fractional coordinates and lattice, or from centred positions.

        Args:
            i: index in the batch.
            numbers: (n,) atomic numbers.
            kind: kind of system.

        Raises:
            DataError: fractional coordinates are not finite, or the lattice parameters do not make a cell.
        """
        n = len(numbers)
        if not kind.periodic:
            return numbers, self.positions[i, :n] - self.positions[i, :n].mean(axis=0), None
        if not np.isfinite(self.fractional[i, :n]).all():
            raise DataError("fractional coordinates are not finite")
        cell = cell_from_parameters(self.lattice[i, :3] * n ** (1.0 / 3.0), self.lattice[i, 3:])
        return numbers, wrap(self.fractional[i, :n]) @ cell, cell


def decode_rows(decoded: Decoded, sizes: Sequence[int], system_ids: Sequence[str], kind: Kind) -> list[Row]:
    """Return one row per system of a decoded batch: a system, or a failure of the stage ``decode`` with its reason.

    Molecules take types and positions, periodic systems take types, fractional coordinates and lattice parameters.

    Args:
        decoded: output of the decoder.
        sizes: number of atoms of each system.
        system_ids: id of each system.
        kind: kind of all systems.

    Source: Section 2.1, "Decoding latents to atomic systems".
    """
    arrays = Arrays.of(decoded)
    likely = arrays.logits.argmax(axis=-1) + 1

    def builder(i: int) -> Callable[[], tuple[Parts, dict[str, Any]]]:
        return lambda: (arrays.parts(i, likely[i, : sizes[i]], kind), {})

    return [_decoded_row(system_id, kind, builder(i)) for i, system_id in enumerate(system_ids)]


def conditioned_rows(decoded: Decoded, draws: Sequence[Draw], request: Request) -> list[Row]:
    """Return one row per system of a decoded batch, a system or a failure, with the requested composition and motif.

    With a given composition, the types are the most likely ones that have it; ``types_assigned`` in ``info`` is the
    number of atoms whose type was changed. A motif replaces its decoded atoms; ``info`` has the deviation of these from
    the motif (``motif_rmsd``, Å), the number of wrong types (``motif_types_wrong``), and the largest relative deviation
    of a cell length (``motif_cell_error``).

    Args:
        decoded: output of the decoder.
        draws: initial state of each sample.
        request: the requested samples.
    """
    if request.composition is None and request.formulas is None and request.motif is None:
        return decode_rows(decoded, [len(d) for d in draws], [d.system_id for d in draws], request.kind)
    arrays = Arrays.of(decoded)

    def builder(i: int) -> Callable[[], tuple[Parts, dict[str, Any]]]:
        return lambda: _conditioned(arrays, i, draws[i], request)

    return [_decoded_row(draw.system_id, request.kind, builder(i)) for i, draw in enumerate(draws)]


def _decoded_row(system_id: str, kind: Kind, build: Callable[[], tuple[Parts, dict[str, Any]]]) -> Row:
    try:
        parts, info = build()
        return AtomicSystem(system_id, kind, *parts, info)
    except DataError as error:
        return Failure(system_id, "decode", str(error).removeprefix(f"{system_id}: "), kind)


def _conditioned(arrays: Arrays, i: int, draw: Draw, request: Request) -> tuple[Parts, dict[str, Any]]:
    """Return a system with the requested composition and motif, and the entries of ``info`` about the changes."""
    logits = arrays.logits[i, : len(draw)]
    likely = logits.argmax(axis=1) + 1
    numbers = _types(logits, draw, request)
    decided = request.composition is not None or draw.counts is not None
    info = {"types_assigned": int((numbers != likely).sum())} if decided else {}
    parts = arrays.parts(i, numbers, request.kind)
    if draw.held is None:
        return parts, info
    parts, deviations = _held(parts, likely, draw.held, request)
    return parts, info | deviations


def _types(logits: np.ndarray, draw: Draw, request: Request) -> np.ndarray:
    """Return atomic numbers (n,); a motif's atoms keep their types and count in the composition."""
    if draw.counts is None and request.composition is None:
        return logits.argmax(axis=1) + 1
    if not np.isfinite(logits).all():
        raise DataError("scores of the atom types are not finite")
    if request.motif is not None and draw.held is not None:
        logits = logits.copy()
        logits[draw.held, request.motif.numbers - 1] += 1e6
    if draw.counts is None and request.composition is not None:
        return system_types(logits, request.composition.elements)
    return exact_types(logits, draw.counts or {})


def _held(parts: Parts, likely: np.ndarray, held: np.ndarray, request: Request) -> tuple[Parts, dict[str, Any]]:
    """Return the parts with the motif inserted, and the deviations of the decoder from it."""
    motif = request.motif
    if motif is None:
        raise DataError("atoms are held, but there is no motif")
    numbers, positions, cell = parts
    deviations: dict[str, Any] = {"motif_types_wrong": int((likely[held] != motif.numbers).sum())}
    if motif.cell is None:
        given = superpose(motif.positions, positions[held]) if np.isfinite(positions).all() else motif.positions
        difference = given - positions[held]
        placed = positions.copy()
    else:
        fractional = np.linalg.solve(cell.T, positions.T).T if cell is not None else positions
        shift = motif.fractional - fractional[held]
        difference = (shift - np.round(shift)) @ motif.cell
        if cell is not None:
            lengths = np.linalg.norm(cell, axis=1) / np.linalg.norm(motif.cell, axis=1)
            deviations["motif_cell_error"] = round(float(np.abs(lengths - 1.0).max()), 4)
        given, cell = motif.fractional @ motif.cell, motif.cell
        placed = fractional @ motif.cell
    placed[held] = given
    numbers = numbers.copy()
    numbers[held] = motif.numbers
    deviations["motif_rmsd"] = round(float(np.sqrt((difference**2).sum(axis=1).mean())), 4)
    return (numbers, placed, cell), deviations
