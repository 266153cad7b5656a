"""Known structures in files of the user: no network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adit.elements import composition, hill, reduced_formula
from adit.known.names import inchikeys
from adit.known.phases import KnownPhase, Response
from adit.progress import log, quantity
from adit.readers import ReadSettings, need_structures, read_structures
from adit.systems import AtomicSystem, Failure, Kind

NAME = "files"
"""Name of files as a source."""


@dataclass
class LocalSets:
    """Structures of files.

    Attributes:
        by_formula: crystals by reduced formula, in alphabetical order.
        by_key: molecules by InChIKey.
        unread: why the files are not a complete answer, for crystals (``True``) and for molecules (``False``).
    """

    by_formula: dict[str, list[KnownPhase]] = field(default_factory=dict)
    by_key: dict[str, KnownPhase] = field(default_factory=dict)
    unread: dict[bool, list[str]] = field(default_factory=lambda: {True: [], False: []})

    def of_formula(self, formula: str) -> Response:
        """Return the crystals of a reduced formula, its elements in alphabetical order."""
        return Response(NAME, list(self.by_formula.get(formula, ())), faults=list(self.unread[True]))

    def of_inchikey(self, key: str) -> Response:
        """Return the molecule of a standard InChIKey, if there is one."""
        phase = self.by_key.get(key)
        return Response(NAME, [] if phase is None else [phase], faults=list(self.unread[False]))


def read(paths: Sequence[Path], systems: Collection[AtomicSystem], reading: ReadSettings) -> LocalSets:
    """Return the structures of files that may be one of ``systems``: those of the same formulas.

    Args:
        paths: files, folders and archives.
        systems: structures that are looked up.
        reading: settings of reading; its number of processes also holds for the InChIKeys.

    Raises:
        DataError: a path is missing or of no known format, or none of the structures can be read.
    """
    sets = LocalSets()
    formulas = {reduced_formula(row.numbers) for row in systems if row.cell is not None}
    molecular = {_hill(row) for row in systems if row.cell is None}
    molecules: list[KnownPhase] = []
    rows = read_structures(paths, reading)
    need_structures(rows)
    failures: list[Failure] = []
    for each in rows:
        if isinstance(each.row, Failure):
            failures.append(each.row)
            continue
        phase = KnownPhase(NAME, each.row.system_id, each.source, "", each.row)
        if each.row.cell is None:
            molecules += [phase] * (_hill(each.row) in molecular)
        elif (formula := reduced_formula(each.row.numbers)) in formulas:
            sets.by_formula.setdefault(formula, []).append(phase)
    keys = inchikeys(
        [phase.structure for phase in molecules if isinstance(phase.structure, AtomicSystem)], reading.workers
    )
    for phase, (key, _) in zip(molecules, keys, strict=True):
        if key:
            sets.by_key.setdefault(key, phase)
    _complain(sets, failures, len(rows), sum(not key for key, _ in keys))
    return sets


def _complain(sets: LocalSets, failures: Sequence[Failure], number: int, unnamed: int) -> None:
    """Note why the files are not a complete answer; a failure of unknown kind may be a crystal or a molecule."""
    for periodic in (True, False):
        lacking = [row for row in failures if row.kind is None or (row.kind is not Kind.MOLECULE) is periodic]
        if lacking:
            sets.unread[periodic].append(f"{len(lacking)} of {quantity(number, 'reference')} could not be read")
    if unnamed:
        sets.unread[False].append(f"no bonds fit in {quantity(unnamed, 'reference molecule')} of the same formulas")
    for text in dict.fromkeys([*sets.unread[True], *sets.unread[False]]):
        log.warning("%s; what has no match is unknown", text)


def _hill(system: AtomicSystem) -> str:
    return hill(composition(system.numbers))
