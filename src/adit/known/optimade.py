"""Queries of OPTIMADE providers: the structures of a formula, and disordered ones of some elements.

Source: OPTIMADE specification 1.2, structures endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from adit.data.sources.answers import Check, Source
from adit.data.sources.client import AnswerError
from adit.data.sources.optimade import Paging, Provider, detail, problem
from adit.elements import reduced_formula
from adit.errors import DataError, one_line
from adit.known.entries import EntryError, read_entry
from adit.known.phases import Disordered, KnownPhase, Response
from adit.systems import AtomicSystem

FIELDS: Final = (
    *("chemical_formula_reduced", "dimension_types", "lattice_vectors", "cartesian_site_positions"),
    *("species_at_sites", "species", "structure_features"),
)
"""Fields that are requested of each entry."""

_NO_FILTER: Final = (400, 422, 501)
"""Statuses of a server that does not know a filter."""

Other = Callable[[AtomicSystem | Disordered, str], str]
"""Returns why an entry is not what was asked for, from its structure and the provider's formula; empty if it is."""


class Optimade:
    """One provider.

    Args:
        source: answers of the provider; its base address gets ``/v1`` if it has no version.
        paging: sizes of the answers.
        atoms: largest number of atoms of an entry.
    """

    def __init__(self, source: Source, paging: Paging, atoms: int = 10_000) -> None:
        self._provider, self._atoms = Provider(source, paging), atoms

    @property
    def name(self) -> str:
        """Return the host of the provider."""
        return self._provider.name

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
        try:
            for answer in self._provider.pages(query, FIELDS, check):
                response.dates.append(answer.date)
                if answer.status in _NO_FILTER:
                    response.remarks.append(f"{self.name} cannot be asked for disordered phases")
                    return
                self._add(answer.body["data"], other, answer.date, response.phases, broken)
        except AnswerError as error:
            response.faults.append(str(error))

    def _add(
        self, entries: Sequence[Any], other: Other, date: str, phases: list[KnownPhase], broken: list[str]
    ) -> None:
        for entry in entries:
            name = one_line(str(entry.get("id", "?")) if isinstance(entry, dict) else "?", 80)
            try:
                row, text = read_entry(entry, self._atoms)
                if row is None:
                    continue
                if reason := other(row, text):
                    raise EntryError(reason)
            except DataError as error:
                broken.append(f"{self.name}: entry {name} {error}")
                continue
            place = f"{self._provider.structures}/{quote(str(entry['id']), safe='')}"
            phases.append(KnownPhase(self.name, str(entry["id"]), place, date, row))


def problem_or_refusal(status: int, body: Any) -> str:
    """Return the same as ``problem``; a provider may also say that it does not know the filter."""
    return "" if status in _NO_FILTER and detail(body) else problem(status, body)
