"""Queries of PubChem: the compound of an InChIKey.

Source: PUG REST; a key that PubChem does not have is answered with status 404 and the code ``PUGREST.NotFound``.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from adit.data.sources.answers import Source
from adit.data.sources.client import AnswerError
from adit.known.phases import Response

NOT_THERE: Final = "PUGREST.NotFound"
"""Code of the answer if PubChem does not have a key."""


class PubChem:
    """PubChem, or another server with its interface.

    Args:
        source: answers of the server.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        parts = urlsplit(source.client.base)
        self._site = f"{parts.scheme}://{parts.netloc}"

    @property
    def name(self) -> str:
        """Return the host of the server."""
        return self._source.client.host

    def of_inchikey(self, key: str) -> tuple[Response, int | None]:
        """Return the answer of the server, without structures, and the number (CID) of the compound.

        ``None`` instead of a number if there is no such compound, or no usable answer; then ``faults`` say why.
        """
        response = Response(self.name)
        try:
            address = f"{self._source.client.base}/compound/inchikey/{key}/property/InChIKey/JSON"
            answer = self._source.ask(address, lambda status, body: problem(status, body, key))
        except AnswerError as error:
            response.faults.append(str(error))
            return response, None
        response.dates.append(answer.date)
        return response, None if answer.status == 404 else min(_compounds(answer.body, key))

    def page(self, compound: int) -> str:
        """Return the address of a compound's page."""
        return f"{self._site}/compound/{compound}"


def problem(status: int, body: Any, key: str) -> str:
    """Return why an answer cannot be used; empty if it can.

    Args:
        status: HTTP status.
        body: content as JSON.
        key: the InChIKey that was asked for.
    """
    fault = body.get("Fault") if isinstance(body, dict) else None
    code = fault.get("Code") if isinstance(fault, dict) else None
    if status == 404:
        return "" if code == NOT_THERE else "the server answers 404 and is not PubChem (no fault PUGREST.NotFound)"
    if status != 200:
        return f"the server answers {status}"
    return "" if _compounds(body, key) else f"the answer has no compound with the InChIKey {key}, which was asked for"


def _compounds(body: Any, key: str) -> list[int]:
    """Return the numbers of the compounds of an answer that have this key."""
    table = body.get("PropertyTable") if isinstance(body, dict) else None
    rows = table.get("Properties") if isinstance(table, dict) else None
    return [
        row["CID"]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("InChIKey") == key and type(row.get("CID")) is int and row["CID"] > 0
    ]
