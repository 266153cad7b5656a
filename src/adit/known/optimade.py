"""Queries of OPTIMADE providers: the structures of a formula, and disordered ones of some elements.

Source: OPTIMADE specification 1.2, structures endpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from adit.elements import reduced_formula
from adit.errors import DataError, one_line
from adit.known.client import AnswerError
from adit.known.entries import EntryError, read_entry
from adit.known.phases import Disordered, KnownPhase, Response
from adit.known.source import Check, Source
from adit.progress import quantity
from adit.systems import AtomicSystem

FIELDS: Final = (
    *("chemical_formula_reduced", "dimension_types", "lattice_vectors", "cartesian_site_positions"),
    *("species_at_sites", "species", "structure_features"),
)
"""Fields that are requested of each entry."""

_VERSIONED: Final = re.compile(r"/v\d+(\.\d+)*$")

_NO_FILTER: Final = (400, 422, 501)
"""Statuses of a server that does not know a filter."""

Other = Callable[[AtomicSystem | Disordered, str], str]
"""Returns why an entry is not what was asked for, from its structure and the provider's formula; empty if it is."""


@dataclass(frozen=True)
class Paging:
    """Sizes of the answers.

    Attributes:
        page_limit: number of entries per page that is requested.
        pages: largest number of pages of a query.
        atoms: largest number of atoms of an entry.
    """

    page_limit: int = 50
    pages: int = 20
    atoms: int = 10_000


class Optimade:
    """One provider.

    Args:
        source: answers of the provider; its base address gets ``/v1`` if it has no version.
        paging: sizes of the answers.
    """

    def __init__(self, source: Source, paging: Paging) -> None:
        self._source, self._paging = source, paging
        base = source.client.base
        self._structures = (base if _VERSIONED.search(base) else f"{base}/v1") + "/structures"

    @property
    def name(self) -> str:
        """Return the host of the provider."""
        return self._source.client.host

    def of_formula(self, formula: str) -> Response:
        """Return the structures of a reduced formula, its elements in alphabetical order; errors are ``faults``."""
        response = Response(self.name)

        def other(row: AtomicSystem | Disordered, text: str) -> str:
            own = reduced_formula(row.numbers) if isinstance(row, AtomicSystem) else text
            return "" if own == formula else f"is {own or 'without formula'}, not {formula}, which was asked for"

        self._collect(f'chemical_formula_reduced="{formula}"', other, response, problem, response.faults)
        return response

    def disordered(self, elements: Sequence[str]) -> Response:
        """Return the disordered structures of exactly these elements, in any amounts.

        Errors are ``faults``; broken entries, and a provider that does not know the filter, are ``remarks``.

        Args:
            elements: symbols in alphabetical order.
        """
        names = ",".join(f'"{name}"' for name in elements)
        query = f'elements HAS ALL {names} AND nelements={len(elements)} AND structure_features HAS "disorder"'
        response = Response(self.name)

        def other(row: AtomicSystem | Disordered, text: str) -> str:
            if not isinstance(row, Disordered):
                return "is ordered, and disordered structures were asked for"
            own = sorted(row.amounts)
            return "" if own == list(elements) else f"has {', '.join(own)}, not the elements that were asked for"

        self._collect(query, other, response, problem_or_refusal, response.remarks)
        return response

    def _collect(self, query: str, other: Other, response: Response, check: Check, broken: list[str]) -> None:
        """Add the entries of all pages to a response, and the faults of single entries to ``broken``."""
        received, announced, addresses = 0, 0, set[str]()
        address: str | None = self._address(query)
        try:
            while address is not None:
                if address in addresses:
                    raise AnswerError(f"{self.name}: its pages repeat without end")
                if len(addresses) == self._paging.pages:
                    most = quantity(self._paging.pages, "page")
                    raise AnswerError(f"{self.name}: has more than {most} (lookup.pages)")
                addresses.add(address)
                answer = self._source.ask(address, check)
                response.dates.append(answer.date)
                if answer.status in _NO_FILTER:
                    response.remarks.append(f"{self.name} cannot be asked for disordered phases")
                    return
                body = answer.body
                self._add(body["data"], other, answer.date, response.phases, broken)
                received += len(body["data"])
                announced = max(announced, _announced(body))
                address = self._next(address, body)
            if received < announced:
                raise AnswerError(f"{self.name}: sends {received} of {quantity(announced, 'entry', 'entries')}")
        except AnswerError as error:
            response.faults.append(str(error))

    def _address(self, query: str) -> str:
        values = {"filter": query, "page_limit": self._paging.page_limit, "response_fields": ",".join(FIELDS)}
        return f"{self._structures}?{urlencode(values, quote_via=quote)}"

    def _next(self, address: str, body: dict[str, Any]) -> str | None:
        """Return the address of the next page; ``None`` after the last one."""
        links, meta = body.get("links"), body.get("meta")
        link = links.get("next") if isinstance(links, dict) else None
        if isinstance(link, dict):
            link = link.get("href")
        if isinstance(link, str) and link:
            return self._source.client.on_host(address, link)
        if isinstance(meta, dict) and meta.get("more_data_available") is True:
            raise AnswerError(f"{self.name}: has more entries and does not say where")
        return None

    def _add(
        self, entries: Sequence[Any], other: Other, date: str, phases: list[KnownPhase], broken: list[str]
    ) -> None:
        for entry in entries:
            name = one_line(str(entry.get("id", "?")) if isinstance(entry, dict) else "?", 80)
            try:
                row, text = read_entry(entry, self._paging.atoms)
                if row is None:
                    continue
                if reason := other(row, text):
                    raise EntryError(reason)
            except DataError as error:
                broken.append(f"{self.name}: entry {name} {error}")
                continue
            place = f"{self._structures}/{quote(str(entry['id']), safe='')}"
            phases.append(KnownPhase(self.name, str(entry["id"]), place, date, row))


def problem(status: int, body: Any) -> str:
    """Return why an answer of a provider cannot be used; empty if it can.

    Args:
        status: HTTP status.
        body: content as JSON.
    """
    if status != 200:
        return f"the server answers {status}{_detail(body)}"
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return "the answer has no list of entries (data): it is no OPTIMADE provider, or broken"
    return ""


def problem_or_refusal(status: int, body: Any) -> str:
    """Return the same as ``problem``; a provider may also say that it does not know the filter."""
    return "" if status in _NO_FILTER and _detail(body) else problem(status, body)


def _detail(body: Any) -> str:
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    detail = first.get("detail") or first.get("title") if isinstance(first, dict) else None
    return f" ({one_line(str(detail), 120)})" if detail else ""


def _announced(body: dict[str, Any]) -> int:
    """Return how many entries the server says that it has for this question; 0 if it does not say."""
    meta = body.get("meta")
    count = meta.get("data_returned") if isinstance(meta, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
