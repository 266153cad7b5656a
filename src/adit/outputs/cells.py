"""Cells of CSV files: text that a spreadsheet would evaluate gets an apostrophe, control characters are escapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

_FORMULA: Final = re.compile(r"(?:'*[\t\r]|['\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠])(?s:.)")
"""Spreadsheets skip blanks and invisible characters before a formula, and accept full-width signs."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that move the cursor of a terminal or end a line."""

_ESCAPE: Final = re.compile(r"\\x(?:[01][0-9a-f]|7f|[89][0-9a-f])|\\u202[89]")
"""A control character as it is written in a cell."""

_WRITTEN: Final = re.compile(rf"\\\\|{_ESCAPE.pattern}")
"""What stands for another text in a cell with escapes: two backslashes for one, and the escapes."""


def cell(value: Any) -> Any:
    r"""Return a value that is safe in a CSV file.

    Text with control characters gets escapes (``\x1b``); in such text, and in text that looks like it, a backslash
    is doubled. Text that begins like a formula gets an apostrophe. All else is unchanged.
    """
    if not isinstance(value, str):
        return value
    if _CONTROL.search(value) or _ESCAPE.search(value):
        value = _CONTROL.sub(_escape, value.replace("\\", "\\\\"))
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def plain(value: Any) -> Any:
    """Return the original value of a cell; the inverse of ``cell``."""
    if not isinstance(value, str):
        return value
    if value[:1] == "'" and _FORMULA.match(value):
        value = value[1:]
    return _WRITTEN.sub(_unescape, value) if _ESCAPE.search(value) else value


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _unescape(match: re.Match[str]) -> str:
    return "\\" if match[0] == "\\\\" else chr(int(match[0][2:], 16))


def escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table whose texts and column names are not evaluated by a spreadsheet; see ``cell``."""
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
