"""GPAW for ASE with fallbacks: if the SCF does not converge, other mixing and other eigensolvers are tried."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator, all_changes

from adit.convert import from_atoms
from adit.relax.potentials.divergence import DivergedError, Watch
from adit.relax.potentials.screen import contact
from adit.systems import Kind

if TYPE_CHECKING:
    from ase import Atoms


class ScfFallbackWarning(UserWarning):
    """The SCF converged only with a fallback of the preset; the result has the same meaning."""


class PatientGpaw(Calculator):  # type: ignore[misc]
    """ASE calculator that wraps GPAW's, tries fallbacks in order, and keeps the one that converges.

    Args:
        settings: settings of GPAW.
        fallbacks: settings that replace those of the same name, in order; they affect whether and
            how fast the SCF converges, not its result.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress", "magmom", "magmoms")

    def __init__(self, settings: dict[str, Any], fallbacks: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self._settings, self._fallbacks = settings, list(fallbacks)
        self._level = 0
        self._gpaw: Any = None
        self._watch = Watch()

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Compute energy (eV), forces (eV/Å), stress (eV/Å³) and magnetic moments (µ_B) of a geometry.

        Raises:
            ConvergenceError: no fallback converges (GPAW's class).
            DivergedError: atoms overlap, or energy, forces or cell are outside the bounds of ``divergence``.
        """
        from gpaw import ConvergenceError

        super().calculate(atoms, properties, system_changes)
        self._enter()
        overlap = contact(from_atoms(self.atoms, "geometry", Kind.CRYSTAL))
        if overlap is not None:
            raise DivergedError(f"diverged: {overlap}: frozen cores overlap")
        while True:
            try:
                self.results = self._everything()
                break
            except ConvergenceError as error:
                if self._level == len(self._fallbacks):
                    reason = f"SCF not converged in any of {self._level + 1} ways"
                    raise ConvergenceError(f"{reason} ({type(error).__name__})") from error
                fallback = self._fallbacks[self._level]
                self._level, self._gpaw = self._level + 1, None
                message = f"SCF not converged: fallback {self._level} {json.dumps(fallback, sort_keys=True)}"
                warnings.warn(message, ScfFallbackWarning, stacklevel=2)
        self._watch.leave(self.atoms, self.results["energy"], self.results["forces"])

    def _enter(self) -> None:
        """Check the geometry before anything is computed."""
        self._watch.enter(self.atoms)

    def _everything(self) -> dict[str, Any]:
        if self._gpaw is None:
            self._gpaw = self._new()
        names = ["energy", "free_energy", "forces"] + (["stress"] if self.atoms.pbc.any() else [])
        if self._settings.get("spinpol"):
            names += ["magmom", "magmoms"]
        return {name: self._gpaw.get_property(name, self.atoms) for name in names}

    def _new(self) -> Any:
        from gpaw import GPAW

        if self._level == 0:
            return GPAW(**self._settings)
        log = {"txt": f"gpaw-fallback{self._level}.txt"}
        return GPAW(**{**self._settings, **self._fallbacks[self._level - 1], **log})
