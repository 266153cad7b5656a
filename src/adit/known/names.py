"""InChIKeys of molecules, found in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adit import convert
from adit.isolate import map_isolated
from adit.systems import AtomicSystem

WALL_LIMIT_S: Final = 60.0
"""Wall time of one molecule, s."""

STARTUP_S: Final = 300.0
"""Longest time for loading libraries in a worker, s."""


def inchikeys(molecules: Sequence[AtomicSystem], workers: int) -> list[tuple[str, str]]:
    """Return the standard InChIKey of each molecule, with its stereochemistry, and why it has none.

    Args:
        molecules: geometries.
        workers: processes at most.
    """
    outcomes = map_isolated(
        _key, molecules, workers=max(1, workers), wall_limit_s=WALL_LIMIT_S, startup_s=STARTUP_S, warm_up=_load
    )
    return [outcome.value if outcome.status == "ok" else ("", outcome.reason) for outcome in outcomes]


def _key(molecule: AtomicSystem) -> tuple[str, str]:
    result = convert.perceive(molecule)
    return result.inchikey, "" if result.inchikey else f"has no InChIKey: {result.problem or 'no bonds fit'}"


def _load() -> None:
    import rdkit.Chem  # noqa: F401
