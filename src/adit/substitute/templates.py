"""Crystals of a file: those whose ions may be exchanged, and all that are known."""

from __future__ import annotations

from pathlib import Path

from adit import config
from adit.readers import read_structures, settings_of
from adit.store import read_systems
from adit.systems import AtomicSystem, Failure, Kind


def crystals_of(path: Path, workers: int) -> tuple[list[AtomicSystem], list[AtomicSystem]]:
    """Return the crystals of a file that may be changed, and all of them.

    Of a prepared dataset, only the training split may be changed.

    Raises:
        DataError: the file cannot be read.
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
