"""``hull.reference: mp-api`` and ``optimade``: entries of the samples' chemical systems, from servers.

Each answer is kept with its date. The table is complete for the systems that were asked for, or there is none: a hull
that lacks the answer of a server would call too much stable.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from adit.columns import Col
from adit.config import MP2020_TAG, HullConfig, LiveConfig, ProviderConfig
from adit.data.sources.answers import ServerAnswer, Source
from adit.data.sources.client import AnswerError, Client, Manners
from adit.data.sources.optimade import Paging, Provider
from adit.errors import DataError, one_line
from adit.hull.materials_project import elemental_references
from adit.hull.optimade_energies import (
    EnergyError,
    EnergyProperty,
    absolute_energy,
    energy_property,
    fields,
    id_and_composition,
)
from adit.hull.reference_rows import reference_row
from adit.progress import Progress, log, quantity

SECTION: Final = "hull.live"
WAY_OUT: Final = "hull.reference: builtin"

Find = Callable[[str], Path]
System = frozenset[str]


@dataclass
class LiveEntries:
    """Reference entries from servers.

    Attributes:
        tag: method of all of them.
        rows: of the table; entries without an energy have a reason.
        sources: name, version and dates (UTC) of the oldest and the newest answer of each server.
        lost: systems with a composition whose entries have no energy.
        whole: whether a server computes all compounds that it knows, so that a pair without one is no gap.
    """

    tag: str
    rows: list[dict[str, object]] = field(default_factory=list)
    sources: list[dict[str, str]] = field(default_factory=list)
    lost: set[System] = field(default_factory=set)
    whole: bool = False

    def metadata(self, systems: Iterable[System]) -> dict[str, Any]:
        """Return what is stored with the table: its sources, and the systems whose pairs all count as known."""
        inner = subsystems(systems) if self.whole else []
        whole = largest(system for system in inner if not any(lost <= system for lost in self.lost))
        return {"sources": self.sources, "whole": sorted(map(sorted, whole))}


def largest(systems: Iterable[System]) -> set[System]:
    """Return the systems that are not inside another one."""
    every = set(systems)
    return {system for system in every if not any(system < other for other in every)}


def askable(chemical: Iterable[System], most: int) -> set[System]:
    """Return the largest systems; systems of too many elements are left out."""
    every = set(chemical)
    fitting = {system for system in every if len(system) <= most}
    if left := len(every) - len(fitting):
        many = quantity(left, "chemical system")
        log.warning("%s of more than %d elements not asked for (%s.max_elements)", many, most, SECTION)
    return largest(fitting)


def subsystems(systems: Iterable[System]) -> list[System]:
    """Return the systems and all systems inside them, smallest first."""
    inner = {
        frozenset(subset)
        for system in systems
        for n in range(1, len(system) + 1)
        for subset in itertools.combinations(system, n)
    }
    return sorted(inner, key=lambda system: (len(system), sorted(system)))


def live_entries(
    hull: HullConfig, chemical: Iterable[System], cache: Path, find: Find | None, manners: Manners | None = None
) -> tuple[LiveEntries, dict[str, Any]]:
    """Ask the servers of a configuration; return the entries and what is stored with their table.

    Args:
        hull: section of the configuration.
        chemical: sets of elements of the samples.
        cache: folder of the answers.
        find: returns local paths of public files, for formation energies.
        manners: how servers are asked; ``None``: as configured.

    Raises:
        DataError: a server gives no answer, or no server has energies of the hull's method; kept answers stay.
    """
    systems = askable(chemical, hull.live.max_elements)
    if not systems:
        empty = LiveEntries(hull.live.tag if hull.reference == "optimade" else MP2020_TAG)
        return empty, empty.metadata(systems)
    try:
        if hull.reference == "mp-api":
            from adit.hull.mp_client import from_materials_project

            entries = from_materials_project(hull.live, subsystems(systems), cache)
        else:
            entries = _from_providers(hull.live, subsystems(systems), cache, find, manners)
    except AnswerError as error:
        way = f"its answers so far are kept in {cache}: repeat the command to go on, or set {WAY_OUT}"
        raise DataError(f"{error}; {way}") from None
    for each in entries.sources:
        log.info("%s (%s), answers of %s to %s", *(each[name] for name in ("name", "version", "oldest", "newest")))
    return entries, entries.metadata(systems)


def _from_providers(
    live: LiveConfig, systems: Sequence[System], cache: Path, find: Find | None, manners: Manners | None
) -> LiveEntries:
    manners = manners or Manners(live.rate, live.timeout_s, live.answer_bytes, section=SECTION)
    entries = LiveEntries(live.tag)
    paging = Paging(live.page_limit, live.pages, SECTION)
    refusals: list[str] = []
    for config in live.providers:
        provider = Provider(Source("optimade", Client(config.address, manners), cache), paging)
        try:
            _add_provider(entries, provider, config, systems, find)
        except EnergyError as error:
            log.warning("%s", error)
            refusals.append(str(error))
    if len(refusals) == len(live.providers):
        raise DataError(f"no provider has energies for the hull: {refusals[0]}; or set {WAY_OUT}")
    return entries


def _add_provider(
    entries: LiveEntries, provider: Provider, config: ProviderConfig, systems: Sequence[System], find: Find | None
) -> None:
    """Add the entries of one provider.

    Raises:
        EnergyError: it has no energies of the hull's method.
        AnswerError: it does not answer.
    """
    described, properties = provider.properties()
    chosen = energy_property(config, properties, entries.tag, provider.name)
    elements = _elements(chosen, provider.name, find)
    dates, lost = [described.date], set[System]()
    lone = sorted(name for system in systems if len(system) == 1 for name in system & set(elements))
    rows = [reference_row(f"element-{name}", name, {name: 1}, elements[name], chosen.tag) for name in lone]
    progress = Progress(f"chemical systems asked of {provider.name}", len(systems))
    for system in systems:
        names = ",".join(f'"{name}"' for name in sorted(system))
        query = f"elements HAS ALL {names} AND nelements={len(system)}"
        own: list[dict[str, object]] = []
        for answer in provider.pages(query, fields(chosen)):
            dates.append(answer.date)
            own += [_row(entry, system, chosen, elements) for entry in answer.body["data"]]
        lost |= {system} if _loses(own) else set()
        rows += own
        progress.update()
    bad = [row for row in rows if row[Col.REASON]]
    if bad:
        first = f"entry {one_line(str(bad[0][Col.ENTRY_ID]), 80)} {bad[0][Col.REASON]}"
        log.warning("%s: %d of %d entries not used: %s", provider.name, len(bad), len(rows), first)
    entries.rows += rows
    entries.lost |= lost
    entries.whole |= chosen.whole
    entries.sources.append(source(provider.name, version_of(described), dates))


def _elements(chosen: EnergyProperty, host: str, find: Find | None) -> Mapping[str, float]:
    """Return the energies of the elements, eV/atom, that formation energies are counted from."""
    if chosen.kind == "total":
        return {}
    if find is None:
        raise EnergyError(f"{host}: gives formation energies, and there are no energies of the elements")
    return elemental_references(find)


def _row(entry: Any, system: System, chosen: EnergyProperty, elements: Mapping[str, float]) -> dict[str, object]:
    name = one_line(str(entry.get("id", "?")) if isinstance(entry, dict) else "?", 80)
    counts: dict[str, float] = {}
    formula = ""
    try:
        name, counts = id_and_composition(entry, system)
        formula = str(entry["attributes"]["chemical_formula_reduced"])
        energy = absolute_energy(entry["attributes"], counts, chosen, elements)
    except EnergyError as error:
        return reference_row(
            name, formula, counts, float("nan"), chosen.tag, status="failed", reason=one_line(str(error), 200)
        )
    return reference_row(name, formula, counts, energy, chosen.tag)


def _loses(rows: Iterable[Mapping[str, object]]) -> bool:
    """Return whether a composition has entries, and none of them an energy."""
    rows = list(rows)
    good = {row[Col.COMPOSITION] for row in rows if not row[Col.REASON]}
    return any(row[Col.COMPOSITION] not in good for row in rows)


def version_of(answer: ServerAnswer) -> str:
    """Return which versions a provider says that it has, of the protocol and of its own."""
    meta = answer.body.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    own = meta.get("implementation")
    own = own if isinstance(own, dict) else {}
    words = ["OPTIMADE", meta.get("api_version"), own.get("name"), own.get("version")]
    return one_line(" ".join(str(word) for word in words if isinstance(word, str) and word), 120)


def source(name: str, version: str, dates: Sequence[str]) -> dict[str, str]:
    """Return the record of a server: its name, its version, the dates of its oldest and its newest answer."""
    return {"name": name, "version": version, "oldest": min(dates), "newest": max(dates)}
