"""A condition that was read: its tree, its value for a row, and its form in SQL."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adit.errors import ConfigError

Value = float | str | None
"""A number (a truth value is 0 or 1), a text, or missing."""

Row = Mapping[str, Any]
"""Values of a row of a table by column."""

COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
"""Signs of comparisons, and what they compute."""


@dataclass(frozen=True)
class Literal:
    """A number or a text as written."""

    value: float | str


@dataclass(frozen=True)
class ColumnValue:
    """The value of a column."""

    name: str


@dataclass(frozen=True)
class Comparison:
    """Two values and a sign of ``COMPARISONS``."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Membership:
    """Whether a value equals one of a list (sign ``=``), or differs from every one (``!=``)."""

    sign: str
    value: Node
    choices: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    inner: Node


@dataclass(frozen=True)
class Joined:
    """Several conditions: all of them (``and``) or any (``or``)."""

    word: str
    parts: tuple[Node, ...]


Node = Literal | ColumnValue | Comparison | Membership | Not | Joined


@dataclass(frozen=True)
class Condition:
    """A condition on the columns of a table.

    Attributes:
        text: the condition as written.
        root: root of its tree.
    """

    text: str
    root: Node

    @property
    def columns(self) -> list[str]:
        """Return the columns that it names, in the order of the text, each once."""
        return list(dict.fromkeys(_columns(self.root)))

    def check(self, names: Collection[str], where: str) -> None:
        """Refuse a column that a table does not have.

        Args:
            names: the columns of the table.
            where: option or key that has the condition, for the message.

        Raises:
            ConfigError: a column is missing; the message names it and columns with similar names.
        """
        check_columns(self.columns, names, where)

    def with_texts(self, name: str, change: Callable[[str], str]) -> Condition:
        """Return the condition with changed texts where it compares a column with them by ``=``, ``!=`` or ``in``.

        Args:
            name: name of the column.
            change: returns the text to compare with, from the text as written.
        """
        return Condition(self.text, _with_texts(self.root, name, change))

    def holds(self, row: Row) -> bool:
        """Return whether a row fulfils the condition; a column that the row lacks is a missing value."""
        return _true(_value(self.root, row))

    def sql(self, column: Callable[[str], str]) -> tuple[str, list[float | str]]:
        """Return the condition in SQL with question marks, and the parameters in their order.

        Args:
            column: returns the SQL of a column, whose value is a number, a text or null.
        """
        parameters: list[float | str] = []
        return _sql_condition(self.root, column, parameters), parameters


def check_columns(columns: Sequence[str], names: Collection[str], where: str) -> None:
    """Refuse columns that a table does not have.

    Args:
        columns: columns that are needed.
        names: the columns of the table.
        where: option or key that needs them, for the message.

    Raises:
        ConfigError: a column is missing; the message names it and columns with similar names.
    """
    for column in columns:
        if column in names:
            continue
        near = difflib.get_close_matches(column, sorted(names), n=3, cutoff=0.5)
        inside = [name for name in sorted(names) if column and column in name and name not in near]
        close = ", ".join([*near, *inside][:5])
        raise ConfigError(f"{where}: no column '{column}'; " + (f"near: {close}" if close else "no name is near"))


def _columns(node: Node) -> Iterator[str]:
    if isinstance(node, ColumnValue):
        yield node.name
    for inner in _inner(node):
        yield from _columns(inner)


def _inner(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Comparison):
        return node.left, node.right
    if isinstance(node, Membership):
        return node.value, *node.choices
    if isinstance(node, Not):
        return (node.inner,)
    return node.parts if isinstance(node, Joined) else ()


def _with_texts(node: Node, name: str, change: Callable[[str], str]) -> Node:
    def inside(other: Node, compared: bool) -> Node:
        if compared and isinstance(other, Literal) and isinstance(other.value, str):
            return Literal(change(other.value))
        return _with_texts(other, name, change)

    if isinstance(node, Comparison):
        same = node.sign in ("=", "!=") and ColumnValue(name) in (node.left, node.right)
        return Comparison(node.sign, inside(node.left, same), inside(node.right, same))
    if isinstance(node, Membership):
        same = node.value == ColumnValue(name)
        return Membership(node.sign, inside(node.value, False), tuple(inside(one, same) for one in node.choices))
    if isinstance(node, Not):
        return Not(_with_texts(node.inner, name, change))
    if isinstance(node, Joined):
        return Joined(node.word, tuple(_with_texts(part, name, change) for part in node.parts))
    return node


def plain(value: Any) -> Value:
    """Return a value of a table for a condition: a number, a text, or ``None`` if it is missing (also NaN, lists)."""
    if isinstance(value, str) or value is None:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):  # a list, a missing value of pandas
        return None
    return None if math.isnan(number) else number


def _value(node: Node, row: Row) -> Value:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, ColumnValue):
        return plain(row.get(node.name))
    return float(_condition(node, row))


def _condition(node: Node, row: Row) -> bool:
    if isinstance(node, Joined):
        return (all if node.word == "and" else any)(_true(_value(part, row)) for part in node.parts)
    if isinstance(node, Not):
        return not _true(_value(node.inner, row))
    if isinstance(node, Comparison):
        return compare(node.sign, _value(node.left, row), _value(node.right, row))
    if isinstance(node, Membership):
        value = _value(node.value, row)
        return (any if node.sign == "=" else all)(
            compare(node.sign, value, _value(choice, row)) for choice in node.choices
        )
    return _true(_value(node, row))


def compare(sign: str, left: Value, right: Value) -> bool:
    """Return whether a comparison of two values is true; it is false if one is missing.

    Args:
        sign: one of ``COMPARISONS``.
        left: first value.
        right: second value.
    """
    if left is None or right is None:
        return False
    if isinstance(left, str) != isinstance(right, str):
        return sign == "!="
    return COMPARISONS[sign](left, right)


def _true(value: Value) -> bool:
    return value is not None and value not in (0.0, "")


def _sql_condition(node: Node, column: Callable[[str], str], parameters: list[float | str]) -> str:
    """Return SQL that is 1 or 0, never null, and collect its parameters in their order."""
    if isinstance(node, Joined):
        parts = [_sql_condition(part, column, parameters) for part in node.parts]
        return _sql_joined(node.word.upper(), parts)
    if isinstance(node, Not):
        return f"(NOT {_sql_condition(node.inner, column, parameters)})"
    if isinstance(node, Comparison):
        return _sql_comparison(node.sign, node.left, node.right, column, parameters)
    if isinstance(node, Membership):
        parts = [_sql_comparison(node.sign, node.value, choice, column, parameters) for choice in node.choices]
        return _sql_joined("OR" if node.sign == "=" else "AND", parts)
    value = _sql_value(node, column, parameters)
    return f"(COALESCE(({value}) NOT IN (0, ''), 0))"


def _sql_comparison(
    sign: str, left: Node, right: Node, column: Callable[[str], str], parameters: list[float | str]
) -> str:
    """Return the comparison of two values; SQLite orders a number before every text, so kinds are compared first."""
    one = _sql_value(left, column, parameters)
    other = _sql_value(right, column, parameters)
    compared = f"({one}) {sign} ({other})"
    if sign in ("=", "!="):
        return f"(COALESCE({compared}, 0))"
    return f"(COALESCE({compared} AND {_sql_is_text(left, column)} = {_sql_is_text(right, column)}, 0))"


def _sql_joined(word: str, parts: Sequence[str]) -> str:
    """Return conditions joined in pairs, so that SQLite's tree of a long list stays flat."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_sql_joined(word, parts[:middle])} {word} {_sql_joined(word, parts[middle:])})"


def _sql_is_text(node: Node, column: Callable[[str], str]) -> str:
    if isinstance(node, ColumnValue):
        return f"(typeof({column(node.name)}) = 'text')"
    return "1" if isinstance(node, Literal) and isinstance(node.value, str) else "0"


def _sql_value(node: Node, column: Callable[[str], str], parameters: list[float | str]) -> str:
    if isinstance(node, Literal):
        parameters.append(node.value)
        return "?"
    if isinstance(node, ColumnValue):
        return column(node.name)
    return _sql_condition(node, column, parameters)
