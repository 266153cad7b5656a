"""Reads the shards of the pre-relaxation: tables, and the structures beside each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adit import store
from adit.errors import DataError
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd


def read_tables(relaxed: Sequence[Path]) -> pd.DataFrame:
    """Return the tables of all shards as one.

    Raises:
        DataError: a table is missing or broken.
    """
    import pandas as pd

    return pd.concat([store.read_frame(path.with_suffix(".parquet")) for path in relaxed], ignore_index=True)


def read_relaxed_systems(relaxed: Sequence[Path], ids: Iterable[str]) -> dict[str, AtomicSystem]:
    """Return id → relaxed system for the named ids.

    Args:
        relaxed: tables of the pre-relaxation; the structures are in the ``.arrow`` beside each.
        ids: ids of the systems.

    Raises:
        DataError: an id has no relaxed structure, or a file is missing or broken.
    """
    wanted = set(ids)
    systems: dict[str, AtomicSystem] = {}
    for path in relaxed:
        table = store.read_systems(path.with_suffix(".arrow"))
        for index, system_id in enumerate(table.ids):
            if system_id in wanted:
                row = table[index]
                if isinstance(row, AtomicSystem):
                    systems[system_id] = row
    missing = sorted(wanted - set(systems))
    if missing:
        raise DataError(
            f"{missing[0]}: has no relaxed structure in the given files ({len(missing)} such); run relax again"
        )
    return systems
