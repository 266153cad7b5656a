"""One DFT relaxation to run: the structure, the engine, the folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from adit.columns import Col
from adit.convert import perceive
from adit.errors import DataError
from adit.relax.dft.engines.registry import Engine
from adit.systems import AtomicSystem

_CODE = 2
"""Version of the results: increased when ``job.execute`` gives other results, so that old ones are not used."""

LONGEST_NAME = 240
"""Largest size of the name of a structure's folder, bytes; file systems allow 255, and its files have a suffix."""


@dataclass(frozen=True)
class DftTask:
    """One relaxation to run.

    Attributes:
        system: the structure to start from.
        engine: the engine and its settings.
        folder: folder of this structure (absolute); the engine runs in its subfolder ``run``.
        attempt: number of the attempt, from 1; later ones continue from the last geometry.
        charge: total charge of a molecule, e.
        unpaired: number of unpaired electrons of a molecule.
    """

    system: AtomicSystem
    engine: Engine
    folder: Path
    attempt: int = 1
    charge: int = 0
    unpaired: int = 0

    @property
    def key(self) -> str:
        """Return the SHA-256 of all that a result depends on: structure, engine, settings, version of this code."""
        digest = hashlib.sha256(json.dumps([_CODE, self.engine.settings_hash, self.engine.code]).encode())
        if self.system.cell is None:
            digest.update(f"{self.charge} {self.unpaired}".encode())
            if len(self.system) == 1 and self.unpaired:
                digest.update(b"hund")  # how single atoms start; earlier results of theirs did not
        for array in (self.system.numbers, self.system.positions, self.system.cell):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def task_of(system: AtomicSystem, engine: Engine, folder: Path) -> DftTask:
    """Return the task of a system; charge and unpaired electrons of a molecule are taken from ``info``, or perceived.

    Args:
        system: the structure to start from.
        engine: the engine and its settings.
        folder: folder of this structure (absolute).
    """
    if system.cell is not None:
        return DftTask(system, engine, folder)
    charge, unpaired = system.info.get(Col.CHARGE), system.info.get(Col.UNPAIRED)
    if charge is None or unpaired is None:
        perceived = perceive(system)
        charge, unpaired = perceived.charge, perceived.unpaired
    return DftTask(system, engine, folder, charge=int(charge), unpaired=int(unpaired))


def structure_folder(system_id: str) -> str:
    """Return the name of a structure's folder: its id, with special characters percent-encoded (``%2F``).

    A name that is too long for a file system ends with a hash of the id.

    Raises:
        DataError: the id is empty.
    """
    if not system_id:
        raise DataError("a structure without an id cannot have a folder; give every system an id")
    name = quote(system_id, safe=" ()[]{}+,;=@!$&'~^#")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 17]}-{hashlib.sha256(system_id.encode()).hexdigest()[:16]}"
