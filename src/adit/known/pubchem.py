"""Questions to PubChem: the compound of an InChIKey.

Source: PUG REST; a key that PubChem does not have is answered with status 404 and the code ``PUGREST.NotFound``.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from adit.known.client import AnswerError
from adit.known.phases import Response
from adit.known.source import Source

NOT_THERE: Final = "PUGREST.NotFound"


class PubChem:
    """PubChem, or another server with its interface.

    Args:
        source: its answers.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        parts = urlsplit(source.client.base)
        self._site = f"{parts.scheme}://{parts.netloc}"

    @property
    def name(self) -> str:
        """Return the host."""
        return self._source.client.host

    def of_inchikey(self, key: str) -> tuple[Response, int | None]:
        """Return what the server says, and the number of the compound; ``None`` where it has none."""
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
    """Return why an answer cannot be used; empty if it can."""
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
