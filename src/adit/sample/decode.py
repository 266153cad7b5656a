"""Decoder outputs to systems; what is no valid system becomes a ``Failure`` with its reason."""

from __future__ import annotations

import numpy as np

from adit.errors import DataError
from adit.model.vae import Decoded
from adit.store import Row
from adit.systems import AtomicSystem, Failure, Kind, cell_from_parameters, wrap
from adit.units import ANGSTROM_PER_NM


def decode_rows(decoded: Decoded, sizes: list[int], system_ids: list[str], kind: Kind) -> list[Row]:
    """Return one row a system of a decoded batch.

    Molecules take types and positions, periodic systems take types, fractional coordinates and lattice parameters.

    Source: Section 2.1, "Decoding latents to atomic systems".
    """
    numbers = (decoded.logits.argmax(dim=-1) + 1).cpu().numpy()
    positions = decoded.positions.cpu().numpy().astype(float) * ANGSTROM_PER_NM
    fractional = decoded.fractional.cpu().numpy().astype(float)
    lattice = decoded.lattice.cpu().numpy().astype(float)
    rows: list[Row] = []
    for i, (n, system_id) in enumerate(zip(sizes, system_ids, strict=True)):
        try:
            if kind.periodic:
                rows.append(_periodic(system_id, kind, numbers[i, :n], fractional[i, :n], lattice[i]))
            else:
                centred = positions[i, :n] - positions[i, :n].mean(axis=0)
                rows.append(AtomicSystem(system_id, kind, numbers[i, :n], centred))
        except DataError as error:
            rows.append(Failure(system_id, "decode", str(error).removeprefix(f"{system_id}: "), kind))
    return rows


def _periodic(
    system_id: str, kind: Kind, numbers: np.ndarray, fractional: np.ndarray, lattice: np.ndarray
) -> AtomicSystem:
    if not np.isfinite(fractional).all():
        raise DataError("fractional coordinates are not finite")
    cell = cell_from_parameters(lattice[:3] * len(numbers) ** (1.0 / 3.0), np.degrees(lattice[3:]))
    return AtomicSystem(system_id, kind, numbers, wrap(fractional) @ cell, cell)
