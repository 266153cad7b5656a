"""Limits of a check of dynamical stability, and the result of one structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from adit.isolate import Outcome
from adit.relax.potentials.outcome import Limits
from adit.systems import AtomicSystem

Status = Literal["ok", "failed", "timeout", "refused"]


@dataclass(frozen=True)
class PhononLimits:
    """Limits of a check.

    Attributes:
        relax: of the tight relaxation before it; symmetry is kept.
        displacement: of an atom, Å.
        length: smallest height of the supercell, Å, as far as ``max_atoms`` allows.
        max_atoms: of the supercell.
        tolerance: frequencies below minus this are imaginary, THz.
    """

    relax: Limits
    displacement: float
    length: float
    max_atoms: int
    tolerance: float


@dataclass(frozen=True)
class PhononDos:
    """Phonon density of states.

    Attributes:
        frequencies: (n,) THz; imaginary ones are negative.
        densities: (n,) 1/THz for each atom; the integral is 3.
    """

    frequencies: tuple[float, ...] = ()
    densities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Checked:
    """Result of one structure.

    Attributes:
        status: ok, failed, timeout or refused.
        reason: one line if it is not ok.
        values: columns of the table, plain values; those without a value are not there.
        system: the tightly relaxed crystal, if its relaxation converged.
        dos: density of states; empty if there is none.
        wall_s: wall time, s.
    """

    status: Status
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    system: AtomicSystem | None = None
    dos: PhononDos = PhononDos()
    wall_s: float = 0.0


def checked_of_outcome(outcome: Outcome) -> Checked:
    """Return the result of a worker's outcome, also of one that was killed or crashed."""
    if outcome.status == "ok":
        checked: Checked = outcome.value
        return checked
    return Checked("timeout" if outcome.status == "timeout" else "failed", outcome.reason, wall_s=outcome.wall_s)
