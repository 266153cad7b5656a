"""Random conditions: read from text, they mean what a reference says, in Python and in SQLite alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adit.errors import ConfigError
from adit.expressions import parse_condition

COLUMNS = ("a", "b", "text", "d-e", "flag")
QUOTED = {"d-e": "`d-e`"}
SIGNS = ("<", "<=", ">", ">=", "=", "==", "!=")

numbers = st.sampled_from([-2.0, -0.5, 0.0, 1.0, 2.0, 1e-3])
words = st.sampled_from(["", "a", "b", "Na", "1"])
rows = st.fixed_dictionaries(dict.fromkeys(COLUMNS, st.one_of(st.none(), numbers, words)))


@dataclass(frozen=True)
class Case:
    """A condition as text and as a function of a row: a number, a text or ``None``."""

    text: str
    value: Callable[[dict[str, Any]], Any]


def _literal(value: float | str) -> Case:
    return Case(repr(value), lambda row: value)


def _column(name: str) -> Case:
    return Case(QUOTED.get(name, name), lambda row: row[name])


def _compared(sign: str, one: Any, other: Any) -> bool:
    """Say how two values compare, by a table of what each order means."""
    if one is None or other is None:
        return False
    if type(one) is not type(other):
        return sign == "!="
    order = "<" if one < other else ">" if one > other else "="
    return order in {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "=", "!=": "<>"}[sign]


def _is_true(value: Any) -> bool:
    return value not in (None, 0.0, "")


def _comparison(parts: tuple[Case, str, Case]) -> Case:
    one, sign, other = parts
    return Case(
        f"({one.text}) {sign} ({other.text})", lambda row: float(_compared(sign, one.value(row), other.value(row)))
    )


def _membership(parts: tuple[Case, bool, list[Case]]) -> Case:
    one, negative, choices = parts

    def value(row: dict[str, Any]) -> float:
        result = one.value(row)
        if negative:
            return float(all(_compared("!=", result, choice.value(row)) for choice in choices))
        return float(any(_compared("=", result, choice.value(row)) for choice in choices))

    listed = ", ".join(f"({choice.text})" for choice in choices)
    return Case(f"({one.text}) {'not in' if negative else 'in'} ({listed})", value)


def _joined(parts: tuple[str, list[Case]]) -> Case:
    word, cases = parts
    together = all if word == "and" else any
    return Case(
        f" {word} ".join(f"({case.text})" for case in cases),
        lambda row: float(together(_is_true(case.value(row)) for case in cases)),
    )


def _negated(case: Case) -> Case:
    return Case(f"not ({case.text})", lambda row: float(not _is_true(case.value(row))))


values = st.one_of(numbers.map(_literal), words.map(_literal), st.sampled_from(COLUMNS).map(_column))
conditions = st.recursive(
    values,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map(_comparison),
        st.tuples(inner, st.booleans(), st.lists(inner, min_size=1, max_size=3)).map(_membership),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(_joined),
        inner.map(_negated),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(conditions, rows)
def test_a_condition_means_what_the_reference_says(case: Case, row: dict[str, Any]) -> None:
    expected = _is_true(case.value(row))
    condition = parse_condition(case.text)
    assert condition.holds(row) is expected
    sql, parameters = condition.sql(lambda name: f'+"{name}"')
    base = sqlite3.connect(":memory:")
    base.execute('CREATE TABLE r (a, b, text, "d-e", flag)')
    base.execute("INSERT INTO r VALUES (?, ?, ?, ?, ?)", [row[name] for name in COLUMNS])
    assert base.execute(f"SELECT {sql} FROM r", parameters).fetchone() == (int(expected),)
    base.close()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_one_line(text: str) -> None:
    message = ""
    try:
        parse_condition(text)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message
