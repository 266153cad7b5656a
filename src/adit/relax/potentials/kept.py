"""Finished pre-relaxations, one JSON file each, named by the hash of everything they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.progress import log
from adit.relax.potentials.chgnet import ENERGY_TAG
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem

_CODE = 2
"""Version of the results: increased when ``chgnet.relax`` gives other results, so that old ones are not used."""

_CODE_OF_NAMED_CHGNET = 3
"""The same for CHGNet with a file of weights: version 2 computed with the weights of the package."""

_SCALARS = ("energy", "fmax", "wall_s", "rmsd_moved")
_OTHERS = ("status", "reason", "steps", "spacegroup_before", "spacegroup_after", "pushed_apart")


def key(system: AtomicSystem, limits: Limits, tag: str = ENERGY_TAG) -> str:
    """Return the SHA-256 of everything that a relaxation depends on.

    Args:
        system: the structure before relaxation; of a molecule, its charge and unpaired electrons count too.
        limits: limits of the relaxation.
        tag: energy tag of the potential.
    """
    settings = {name: value for name, value in asdict(limits).items() if name != "keep_symmetry" or value}
    named_chgnet = tag != ENERGY_TAG and tag.startswith("chgnet-")
    code = _CODE_OF_NAMED_CHGNET if named_chgnet else _CODE
    digest = hashlib.sha256(json.dumps([code, tag, sorted(settings.items())]).encode())
    for array in (system.numbers, system.positions, system.cell):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    state = [system.info.get(name) for name in (Col.CHARGE, Col.UNPAIRED)] if system.cell is None else []
    if any(value is not None for value in state):
        digest.update(json.dumps(state).encode())
    return digest.hexdigest()


def path_of(folder: Path, system: AtomicSystem, limits: Limits, tag: str = ENERGY_TAG) -> Path:
    """Return the file of a system's result in ``folder``; other arguments as of ``key``."""
    return folder / f"{key(system, limits, tag)}.json"


def load_relaxed(folder: Path | None, system: AtomicSystem, limits: Limits, tag: str = ENERGY_TAG) -> Relaxed | None:
    """Return the stored result of a system with these settings; ``None`` if it is missing or unreadable.

    Arguments are those of ``path_of``; without a folder, there is no result.
    """
    if folder is None:
        return None
    path = path_of(folder, system, limits, tag)
    if not path.is_file():
        return None
    try:
        record = store.read_json(path)
        values: dict[str, Any] = {name: record[name] for name in _OTHERS}
        values |= {name: float("nan") if record[name] is None else record[name] for name in _SCALARS}
        return Relaxed(system=of_shape(system, record["structure"]), details=record.get("details", {}), **values)
    except (DataError, KeyError, TypeError, AttributeError):
        log.warning("%s: unreadable, computed again", path)
        return None


def shape_of(system: AtomicSystem | None) -> dict[str, Any] | None:
    """Return positions (Å) and cell (Å, or ``None``) of a relaxed system for a JSON file; ``None`` for no system."""
    if system is None:
        return None
    return {"positions": system.positions.tolist(), "cell": None if system.cell is None else system.cell.tolist()}


def of_shape(start: AtomicSystem, shape: Mapping[str, Any] | None) -> AtomicSystem | None:
    """Return the relaxed form of a system from what ``shape_of`` returned.

    Raises:
        DataError: the values are no structure.
        KeyError: positions or cell are missing.
    """
    if shape is None:
        return None
    return AtomicSystem(start.system_id, start.kind, start.numbers, shape["positions"], shape["cell"], start.info)


def save_relaxed(
    folder: Path | None, system: AtomicSystem, limits: Limits, result: Relaxed, tag: str = ENERGY_TAG
) -> None:
    """Store a result; other arguments as of ``load``. Without a folder, nothing is stored.

    Raises:
        DataError: it cannot be written (no space, no permission).
    """
    if folder is None:
        return
    record = {name: getattr(result, name) for name in _OTHERS}
    for name in _SCALARS:
        value = float(getattr(result, name))
        record[name] = value if np.isfinite(value) else None
    record["structure"] = shape_of(result.system)
    if result.details:
        record["details"] = dict(result.details)
    store.write_json(path_of(folder, system, limits, tag), record)
