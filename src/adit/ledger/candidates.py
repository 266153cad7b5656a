"""The table of candidates: of members that are the same, the values of the best one, the state and the counts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final

from adit.columns import Col
from adit.errors import DataError

FIXED: Final = ("candidate", "id", "kind", "state", "state_date", "comment", "members", "runs", "run")
"""Columns of the ledger's own; all others are columns of the scores."""

MOST_COLUMNS: Final = 1500
"""Largest number of columns of candidates; SQLite allows 2000."""

ID_LENGTH: Final = 12
"""Number of characters of an id, which is the beginning of the smallest content hash of its members."""

NEW: Final = "new"
"""State of a candidate that was never marked."""


BEST: Final = f"""COALESCE(json_extract(members.record, '$.{Col.HULL_COVERS_CHEMISTRY}'), 1) = 0,
    members.energy IS NULL, members.energy, members.content, runs.path, members.system_id"""
"""Order of the members of a candidate, the best first: known hulls, then the lowest energy above the hull."""


def quoted(name: str) -> str:
    """Return a column's name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def columns(base: sqlite3.Connection) -> list[str]:
    """Return the names of the columns of candidates, without their number."""
    return [row[1] for row in base.execute("PRAGMA table_info(candidates)") if row[1] != "candidate"]


def unusable(names: Collection[str]) -> str:
    """Return why a table cannot have columns of these names beside those of ``FIXED``; empty if it can."""
    if len({name.lower() for name in (*FIXED, *names)}) > MOST_COLUMNS:
        return f"more than {MOST_COLUMNS} columns"
    return "a column name that SQLite cannot have" if any("\0" in name for name in names) else ""


def refresh(base: sqlite3.Connection, touched: Iterable[int]) -> list[set[int]]:
    """Write the rows of candidates again; rows of candidates that were joined with another are removed.

    Args:
        base: the ledger, within a transaction.
        touched: numbers of candidates.

    Returns:
        The numbers of the members of each candidate that still exists.

    Raises:
        DataError: with the columns of the scores, the table would have too many columns or an impossible name.
    """
    there = {name.lower(): name for name in (*FIXED, *columns(base))}
    members_of = []
    for number in sorted(set(touched)):
        base.execute("DELETE FROM candidates WHERE candidate = ?", [number])
        values, members = _row(base, number)
        if members:
            _add_columns(base, values, there)
            members_of.append(members)
            named = {there[name.lower()]: value for name, value in values.items()}
            marks = ", ".join("?" * len(named))
            names = ", ".join(map(quoted, named))
            base.execute(f"INSERT INTO candidates ({names}) VALUES ({marks})", list(named.values()))
    return members_of


def _row(base: sqlite3.Connection, number: int) -> tuple[dict[str, Any], set[int]]:
    """Return the values of a candidate and the numbers of its members.

    The best member has the lowest energy above the hull, on a known hull if there is one; without energies, the
    smallest content hash decides.
    """
    query = f"""SELECT member, content, kind, energy, record, path FROM members JOIN runs USING (run)
                WHERE candidate = ? ORDER BY {BEST}"""
    members = base.execute(query, [number]).fetchall()
    if not members:
        return {}, set()
    best = members[0]
    contents = sorted({row[1] for row in members})
    state, date, comment = _state(base, contents)
    record = {name: value for name, value in json.loads(best[4]).items() if name.lower() not in FIXED}
    fixed = {
        "candidate": number,
        "id": contents[0][:ID_LENGTH],
        "kind": best[2],
        "state": state,
        "state_date": date,
        "comment": comment,
        "members": len(members),
        "runs": len({row[5] for row in members}),
        "run": best[5],
    }
    return {**record, **fixed}, {row[0] for row in members}


def _state(base: sqlite3.Connection, contents: list[str]) -> tuple[str, str | None, str | None]:
    """Return the last mark of any member: its state, date and comment."""
    marks = []
    for content in contents:
        marks += base.execute("SELECT mark, state, date, comment FROM marks WHERE content = ?", [content]).fetchall()
    return max(marks)[1:] if marks else (NEW, None, None)


def _add_columns(base: sqlite3.Connection, values: Iterable[str], there: dict[str, str]) -> None:
    """Add the columns that are new; names that differ in capitals only are one column, as SQLite has it."""
    for name in values:
        if name.lower() in there:
            continue
        if reason := unusable([*there.values(), name]):
            raise DataError(f"with the columns of these scores, the ledger would have {reason}: {name!r}")
        base.execute(f"ALTER TABLE candidates ADD COLUMN {quoted(name)}")
        there[name.lower()] = name
