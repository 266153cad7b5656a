"""Decoder outputs to systems; what is no valid system becomes a ``Failure`` with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adit.errors import DataError
from adit.model.vae import Decoded
from adit.sample.assignment import exact_types, system_types
from adit.sample.motif import superpose
from adit.sample.prior import Draw
from adit.sample.request import Request
from adit.store import Row
from adit.systems import AtomicSystem, Failure, cell_from_parameters, wrap
from adit.units import ANGSTROM_PER_NM

Parts = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Numbers (n,), positions (n, 3) in Å, cell (3, 3) in Å or ``None``."""


def decode_rows(decoded: Decoded, draws: Sequence[Draw], request: Request) -> list[Row]:
    """Return one row a system of a decoded batch.

    Molecules take types and positions, periodic systems take types, fractional coordinates and lattice parameters.
    Where a composition is asked for, the types are the most likely ones that have it; ``info`` says how many atoms
    had another (``types_assigned``). A motif is written as it was given; ``info`` says how far the decoder had put its
    atoms (``motif_rmsd``, Å), how many types it had wrong (``motif_types_wrong``), and how far the longest deviation of
    a cell length was (``motif_cell_error``, relative).

    Source: Section 2.1, "Decoding latents to atomic systems".
    """
    logits = decoded.logits.cpu().numpy()
    positions = decoded.positions.cpu().numpy().astype(float) * ANGSTROM_PER_NM
    fractional = decoded.fractional.cpu().numpy().astype(float)
    lattice = decoded.lattice.cpu().numpy().astype(float)
    rows: list[Row] = []
    for i, draw in enumerate(draws):
        n = len(draw)
        try:
            likely = logits[i, :n].argmax(axis=1) + 1
            numbers = _types(logits[i, :n], draw, request)
            info = {} if request.composition is None else {"types_assigned": int((numbers != likely).sum())}
            if request.kind.periodic:
                parts = _periodic(numbers, fractional[i, :n], lattice[i])
            else:
                parts = numbers, positions[i, :n] - positions[i, :n].mean(axis=0), None
            if draw.held is not None:
                parts, told = _held(parts, likely, draw.held, request)
                info |= told
            rows.append(AtomicSystem(draw.system_id, request.kind, *parts, info))
        except DataError as error:
            rows.append(Failure(draw.system_id, "decode", str(error).removeprefix(f"{draw.system_id}: "), request.kind))
    return rows


def _types(logits: np.ndarray, draw: Draw, request: Request) -> np.ndarray:
    """Return atomic numbers (n,); a motif's atoms keep theirs, and count in the composition."""
    if request.composition is None:
        return logits.argmax(axis=1) + 1
    if not np.isfinite(logits).all():
        raise DataError("scores of the atom types are not finite")
    if request.motif is not None and draw.held is not None:
        logits = logits.copy()
        logits[draw.held, request.motif.numbers - 1] += 1e6
    if draw.counts is not None:
        return exact_types(logits, draw.counts)
    return system_types(logits, request.composition.elements)


def _periodic(numbers: np.ndarray, fractional: np.ndarray, lattice: np.ndarray) -> Parts:
    if not np.isfinite(fractional).all():
        raise DataError("fractional coordinates are not finite")
    cell = cell_from_parameters(lattice[:3] * len(numbers) ** (1.0 / 3.0), np.degrees(lattice[3:]))
    return numbers, wrap(fractional) @ cell, cell


def _held(parts: Parts, likely: np.ndarray, held: np.ndarray, request: Request) -> tuple[Parts, dict[str, Any]]:
    """Return the parts with the motif in its place, and how far the decoder was from it."""
    motif = request.motif
    if motif is None:
        raise DataError("atoms are held, but there is no motif")
    numbers, positions, cell = parts
    told: dict[str, Any] = {"motif_types_wrong": int((likely[held] != motif.numbers).sum())}
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
            told["motif_cell_error"] = round(float(np.abs(lengths - 1.0).max()), 4)
        given, cell = motif.fractional @ motif.cell, motif.cell
        placed = fractional @ motif.cell
    placed[held] = given
    numbers = numbers.copy()
    numbers[held] = motif.numbers
    told["motif_rmsd"] = round(float(np.sqrt((difference**2).sum(axis=1).mean())), 4)
    return (numbers, placed, cell), told
