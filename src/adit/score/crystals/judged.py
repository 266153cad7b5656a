"""Results of a second potential (the judge): stable and S.U.N. by it and by both, on hulls that both have computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from adit.columns import Col, Metric, Protocol
from adit.hull.verdicts import Verdict, is_stable
from adit.score.common.aggregate import Rater, RateRecord, representatives
from adit.score.common.inputs import Energies
from adit.score.common.scored import Records
from adit.score.crystals.protocols import ADIT
from adit.score.matching.matcher import Matches

FLAGS: Final = ((Metric.JUDGE_STABLE, Metric.JUDGE_SUN), (Metric.BOTH_STABLE, Metric.BOTH_SUN))
"""Stable and S.U.N. by the judge, and by both potentials."""


def add_judge(table: Records, energies: Energies, matches: Matches, population: str) -> None:
    """Add the judge's energy above the hull (eV/atom), the verdict of both potentials and the flags to a table.

    Args:
        table: the samples, with relaxations and hull; changed in place.
        energies: energies of the samples; without a judge nothing is added.
        matches: matches of the relaxed crystals with references and each other.
        population: population in ``matches`` that decides uniqueness and novelty.
    """
    if not energies.judge:
        return
    for record in table:
        row = energies.judge.get(record[Col.SYSTEM_ID], {})
        difference = row.get(str(Col.E_ABOVE_HULL_DIFFERENCE))
        own = record[energies.column(Col.E_ABOVE_HULL)]
        record[Col.JUDGE_E_ABOVE_HULL] = math.nan if difference is None else own + float(difference)
        record[Col.JOINT_VERDICT] = str(row.get(str(Col.VERDICT)) or Verdict.NO_ENERGY)
        on_hull = record[Col.JOINT_VERDICT] != Verdict.UNKNOWN_HULL and record[Col.RELAX_STATUS] == "converged"
        by_judge = is_stable(record[Col.JUDGE_E_ABOVE_HULL], record[Col.N_ELEMENTS])
        record[str(Metric.JUDGE_STABLE)] = on_hull and by_judge
        record[str(Metric.BOTH_STABLE)] = on_hull and record[Col.JOINT_VERDICT] == Verdict.BOTH
    for stable, joint in FLAGS:
        candidates = []
        for record in table:
            match = matches.get(population, record[Col.SYSTEM_ID], ADIT.matcher)
            if record[str(stable)] and match is not None and ADIT.novel(match):
                candidates.append((record[Col.SYSTEM_ID], match.group))
        chosen = representatives(candidates)
        for record in table:
            record[str(joint)] = record[Col.SYSTEM_ID] in chosen if matches.has_references else None


def judge_records(table: Records, energies: Energies, rater: Rater, requested: str, blank: str) -> Sequence[RateRecord]:
    """Return the rates by the judge and by both potentials; none without a judge.

    Args:
        table: the samples, after ``add_judge``.
        energies: energies of the samples.
        rater: makes the rates.
        requested: text for the denominator.
        blank: text for rates that have no value without a reference.
    """
    if not energies.judge:
        return []
    population = f"{requested}; converged relaxations; hulls that both potentials know"
    judge = f"{energies.judge_tag or 'no'} energies"
    rules = {Metric.JUDGE_STABLE: judge, Metric.BOTH_STABLE: f"{energies.basis}, and {judge}"}
    records = []
    for metric, joint in FLAGS:
        basis = f"{population}; {rules[metric]}; {ADIT.rule}"
        records.append(rater.rate(Protocol.STRICT, metric, (row[str(metric)] for row in table), basis))
        if any(row[str(joint)] is None for row in table):
            records.append(rater.ratio(Protocol.STRICT, joint, 0, 0, blank))
            continue
        novel = f"{basis}; unique, not in {ADIT.reference}"
        records.append(rater.rate(Protocol.STRICT, joint, (row[str(joint)] for row in table), novel))
    return records
