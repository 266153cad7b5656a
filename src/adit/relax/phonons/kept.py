"""Finished checks, one JSON file each, named by the hash of everything that they depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from adit import store
from adit.errors import DataError
from adit.progress import log
from adit.relax.phonons.outcome import Checked, PhononDos, PhononLimits
from adit.relax.potentials.kept import of_shape, shape_of
from adit.systems import AtomicSystem

_CODE = 1
"""Version of the results: increased when ``check`` gives other results, so that old ones are not used."""


def path_of(folder: Path, system: AtomicSystem, limits: PhononLimits, tag: str) -> Path:
    """Return the file of a system's result."""
    settings = json.dumps([_CODE, metadata.version("phonopy"), tag, asdict(limits)], sort_keys=True)
    digest = hashlib.sha256(settings.encode())
    for array in (system.numbers, system.positions, system.cell):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return folder / f"phonons-{digest.hexdigest()}.json"


def load_checked(folder: Path | None, system: AtomicSystem, limits: PhononLimits, tag: str) -> Checked | None:
    """Return the result of a system with these settings; ``None`` if it is missing or unreadable."""
    if folder is None:
        return None
    path = path_of(folder, system, limits, tag)
    if not path.is_file():
        return None
    try:
        record = store.read_json(path)
        shape, dos = record.pop("structure"), record.pop("dos")
        states = PhononDos(tuple(dos["frequencies"]), tuple(dos["densities"]))
        return Checked(**record, system=of_shape(system, shape), dos=states)
    except (DataError, KeyError, TypeError, AttributeError):
        log.warning("%s: unreadable, computed again", path)
        return None


def save_checked(folder: Path | None, system: AtomicSystem, limits: PhononLimits, result: Checked, tag: str) -> None:
    """Store a result; without a folder, nothing happens.

    Raises:
        DataError: it cannot be written (no space, no permission).
    """
    if folder is None:
        return
    record = asdict(replace(result, values=dict(result.values), system=None))
    del record["system"]
    store.write_json(path_of(folder, system, limits, tag), {**record, "structure": shape_of(result.system)})
