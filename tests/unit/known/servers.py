"""Local servers that speak OPTIMADE and PubChem's PUG REST, and that can be slow, broken or liars."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from adit.elements import SYMBOLS, reduced_formula
from adit.systems import AtomicSystem
from tests.http_server import QuietHandler, listening

Reply = tuple[int, bytes, dict[str, str]]


@dataclass
class Server:
    """A server.

    Attributes:
        reply: returns status, body and headers from path and query.
        url: its address.
        requests: what it was asked for.
        delay_s: time before each answer.
        trickle_s: time between the bytes of an answer; 0: all at once.
    """

    reply: Callable[[str, Mapping[str, str]], Reply]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    trickle_s: float = 0.0


def _handler(server: Server) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def answer(self) -> None:
            server.requests.append(self.path)
            time.sleep(server.delay_s)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body, headers = server.reply(parts.path, query)
            with suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if server.trickle_s:
                    self.write_slowly(body, server.trickle_s)
                else:
                    self.wfile.write(body)

    return Handler


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Serve on a free local port."""
    with listening(_handler(server)) as server.url:
        yield server


def as_json(value: Any, status: int = 200) -> Reply:
    """Return JSON; numbers that are not finite are written as Python does."""
    return status, json.dumps(value).encode(), {"Content-Type": "application/json"}


def entry(system: AtomicSystem, shares: Mapping[str, Mapping[str, float]] | None = None) -> dict[str, Any]:
    """Return an entry of OPTIMADE.

    Args:
        system: an ordered crystal.
        shares: symbol of an element → elements that share its sites, with their amounts.
    """
    shares = shares or {}
    names = [SYMBOLS[int(z)] for z in system.numbers]
    described = {name: dict(shares.get(name, {name: 1.0})) for name in dict.fromkeys(names)}
    elements = sorted({symbol for amounts in described.values() for symbol in amounts} - {"vacancy"})
    assert system.cell is not None
    return {
        "id": system.system_id,
        "type": "structures",
        "attributes": {
            "chemical_formula_reduced": reduced_formula(system.numbers) if not shares else None,
            "elements": elements,
            "nelements": len(elements),
            "dimension_types": [1, 1, 1],
            "lattice_vectors": system.cell.tolist(),
            "cartesian_site_positions": system.positions.tolist(),
            "species_at_sites": names,
            "species": [
                {"name": name, "chemical_symbols": list(amounts), "concentration": list(amounts.values())}
                for name, amounts in described.items()
            ],
            "structure_features": ["disorder"] if shares else [],
        },
    }


@dataclass
class Provider:
    """An OPTIMADE provider with filters, fields and pages.

    Attributes:
        entries: what it has.
        page: entries of a page, also where more are asked for.
        knows_disorder: whether it knows the filter for disordered structures.
    """

    entries: Sequence[dict[str, Any]]
    page: int = 10
    knows_disorder: bool = True

    def __call__(self, path: str, query: Mapping[str, str]) -> Reply:
        """Return the answer to a query."""
        if path != "/v1/structures":
            return as_json({"errors": [{"detail": "no such endpoint"}]}, 404)
        text = query["filter"]
        if "structure_features" in text and not self.knows_disorder:
            return as_json({"errors": [{"detail": "structure_features is not supported"}]}, 501)
        rows = [each for each in self.entries if matches(text, each["attributes"])]
        start, size = int(query.get("page_offset", 0)), min(self.page, int(query["page_limit"]))
        fields = query["response_fields"].split(",")
        data = [
            {**row, "attributes": {name: row["attributes"][name] for name in fields if name in row["attributes"]}}
            for row in rows[start : start + size]
        ]
        more = start + size < len(rows)
        rest = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if name != "page_offset")
        link = f"/v1/structures?{rest}&page_offset={start + size}" if more else None
        meta = {"data_returned": len(rows), "more_data_available": more}
        return as_json({"data": data, "links": {"next": link}, "meta": meta})


def matches(text: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether an entry fulfils one of the two filters that are used."""
    if match := re.fullmatch(r'chemical_formula_reduced="(\w+)"', text):
        return bool(attributes["chemical_formula_reduced"] == match[1])
    match = re.fullmatch(r'elements HAS ALL (.+) AND nelements=(\d+) AND structure_features HAS "disorder"', text)
    assert match is not None, text
    names = set(re.findall(r'"(\w+)"', match[1]))
    return (
        names <= set(attributes["elements"])
        and attributes["nelements"] == int(match[2])
        and "disorder" in attributes["structure_features"]
    )


def pubchem(compounds: Mapping[str, int]) -> Callable[[str, Mapping[str, str]], Reply]:
    """Return PUG REST with compounds by InChIKey."""

    def reply(path: str, _: Mapping[str, str]) -> Reply:
        match = re.fullmatch(r"/rest/pug/compound/inchikey/([A-Z-]+)/property/InChIKey/JSON", unquote(path))
        if match is None or match[1] not in compounds:
            return as_json({"Fault": {"Code": "PUGREST.NotFound", "Message": "No CID found"}}, 404)
        row = {"CID": compounds[match[1]], "InChIKey": match[1]}
        return as_json({"PropertyTable": {"Properties": [row]}})

    return reply
