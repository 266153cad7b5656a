"""Intervals and the funnel."""

from __future__ import annotations

import pytest

from adit.intervals import wilson
from adit.score.common.aggregate import MAX_REASONS, OTHER, FunnelStep, Rater, funnel, plain_reason


@pytest.mark.parametrize(
    ("numerator", "denominator", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Stat. Med. 17, 857 (1998), Table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_published_values(numerator: int, denominator: int, low: float, high: float) -> None:
    assert wilson(numerator, denominator, 0.95) == pytest.approx((low, high), abs=6e-5)


def test_a_wider_level_gives_a_wider_interval() -> None:
    low, high = wilson(5, 20, 0.95)
    lower, higher = wilson(5, 20, 0.99)
    assert lower < low < 0.25 < high < higher


def test_a_rate_of_nothing_has_no_value() -> None:
    record = Rater("crystal", "samples", 0.95).rate("adit", "stable", [], "none")
    assert (record.value, record.low, record.high, record.denominator) == (None, None, None, 0)


def test_a_record_carries_its_counts() -> None:
    record = Rater("crystal", "samples", 0.95).rate("adit", "stable", [True, False, False, True], "asked")
    assert (record.numerator, record.denominator, record.value) == (2, 4, 0.5)
    assert record.to_json()["basis"] == "asked"


def test_funnel_counts_each_row_once() -> None:
    steps = [
        FunnelStep("decoded", ["", "lost", "", ""]),
        FunnelStep("valid", ["", "bad", "bad", ""]),
        FunnelStep("novel", ["", "", "", "old"]),
    ]
    steps_counted = funnel("crystal", 4, steps)
    assert [(step["step"], step["count"]) for step in steps_counted] == [
        ("asked", 4),
        ("decoded", 3),
        ("valid", 2),
        ("novel", 1),
    ]
    assert [step["reasons"] for step in steps_counted] == [{}, {"lost": 1}, {"bad": 1}, {"old": 1}]
    assert sum(sum(step["reasons"].values()) for step in steps_counted) + steps_counted[-1]["count"] == 4


def test_many_reasons_are_summed_up() -> None:
    reasons = [f"reason {chr(97 + n)}" for n in range(MAX_REASONS + 5)]
    step = funnel("crystal", len(reasons), [FunnelStep("valid", reasons)])[1]
    assert len(step["reasons"]) == MAX_REASONS
    assert step["reasons"][OTHER] == 6
    assert sum(step["reasons"].values()) == len(reasons)


def test_equal_causes_have_equal_reasons() -> None:
    assert plain_reason("closest atoms 0.31 Å apart") == plain_reason("closest atoms 0.4 Å apart")
    assert plain_reason("atoms overlap: Ac–O 0.31 Å apart") == plain_reason("atoms overlap: H–H 0.4 Å apart")
    assert plain_reason("no reference for H2O") == "no reference for H2O"
