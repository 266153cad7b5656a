"""Distances between distributions, against SciPy and by hand, with intervals that hold the value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from adit.score.common.measures import Estimate, Measurer

MEASURER = Measurer("molecule", "samples", 10, 0.95)
VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), VALUES)
def test_wasserstein_is_scipys(groups: list[list[float]], reference: list[float]) -> None:
    estimate = MEASURER.wasserstein(groups, reference)
    assert estimate.value == pytest.approx(wasserstein_distance([v for g in groups for v in g], reference), abs=1e-9)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.value is not None
    assert estimate.low <= estimate.value <= estimate.high


def test_total_variation_by_hand() -> None:
    estimate = MEASURER.total_variation([{"C": 2}, {"C": 1, "N": 1}], {"C": 1, "O": 1})
    assert estimate.value == pytest.approx(0.5)  # shares 3/4, 1/4, 0 against 1/2, 0, 1/2
    assert MEASURER.total_variation([{"C": 1}], {"O": 5}).value == 1.0
    assert MEASURER.total_variation([{"C": 1}, {"O": 1}], {"C": 5, "O": 5}).value == 0.0


def test_median() -> None:
    assert MEASURER.median([3.0, 1.0, 2.0]).value == 2.0
    assert MEASURER.median([4.0, 1.0]).value == 2.5


@pytest.mark.parametrize(
    "estimate",
    [
        MEASURER.wasserstein([], [1.0]),
        MEASURER.wasserstein([[], []], [1.0]),
        MEASURER.wasserstein([[1.0]], []),
        MEASURER.total_variation([{}], {"C": 1}),
        MEASURER.total_variation([{"C": 1}], {}),
        MEASURER.median([]),
    ],
)
def test_nothing_to_measure_has_no_value(estimate: Estimate) -> None:
    assert estimate == Estimate(None, None, None, 0)


def test_more_systems_have_a_smaller_interval() -> None:
    generator = np.random.default_rng(1)
    reference = generator.normal(size=2000).tolist()
    widths = []
    for count in (50, 5000):
        estimate = MEASURER.wasserstein([[v] for v in generator.normal(0.5, size=count)], reference)
        assert estimate.value == pytest.approx(0.5, abs=0.3)
        widths.append((estimate.high or 0.0) - (estimate.low or 0.0))
    assert widths[1] < widths[0] / 4


def test_a_record_says_what_it_is() -> None:
    record = MEASURER.measure("size_distance", MEASURER.median([1.0]), "atoms", "basis").to_json()
    assert (record["unit"], record["count"], record["asked"]) == ("atoms", 1, 10)


def test_intervals_do_not_depend_on_the_order_of_systems() -> None:
    random = np.random.default_rng(0)
    lengths = [list(random.normal(1.4, 0.2, size)) for size in random.integers(0, 6, 40)]
    counts = [{"C": int(c), "N": int(n)} for c, n in random.integers(0, 5, (40, 2))]
    order = random.permutation(40)
    for of, groups, reference in (
        (MEASURER.wasserstein, lengths, [1.3, 1.5, 1.6]),
        (MEASURER.total_variation, counts, {"C": 3, "O": 1}),
    ):
        first = of(groups, reference)  # type: ignore[operator]
        assert first.low < first.value < first.high
        assert of([groups[n] for n in order], reference) == first  # type: ignore[operator]
        assert of([groups[n] for n in order[::-1]], reference) == first  # type: ignore[operator]
