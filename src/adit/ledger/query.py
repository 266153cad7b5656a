"""Queries of a ledger, and marks on its candidates."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adit.columns import Col
from adit.errors import ConfigError, DataError
from adit.expressions import Condition, check_columns, parse_condition
from adit.ledger import candidates
from adit.ledger.database import opened, writing

STATES: Final = ("new", "queued", "dft-done", "confirmed", "rejected", "made")
"""States of a candidate; ``made``: synthesised."""

OTHER_NAMES: Final = {"synthesised": "made", "synthesized": "made", "dft done": "dft-done"}
"""Other words for states; the state itself is stored."""

SHOWN: Final = (
    *("id", "kind", str(Col.FORMULA), "state", str(Col.E_ABOVE_HULL), str(Col.HULL_COVERS_CHEMISTRY)),
    *(str(Col.VERDICT), "novel", "members", "runs"),
)
"""Columns that a query shows by default, if the ledger has them."""

WHERE: Final = "adit ledger"
"""Name of the command, for messages."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: names of the columns.
        rows: values of each candidate, ``None`` if one is missing. Candidates with an energy above the hull come first:
            those on a known hull, then those where this is not stated, then those on an unknown hull, each in the order
            of their energies.
        total: number of candidates that fulfil the condition.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    total: int


def query(path: Path, text: str, shown: Sequence[str] = (), limit: int | None = None) -> Answer:
    """Return the candidates that fulfil a condition.

    Args:
        path: the ledger.
        text: the condition; empty: all candidates.
        shown: columns of the answer; none: ``SHOWN`` and those of the condition.
        limit: largest number of rows; ``None``: all.

    Raises:
        ConfigError: the condition cannot be read, or names a column that no candidate has.
        DataError: there is no such ledger.
    """
    condition = _states(parse_condition(text, WHERE)) if text.strip() else None
    with opened(path) as base:
        names = candidates.columns(base)
        if condition is not None:
            condition.check(names, WHERE)
        columns = list(shown) or _shown(names, condition)
        check_columns(columns, names, WHERE)
        return _answer(base, names, condition, columns, limit)


def _shown(names: Sequence[str], condition: Condition | None) -> list[str]:
    named = [] if condition is None else condition.columns
    return list(dict.fromkeys([name for name in SHOWN if name in names] + named))


def _answer(
    base: sqlite3.Connection,
    names: Sequence[str],
    condition: Condition | None,
    columns: Sequence[str],
    limit: int | None,
) -> Answer:
    where, parameters = ("1", []) if condition is None else condition.sql(lambda name: f"+{candidates.quoted(name)}")
    energy, covers = (
        candidates.quoted(name) if name in names else "NULL" for name in (Col.E_ABOVE_HULL, Col.HULL_COVERS_CHEMISTRY)
    )
    order = f"{energy} IS NULL, CASE {covers} WHEN 1 THEN 0 WHEN 0 THEN 2 ELSE 1 END, {energy}, id"
    chosen = ", ".join(map(candidates.quoted, columns))
    text = f"SELECT {chosen} FROM candidates WHERE {where} ORDER BY {order} LIMIT ?"
    rows = base.execute(text, [*parameters, -1 if limit is None else limit]).fetchall()
    total = len(rows)
    if limit is not None and total == limit:
        total = base.execute(f"SELECT count(*) FROM candidates WHERE {where}", parameters).fetchone()[0]
    return Answer(columns, rows, total)


def state_of(text: str) -> str:
    """Return the state that a word names, as it is stored.

    Raises:
        ConfigError: there is no such state.
    """
    state = OTHER_NAMES.get(text.lower(), text.lower())
    if state not in STATES:
        raise ConfigError(f"{WHERE}: no state '{text}'; states are {', '.join(STATES)} (also: synthesised)")
    return state


def _states(condition: Condition) -> Condition:
    """Return a condition with the states that it compares with as they are stored."""
    return condition.with_texts("state", state_of)


def mark(path: Path, ids: Sequence[str], state: str, comment: str = "") -> str:
    """Set the state of candidates, with the present time (UTC); of all of them or, if one is unknown, of none.

    Args:
        path: the ledger.
        ids: ids of candidates, or their first characters; an id that a candidate had before it was merged counts too.
        state: one of ``STATES``, or another name of one.
        comment: one line.

    Returns:
        The state as it is stored.

    Raises:
        ConfigError: there is no such state, a text is no id, or fits several candidates.
        DataError: there is no such ledger, or an id fits no candidate.
    """
    state = state_of(state)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with opened(path) as base, writing(base):
        touched = []
        for one in ids:
            number, content = _member(base, one)
            base.execute(
                "INSERT INTO marks (content, state, date, comment) VALUES (?, ?, ?, ?)", [content, state, now, comment]
            )
            touched.append(number)
        candidates.refresh(base, touched)
    return state


def _member(base: sqlite3.Connection, text: str) -> tuple[int, str]:
    """Return the candidate of an id, and the content hash of the member that the id names."""
    if not text or not all(character in "0123456789abcdef" for character in text):
        raise ConfigError(f"{WHERE}: '{text}' is no id; ids are in the first column of `adit ledger query`")
    rows = base.execute(
        "SELECT candidate, min(content) FROM members WHERE content >= ? AND content < ? GROUP BY candidate LIMIT 2",
        [text, text + "g"],
    ).fetchall()
    if not rows:
        raise DataError(f"{WHERE}: no candidate {text}; ids are in the first column of `adit ledger query`")
    if len(rows) > 1:
        raise ConfigError(f"{WHERE}: several candidates begin with {text}; give more characters of the id")
    return rows[0]


def history(path: Path, text: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the members of a candidate and its marks.

    Args:
        path: the ledger.
        text: id of the candidate, or its first characters.

    Returns:
        Members: run, id there, energy above the hull (eV/atom or ``None``), the best first. Marks: date (UTC), state,
        comment, the oldest first.

    Raises:
        ConfigError: the text is no id, or fits several candidates.
        DataError: there is no such ledger, or the id fits no candidate.
    """
    with opened(path) as base:
        number, _ = _member(base, text)
        query = f"""SELECT path, system_id, energy FROM members JOIN runs USING (run) WHERE candidate = ?
                    ORDER BY {candidates.BEST}"""
        marks = """SELECT date, state, comment FROM marks
                   WHERE content IN (SELECT content FROM members WHERE candidate = ?) ORDER BY mark"""
        return base.execute(query, [number]).fetchall(), base.execute(marks, [number]).fetchall()
