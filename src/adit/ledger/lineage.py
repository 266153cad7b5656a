"""Which run of a ledger a folder is: the one with the same samples, wherever it lies, else the one of the same path."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from adit.ledger.gather import RunSample
from adit.ledger.texts import to_text
from adit.progress import log


def number_of(base: sqlite3.Connection, run: Path, rows: Sequence[RunSample]) -> int | None:
    """Return the number of the run that a folder is; ``None`` if the ledger does not have it.

    Samples are the same if their ids and generated structures are, to the last digit. One of two that are the same run
    may have more of them: a run grows, and a copy may be older.

    Args:
        base: the ledger.
        run: absolute path of the folder.
        rows: samples of the folder.
    """
    own = {(row.generated.system_id, to_text(row.generated)) for row in rows}
    by_path = base.execute("SELECT run FROM runs WHERE path = ?", [str(run)]).fetchone()
    here = None if by_path is None else int(by_path[0])
    ends = """SELECT run, system_id, generated FROM members WHERE member IN (
              SELECT min(member) FROM members GROUP BY run UNION SELECT max(member) FROM members GROUP BY run)"""
    alike = {int(number) for number, *key in base.execute(ends) if tuple(key) in own}
    for number in sorted(alike, key=lambda each: (each != here, each)):
        there = set(base.execute("SELECT system_id, generated FROM members WHERE run = ?", [number]))
        if there <= own or own <= there:
            return number
    return here


def stored(base: sqlite3.Connection, run: Path, rows: Sequence[RunSample]) -> tuple[int, set[int]]:
    """Return the number of a run, which is added if there is none, and the candidates whose run has a new path.

    A run keeps its path if there are copies; one whose folder is gone gets the new path.

    Args:
        base: the ledger, within a transaction.
        run: absolute path of the folder.
        rows: samples of the folder.
    """
    number = number_of(base, run, rows)
    if number is None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        cursor = base.execute("INSERT INTO runs (path, added) VALUES (?, ?)", [str(run), now])
        return int(cursor.lastrowid or 0), set()
    (path,) = base.execute("SELECT path FROM runs WHERE run = ?", [number]).fetchone()
    if path == str(run):
        return number, set()
    taken = base.execute("SELECT 1 FROM runs WHERE path = ?", [str(run)]).fetchone()
    if Path(path).is_dir() or taken:
        log.info("%s: has the samples of %s, which is updated", run, path)
        return number, set()
    log.info("%s: is %s, which has moved", run, path)
    base.execute("UPDATE runs SET path = ? WHERE run = ?", [str(run), number])
    return number, {each for (each,) in base.execute("SELECT DISTINCT candidate FROM members WHERE run = ?", [number])}
