"""Charge and unpaired electrons of a molecule, where its file says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from adit.columns import Col
from adit.errors import DataError
from adit.systems import AtomicSystem

STATE: Final = (Col.CHARGE, Col.UNPAIRED)
"""Properties of a file that belong to the molecule itself."""


def with_state(system: AtomicSystem, properties: Mapping[str, Any]) -> AtomicSystem:
    """Return a molecule with the charge (e) and the unpaired electrons of its file in ``info``; a crystal as it is.

    Args:
        system: the parsed structure; values in its ``info`` are kept.
        properties: columns, keys or data fields of the file.

    Raises:
        DataError: one of them is not an integer, or the number of unpaired electrons is negative.
    """
    if system.cell is not None:
        return system
    values = {name: _whole(name, properties.get(name)) for name in STATE if system.info.get(name) is None}
    given = {str(name): value for name, value in values.items() if value is not None}
    if given.get(Col.UNPAIRED, 0) < 0:
        raise DataError(f"{Col.UNPAIRED} is {given[Col.UNPAIRED]}; it is a number of electrons")
    return replace(system, info={**system.info, **given}) if given else system


def _whole(name: str, value: Any) -> int | None:
    """Return an integer; ``None`` where a table has no value."""
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not number.is_integer():
        raise DataError(f"{name} is {value!r}, which is not an integer")
    return int(number)
