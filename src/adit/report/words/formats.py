"""Formatting of values for display: a dash for missing values, a true minus sign, subscripts in formulas."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from markupsafe import Markup, escape

from adit import columns
from adit.columns import OF_VALID, Metric
from adit.config.engines import ENGINES

MISSING: Final = "—"
"""Text of a missing value."""


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: ``None``, NaN, pandas' missing values or an empty text."""
    if value is None or (isinstance(value, str) and not value):
        return True
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in ("NAType", "NaTType")


def number(value: Any, digits: int = 3) -> str:
    """Return a number with ``digits`` decimals and thin spaces between thousands; a dash for a missing value."""
    if is_missing(value):
        return MISSING
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.{digits}f}".replace("-", "−").replace(",", "\u202f")


def percent(value: Any) -> str:
    """Return a share in 0..1 as per cent with one decimal."""
    return MISSING if is_missing(value) else number(100 * value, 1)


def count(value: Any) -> str:
    """Return a whole number with thin spaces between thousands."""
    return number(value, 0)


def quantity(value: int, noun: str) -> str:
    """Return a whole number with thin spaces between thousands and its noun, singular where it is one."""
    return f"{count(value)} {noun if value == 1 else noun + 's'}"


def seconds(value: Any) -> str:
    """Return a duration as text; below 10 s with a decimal.

    Args:
        value: duration, s.
    """
    from adit.progress import duration

    if is_missing(value):
        return MISSING
    return f"{value:.1f} s" if value < 10 else duration(value)


def formula(text: Any) -> Markup:
    """Return a formula with subscripts; everything else is escaped."""
    if is_missing(text):
        return Markup(MISSING)
    parts = re.split(r"(?<=[A-Za-z)])(\d+)", str(text))
    return Markup("").join(Markup("<sub>{}</sub>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))


def chemical(text: str) -> str:
    """Return a reduced formula in the order of electronegativity (``NaCl`` for ``ClNa``); other text is unchanged."""
    from pymatgen.core import Composition

    try:
        return str(Composition(text).reduced_formula) if text else text
    except (ValueError, KeyError):
        return text


def code(name: str) -> str:
    """Return the name of a program as its authors write it, without a remark in brackets after it."""
    name = name.partition(" (")[0]
    return ENGINES[name.lower()].title if name.lower() in ENGINES else name


def metric(name: str, protocol: str = "") -> str:
    """Return a metric's name for display, e.g. ``chgnet_surrogate_sun`` as ``S.U.N. (CHGNet surrogate)``.

    Args:
        name: name in the files.
        protocol: its protocol, if it is not shown separately; several protocols have a ``validity``.
    """
    stem = name.removesuffix(OF_VALID)
    label = columns.metric_title(stem)
    label += f" ({protocol})" if protocol and stem == Metric.VALIDITY else ""
    label += " among valid" if name.endswith(OF_VALID) else ""
    return columns.energies_title(label, columns.potential_of(name))


def heading(column: str) -> str:
    """Return a column's name for display."""
    return columns.column_title(column)
