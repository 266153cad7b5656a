"""Reads the inputs of the scores: samples, data, relaxations, hull and DFT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adit import store
from adit.columns import Col, bare_name, energies_name
from adit.errors import DataError
from adit.hull.energy_tags import potential_of_tag
from adit.progress import log
from adit.readers.joins import need_unique
from adit.store import Row as Row
from adit.systems import AtomicSystem, Kind

Table = Mapping[str, Mapping[str, Any]]
"""Rows of a table by system id."""


@dataclass(frozen=True)
class Reference:
    """The data of one kind.

    Attributes:
        systems: systems of all splits.
        splits: name of the split of each system; ``None``: in none.
    """

    systems: Sequence[AtomicSystem]
    splits: Sequence[str | None]

    def split(self, name: str) -> list[AtomicSystem]:
        """Return the systems of one split."""
        return [system for system, split in zip(self.systems, self.splits, strict=True) if split == name]


@dataclass(frozen=True)
class Energies:
    """Relaxations, hull and DFT of the samples, by system id.

    Attributes:
        with_relaxations: whether the samples were relaxed.
        on_hull: whether there is a table of energies above the hull.
        relaxed: rows of ``relaxed/<kind>/<shard>.parquet``.
        structures: relaxed structures.
        hull: rows of ``hull.parquet``, energies in eV/atom; empty if there is none.
        dft: rows of ``dft/<shard>.parquet``.
        potential: potential of the surrogate energies in the hull's rows; empty for the hull's own method.
        energy_tags: methods of the samples' energies.
        hull_tag: method of the hull.
        judge: rows of ``hull/judge.parquet``, results of the second potential (the judge), energies in eV/atom; empty
            if it was not used.
        judge_tag: method of the judge's energies.
    """

    with_relaxations: bool = False
    on_hull: bool = False
    relaxed: Table = field(default_factory=dict)
    structures: Mapping[str, AtomicSystem] = field(default_factory=dict)
    hull: Table = field(default_factory=dict)
    dft: Table = field(default_factory=dict)
    potential: str = ""
    energy_tags: tuple[str, ...] = ()
    hull_tag: str = ""
    judge: Table = field(default_factory=dict)
    judge_tag: str = ""

    @property
    def surrogate(self) -> bool:
        """Return whether a potential's energies are on a hull of DFT energies."""
        return bool(self.potential)

    def column(self, name: str) -> str:
        """Return the name of a column or metric that is based on these energies."""
        return energies_name(name, self.potential)

    @property
    def basis(self) -> str:
        """Return the methods of energies and hull, for display."""
        return f"{' and '.join(self.energy_tags) or 'no'} energies on a {self.hull_tag or 'nameless'} hull"


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """Read systems and failures of shards, one row per requested system.

    Raises:
        DataError: a file is missing or broken, or an id occurs twice.
    """
    rows: list[Row] = [row for path in paths for row in store.read_systems(path)]
    seen: set[str] = set()
    for row in rows:
        if row.system_id in seen:
            raise DataError(f"{row.system_id}: occurs twice in {', '.join(map(str, paths))[:200]}; sample again")
        seen.add(row.system_id)
    return rows


def read_known_systems(paths: Sequence[Path], kind: Kind) -> Reference:
    """Read the systems of one kind from the data files.

    Raises:
        DataError: a file is missing or broken.
    """
    systems: list[AtomicSystem] = []
    splits: list[str | None] = []
    for path in paths:
        table = store.read_systems(path)
        for row, split in zip(table, table.splits, strict=True):
            if isinstance(row, AtomicSystem) and row.kind is kind:
                systems.append(row)
                splits.append(split)
    if systems:
        log.info("%d reference %ss, %d of them for training", len(systems), kind, splits.count("train"))
    return Reference(systems, splits)


def read_energies(
    relaxed: Sequence[Path], hull: Path | None, dft: Sequence[Path], judge: Path | None = None
) -> Energies:
    """Read the results of later stages for the samples.

    Args:
        relaxed: ``relaxed/<kind>/<shard>.parquet``; the ``.arrow`` beside each holds the structures.
        hull: ``hull/hull.parquet``; ``None``: there is none.
        dft: ``dft/<shard>.parquet``.
        judge: ``hull/judge.parquet``; ``None``: there is none. A table in which no energy was computed counts as none.

    Raises:
        ConfigError: an id occurs twice in a table.
        DataError: a file is missing or broken, or the hull's rows mix surrogate energies with others.
    """
    structures = {
        row.system_id: row
        for path in relaxed
        for row in store.read_systems(path.with_suffix(".arrow"))
        if isinstance(row, AtomicSystem)
    }
    placed = _plain(_by_id([hull])) if hull is not None else {}
    with_energy = [row for row in placed.values() if row[Col.E_ABOVE_HULL] == row[Col.E_ABOVE_HULL]]
    potentials = {potential_of_tag(str(row[Col.ENERGY_TAG])) if row[Col.SURROGATE] else "" for row in with_energy}
    if len(potentials) > 1:
        raise DataError(f"{hull}: mixes surrogate energies with energies of the hull's own method; make it again")
    judge_tag = "" if judge is None else str(store.read_metadata(judge).get("judge_tag") or "")
    return Energies(
        with_relaxations=bool(relaxed),
        on_hull=hull is not None,
        relaxed=_by_id(relaxed),
        structures=structures,
        hull=placed,
        dft=_by_id(dft),
        potential=max(potentials, default=""),
        energy_tags=tuple(sorted({str(row[Col.ENERGY_TAG]) for row in with_energy})),
        hull_tag=next((str(row[Col.HULL_TAG]) for row in placed.values()), ""),
        judge=_by_id([judge]) if judge is not None and judge_tag else {},
        judge_tag=judge_tag,
    )


def _plain(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the rows with bare column names; the column ``surrogate`` marks surrogate energies."""
    return {key: {bare_name(name): value for name, value in row.items()} for key, row in table.items()}


def _by_id(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    records = [record for path in paths for record in store.read_frame(path).to_dict("records")]
    need_unique([str(record[Col.SYSTEM_ID]) for record in records], ", ".join(map(str, paths))[:200])
    return {str(record[Col.SYSTEM_ID]): record for record in records}
