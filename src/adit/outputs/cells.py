"""Cells of CSV files that a spreadsheet would evaluate: text that begins like a formula gets an apostrophe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

_FORMULA: Final = re.compile(r"(?:'*[\t\r]|['\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠])(?s:.)")
"""Spreadsheets skip blanks and invisible characters before a formula, and accept full-width signs."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)


def cell(value: Any) -> Any:
    """Return a value that is safe in a CSV file; only text that begins like a formula changes."""
    dangerous = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if dangerous else value


def plain(value: Any) -> Any:
    """Return the original value of a cell; the inverse of ``cell``."""
    return value[1:] if isinstance(value, str) and value[:1] == "'" and _FORMULA.match(value) else value


def escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts and column names are not evaluated by a spreadsheet."""
    return _each(frame, cell)


def unescaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the original table; the inverse of ``escaped``."""
    return _each(frame, plain)


def _each(frame: pd.DataFrame, change: Any) -> pd.DataFrame:
    import pandas as pd

    copy = frame.copy(deep=False)
    for number in range(copy.shape[1]):
        values = copy.iloc[:, number]
        if values.dtype == object or pd.api.types.is_string_dtype(values.dtype):
            copy.isetitem(number, values.map(change))
    copy.columns = pd.Index([change(name) for name in copy.columns], name=frame.columns.name)
    return copy
