"""A local OPTIMADE provider with energies, and a stand-in for the Materials Project's client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from adit import store
from adit.readers.formulas import parse_formula
from tests.unit.known.servers import Reply, as_json

MP2020 = "vasp/PBE(+U)/MP2020"
ELEMENTS = {"Na": -1.3, "Cl": -1.85, "K": -1.1}
"""Energies of the elements, eV/atom."""


def mirror(folder: Path) -> Path:
    """Write a mirror with the energies of the elements and return it."""
    entries = {name: {"energy": e, "correction": 0.0, "composition": {name: 1.0}} for name, e in ELEMENTS.items()}
    store.write_json(folder / "mirror" / "hull" / "mp_elemental_reference_entries.json", entries)
    return folder / "mirror"


def table(folder: Path, energies: Mapping[str, float], tag: str = MP2020) -> Path:
    """Write a table of energies by formula, eV/atom."""
    frame = pd.DataFrame({"system_id": list(energies), "formula": list(energies), "energy_tag": tag})
    frame["energy_per_atom"] = list(energies.values())
    store.write_frame(folder / "mine.parquet", frame)
    return folder / "mine.parquet"


def entry(name: str, formula: str, nsites: int | None = None, **own: Any) -> dict[str, Any]:
    """Return an entry with its reduced formula, the number of its sites, and properties of the provider's own."""
    counts = parse_formula(formula)
    attributes = {
        "chemical_formula_reduced": formula,
        "elements": sorted(counts),
        "nelements": len(counts),
        "nsites": round(sum(counts.values())) if nsites is None else nsites,
        **own,
    }
    return {"id": name, "type": "structures", "attributes": attributes}


def of_mp(name: str, formula: str, formation: float, thermo_type: str = "gga_gga+u") -> dict[str, Any]:
    """Return an entry as the Materials Project's; its formation energy in eV/atom."""
    return entry(name, formula, _mp_stability={thermo_type: {"formation_energy_per_atom": formation}})


@dataclass
class Database:
    """A provider that knows the filter for the entries of exactly some elements.

    Attributes:
        entries: what it has.
        properties: descriptions of its own properties by name.
        page: entries of a page, also where more are asked for.
        lies: answers for elements, e.g. ``Cl-Na``, instead of its own.
    """

    entries: Sequence[dict[str, Any]]
    properties: Mapping[str, Any] = field(default_factory=lambda: {"_mp_stability": {"type": "dictionary"}})
    page: int = 10
    lies: dict[str, Reply] = field(default_factory=dict)

    def __call__(self, path: str, query: Mapping[str, str]) -> Reply:
        """Return the answer to a query."""
        meta = {"api_version": "1.2.0", "implementation": {"name": "local", "version": "0.7"}}
        if path == "/v1/info/structures":
            standard = {name: {"type": "any"} for name in ("nsites", "nelements", "chemical_formula_reduced")}
            return as_json({"data": {"properties": {**standard, **self.properties}}, "meta": meta})
        if path != "/v1/structures":
            return as_json({"errors": [{"detail": "no such endpoint"}]}, 404)
        match = re.fullmatch(r"elements HAS ALL (.+) AND nelements=(\d+)", query["filter"])
        assert match is not None, query
        names = sorted(re.findall(r'"(\w+)"', match[1]))
        assert len(names) == int(match[2])
        if "-".join(names) in self.lies:
            return self.lies["-".join(names)]
        return self._page([each for each in self.entries if each["attributes"]["elements"] == names], query, meta)

    def _page(self, rows: Sequence[dict[str, Any]], query: Mapping[str, str], meta: Mapping[str, Any]) -> Reply:
        start, size = int(query.get("page_offset", 0)), min(self.page, int(query["page_limit"]))
        fields = query["response_fields"].split(",")
        data = [
            {**row, "attributes": {name: row["attributes"].get(name) for name in fields}}
            for row in rows[start : start + size]
        ]
        rest = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if name != "page_offset")
        link = f"/v1/structures?{rest}&page_offset={start + size}" if start + size < len(rows) else None
        return as_json({"data": data, "links": {"next": link}, "meta": {**meta, "data_returned": len(rows)}})


SALTS = (
    of_mp("mp-na", "Na", 0.0),
    of_mp("mp-cl", "Cl", 0.0),
    of_mp("mp-nacl", "ClNa", -2.1),
    of_mp("mp-nacl-other", "ClNa", -1.9),
    of_mp("mp-nacl3", "Cl3Na", -0.4),
)
"""Na-Cl as the Materials Project has it: formation energies in eV/atom."""
