"""``adit known``: whether structures are known: in files of the user, at OPTIMADE providers, at PubChem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adit import store
from adit.columns import Col
from adit.config import LimitsConfig, LookupConfig
from adit.data.sources.answers import Source
from adit.data.sources.client import Client, Manners
from adit.data.sources.optimade import Paging
from adit.elements import composition, hill, reduced_formula
from adit.known import files
from adit.known.comparison import Compared, compare
from adit.known.names import inchikeys
from adit.known.optimade import Optimade
from adit.known.phases import KnownPhase, Response
from adit.known.pubchem import PubChem
from adit.known.verdicts import LookupVerdict, verdict_of
from adit.progress import Progress, log, quantity
from adit.readers import ReadSettings
from adit.systems import AtomicSystem, Failure, Kind

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    *(Col.SYSTEM_ID, "kind", Col.FORMULA, Col.IS_KNOWN, Col.KNOWN_SOURCE, Col.KNOWN_ID, Col.KNOWN_ADDRESS),
    *(Col.KNOWN_DATE, Col.KNOWN_REASON),
)
"""Columns of the table, one row for each structure."""

NOT_NAMED: Final = {
    True: "no place with crystals was named (--provider, --reference)",
    False: "no place with molecules was named (--pubchem, --reference)",
}
"""Why crystals (``True``) or molecules (``False``) were not looked up."""


@dataclass(frozen=True)
class Places:
    """Where structures are looked up.

    Attributes:
        providers: OPTIMADE providers, for crystals.
        pubchem: PubChem, for molecules, or ``None``.
        local: structures of files, or ``None``.
        disordered: whether providers are asked for disordered phases too.
    """

    providers: tuple[Optimade, ...] = ()
    pubchem: PubChem | None = None
    local: files.LocalSets | None = None
    disordered: bool = True


def places_of(
    settings: LookupConfig,
    limits: LimitsConfig,
    cache: Path,
    systems: Sequence[AtomicSystem],
    reading: ReadSettings,
    manners: Manners | None = None,
) -> Places:
    """Return the places of a configuration; files are read, servers are not asked yet.

    Args:
        settings: section ``lookup`` of the configuration.
        limits: section ``limits`` of the configuration.
        cache: folder of the answers of servers.
        systems: structures that will be looked up.
        reading: settings of reading files.
        manners: limits on the queries of servers; ``None``: as configured.

    Raises:
        DataError: a file is missing or of no known format, or none of the structures in files can be read.
    """
    manners = manners or Manners(settings.rate, settings.timeout_s, settings.answer_bytes)
    paging = Paging(settings.page_limit, settings.pages)
    providers = tuple(
        Optimade(Source("optimade", Client(base, manners), cache), paging, limits.atoms)
        for base in dict.fromkeys(settings.providers)
    )
    chem = None if settings.pubchem is None else PubChem(Source("pubchem", Client(settings.pubchem, manners), cache))
    paths = [Path(text) for text in settings.references]
    local = files.read(paths, systems, reading) if paths else None
    return Places(providers, chem, local, settings.disordered)


def look_up(rows: Sequence[AtomicSystem | Failure], places: Places, workers: int) -> pd.DataFrame:
    """Return the table of ``COLUMNS``, in the order of ``rows``; a server that fails makes structures ``unknown``.

    Args:
        rows: structures with different ids, and failures, which are ``unknown``.
        places: where they are looked up.
        workers: largest number of processes.
    """
    import pandas as pd

    crystals = {row.system_id: row for row in rows if isinstance(row, AtomicSystem) and row.cell is not None}
    molecules = {row.system_id: row for row in rows if isinstance(row, AtomicSystem) and row.cell is None}
    of_crystals, of_molecules = _crystals(crystals, places, workers), _molecules(molecules, places, workers)
    records = [_record(row, of_crystals if row.kind is not Kind.MOLECULE else of_molecules) for row in rows]
    counts = ", ".join(f"{n} {name}" for name, n in _counts([str(each[Col.IS_KNOWN]) for each in records]).items())
    log.info("%s: %s", quantity(len(records), "structure"), counts or "none")
    return pd.DataFrame(records, columns=list(COLUMNS))


def write_lookup(frame: pd.DataFrame, paths: Sequence[Path]) -> None:
    """Write the table to each path, as CSV or Parquet by its suffix.

    Raises:
        DataError: a file cannot be written.
    """
    for path in paths:
        store.write_frame(path, frame)


def _counts(verdicts: Sequence[str]) -> dict[str, int]:
    return {name: verdicts.count(name) for name in dict.fromkeys(sorted(verdicts))}


def _record(row: AtomicSystem | Failure, verdicts: Mapping[str, LookupVerdict]) -> dict[str, str]:
    if isinstance(row, Failure):
        kind, formula, verdict = str(row.kind or ""), "", LookupVerdict("unknown", reason=f"{row.stage}: {row.reason}")
    else:
        kind, verdict = str(row.kind), verdicts[row.system_id]
        formula = hill(composition(row.numbers)) if row.kind is Kind.MOLECULE else reduced_formula(row.numbers)
    values = (row.system_id, kind, formula, verdict.name, verdict.source, verdict.entry_id, verdict.address)
    return dict(zip(map(str, COLUMNS), (*values, verdict.date, verdict.reason), strict=True))


def _crystals(crystals: Mapping[str, AtomicSystem], places: Places, workers: int) -> dict[str, LookupVerdict]:
    if not places.providers and places.local is None:
        return {key: LookupVerdict("unknown", reason=NOT_NAMED[True]) for key in crystals}
    formulas = dict.fromkeys(reduced_formula(row.numbers) for row in crystals.values())
    progress = Progress("formulas looked up", len(formulas))
    by_formula: dict[str, list[Response]] = {}
    by_elements: dict[tuple[str, ...], list[Response]] = {}
    for formula in formulas:
        local = [] if places.local is None else [places.local.of_formula(formula)]
        by_formula[formula] = [*local, *(provider.of_formula(formula) for provider in places.providers)]
        progress.update()
    for row in crystals.values() if places.disordered else ():
        elements = _elements(row)
        if elements not in by_elements and len(elements) > 1:
            by_elements[elements] = [provider.disordered(elements) for provider in places.providers]
    responses = {
        key: [*by_formula[reduced_formula(row.numbers)], *by_elements.get(_elements(row), ())]
        for key, row in crystals.items()
    }
    phases = {key: _distinct(each) for key, each in responses.items()}
    compared = compare(crystals, phases, workers)
    return {key: verdict_of(compared[key], responses[key]) for key in crystals}


def _elements(row: AtomicSystem) -> tuple[str, ...]:
    return tuple(composition(row.numbers))


def _distinct(responses: Sequence[Response]) -> list[KnownPhase]:
    """Return the phases of several responses, each once."""
    phases = {(phase.source, phase.entry_id, phase.address): phase for each in responses for phase in each.phases}
    return list(phases.values())


def _molecules(molecules: Mapping[str, AtomicSystem], places: Places, workers: int) -> dict[str, LookupVerdict]:
    if places.pubchem is None and places.local is None:
        return {key: LookupVerdict("unknown", reason=NOT_NAMED[False]) for key in molecules}
    keys = dict(zip(molecules, inchikeys(list(molecules.values()), workers), strict=True))
    progress = Progress("molecules looked up", len(molecules))
    verdicts = {}
    for key, (name, reason) in keys.items():
        verdicts[key] = _molecule(molecules[key], name, places) if name else LookupVerdict("unknown", reason=reason)
        progress.update()
    return verdicts


def _molecule(molecule: AtomicSystem, name: str, places: Places) -> LookupVerdict:
    responses = [] if places.local is None else [places.local.of_inchikey(name)]
    if places.pubchem is not None and not any(each.phases for each in responses):
        response, compound = places.pubchem.of_inchikey(name)
        if compound is not None:
            page, date = places.pubchem.page(compound), response.dates[0]
            response.phases.append(KnownPhase(places.pubchem.name, str(compound), page, date, molecule))
        responses.append(response)
    phases = _distinct(responses)
    return verdict_of(Compared(phases[0] if phases else None), responses)
