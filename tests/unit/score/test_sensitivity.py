"""Rates by number of samples, distances beside the controls, and the continuous fingerprint of crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adit.score.common.measures import Measurer
from adit.score.crystals.distances import Spread, crystal_distances, crystal_properties
from adit.score.crystals.sensitivity import Rate, crystal_rates, sensitivity
from adit.score.matching.amd import average_minimum_distances, nearest_distances
from adit.score.terminal_measures import measure_lines, sensitivity_lines
from adit.systems import AtomicSystem, Failure, Kind

ROWS: list[dict[str, Any]] = [
    {
        "system_id": f"s-{n:03d}",
        "valid": n % 4 != 0,
        "group": f"g{n % 150}",
        "group_loose": f"g{n % 150}",
        "novelty_adit": None,
    }
    for n in range(600)
]


def test_uniqueness_falls_with_the_number_of_samples_and_validity_does_not() -> None:
    frame = sensitivity(ROWS, [Rate("valid", "", ("valid",)), Rate("uniqueness", "adit", ("group",), "group")], seed=1)
    mean = frame.groupby(["metric", "samples"])["value"].mean()
    assert mean["valid", 600] == 0.75
    assert mean["uniqueness", 600] == 150 / 600
    assert mean["valid", 100] == pytest.approx(0.75, abs=0.06)
    assert mean["uniqueness", 100] > mean["uniqueness", 200] > mean["uniqueness", 500] > 0.25
    assert frame[frame["samples"] == 100]["seed"].nunique() == 10
    assert frame[frame["samples"] == 600]["seed"].nunique() == 1
    assert frame.equals(
        sensitivity(ROWS, [Rate("valid", "", ("valid",)), Rate("uniqueness", "adit", ("group",), "group")], 1)
    )
    lines = sensitivity_lines(frame)
    assert len(lines) == 5
    assert "25.0" in lines[-1]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rates = [Rate("uniqueness", "adit", ("group",), "group")]
    assert sensitivity(ROWS, rates, 1).equals(sensitivity(ROWS[::-1], rates, 1))


def test_rates_that_a_table_does_not_have_are_left_out() -> None:
    rates = crystal_rates(list(ROWS[0]))
    assert {rate.metric for rate in rates} == {"uniqueness", "novelty"}
    assert set(sensitivity(ROWS, rates, 0)["metric"]) == {"uniqueness"}  # novelty is unknown without a reference
    assert len(sensitivity([], rates, 0)) == 0


def rocksalt(a: float, shift: float = 0.0) -> AtomicSystem:
    cell = (np.ones((3, 3)) - np.eye(3)) * a / 2
    return AtomicSystem("s", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [a / 2 + shift] * 3]), cell)


def test_average_minimum_distances_of_rocksalt() -> None:
    amd = average_minimum_distances(rocksalt(5.64), 20)
    assert amd[:6] == pytest.approx([2.82] * 6)
    assert amd[6:18] == pytest.approx([2.82 * np.sqrt(2)] * 12)
    assert amd[18:] == pytest.approx([2.82 * np.sqrt(3)] * 2)


def test_average_minimum_distances_see_no_cell_and_are_continuous() -> None:
    one = rocksalt(5.64)
    conventional = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) @ np.asarray(one.cell)
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) @ conventional
    positions = np.vstack([corners, corners + one.positions[1]])
    other = AtomicSystem("o", Kind.CRYSTAL, np.repeat([11, 17], 4), positions, conventional)
    assert average_minimum_distances(other) == pytest.approx(average_minimum_distances(one))
    moved = average_minimum_distances(rocksalt(5.64, 0.01)) - average_minimum_distances(one)
    assert 0 < np.abs(moved).max() <= 2 * 0.01 * np.sqrt(3)


def test_nearest_distances() -> None:
    assert nearest_distances([np.array([0.0, 0.0]), np.array([0.0, 3.0]), np.array([1.0, 0.0])]) == [1.0, 3.0, 1.0]
    assert nearest_distances([np.zeros(2)]) == []


def test_distances_are_zero_to_itself_and_grow() -> None:
    same = [rocksalt(a) for a in (5.0, 5.5, 6.0)]
    reference = crystal_properties(same)
    rows: list[AtomicSystem | Failure] = [*same, Failure("f", "decode", "no")]
    measurer = Measurer("crystal", "samples", 4, 0.95)
    distances = {
        m.metric: m for m in crystal_distances(crystal_properties(rows), reference, measurer, "the training split")
    }
    assert distances.keys() == set(Spread) - {Spread.NEAREST_DISTANCE}
    assert all(measure.value == pytest.approx(0, abs=1e-12) for measure in distances.values())
    wide = {m.metric: m for m in crystal_distances(crystal_properties([rocksalt(8.0)]), reference, measurer, "x")}
    mean = np.mean([5.0**3, 5.5**3, 6.0**3]) / 8
    assert wide[Spread.VOLUME_DISTANCE].value == pytest.approx(8.0**3 / 8 - mean)
    assert len(measure_lines(list(distances.values()))) == 6
