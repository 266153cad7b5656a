"""Cells of tables: text and sort key; the template defines the style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adit.report.words import formats


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: text of the cell, escaped by the template unless it is ``Markup``.
        sort: sort key; ``None``: the text.
        style: CSS classes.
        note: a second line in small print.
    """

    text: str
    sort: float | str | None = None
    style: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: columns, each with its title and a hint (unit, meaning).
        rows: cells.
        more: rows that are not in the page.
    """

    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    more: int = 0


@dataclass(frozen=True)
class Column:
    """Conversion of a column of a file to a column of a table.

    Attributes:
        name: column of the file.
        show: returns the cell of a value.
        title: title of the column; empty: that of the registry.
        hint: unit or meaning.
    """

    name: str
    show: Callable[[Any], Cell] = field(default=lambda value: text_cell(value))
    title: str = ""
    hint: str = ""


def text_cell(value: Any) -> Cell:
    """Return a cell of text."""
    return Cell(formats.MISSING, "", "missing") if formats.is_missing(value) else Cell(str(value))


def number_cell(digits: int) -> Callable[[Any], Cell]:
    """Return a function that makes cells of numbers with ``digits`` decimals."""

    def show(value: Any) -> Cell:
        if formats.is_missing(value) or isinstance(value, str):
            return Cell(formats.MISSING if formats.is_missing(value) else str(value), float("inf"), "num missing")
        return Cell(formats.number(float(value), digits), float(value), "num")

    return show


def seconds_cell(value: Any) -> Cell:
    """Return a cell of a duration.

    Args:
        value: duration, s.
    """
    cell = number_cell(1)(value)
    return Cell(formats.seconds(value), cell.sort, cell.style) if cell.style == "num" else cell


def status_cell(value: Any) -> Cell:
    """Return a status, coloured by its meaning."""
    good, bad = ("ok", "converged"), ("failed", "timeout", "refused", "crashed")
    tone = "good" if value in good else "bad" if value in bad else "fair" if value == "unconverged" else "idle"
    return text_cell(value) if formats.is_missing(value) else Cell(str(value).replace("_", " "), None, f"status {tone}")


def flag_cell(value: Any) -> Cell:
    """Return a truth value as yes or no."""
    if formats.is_missing(value):
        return text_cell(value)
    return Cell("yes" if value else "no", None, f"status {'good' if value else 'bad'}")


def formula_cell(value: Any) -> Cell:
    """Return a formula with subscripts."""
    return text_cell(value) if formats.is_missing(value) else Cell(formats.formula(value), str(value))


def id_cell(value: Any) -> Cell:
    """Return an id, which is not broken into lines."""
    return Cell(str(value), None, "code keep")


def reason_cell(value: Any) -> Cell:
    """Return a reason in small print."""
    return Cell("", "") if formats.is_missing(value) else Cell(str(value), None, "reason")


def code_cell(value: Any) -> Cell:
    """Return a cell of text in a fixed-width font."""
    cell = text_cell(value)
    return Cell(cell.text, cell.sort, "code") if cell.style != "missing" else cell
