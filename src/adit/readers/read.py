"""Reads users' files into rows: systems or failures with ids, sources and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from adit.config import LimitsConfig, ReadConfig
from adit.errors import DataError, one_line
from adit.isolate import Outcome, map_isolated
from adit.limits import check_atoms, names_limit
from adit.progress import Progress, log, quantity
from adit.readers.charges import STATE, with_state
from adit.readers.formats.base import (
    CONTRADICTION,
    CutSettings,
    Entry,
    Parsed,
    ParseSettings,
    refuse_contradictions,
)
from adit.readers.formats.geometry import check_size
from adit.readers.formats.registry import FORMATS
from adit.readers.ids import assign_ids
from adit.readers.sources import entries
from adit.readers.table_checks import table_contradictions
from adit.systems import AtomicSystem, Failure

STARTUP_S: Final = 300.0
"""Longest time for loading libraries in a worker, s."""

_BATCH_ENTRIES, _BATCH_CHARACTERS = 64, 400_000
"""Entries and characters of text in a batch of a worker; a batch that fails is read again one by one."""

_REASON: Final = 400
"""Largest number of characters of a reason."""


@dataclass(frozen=True)
class ReadRow:
    """One structure of a file, or the reason of its failure.

    Attributes:
        row: the system or the failure; its id is unique among the rows.
        source: its file; a member of an archive follows a colon.
        notes: notes on how it was read; contradictions of the file begin with ``CONTRADICTION``.
        properties: columns, keys or data fields of the structure in the file.
        periodic: whether its format holds structures with a cell alone, or without one alone; ``None``: either.
    """

    row: AtomicSystem | Failure
    source: str = ""
    notes: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)
    periodic: bool | None = None

    def kept(self) -> AtomicSystem | Failure:
        """Return the row to store; ``source`` in ``info`` is set to its file if missing."""
        if isinstance(self.row, Failure) or self.row.info.keys() - set(STATE):
            return self.row
        notes = {"notes": list(self.notes)} if self.notes else {}
        return replace(self.row, info={**self.row.info, "source": self.source, **notes})


@dataclass(frozen=True)
class ReadSettings:
    """Settings of reading.

    Attributes:
        workers: largest number of processes; 0: in this process, without a limit of time.
        parse: settings of parsing, with the limits (``limits.read_s``: wall time of one structure, s).
        cut: settings of tables.
    """

    workers: int = 1
    parse: ParseSettings = field(default_factory=ParseSettings)
    cut: CutSettings = field(default_factory=CutSettings)

    def needing_structures(self) -> ReadSettings:
        """Return these settings for files of which each has to hold structures, as references."""
        return replace(self, cut=replace(self.cut, needs_structures=True))


def settings_of(
    read: ReadConfig,
    limits: LimitsConfig,
    workers: int,
    *,
    refuse: bool = False,
    structure_column: str = "",
    id_column: str = "",
) -> ReadSettings:
    """Return the settings of reading of a configuration.

    Args:
        read: section ``read`` of the configuration.
        limits: section ``limits`` of the configuration.
        workers: largest number of processes.
        refuse: contradictions are failures, even if not configured.
        structure_column: column of the structures in tables; empty: detected.
        id_column: column or key of the ids; empty: detected.
    """
    parse = ParseSettings(read.merge_distance, read.refuse_contradictions or refuse, limits)
    return ReadSettings(workers, parse, CutSettings(structure_column, id_column))


def read_structures(paths: Sequence[Path], settings: ReadSettings | None = None) -> list[ReadRow]:
    """Return the structures of files, folders and archives, one row per structure, in a fixed order.

    Parsing runs in worker processes, so that a text that crashes or hangs a parser affects one row only.

    Args:
        paths: files, folders and archives.
        settings: settings of reading; ``None``: the defaults.

    Raises:
        DataError: a path does not exist, is of no known format, or holds no structure.
    """
    settings = settings or ReadSettings()
    cut = entries(paths, settings.cut, settings.parse.limits)
    names = assign_ids(cut)
    refuse = settings.parse.refuse_contradictions
    rows = [
        _read_row(entry, name, parsed, refuse=refuse)
        for entry, name, parsed in zip(cut, names, parse_all(cut, settings), strict=True)
    ]
    broken = sum(isinstance(each.row, Failure) for each in rows)
    flagged = sum(any(note.startswith(CONTRADICTION) for note in each.notes) for each in rows)
    log.info(
        "%s read%s%s",
        quantity(len(rows), "structure"),
        f", {broken} of them failed: each is a row with its reason" if broken else "",
        f"; contradictions to their own file: {flagged}, see the notes" if flagged else "",
    )
    return rows


def need_structures(rows: Sequence[ReadRow]) -> None:
    """Check that at least one structure was read, since a result on none is meaningless.

    Structures beyond a limit of the configuration do not count as unreadable.

    Raises:
        DataError: every row is a failure of reading, and none of them because of a limit.
    """
    failures = [row.row for row in rows if isinstance(row.row, Failure) and row.row.stage == "read"]
    if failures and len(failures) == len(rows) and not any(names_limit(failure.reason) for failure in failures):
        first = f"{failures[0].system_id}: {failures[0].reason}"
        which = "the structure cannot" if len(rows) == 1 else f"none of the {len(rows)} structures can"
        raise DataError(f"{which} be read ({first}); check the files and their format")


def parse_all(cut: Sequence[Entry], settings: ReadSettings) -> list[Parsed | str]:
    """Return the parsed structure of each entry, or why it is not a structure, in order.

    Args:
        cut: entries.
        settings: settings of reading, with the number of processes and the wall limit of one structure.
    """
    outcomes: list[Parsed | str] = [entry.problem for entry in cut]
    todo = [n for n, entry in enumerate(cut) if not entry.problem and entry.format != "Arrow"]
    for n, entry in enumerate(cut):
        if entry.format == "Arrow" and not entry.problem:
            outcomes[n] = parse_entry(entry, settings.parse)
    if settings.workers < 1:
        for n in todo:
            outcomes[n] = parse_entry(cut[n], settings.parse)
        return outcomes
    progress = Progress("structures read", len(todo))
    batches = _batches(cut, todo)
    tasks = [_Task([_bare(cut[n]) for n in batch], settings.parse) for batch in batches]

    def count(number: int, outcome: Outcome) -> None:
        if outcome.status == "ok":
            progress.update(len(batches[number]))

    again: list[int] = []
    for batch, outcome in zip(batches, _isolated(tasks, settings, count), strict=True):
        if outcome.status == "ok":
            for n, parsed in zip(batch, outcome.value, strict=True):
                outcomes[n] = parsed
        elif len(batch) == 1:
            outcomes[batch[0]] = outcome.reason
        else:
            again += batch
    single = [_Task([_bare(cut[n])], settings.parse) for n in again]
    for n, outcome in zip(again, _isolated(single, settings, lambda *_: progress.update()), strict=True):
        outcomes[n] = outcome.value[0] if outcome.status == "ok" else outcome.reason
    return outcomes


@dataclass(frozen=True)
class _Task:
    entries: Sequence[Entry]
    settings: ParseSettings


def _isolated(
    tasks: Sequence[_Task], settings: ReadSettings, on_result: Callable[[int, Outcome], None]
) -> list[Outcome]:
    if not tasks:
        return []
    return map_isolated(
        _parse_task,
        tasks,
        workers=min(settings.workers, len(tasks)),
        wall_limit_s=settings.parse.limits.read_s,
        memory_bytes=settings.parse.limits.worker_bytes,
        startup_s=STARTUP_S,
        warm_up=load_parsers,
        on_result=on_result,
    )


def _parse_task(task: _Task) -> list[Parsed | str]:
    return [parse_entry(entry, task.settings) for entry in task.entries]


def load_parsers() -> None:
    """Load the libraries of a worker before the time of its first entry starts."""
    import pymatgen.io.cif  # noqa: F401

    FORMATS["SDF"].parse("\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n" + _ONE_ATOM, ParseSettings())


_ONE_ATOM: Final = "    0.0000    0.0000    0.0000 C   0  0\nM  END\n"


def _bare(entry: Entry) -> Entry:
    """Return an entry with only the fields that parsing needs."""
    return Entry(entry.format, entry.content)


def _batches(cut: Sequence[Entry], todo: Sequence[int]) -> list[list[int]]:
    batches: list[list[int]] = []
    size = 0
    for n in todo:
        content = cut[n].content
        weight = len(content) if isinstance(content, str) else 2000
        if not batches or len(batches[-1]) >= _BATCH_ENTRIES or size + weight > _BATCH_CHARACTERS:
            batches.append([])
            size = 0
        batches[-1].append(n)
        size += weight
    return batches


def parse_entry(entry: Entry, settings: ParseSettings) -> Parsed | str:
    """Return the parsed structure of an entry, or why it is not a structure.

    Raises:
        MemoryError: the process has no memory left; the worker is replaced.
    """
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # the result is checked
            parsed = FORMATS[entry.format].parse(entry.content, settings)
        check_atoms(len(parsed.system), settings.limits)
        check_size(parsed.system)
        if settings.refuse_contradictions:
            refuse_contradictions(parsed)
        return parsed
    except DataError as error:
        return _one_line(str(error))
    except MemoryError:  # reported by the worker, which is replaced
        raise
    except Exception as error:  # noqa: BLE001 - any exception of a library becomes the row's reason
        return _one_line(f"{type(error).__name__}: {error}")


def _one_line(text: str) -> str:
    words = one_line(text, _REASON)
    for placeholder in ("cif: ", "xyz: ", "mol: ", "poscar: ", "json: ", "row: "):
        words = words.removeprefix(placeholder)
    return words or "no structure"


def _read_row(entry: Entry, name: str, parsed: Parsed | str, *, refuse: bool) -> ReadRow:
    if isinstance(parsed, str):
        kind = entry.content.kind if isinstance(entry.content, Failure) else None
        stage = entry.content.stage if isinstance(entry.content, Failure) else "read"
        periodic = FORMATS[entry.format].periodic if entry.format in FORMATS else None
        return ReadRow(Failure(name, stage, parsed, kind), entry.source, entry.notes, entry.properties, periodic)
    notes = (*entry.notes, *parsed.notes)
    properties = {**entry.properties, **parsed.properties}
    against = table_contradictions(properties, parsed.system) if entry.format != "Arrow" else []
    notes = (*notes, *(f"{CONTRADICTION}{each}" for each in against))
    try:
        if against and refuse:
            raise DataError("; ".join(against))
        system = with_state(parsed.system, properties)
    except DataError as error:
        failure = Failure(name, "read", _one_line(str(error)), parsed.system.kind)
        return ReadRow(failure, entry.source, notes, properties)
    if system.system_id != name:
        system = system.labelled(name, system.info)
    return ReadRow(system, entry.source, notes, properties)
