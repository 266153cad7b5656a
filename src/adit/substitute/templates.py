"""Crystals of a file: those whose ions may be exchanged, and all that are known."""

from __future__ import annotations

from pathlib import Path

from adit import config
from adit.readers import read_structures, settings_of
from adit.store import read_systems
from adit.systems import AtomicSystem, Failure, Kind


def crystals_of(path: Path, workers: int) -> tuple[list[AtomicSystem], list[AtomicSystem]]:
    """Return the crystals of a file whose ions may be exchanged, and all its crystals.

    In a prepared dataset, the former are the training split, or all crystals if there is none.

    Args:
        path: prepared dataset (.arrow), or any file, folder or archive of structures.
        workers: largest number of processes that read.

    Raises:
        DataError: the file is missing, broken or of no known format.
    """
    if path.suffix == ".arrow":
        table = read_systems(path)
        rows = [(row, split) for row, split in zip(table, table.splits, strict=True) if not isinstance(row, Failure)]
        data = [row for row, _ in rows]
        templates = [row for row, split in rows if split == "train"] or data
    else:
        settings = settings_of(config.ReadConfig(), config.LimitsConfig(), workers)
        data = [each.row for each in read_structures([path], settings) if not isinstance(each.row, Failure)]
        templates = data
    kept = [[system for system in systems if system.kind is Kind.CRYSTAL] for systems in (templates, data)]
    return kept[0], kept[1]
