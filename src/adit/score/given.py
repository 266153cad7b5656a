"""A user's inputs of scoring: samples, references and tables about the samples, read and joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adit.columns import Col
from adit.errors import DataError
from adit.progress import log
from adit.readers import CONTRADICTION, ReadRow, ReadSettings, by_kind, read_structures
from adit.readers.joins import RowIdentity, identity_of, identity_of_record, join_ids
from adit.score.common.inputs import Energies, Reference, Table, read_known_systems
from adit.systems import AtomicSystem, Kind

SOURCE: Final = Col.SOURCE
"""Column in the scores of a user's files: the file of a sample."""

NOTES: Final = Col.READ_NOTES
"""Column with notes on how a sample was read; contradictions of its file are in the reason too."""

Origins = Mapping[str, Mapping[str, str]]
"""``SOURCE``, ``NOTES`` and the contradictions of a sample, by its id."""


def read_any_references(paths: Sequence[Path], kinds: Sequence[Kind], settings: ReadSettings) -> dict[Kind, Reference]:
    """Return the systems of some kinds in a user's files; without split names, all are in the training split.

    A kind that is not in the files has an empty reference, and a warning is logged.

    Args:
        paths: files, folders and archives.
        kinds: kinds to return.
        settings: settings of reading; files without structures are errors.

    Raises:
        DataError: a path does not exist or has an unknown format, or the files contain none of the kinds.
    """
    own = [path for path in paths if path.suffix == ".arrow"]
    others = [path for path in paths if path.suffix != ".arrow"]
    rows = by_kind(read_structures(others, settings.needing_structures()), None) if others else {}
    references = {kind: _reference(read_known_systems(own, kind), rows.get(kind, ()), kind) for kind in kinds}
    missing = [kind for kind in kinds if not references[kind].systems]
    where = ", ".join(map(str, paths))
    if len(missing) == len(kinds):
        held = " or ".join(kinds)
        raise DataError(f"{where}: holds no {held} to compare with; give another --reference")
    for kind in missing:
        log.warning(
            "%s: holds no %s: novelty, distances and control rows of the %ss are not measured", where, kind, kind
        )
    return references


def _reference(reference: Reference, rows: Sequence[ReadRow], kind: Kind) -> Reference:
    more = [each.row for each in rows if isinstance(each.row, AtomicSystem)]
    systems, splits = [*reference.systems, *more], [*reference.splits, *[None] * len(more)]
    if systems and "train" not in splits:
        log.info("the reference names no training split: all %d %ss of it count as one", len(systems), kind)
        return Reference(systems, ["train"] * len(systems))
    return Reference(systems, splits)


def origins_of(rows: Sequence[ReadRow]) -> Origins:
    """Return the file and the reading notes of each sample, by its id."""
    return {
        each.row.system_id: {
            SOURCE: each.source,
            NOTES: "; ".join(each.notes),
            CONTRADICTION: "; ".join(note for note in each.notes if note.startswith(CONTRADICTION)),
        }
        for each in rows
    }


def joined(energies: Energies, rows: Sequence[ReadRow], names: Mapping[str, str]) -> Energies:
    """Return the tables about the samples with the samples' ids.

    Args:
        energies: tables with their own ids.
        rows: the samples.
        names: names of the tables ``relaxed``, ``hull`` and ``dft``, for messages.

    Raises:
        ConfigError: no id of a table is that of a sample, or a sample's id belongs to another structure in a table.
    """
    samples = {each.row.system_id: identity_of(each.row) for each in rows}
    tables: dict[str, Table] = {"relaxed": energies.relaxed, "hull": energies.hull, "dft": energies.dft}
    renamed: dict[str, Any] = {}
    structures: Mapping[str, AtomicSystem] = energies.structures
    for name, table in tables.items():
        if not table:
            continue
        identities = {key: _identity(key, record, energies, name) for key, record in table.items()}
        met = join_ids(samples, identities, names.get(name, name))
        renamed[name] = {met.get(key, key): record for key, record in table.items()}
        if name == "relaxed":
            structures = {met[key]: replace(s, system_id=met[key]) for key, s in structures.items() if key in met}
    return replace(energies, structures=structures, **renamed)


def _identity(key: str, record: Mapping[str, Any], energies: Energies, name: str) -> RowIdentity:
    structure = energies.structures.get(key) if name == "relaxed" else None
    return identity_of(structure) if structure is not None else identity_of_record(record)
