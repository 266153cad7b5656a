"""Crystals: the checks of one structure, and the table with one row per requested crystal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from adit import convert
from adit.columns import Col, Metric, Population, flag
from adit.elements import composition, reduced_formula
from adit.hull.verdicts import verdict
from adit.isolate import Outcome
from adit.score.common.aggregate import representatives
from adit.score.common.inputs import Energies, Row
from adit.score.crystals import composition as smact_test
from adit.score.crystals.judged import add_judge
from adit.score.crystals.protocols import CRYSTAL_PROTOCOLS, CrystalProtocol
from adit.score.crystals.validity import (
    MIN_DISTANCE_RATIO,
    closest_contacts,
    density,
    plausible_density,
    structurally_valid,
)
from adit.score.matching.amd import AMD, amd_fingerprint
from adit.score.matching.matcher import SETTINGS, MatcherSettings, Matches
from adit.systems import AtomicSystem, Failure

RELAXED = "relaxed"
"""Name of the relaxed samples as a population of the matcher."""

VALIDITIES = (
    Col.STRUCTURAL_VALIDITY,
    Col.COMPOSITIONAL_VALIDITY,
    Col.OVERALL_VALIDITY,
    Col.DISTANCE_RATIO_VALIDITY,
    Col.DENSITY_VALIDITY,
    Col.SMACT_NATIVE_VALIDITY,
)
"""Columns of the validity tests; false for failures."""

Records = list[dict[str, Any]]
"""Rows of a table, each by column."""


def check_crystal(system: AtomicSystem) -> dict[str, Any]:
    """Return the values of a single crystal by column: distances, density, composition, spacegroup, fingerprint.

    Distances are in Å, the volume per atom in Å³, the density in g/cm³; validities are true or false.

    Raises:
        DataError: the system has no cell, or the cell is too flat to enumerate images.
    """
    contacts = closest_contacts(system)
    counts = composition(system.numbers)
    per_atom, heaviness = system.volume / len(system), density(system)
    structural = structurally_valid(contacts, system.volume)
    compositional = smact_test.compositionally_valid(counts)
    return {
        Col.VOLUME_PER_ATOM: per_atom,
        Col.DENSITY: heaviness,
        Col.MIN_DISTANCE: contacts.distance,
        Col.DISTANCE_RATIO: contacts.ratio,
        Col.SPACEGROUP: convert.spacegroup_number(system),
        Col.STRUCTURAL_VALIDITY: structural,
        Col.COMPOSITIONAL_VALIDITY: compositional,
        Col.OVERALL_VALIDITY: structural and compositional,
        Col.DISTANCE_RATIO_VALIDITY: contacts.ratio >= MIN_DISTANCE_RATIO,
        Col.DENSITY_VALIDITY: plausible_density(per_atom, heaviness),
        Col.SMACT_NATIVE_VALIDITY: smact_test.smact_native_valid(counts),
        AMD: amd_fingerprint(system),
    }


def crystal_rows(
    rows: Sequence[Row], checks: Mapping[str, Outcome], matches: Matches, population: Population
) -> Records:
    """Return the table of a population, failures included.

    Args:
        rows: systems and failures.
        checks: outcome of ``check_crystal`` by system id.
        matches: matches of the unrelaxed structures.
        population: name of the population.
    """
    return [_crystal_row(row, checks.get(row.system_id), matches, population) for row in rows]


def _crystal_row(row: Row, outcome: Outcome | None, matches: Matches, population: Population) -> dict[str, Any]:
    record: dict[str, Any] = {Col.SYSTEM_ID: row.system_id, Col.STATUS: "ok", Col.REASON: "", Col.FORMULA: ""}
    record |= {Col.N_ATOMS: 0, Col.N_ELEMENTS: 0, Col.SPACEGROUP: 0}
    record |= dict.fromkeys((Col.VOLUME_PER_ATOM, Col.DENSITY, Col.MIN_DISTANCE, Col.DISTANCE_RATIO), math.nan)
    record |= dict.fromkeys(VALIDITIES, False)
    record |= matched_columns(matches, population, row.system_id)
    if isinstance(row, Failure):
        return record | {Col.STATUS: "failed", Col.REASON: f"{row.stage}: {row.reason}"}
    record |= {
        Col.FORMULA: reduced_formula(row.numbers),
        Col.N_ATOMS: len(row),
        Col.N_ELEMENTS: len(composition(row.numbers)),
    }
    reasons = [matches.reasons.get((population, row.system_id), "")]
    if outcome is None or outcome.status != "ok":
        record[Col.STATUS] = "failed"
        reasons.insert(0, f"checks: {outcome.reason if outcome else 'not run'}")
    else:
        record |= {name: value for name, value in outcome.value.items() if name != AMD}
    return record | {Col.REASON: "; ".join(reason for reason in reasons if reason)}


def matched_columns(matches: Matches, population: str, system_id: str) -> dict[str, Any]:
    """Return the columns about a crystal's matches: its group for each matcher setting, unique and novel by protocol.

    Novelty is unknown (``None``) without a reference.
    """
    columns: dict[str, Any] = {}
    for settings in SETTINGS:
        match = matches.get(population, system_id, settings)
        columns[group_column(settings)] = "" if match is None else match.group
    for protocol in CRYSTAL_PROTOCOLS:
        match = matches.get(population, system_id, protocol.matcher)
        columns[flag(Metric.UNIQUENESS, protocol.name)] = match is not None and match.group == system_id
        novel = match is not None and protocol.novel(match)
        columns[flag(Metric.NOVELTY, protocol.name)] = novel if matches.has_references else None
    return columns


def group_column(settings: MatcherSettings) -> str:
    """Return the name of the column with the representative id of a crystal's group."""
    return f"group_{settings.name}"


def relaxed_group_column(settings: MatcherSettings) -> str:
    """Return the name of the column with the group of the relaxed structure."""
    return f"relaxed_group_{settings.name}"


def relaxed_novelty_column(protocol: CrystalProtocol) -> str:
    """Return the name of the column with the novelty of the relaxed structure."""
    return f"relaxed_{flag(Metric.NOVELTY, protocol.name)}"


def add_energies(table: Records, energies: Energies, matches: Matches) -> None:
    """Add relaxation, hull (eV/atom) and DFT to the samples' table, with the flags of each protocol.

    Stability is that of the relaxed structure; it needs a converged relaxation and an energy above the hull.

    Args:
        table: rows of ``crystal_rows`` of the samples; changed in place.
        energies: relaxations, hull and DFT of the samples.
        matches: matches of the relaxed structures, as the population ``RELAXED``.
    """
    for record in table:
        system_id = record[Col.SYSTEM_ID]
        relaxed, placed, dft = (side.get(system_id, {}) for side in (energies.relaxed, energies.hull, energies.dft))
        structure = energies.structures.get(system_id)
        record[Col.RELAX_STATUS] = str(relaxed.get(Col.STATUS, "missing"))
        record[Col.RELAX_REASON] = str(relaxed.get(Col.REASON) or "")
        record[Col.RMSD_MOVED] = _number(relaxed.get(Col.RMSD_MOVED))
        record[Col.RELAXED_SPACEGROUP] = 0 if structure is None else convert.spacegroup_number(structure)
        for column in (Col.E_ABOVE_HULL, Col.FORMATION_ENERGY):
            record[energies.column(column)] = _number(placed.get(str(column)))
        record[Col.HULL_COVERS_CHEMISTRY] = bool(placed.get(Col.HULL_COVERS_CHEMISTRY, True))
        record[Col.HULL_GAPS] = str(placed.get(Col.HULL_GAPS) or "")
        record[Col.MISSING_PAIRS] = str(placed.get(Col.MISSING_PAIRS) or record[Col.HULL_GAPS])
        record[Col.VERDICT] = _verdict(record, energies)
        record[Col.HULL_REASON] = str(placed.get(Col.REASON) or "")
        record[Col.DFT_STATUS] = str(dft.get(Col.STATUS, "not_sent"))
        record[Col.DFT_REASON] = str(dft.get(Col.REASON) or "")
        record |= _relaxed_matches(matches, system_id)
    for protocol in CRYSTAL_PROTOCOLS if energies.on_hull else ():
        _add_protocol(table, protocol, matches, energies)
    if energies.on_hull:
        add_judge(table, energies, matches, RELAXED)


def _verdict(record: Mapping[str, Any], energies: Energies) -> str:
    energy = record[energies.column(Col.E_ABOVE_HULL)]
    return str(verdict(energy, record[Col.N_ELEMENTS], record[Col.MISSING_PAIRS]))


def _relaxed_matches(matches: Matches, system_id: str) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for settings in SETTINGS:
        match = matches.get(RELAXED, system_id, settings)
        columns[relaxed_group_column(settings)] = "" if match is None else match.group
    for protocol in CRYSTAL_PROTOCOLS:
        match = matches.get(RELAXED, system_id, protocol.matcher)
        novel = match is not None and protocol.novel(match)
        columns[relaxed_novelty_column(protocol)] = novel if matches.has_references else None
    return columns


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _add_protocol(table: Records, protocol: CrystalProtocol, matches: Matches, energies: Energies) -> None:
    tests = [(Metric.STABLE, Metric.SUN, protocol.stable)]
    if protocol.metastable_at is not None:
        tests.append((Metric.METASTABLE, Metric.MSUN, protocol.metastable))
    for metric, joint, test in tests:
        candidates = []
        for record in table:
            energy = record[energies.column(Col.E_ABOVE_HULL)] if record[Col.RELAX_STATUS] == "converged" else math.nan
            passes = test(energy, record[Col.N_ELEMENTS])
            record[energies.column(flag(metric, protocol.name))] = passes
            match = matches.get(RELAXED, record[Col.SYSTEM_ID], protocol.matcher)
            if passes and match is not None and protocol.novel(match):
                candidates.append((record[Col.SYSTEM_ID], match.group))
        chosen = representatives(candidates)
        for record in table:
            joined = record[Col.SYSTEM_ID] in chosen
            record[energies.column(flag(joint, protocol.name))] = joined if matches.has_references else None
