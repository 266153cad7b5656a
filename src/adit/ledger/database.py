"""The file of a ledger: its tables, its version, and who may write when.

A ledger is one SQLite file. It is changed in place, in transactions: a process that is killed at any instant leaves
what was there before or all that it added. Two processes may write: the second waits for the first.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from adit.errors import AditError, ConfigError, DataError, ExternalToolError, from_os_error

APPLICATION: Final = 0x41444C47
"""``application_id`` of the file: no other SQLite file is taken for a ledger."""

VERSION: Final = 1
"""``user_version`` of the file: raised with every change of the tables."""

PATIENCE_S: Final = 30.0
"""How long to wait for another process that writes, s."""

TABLES: Final = (
    """CREATE TABLE runs (
        run INTEGER PRIMARY KEY,
        path TEXT NOT NULL UNIQUE,
        added TEXT NOT NULL
    )""",
    """CREATE TABLE members (
        member INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs,
        system_id TEXT NOT NULL,
        content TEXT NOT NULL,
        kind TEXT NOT NULL,
        formula TEXT NOT NULL,
        name TEXT NOT NULL,
        candidate INTEGER NOT NULL,
        energy REAL,
        record TEXT NOT NULL,
        generated TEXT NOT NULL,
        relaxed TEXT,
        reduced TEXT,
        UNIQUE (run, system_id, content)
    )""",
    "CREATE INDEX members_formula ON members (kind, formula)",
    "CREATE INDEX members_name ON members (name)",
    "CREATE INDEX members_content ON members (content)",
    "CREATE INDEX members_candidate ON members (candidate)",
    """CREATE TABLE candidates (
        candidate INTEGER PRIMARY KEY,
        id,
        kind,
        state,
        state_date,
        comment,
        members,
        runs,
        run
    )""",
    "CREATE INDEX candidates_id ON candidates (id)",
    """CREATE TABLE marks (
        mark INTEGER PRIMARY KEY,
        content TEXT NOT NULL,
        state TEXT NOT NULL,
        date TEXT NOT NULL,
        comment TEXT NOT NULL
    )""",
    "CREATE INDEX marks_content ON marks (content)",
)
"""A member is a structure of a run; a candidate the members that are the same, with the values of its best member."""


@contextmanager
def opened(path: Path, *, create: bool = False, patience_s: float = PATIENCE_S) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a ledger; the caller begins transactions (``writing``).

    Args:
        path: the file.
        create: whether the file is created if it does not exist.
        patience_s: longest wait for another process, s.

    Raises:
        ConfigError: a newer version of this package wrote it.
        DataError: it is missing, no ledger, damaged, or cannot be written.
        ExternalToolError: another process writes for longer than ``patience_s``.
    """
    if not create and not path.exists():
        raise DataError(f"{path}: no such ledger; fill one with `adit ledger add results/* --ledger {path}`")
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no plain file; name the file of a ledger")
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, f"writing {path}") from error
    mode = "rwc" if create else "rw" if os.access(path, os.W_OK) else "ro"
    address = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=patience_s, isolation_level=None)) as base:
            _check(base, path, create)
            base.execute("PRAGMA foreign_keys = ON")
            yield base
    except sqlite3.Error as error:
        raise _in_words(error, path) from error


@contextmanager
def writing(base: sqlite3.Connection) -> Iterator[None]:
    """Within the block, be the only one that writes; all changes are kept if it ends without error, otherwise none.

    Raises:
        sqlite3.OperationalError: another process writes for too long; ``opened`` makes it an ``ExternalToolError``.
    """
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if base.in_transaction:  # SQLite itself ends it where the disk is full
            base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _check(base: sqlite3.Connection, path: Path, create: bool) -> None:
    """Make the tables of a new file; refuse one that is no ledger, or a newer one."""
    base.execute("BEGIN")  # one state of the file: another process may make its tables at this moment
    queries = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    application, version, tables = (base.execute(query).fetchone()[0] for query in queries)
    base.execute("COMMIT")
    if application == APPLICATION:
        if version > VERSION:
            raise ConfigError(
                f"{path}: is a ledger of version {version}, and this version of adit knows {VERSION}; "
                "use the newer version that wrote it"
            )
        return
    if application or version or tables:
        raise DataError(f"{path}: is an SQLite file and no ledger of this package; name another file")
    if not create:
        raise DataError(f"{path}: is empty; fill it with `adit ledger add results/* --ledger {path}`")
    with writing(base):
        if base.execute("PRAGMA application_id").fetchone()[0] == APPLICATION:
            return  # another process made it since
        for statement in TABLES:
            base.execute(statement)
        base.execute(f"PRAGMA application_id = {APPLICATION}")
        base.execute(f"PRAGMA user_version = {VERSION}")


def _in_words(error: sqlite3.Error, path: Path) -> AditError:
    """Return one line with the way out for an error of SQLite."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ExternalToolError(f"{path}: another process writes to this ledger; wait for it, then repeat the command")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return DataError(f"{path}: cannot be written ({error}); check the permissions of the file and of its folder")
    if name.startswith("SQLITE_FULL"):
        return DataError(f"{path}: no space left on the device; free some space and run the same command again")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return DataError(f"{path}: is no SQLite file, or damaged ({error}); name another file, or a copy of it")
    return DataError(f"{path}: {error}")
