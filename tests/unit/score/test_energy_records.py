"""Rates that depend on relaxations and energies: counts with a reference, nothing measured without one."""

from __future__ import annotations

from adit.columns import Col, Metric, Population, Protocol
from adit.score.common.aggregate import Rater
from adit.score.common.inputs import Energies
from adit.score.crystals.protocols import ADIT
from adit.score.crystals.summary import NO_REFERENCE, energy_records
from adit.score.crystals.table import add_energies, crystal_rows
from adit.score.matching.matcher import Match, Matches
from adit.systems import Kind
from tests.unit.test_extending import salt

ENERGIES = {"low": -0.1, "high": 0.3}


def sun(matches: Matches) -> tuple[int, int, str]:
    """Return numerator, denominator and basis of S.U.N. by protocol adit, of a crystal below and one above the hull."""
    table = crystal_rows([salt(name) for name in ENERGIES], {}, matches, Population.SAMPLES)
    hull = {name: {Col.E_ABOVE_HULL: energy, Col.SURROGATE: False} for name, energy in ENERGIES.items()}
    relaxed = {name: {Col.STATUS: "converged"} for name in ENERGIES}
    energies = Energies(with_relaxations=True, on_hull=True, relaxed=relaxed, hull=hull)
    add_energies(table, energies, matches)
    records = energy_records(table, energies, Rater(Kind.CRYSTAL, Population.SAMPLES, 0.95))
    (record,) = (each for each in records if (each.protocol, each.metric) == (Protocol.ADIT, Metric.SUN))
    return record.numerator, record.denominator, record.basis


def test_sun_is_counted_with_a_reference_and_not_measured_without_one() -> None:
    by_key = {
        ("relaxed", name): {ADIT.matcher.name: Match(group=name, in_train=False, in_reference=False)}
        for name in ENERGIES
    }
    numerator, denominator, basis = sun(Matches(by_key, {}, has_references=True))
    assert (numerator, denominator) == (1, 2)
    assert basis != NO_REFERENCE
    assert sun(Matches(by_key, {}, has_references=False)) == (0, 0, NO_REFERENCE)
