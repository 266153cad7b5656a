"""Atoms and cell as one set of coordinates for ASE's optimisers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

SAME_DEFORMATION = 1e-12
"""Largest difference between the elements of two deformation gradients that count as equal."""


def log_cell(atoms: Atoms) -> Any:
    """Return ASE's ``FrechetCellFilter`` in a form that takes less time.

    The coordinates are the same up to a constant: positions in the undeformed cell, and n times the logarithm A of the
    deformation gradient F. A is kept from the step that set it, instead of a matrix logarithm at each access. The force
    on A is one Fréchet derivative of exp instead of nine: ⟨L(A, E), G⟩ = ⟨E, L(Aᵀ, G)⟩ (Higham, Functions of
    Matrices, SIAM 2008, section 3). Forces are computed once per geometry.

    Args:
        atoms: ASE ``Atoms`` with a calculator of energy (eV), forces (eV/Å) and stress (eV/Å³).
    """
    from ase.filters import FrechetCellFilter
    from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
    from scipy.linalg import expm, expm_frechet, logm

    class LogCell(FrechetCellFilter):  # type: ignore[misc]
        _geometry: tuple[np.ndarray, np.ndarray] | None = None
        _forces: np.ndarray
        _log = np.zeros((3, 3))

        def get_positions(self) -> np.ndarray:
            deformation, log = self._deformation()
            inside = np.linalg.solve(deformation, self.atoms.positions.T).T
            return np.vstack([inside, log * self.exp_cell_factor])

        def set_positions(self, new: np.ndarray, **options: Any) -> None:
            self._log = new[-3:] / self.exp_cell_factor
            deformation = expm(self._log)
            self.atoms.set_cell(self.orig_cell @ deformation.T, scale_atoms=True)
            self.atoms.set_positions(new[:-3] @ deformation.T, **options)

        def _deformation(self) -> tuple[np.ndarray, np.ndarray]:
            """Return the deformation gradient and its logarithm; constraints may adjust a cell that is set."""
            deformation = np.linalg.solve(self.orig_cell, np.asarray(self.atoms.cell)).T
            if not np.allclose(expm(self._log), deformation, rtol=0.0, atol=SAME_DEFORMATION):
                self._log = np.real(logm(deformation))
            return deformation, self._log

        def get_forces(self, **options: Any) -> np.ndarray:
            geometry = (self.atoms.positions.copy(), np.array(self.atoms.cell))
            latest = self._geometry
            if latest is None or not all(np.array_equal(a, b) for a, b in zip(latest, geometry, strict=True)):
                self._forces = self._computed_forces(**options)
                self._geometry = geometry
            return self._forces.copy()

        def _computed_forces(self, **options: Any) -> np.ndarray:
            virial = -self.atoms.get_volume() * voigt_6_to_full_3x3_stress(self.atoms.get_stress(**options))
            forces = self.atoms.get_forces(**options)
            deformation, log = self._deformation()
            gradient = virial @ np.linalg.inv(deformation.T)
            finite = np.isfinite(gradient).all()
            on_cell = expm_frechet(log.T, gradient, compute_expm=False) if finite else np.full((3, 3), np.nan)
            self.stress = full_3x3_to_voigt_6_stress(-virial / self.atoms.get_volume())
            return np.vstack([forces @ deformation, on_cell / self.exp_cell_factor])

    return LogCell(atoms)
