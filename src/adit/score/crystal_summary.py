"""Crystals: from the tables to rates and to the funnel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adit.score.aggregate import Rater, Record, Step, funnel, plain_reason
from adit.score.crystals import RELAXED, VALIDITIES, Records, energy_column, energy_flag
from adit.score.inputs import Energies
from adit.score.matching import Matches
from adit.score.names import OF_VALID, SURROGATE_PREFIX, Col, Metric, Population, Protocol, flag
from adit.score.protocols import ADIT, CRYSTAL_PROTOCOLS, CrystalProtocol, representatives

ASKED = "crystals asked for"

_RULES = {
    Col.STRUCTURAL_VALIDITY: "closest distance >= 0.5 Å with self-images, volume >= 0.1 Å³",
    Col.COMPOSITIONAL_VALIDITY: "SMACT14 oxidation states, Pauling test",
    Col.OVERALL_VALIDITY: "structural and compositional",
    Col.DISTANCE_RATIO_VALIDITY: "closest distance >= 0.7 x sum of covalent radii",
    Col.DENSITY_VALIDITY: "volume per atom 5 to 125 Å³, density 0.5 to 23 g/cm³",
    Col.SMACT_NATIVE_VALIDITY: "smact_validity with the installed version's defaults",
}
_PUBLISHED = (Col.STRUCTURAL_VALIDITY, Col.COMPOSITIONAL_VALIDITY, Col.OVERALL_VALIDITY)


def crystal_records(table: Records, matches: Matches, rater: Rater, n_references: int) -> list[Record]:
    """Return the rates of one population that need no energies."""
    records = []
    for column in VALIDITIES:
        protocol = Protocol.ADIT if column in _PUBLISHED else Protocol.STRICT
        basis = f"{ASKED}; {_RULES[column]}"
        records.append(rater.rate(protocol, str(column), (row[column] for row in table), basis))
    low_symmetry = (row[Col.SPACEGROUP] == 1 for row in table)
    records.append(rater.rate(Protocol.STRICT, Metric.SPACEGROUP_P1, low_symmetry, f"{ASKED}; spglib, symprec 0.1 Å"))
    for definition in CRYSTAL_PROTOCOLS:
        records += _matching(table, matches, rater, definition, n_references)
    return records


def _matching(
    table: Records, matches: Matches, rater: Rater, protocol: CrystalProtocol, n_references: int
) -> list[Record]:
    unique, novel = flag(Metric.UNIQUENESS, protocol.name), flag(Metric.NOVELTY, protocol.name)
    valid = [row for row in table if row[Col.OVERALL_VALIDITY]]
    population = rater.population
    groups = [
        (row[Col.SYSTEM_ID], match.group)
        for row in valid
        if (match := matches.get(population, row[Col.SYSTEM_ID], protocol.matcher)) is not None
    ]
    tolerances = protocol.matcher
    how = f"StructureMatcher ltol {tolerances.ltol:g}, stol {tolerances.stol:g}, angle_tol {tolerances.angle_tol:g}"
    against = f"{how}; not in {protocol.reference} ({n_references} structures in all splits)"
    n_groups = len(representatives(groups))
    return [
        rater.rate(protocol.name, Metric.UNIQUENESS, (row[unique] for row in table), f"{ASKED}; groups by {how}"),
        rater.ratio(
            protocol.name,
            Metric.UNIQUENESS + OF_VALID,
            n_groups,
            len(valid),
            f"crystals of overall validity; groups by {how}",
        ),
        rater.rate(protocol.name, Metric.NOVELTY, (row[novel] for row in table), f"{ASKED}; {against}"),
        rater.rate(
            protocol.name,
            Metric.NOVELTY + OF_VALID,
            (row[novel] for row in valid),
            f"crystals of overall validity; {against}",
        ),
    ]


def energy_records(table: Records, energies: Energies, rater: Rater) -> list[Record]:
    """Return the rates of the samples that rest on relaxations and energies."""
    converged = (row[Col.RELAX_STATUS] == "converged" for row in table)
    records = [rater.rate(Protocol.ADIT, Metric.RELAXED, converged, f"{ASKED}; relaxation converged")]
    prefix = SURROGATE_PREFIX if energies.surrogate else ""
    for protocol in CRYSTAL_PROTOCOLS if energies.on_hull else ():
        rules = {Metric.STABLE: protocol.rule, Metric.SUN: f"{protocol.rule}; unique, not in {protocol.reference}"}
        if protocol.metastable_at is not None:
            rules[Metric.METASTABLE] = protocol.metastable_rule
            rules[Metric.MSUN] = f"{protocol.metastable_rule}; unique, not in {protocol.reference}"
        for metric, rule in rules.items():
            column = energy_flag(metric, protocol, energies.surrogate)
            basis = f"{ASKED}; converged relaxations; {energies.basis}; {rule}"
            records.append(rater.rate(protocol.name, prefix + metric, (row[column] for row in table), basis))
    if energies.dft:
        sent = [row[Col.DFT_STATUS] == "converged" for row in table if row[Col.DFT_STATUS] != "not_sent"]
        records.append(rater.rate(Protocol.ADIT, Metric.DFT_CONVERGED + "_of_sent", sent, "crystals sent to DFT"))
    return records


def crystal_funnel(table: Records, energies: Energies, matches: Matches) -> list[dict[str, Any]]:
    """Return the funnel of the samples by the paper's protocol: asked, decoded, valid, relaxed, stable, unique, novel.

    A step counts what passes it and all before it. Valid is the overall validity, which S.U.N. does not ask for, so
    that the last step can be below S.U.N. Without relaxations the structures as generated are compared.
    """
    decoded = ["" if row[Col.N_ATOMS] else plain_reason(row[Col.REASON]) for row in table]
    steps = [Step("decoded", decoded), Step("valid", [_invalid(row) for row in table])]
    if energies.asked:
        steps.append(Step("relaxed", [_unrelaxed(row) for row in table]))
    if energies.asked and energies.on_hull:
        steps.append(Step("stable", [_unstable(row, energies) for row in table]))
    alive = [not any(step.reasons[number] for step in steps) for number in range(len(table))]
    population = RELAXED if energies.asked else Population.SAMPLES
    steps += _unique_and_novel(table, alive, matches, population)
    return funnel("crystal", len(table), steps)


def _unique_and_novel(table: Records, alive: Sequence[bool], matches: Matches, population: str) -> list[Step]:
    """Return the last two steps; a novel member stands for its group where there is one."""
    found = [matches.get(population, row[Col.SYSTEM_ID], ADIT.matcher) for row in table]
    novel = [match is not None and ADIT.novel(match) for match in found]
    chosen: dict[str, int] = {}
    order = sorted(range(len(table)), key=lambda number: (not novel[number], table[number][Col.SYSTEM_ID]))
    for number in order:
        match = found[number]
        if alive[number] and match is not None:
            chosen.setdefault(match.group, number)
    kept = set(chosen.values())
    unique = ["" if n in kept else "matches another sample" if found[n] else "not matched" for n in range(len(table))]
    return [Step("unique", unique), Step("novel", ["" if yes else "matches the data" for yes in novel])]


def _invalid(row: dict[str, Any]) -> str:
    if row[Col.OVERALL_VALIDITY]:
        return ""
    if row[Col.STATUS] != "ok":
        return plain_reason(row[Col.REASON])
    structural, compositional = row[Col.STRUCTURAL_VALIDITY], row[Col.COMPOSITIONAL_VALIDITY]
    if structural or compositional:
        return "composition" if structural else "structure (distance or volume)"
    return "structure and composition"


def _unrelaxed(row: dict[str, Any]) -> str:
    status = row[Col.RELAX_STATUS]
    if status == "converged":
        return ""
    return plain_reason(f"{status}: {row[Col.RELAX_REASON]}" if row[Col.RELAX_REASON] else status)


def _unstable(row: dict[str, Any], energies: Energies) -> str:
    if row[energy_flag(Metric.STABLE, ADIT, energies.surrogate)]:
        return ""
    if math.isnan(row[energy_column(Col.E_ABOVE_HULL, energies.surrogate)]):
        return plain_reason(row[Col.HULL_REASON]) or "no energy above hull"
    if row[Col.N_ELEMENTS] < ADIT.min_elements:
        return "single element"
    if row[energy_flag(Metric.METASTABLE, ADIT, energies.surrogate)]:
        return "metastable (0 to 0.1 eV/atom above the hull)"
    return "0.1 eV/atom or more above the hull"
