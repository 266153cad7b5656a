"""A server with its stored answers: each query is stored in a file with its date, and sent once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.data.sources.client import AnswerError, Client, UnreachableError
from adit.progress import log

MOST_FAILURES: Final = 3
"""Number of queries without a usable answer in a row, after which a server is not asked any more."""

Check = Callable[[int, Any], str]
"""Returns from status and content why an answer cannot be used; empty if it can."""


@dataclass(frozen=True)
class ServerAnswer:
    """An answer of a server.

    Attributes:
        address: the query.
        date: when it was answered, UTC, ISO 8601.
        status: HTTP status.
        body: content as JSON.
    """

    address: str
    date: str
    status: int
    body: Any


class Source:
    """Answers of one server, stored in a folder; only those that can be used are stored.

    Args:
        protocol: first part of the names of the files.
        client: sends the queries to the server.
        folder: folder of the answers.
    """

    def __init__(self, protocol: str, client: Client, folder: Path) -> None:
        self.client = client
        self._protocol, self._folder = protocol, folder
        self._failures = 0
        self._left_alone = ""

    def ask(self, address: str, check: Check) -> ServerAnswer:
        """Return the answer to a query, from its file or from the server.

        Args:
            address: the query.
            check: returns why an answer cannot be used.

        Raises:
            AnswerError: there is no usable answer, the stored file is broken, or the server is not asked any more,
                since it could not be reached or failed ``MOST_FAILURES`` times in a row.
        """
        path = self._path(address)
        record = store.cached_json(path, address, lambda: self._fetch(address, check))
        status, date = record.get("status"), record.get("date")
        if not isinstance(status, int) or not isinstance(date, str) or check(status, record.get("body")):
            raise AnswerError(f"{path}: is not an answer that this package stored; delete it and repeat the command")
        return ServerAnswer(address, date, status, record.get("body"))

    def forget(self, address: str) -> None:
        """Remove the answer to a query, so that it is asked again."""
        self._path(address).unlink(missing_ok=True)

    def _path(self, address: str) -> Path:
        return self._folder / f"{self._protocol}-{hashlib.sha256(address.encode()).hexdigest()}.json"

    def _fetch(self, address: str, check: Check) -> dict[str, Any]:
        if self._left_alone:
            raise AnswerError(self._left_alone)
        try:
            status, body = self.client.get(address)
            if problem := check(status, body):
                raise AnswerError(f"{self.client.host}: {problem}")
        except AnswerError as error:
            self._count(error)
            raise
        self._failures = 0
        return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "status": status, "body": body}

    def _count(self, error: AnswerError) -> None:
        self._failures += 1
        rest = ""
        if isinstance(error, UnreachableError) or self._failures >= MOST_FAILURES:
            self._left_alone = f"{self.client.host}: not asked any more, since it failed before"
            rest = "; it is not asked any more in this call: repeat the command to go on"
        log.warning("%s%s", error, rest)
