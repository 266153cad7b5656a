"""Crystals: rates and funnel from the tables."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from adit.columns import OF_VALID, Col, Metric, Population, Protocol, flag
from adit.score.common.aggregate import FunnelStep, Rater, RateRecord, funnel, plain_reason
from adit.score.common.inputs import Energies
from adit.score.crystals.judged import judge_records
from adit.score.crystals.protocols import ADIT, CRYSTAL_PROTOCOLS, LEMAT, MATTERGEN, CrystalProtocol
from adit.score.crystals.table import RELAXED, VALIDITIES, Records, group_column
from adit.score.matching.matcher import Matches

REQUESTED = "requested crystals"
"""Text for the denominator of most rates."""

NO_REFERENCE = "not measured: no reference of this kind was given"
"""Basis of a rate that has no value without a reference."""

NOVELTY_OF_VALID = Metric.NOVELTY + OF_VALID
"""Name of the novelty among valid crystals."""

_RULES = {
    Col.STRUCTURAL_VALIDITY: "closest distance >= 0.5 Å with self-images, volume >= 0.1 Å³",
    Col.COMPOSITIONAL_VALIDITY: "SMACT14 oxidation states, Pauling test",
    Col.OVERALL_VALIDITY: "structural and compositional",
    Col.DISTANCE_RATIO_VALIDITY: "closest distance >= 0.7 x sum of covalent radii",
    Col.DENSITY_VALIDITY: "volume per atom 5 to 125 Å³, density 0.5 to 23 g/cm³",
    Col.SMACT_NATIVE_VALIDITY: "smact_validity with the installed version's defaults",
}
_PUBLISHED = (Col.STRUCTURAL_VALIDITY, Col.COMPOSITIONAL_VALIDITY, Col.OVERALL_VALIDITY)


@dataclass(frozen=True)
class Against:
    """Reference of novelty.

    Attributes:
        count: number of structures in all splits; 0 if there is no reference.
        formulas: reduced formulas of these structures.
    """

    count: int
    formulas: Set[str]


def crystal_records(table: Records, matches: Matches, rater: Rater, against: Against) -> list[RateRecord]:
    """Return the rates of one population that are independent of energies.

    Args:
        table: rows of ``crystal_rows``.
        matches: matches of the unrelaxed structures.
        rater: makes the rates.
        against: reference of novelty.
    """
    records = []
    for column in VALIDITIES:
        protocol = Protocol.ADIT if column in _PUBLISHED else Protocol.STRICT
        basis = f"{REQUESTED}; {_RULES[column]}"
        records.append(rater.rate(protocol, str(column), (row[column] for row in table), basis))
    low_symmetry = (row[Col.SPACEGROUP] == 1 for row in table if row[Col.N_ATOMS])  # a failure has no symmetry
    basis = "crystals that decoded; spglib, symprec 0.1 Å"
    records.append(rater.rate(Protocol.STRICT, Metric.SPACEGROUP_P1, low_symmetry, basis))
    records += _compositions(table, rater, against)
    for definition in CRYSTAL_PROTOCOLS:
        records += _matching(table, matches, rater, definition, against.count)
    return records


def _compositions(table: Records, rater: Rater, against: Against) -> list[RateRecord]:
    formulas = {row[Col.FORMULA] for row in table if row[Col.FORMULA]}
    new = sum(bool(row[Col.FORMULA]) and row[Col.FORMULA] not in against.formulas for row in table)
    novelty = (new, len(table), f"{REQUESTED}; reduced formula not in the reference ({against.count} structures)")
    return [
        rater.ratio(
            Protocol.STRICT, Metric.COMPOSITION_UNIQUENESS, len(formulas), len(table), f"{REQUESTED}; reduced formulas"
        ),
        rater.ratio(Protocol.STRICT, Metric.COMPOSITION_NOVELTY, *(novelty if against.count else (0, 0, NO_REFERENCE))),
    ]


def _matching(
    table: Records, matches: Matches, rater: Rater, protocol: CrystalProtocol, n_references: int
) -> list[RateRecord]:
    unique = flag(Metric.UNIQUENESS, protocol.name)
    valid = [row for row in table if row[Col.OVERALL_VALIDITY]]
    tolerances = protocol.matcher
    how = f"StructureMatcher ltol {tolerances.ltol:g}, stol {tolerances.stol:g}, angle_tol {tolerances.angle_tol:g}"
    groups = {row[group_column(tolerances)] for row in valid} - {""}
    named = f"crystals of overall validity; groups by {how}"
    return [
        rater.rate(protocol.name, Metric.UNIQUENESS, (row[unique] for row in table), f"{REQUESTED}; groups by {how}"),
        rater.ratio(protocol.name, Metric.UNIQUENESS + OF_VALID, len(groups), len(valid), named),
        *_novelties(table, valid, matches, rater, protocol, f"{how}; not in", n_references),
    ]


def _novelties(
    table: Records,
    valid: Records,
    matches: Matches,
    rater: Rater,
    protocol: CrystalProtocol,
    how: str,
    n_references: int,
) -> list[RateRecord]:
    """Return novelty by the protocol over all and over valid crystals, and against training split and all splits."""
    novel, size = flag(Metric.NOVELTY, protocol.name), f"({n_references} structures in all splits)"
    if not n_references:
        return [rater.ratio(protocol.name, name, 0, 0, NO_REFERENCE) for name in (Metric.NOVELTY, NOVELTY_OF_VALID)]
    matched = [matches.get(rater.population, row[Col.SYSTEM_ID], protocol.matcher) for row in table]
    records = [
        rater.rate(
            protocol.name, name, (row[novel] for row in rows), f"{denominator}; {how} {protocol.reference} {size}"
        )
        for name, rows, denominator in (
            (Metric.NOVELTY, table, REQUESTED),
            (NOVELTY_OF_VALID, valid, "crystals of overall validity"),
        )
    ]
    if protocol not in (ADIT, MATTERGEN, LEMAT):  # one for each setting of the matcher
        return records
    to_train = (match is not None and not match.in_train for match in matched)
    to_all = (match is not None and not match.in_reference for match in matched)
    return [
        *records,
        rater.rate(protocol.name, Metric.NOVELTY_TO_TRAIN, to_train, f"{REQUESTED}; {how} the training split {size}"),
        rater.rate(
            protocol.name, Metric.NOVELTY_TO_ALL, to_all, f"{REQUESTED}; {how} any split of the reference {size}"
        ),
    ]


def energy_records(table: Records, energies: Energies, rater: Rater) -> list[RateRecord]:
    """Return the rates of the samples that depend on relaxations and energies.

    Args:
        table: rows of ``crystal_rows``, after ``add_energies``.
        energies: relaxations, hull and DFT of the samples, eV/atom.
        rater: makes the rates.
    """
    converged = (row[Col.RELAX_STATUS] == "converged" for row in table)
    records = [rater.rate(Protocol.ADIT, Metric.RELAXED, converged, f"{REQUESTED}; relaxation converged")]
    records += _symmetries(table, rater)
    for protocol in CRYSTAL_PROTOCOLS if energies.on_hull else ():
        rules = {Metric.STABLE: protocol.rule, Metric.SUN: f"{protocol.rule}; unique, not in {protocol.reference}"}
        if protocol.metastable_at is not None:
            rules[Metric.METASTABLE] = protocol.metastable_rule
            rules[Metric.MSUN] = f"{protocol.metastable_rule}; unique, not in {protocol.reference}"
        for metric, rule in rules.items():
            column = energies.column(flag(metric, protocol.name))
            basis = f"{REQUESTED}; converged relaxations; {energies.basis}; {rule}"
            if any(row[column] is None for row in table):
                records.append(rater.ratio(protocol.name, energies.column(metric), 0, 0, NO_REFERENCE))
                continue
            records.append(rater.rate(protocol.name, energies.column(metric), (row[column] for row in table), basis))
    if energies.on_hull:
        records += _covered(table, energies, rater)
        records += judge_records(table, energies, rater, REQUESTED, NO_REFERENCE)
    if energies.dft:
        sent = [row[Col.DFT_STATUS] == "converged" for row in table if row[Col.DFT_STATUS] != "not_sent"]
        records.append(rater.rate(Protocol.ADIT, Metric.DFT_CONVERGED_OF_SENT, sent, "crystals sent to DFT"))
    return records


def _covered(table: Records, energies: Energies, rater: Rater) -> list[RateRecord]:
    """Return the shares of crystals with a known hull, and of stable and S.U.N. ones with a known hull."""
    energies_of = [row[energies.column(Col.E_ABOVE_HULL)] for row in table]
    on_known_hull = [bool(row[Col.HULL_COVERS_CHEMISTRY]) and e == e for row, e in zip(table, energies_of, strict=True)]
    basis = f"{REQUESTED}; an energy, and a hull with compounds of every pair of elements; {energies.basis}"
    records = [rater.rate(Protocol.STRICT, Metric.KNOWN_HULL, on_known_hull, basis)]
    for name, metric in ((Metric.KNOWN_HULL_STABLE, Metric.STABLE), (Metric.KNOWN_HULL_SUN, Metric.SUN)):
        flags = [row[energies.column(flag(metric, ADIT.name))] for row in table]
        if any(each is None for each in flags):
            records.append(rater.ratio(Protocol.STRICT, energies.column(name), 0, 0, NO_REFERENCE))
            continue
        both = (bool(flag) and covered for flag, covered in zip(flags, on_known_hull, strict=True))
        rule = f"{basis}; {metric} by protocol {ADIT.name}, unknown hulls not counted"
        records.append(rater.rate(Protocol.STRICT, energies.column(name), both, rule))
    return records


def _symmetries(table: Records, rater: Rater) -> list[RateRecord]:
    """Return the rates about changes of symmetry by relaxation."""
    pairs = [(row[Col.SPACEGROUP], row[Col.RELAXED_SPACEGROUP]) for row in table if row[Col.RELAXED_SPACEGROUP]]
    basis = "crystals with a relaxed structure; spglib, symprec 0.1 Å"
    low, raised = (after == 1 for _, after in pairs), (after > before for before, after in pairs)
    return [
        rater.rate(Protocol.STRICT, Metric.RELAXED_SPACEGROUP_P1, low, basis),
        rater.rate(Protocol.STRICT, Metric.SPACEGROUP_RAISED, raised, f"{basis}; a higher spacegroup number"),
    ]


def crystal_funnel(table: Records, energies: Energies, matches: Matches) -> list[dict[str, Any]]:
    """Return the funnel of the samples by the paper's protocol: asked, decoded, valid, relaxed, stable, unique, novel.

    "Stable" needs a known hull, with a compound of every pair of the elements; crystals with an unknown hull fail at
    this step. A step counts the rows that pass it and all before it. "Valid" is the overall validity, which S.U.N. does
    not need, so the last step can be below S.U.N. Without relaxations, the generated structures are compared.
    """
    decoded = ["" if row[Col.N_ATOMS] else plain_reason(row[Col.REASON]) for row in table]
    steps = [FunnelStep("decoded", decoded), FunnelStep("valid", [_invalid(row) for row in table])]
    if energies.with_relaxations:
        steps.append(FunnelStep("relaxed", [_unrelaxed(row) for row in table]))
    if energies.with_relaxations and energies.on_hull:
        steps.append(FunnelStep("stable", [_unstable(row, energies) for row in table]))
    alive = [not any(step.reasons[number] for step in steps) for number in range(len(table))]
    population = RELAXED if energies.with_relaxations else Population.SAMPLES
    unique_and_novel = _unique_and_novel(table, alive, matches, population)
    steps += unique_and_novel if matches.has_references else unique_and_novel[:1]
    return funnel("crystal", len(table), steps)


def _unique_and_novel(table: Records, alive: Sequence[bool], matches: Matches, population: str) -> list[FunnelStep]:
    """Return the last two steps; a novel member represents its group if there is one."""
    matched = [matches.get(population, row[Col.SYSTEM_ID], ADIT.matcher) for row in table]
    novel = [match is not None and ADIT.novel(match) for match in matched]
    chosen: dict[str, int] = {}
    order = sorted(range(len(table)), key=lambda number: (not novel[number], table[number][Col.SYSTEM_ID]))
    for number in order:
        match = matched[number]
        if alive[number] and match is not None:
            chosen.setdefault(match.group, number)
    kept = set(chosen.values())
    unique = ["" if n in kept else "matches another sample" if matched[n] else "not matched" for n in range(len(table))]
    return [FunnelStep("unique", unique), FunnelStep("novel", ["" if yes else "matches the data" for yes in novel])]


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
    if row[Col.MISSING_PAIRS]:
        return "unknown hull: pairs of elements without a reference compound"
    if row[energies.column(flag(Metric.STABLE, ADIT.name))]:
        return ""
    if math.isnan(row[energies.column(Col.E_ABOVE_HULL)]):
        return plain_reason(row[Col.HULL_REASON]) or "no energy above hull"
    if row[Col.N_ELEMENTS] < ADIT.min_elements:
        return "single element"
    if row[energies.column(flag(Metric.METASTABLE, ADIT.name))]:
        return "metastable (0 to 0.1 eV/atom above the hull)"
    return "0.1 eV/atom or more above the hull"
