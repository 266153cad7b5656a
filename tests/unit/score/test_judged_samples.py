"""Stable and S.U.N. by a second potential and by both: what counts, and what a hull does not know."""

from __future__ import annotations

import math

from adit.columns import Population
from adit.score.common.aggregate import Rater
from adit.score.common.inputs import Energies
from adit.score.crystals.judged import add_judge, judge_records
from adit.score.crystals.protocols import ADIT
from adit.score.matching.matcher import Match, Matches
from adit.systems import Kind

ROWS = [
    # id, energy above the hull, the judge's less it, verdict, group, in the data, relaxation
    ("both", -0.2, 0.1, "stable by both", "both", False, "converged"),
    ("twin", -0.3, 0.1, "stable by both", "both", False, "converged"),
    ("in_data", -0.2, 0.1, "stable by both", "in_data", True, "converged"),
    ("judge", 0.1, -0.2, "stable by one", "judge", False, "converged"),
    ("first", -0.1, 0.2, "stable by one", "first", False, "converged"),
    ("unknown", -1.9, 0.0, "unknown hull", "unknown", False, "converged"),
    ("rough", -0.2, 0.1, "stable by both", "rough", False, "unconverged"),
]
JUDGE = {name: {"e_above_hull_difference": gap, "verdict": verdict} for name, _, gap, verdict, *_ in ROWS}


def table() -> list[dict[str, object]]:
    return [
        {"system_id": name, "e_above_hull": energy, "n_elements": 2, "relax_status": status}
        for name, energy, *_, status in ROWS
    ] + [{"system_id": "absent", "e_above_hull": math.nan, "n_elements": 2, "relax_status": "failed"}]


def matches(references: bool = True) -> Matches:
    by_key = {
        ("relaxed", name): {ADIT.matcher.name: Match(group=group, in_train=in_data, in_reference=in_data)}
        for name, *_, group, in_data, _ in ROWS
    }
    return Matches(by_key, {}, has_references=references)


def test_stable_and_sun_by_the_judge_and_by_both() -> None:
    rows, energies = table(), Energies(on_hull=True, judge=JUDGE, judge_tag="sevennet-l3i5/PBE(+U)/MP2020")
    add_judge(rows, energies, matches(), "relaxed")
    by_id = {row["system_id"]: row for row in rows}
    passes = {name: {key for key, row in by_id.items() if row[name]} for name in ("stable_by_judge", "stable_by_both")}
    assert passes == {
        "stable_by_judge": {"both", "twin", "in_data", "judge"},
        "stable_by_both": {"both", "twin", "in_data"},
    }
    assert {key for key, row in by_id.items() if row["sun_by_judge"]} == {"both", "judge"}
    assert {key for key, row in by_id.items() if row["sun_by_both"]} == {"both"}
    assert by_id["absent"]["joint_verdict"] == "no energy"
    rates = {
        str(record.metric): (record.numerator, record.denominator)
        for record in judge_records(rows, energies, Rater(Kind.CRYSTAL, Population.SAMPLES, 0.95), "asked", "none")
    }
    assert rates == {
        "stable_by_judge": (4, 8),
        "sun_by_judge": (2, 8),
        "stable_by_both": (3, 8),
        "sun_by_both": (1, 8),
    }


def test_without_a_reference_nothing_is_novel_and_without_a_judge_nothing_is_said() -> None:
    rows, energies = table(), Energies(on_hull=True, judge=JUDGE)
    add_judge(rows, energies, matches(references=False), "relaxed")
    assert {row["sun_by_both"] for row in rows} == {None}
    plain = table()
    add_judge(plain, Energies(on_hull=True), matches(), "relaxed")
    assert plain == table()
    assert judge_records(plain, Energies(on_hull=True), Rater(Kind.CRYSTAL, Population.SAMPLES, 0.95), "", "") == []
