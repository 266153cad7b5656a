"""Adds the candidates of runs to a ledger and merges duplicates, whatever the order in which runs are added."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adit.columns import Col
from adit.errors import DataError, from_os_error
from adit.ledger import candidates, lineage
from adit.ledger.database import opened, writing
from adit.ledger.gather import RunSample, gather
from adit.ledger.merge import Peer, matching_pairs, reduced_of
from adit.ledger.texts import from_text, to_text
from adit.progress import log, quantity
from adit.systems import Kind


@dataclass(frozen=True)
class Added:
    """Numbers of structures of a run that were added to a ledger.

    Attributes:
        members: structures that are new in the ledger.
        candidates: new candidates: those all of whose members are among these structures.
        updated: structures that were in the ledger, with new scores.
    """

    members: int
    candidates: int
    updated: int


def add(path: Path, runs: Sequence[Path], workers: int) -> None:
    """Add runs to a ledger, one transaction per run; a run that was added before is updated.

    Args:
        path: the file of the ledger; created if it does not exist.
        runs: folders of runs; of several, those without scores are left out.
        workers: largest number of processes.

    Raises:
        ConfigError: a newer version of this package wrote the ledger.
        DataError: no folder has scores, the file is no ledger, or a file of a run is broken; all other runs are added.
        ExternalToolError: another process writes to the ledger for longer than ``PATIENCE_S``.
    """
    folders = list(dict.fromkeys(run.resolve() for run in runs if _is_run(run, len(runs))))
    if not folders:
        raise DataError("no folder with scores among those given; name runs, e.g. results/demo")
    if path.exists():
        with opened(path, create=True):  # what is no ledger is refused before runs are read
            pass
    broken: list[Path] = []
    for run in folders:
        try:
            _add_run(path, run, workers)
        except (DataError, OSError) as error:
            if len(folders) == 1:
                raise
            broken.append(run)
            log.error("%s", from_os_error(error, str(run)) if isinstance(error, OSError) else error)
    if path.exists():
        with opened(path) as base:
            total = base.execute("SELECT count(*) FROM candidates").fetchone()[0]
        log.info("%s: %s", path, quantity(total, "candidate"))
    if broken:
        number = f"{len(broken)} of {quantity(len(folders), 'run')}"
        raise DataError(f"{path}: {number} not added, for the reasons above; repair them and add them again")


def _add_run(path: Path, run: Path, workers: int) -> None:
    """Add one run; the ledger is made only when the run was read."""
    samples = {(row.generated.system_id, row.content): row for row in gather(run)}
    if reason := candidates.unusable({name for row in samples.values() for name in row.record}):
        raise DataError(f"{run}: scores have {reason}")
    with opened(path, create=True) as base:
        added = _add(base, run, list(samples.values()), workers)
    log.info("%s: %s", run, _text(added))


def _text(added: Added) -> str:
    new = quantity(added.candidates, "new candidate")
    return f"{quantity(added.members, 'structure')} added ({new}), {added.updated} updated"


def _is_run(run: Path, number: int) -> bool:
    """Return whether a folder has scores; of several, as ``results/*`` gives them, others are left out with a line."""
    if any((run / "scores").glob("*.parquet")) or number == 1:
        return True
    log.info("%s: left out, because it has no scores", run)
    return False


@dataclass
class _Batch:
    """The new members of a run, by negative numbers, until they are written.

    Attributes:
        samples: new members.
        reduced: reduced structures, as text, of the crystals among them.
        peers: these crystals, for comparisons.
        edges: pairs of numbers of members that match.
        seen: largest number of a member in the ledger that they were compared with.
    """

    samples: dict[int, RunSample]
    reduced: dict[int, str] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    seen: int = 0


def _add(base: sqlite3.Connection, run: Path, rows: Sequence[RunSample], workers: int) -> Added:
    """Compare first, without keeping others from writing; then write, and compare with what came in between."""
    there = _keys(base, lineage.number_of(base, run, rows))
    new = {-1 - n: row for n, row in enumerate(rows) if (row.generated.system_id, row.content) not in there}
    batch = _Batch(new)
    crystals = {n: row.system for n, row in new.items() if row.system.kind is Kind.CRYSTAL}
    reduced = reduced_of(crystals, workers) if crystals else {}
    batch.peers = [Peer(n, new[n].formula, n, system) for n, system in reduced.items()]
    batch.reduced = {n: to_text(system) for n, system in reduced.items()}
    batch.edges = matching_pairs(batch.peers, batch.peers, workers)
    while True:
        _compare(base, batch, workers)
        with writing(base):
            if _largest(base) == batch.seen:
                return _write(base, run, rows, batch)


def _compare(base: sqlite3.Connection, batch: _Batch, workers: int) -> None:
    """Compare with the members that the ledger has beyond those that were compared before."""
    largest = _largest(base)
    formulas = sorted({peer.formula for peer in batch.peers})
    there = list(_peers(base, formulas, batch.seen, largest))
    if there:
        batch.edges += matching_pairs(batch.peers, there, workers)
    batch.seen = largest


def _keys(base: sqlite3.Connection, run: int | None) -> set[tuple[str, str]]:
    return set(base.execute("SELECT system_id, content FROM members WHERE run = ?", [run]))


def _largest(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT COALESCE(max(member), 0) FROM members").fetchone()[0])


def _peers(base: sqlite3.Connection, formulas: Iterable[str], after: int, largest: int) -> Iterator[Peer]:
    query = """SELECT member, candidate, reduced FROM members
               WHERE kind = 'crystal' AND formula = ? AND member > ? AND member <= ? AND reduced IS NOT NULL"""
    for formula in formulas:
        for number, candidate, text in base.execute(query, [formula, after, largest]):
            yield Peer(number, formula, candidate, from_text(text, str(number)))


def _write(base: sqlite3.Connection, run: Path, rows: Sequence[RunSample], batch: _Batch) -> Added:
    """Write the members of a run, join those that are the same, and bring their candidates up to date."""
    run_number, moved = lineage.stored(base, run, rows)
    there = _keys(base, run_number)  # another process may have added the same run meanwhile
    touched: set[int] = moved
    numbers: dict[int, int] = {}
    for n, row in batch.samples.items():
        if (row.generated.system_id, row.content) not in there:
            numbers[n] = _insert(base, run_number, row, batch.reduced.get(n))
            touched |= _join(base, [numbers[n], *_same(base, row)])
    for first, second in batch.edges:
        if first in numbers and (second > 0 or second in numbers):
            touched |= _join(base, [numbers[first], numbers.get(second, second)])
    old = [row for row in rows if (row.generated.system_id, row.content) in there]
    for row in old:
        touched |= _update(base, run_number, row)
    alone = candidates.refresh(base, touched)
    fresh = set(numbers.values())
    return Added(len(fresh), sum(members <= fresh for members in alone), len(old))


def _insert(base: sqlite3.Connection, run: int, row: RunSample, reduced: str | None) -> int:
    values = {
        "run": run,
        Col.SYSTEM_ID: row.generated.system_id,
        "content": row.content,
        "kind": str(row.system.kind),
        Col.FORMULA: row.formula,
        "name": row.name,
        "candidate": 0,
        "energy": row.energy,
        "record": _json(row.record),
        "generated": to_text(row.generated),
        "relaxed": None if row.relaxed is None else to_text(row.relaxed),
        "reduced": reduced,
    }
    marks = ", ".join("?" * len(values))
    cursor = base.execute(f"INSERT INTO members ({', '.join(values)}) VALUES ({marks})", list(values.values()))
    number = int(cursor.lastrowid or 0)
    base.execute("UPDATE members SET candidate = member WHERE member = ?", [number])
    return number


def _json(record: Mapping[str, object]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _same(base: sqlite3.Connection, row: RunSample) -> list[int]:
    """Return the members of equal content, and those of the same molecule by its SMILES."""
    kind, numbers = str(row.system.kind), []
    for column, value in (("content", row.content), ("name", row.name)):
        query = f"SELECT min(member) FROM members WHERE {column} = ? AND kind = ?"
        numbers += [number for (number,) in base.execute(query, [value, kind]) if number and value]
    return numbers


def _join(base: sqlite3.Connection, members: Sequence[int]) -> set[int]:
    """Give the members, and all that are the same as one of them, one candidate; return the candidates before."""
    marks = ", ".join("?" * len(members))
    query = f"SELECT DISTINCT candidate FROM members WHERE member IN ({marks})"
    numbers = {number for (number,) in base.execute(query, list(members))}
    for number in numbers - {min(numbers)}:
        base.execute("UPDATE members SET candidate = ? WHERE candidate = ?", [min(numbers), number])
    return numbers


def _update(base: sqlite3.Connection, run: int, row: RunSample) -> set[int]:
    """Give a member that is there its new scores; return its candidate."""
    place = [run, row.generated.system_id, row.content]
    where = "WHERE run = ? AND system_id = ? AND content = ?"
    base.execute(f"UPDATE members SET record = ?, energy = ? {where}", [_json(row.record), row.energy, *place])
    return {number for (number,) in base.execute(f"SELECT candidate FROM members {where}", place)}
