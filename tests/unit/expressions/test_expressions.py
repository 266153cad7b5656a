"""Conditions on columns: what each means, what is refused, and that no text runs as code."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest

from adit.errors import ConfigError
from adit.expressions import parse_condition

ROW = {"e": 0.03, "novel": True, "formula": "NaCl", "n": np.int64(4), "gap": math.nan, "note": None, "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("e < 0.05 and novel", True),
        ("e < 0.05 and not novel", False),
        ("e>=0.03", True),
        ("e > .03", False),
        ("formula = 'NaCl'", True),
        ('formula == "KCl" or n != 4 or 4 = n', True),
        ("formula in ('KCl', 'NaCl')", True),
        ("formula not in ['KCl', 'NaCl',]", False),
        ("n in (1, 2, 4) AND NOT (e < 0 OR n > 4)", True),
        ("`e` <= 3e-2", True),
        ("n < -1 or n<-1", False),
        ("novel = true and (n > 3) = true", True),
        ("formula < 5 or formula = 5 or 5 > formula", False),
        ("formula != 5", True),
        ("empty or note", False),
        ("'a' < 'b' and 'B' < 'a'", True),
        ("not not novel", True),
        ("e < 0 and e < 0 or novel", True),
        ("novel or e < 0 and e < 0", True),
    ],
)
def test_meaning(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(ROW) is holds


@pytest.mark.parametrize("name", ["gap", "note", "absent"])
@pytest.mark.parametrize(
    "comparison", ["{} < 1", "{} >= 1", "{} = 1", "{} != 1", "{} in (1, 2)", "{} not in (1, 2)", "{}"]
)
def test_a_comparison_with_a_missing_value_is_false(name: str, comparison: str) -> None:
    condition = comparison.format(name)
    assert not parse_condition(condition).holds(ROW)
    assert parse_condition(f"not ({condition})").holds(ROW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column, a number, a text in quotes or '(', not the end"),
        ("e <", "not the end"),
        ("e < 1 2", "expected 'and', 'or' or the end, not '2' (character 7)"),
        ("0 < e < 1", "join comparisons with 'and'"),
        ("(e < 1", "expected ')'"),
        ("e in 3", "expected a list"),
        ("e in (1 2)", "expected ',' or ')'"),
        ("e in (1, 2]", "expected ',' or ')'"),
        ("e not 3", "expected 'in' after 'not'"),
        ("formula = 'NaCl", "cannot read"),
        ("__import__('os')", "expected 'and', 'or' or the end, not '('"),
        ("a.system('true')", "not '('"),
        ("e + 1 < 2", "cannot read '+ 1 < 2' at character 3"),
        ("e; drop table candidates", "cannot read"),
        ("(" * 60 + "e" + ")" * 60, "more than 50"),
        ("not " * 60 + "e", "more than 50"),
        ("e or " * 3000 + "e", "at most 10000"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_condition(text, "rounds.keep")
    assert str(error.value).startswith("rounds.keep: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_column_is_refused_with_the_near_ones() -> None:
    condition = parse_condition("e_abov_hull < 0.1 and novel")
    condition.check(["e_above_hull", "e_abov_hull", "novel"], "adit ledger query")
    with pytest.raises(ConfigError, match=r"query: no column 'e_abov_hull'; near: e_above_hull"):
        condition.check(["e_above_hull", "novel", "formula"], "adit ledger query")
    with pytest.raises(ConfigError, match=r"no column 'zz'; no name is near"):
        parse_condition("zz = 1").check(["formula"], "x")


def test_the_columns_are_those_of_the_text() -> None:
    assert parse_condition("b < 1 and (a in (c, 2) or not b = `d-e`)").columns == ["b", "a", "c", "d-e"]


def test_a_long_list_is_a_flat_tree_in_sql() -> None:
    condition = parse_condition(" or ".join(["x=1"] * 1200))
    sql, parameters = condition.sql(lambda name: "2")
    assert sqlite3.connect(":memory:").execute(f"SELECT {sql}", parameters).fetchone() == (0,)


def test_nested_comparisons_stay_small_in_sql() -> None:
    condition = parse_condition("(" * 45 + "a" + " < 1)" * 45)
    assert len(condition.sql(lambda name: "a")[0]) < 10_000


def test_texts_that_a_column_is_compared_with_can_be_changed() -> None:
    text = "s = 'a' or 'a' != s and not s in ('b', t) or (t = 'a') = (s = 'b') or s < 'a' or s = 1"
    changed = parse_condition(text).with_texts("s", str.upper)
    expected = "s = 'A' or 'A' != s and not s in ('B', t) or (t = 'a') = (s = 'B') or s < 'a' or s = 1"
    assert changed.root == parse_condition(expected).root
    assert changed.text == text
