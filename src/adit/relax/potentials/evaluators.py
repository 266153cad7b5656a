"""What gives energies, whatever the potential: batches of structures in, energy, forces and stress out."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

Results = dict[str, Any]
"""energy and free_energy (eV for the cell), forces (n, 3) in eV/Å, stress (6,) in eV/Å³, Voigt order."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what potentials, pymatgen and ASE print and warn."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Evaluator(Protocol):
    """What gives energies."""

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure, or why there are none."""
        ...


class ByCalculator:
    """Asks an ASE calculator about one structure after the other.

    Args:
        calculator: gives energy, forces and stress.
    """

    def __init__(self, calculator: Any) -> None:
        self._calculator = calculator

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure; an error where the calculator has none."""
        from adit.relax.potentials.interpreter.loaders import answer

        answers: list[Results | Exception] = []
        for atoms in structures:
            try:
                answers.append(answer(self._calculator, atoms))
            except Exception as error:  # noqa: BLE001 - calculators raise many kinds; each is this structure's alone
                answers.append(error)
        return answers


def fed(evaluator: Evaluator) -> Any:
    """Return a new ASE calculator (eV, eV/Å, eV/Å³) that can also be fed with results of a batch: ``feed``."""
    from ase.calculators.calculator import Calculator, all_changes

    class Fed(Calculator):  # type: ignore[misc]
        implemented_properties = ("energy", "free_energy", "forces", "stress")

        def feed(self, atoms: Atoms, results: Results) -> None:
            """Take results for a geometry, as if computed here."""
            self.atoms, self.results = atoms.copy(), dict(results)

        def calculate(
            self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            (answer,) = evaluator.evaluate([self.atoms])
            if isinstance(answer, Exception):
                raise answer
            self.results = answer

    return Fed()


def lazy_frechet(atoms: Atoms) -> Any:
    """Return ASE's ``FrechetCellFilter`` that computes its generalised forces once a geometry, not once a question."""
    from ase.filters import FrechetCellFilter

    class Lazy(FrechetCellFilter):  # type: ignore[misc]
        _geometry: tuple[np.ndarray, np.ndarray] | None = None
        _forces: np.ndarray

        def get_forces(self, **options: Any) -> np.ndarray:
            geometry = (self.atoms.positions.copy(), np.array(self.atoms.cell))
            latest = self._geometry
            if latest is None or not all(np.array_equal(a, b) for a, b in zip(latest, geometry, strict=True)):
                self._forces = super().get_forces(**options)
                self._geometry = geometry
            return self._forces.copy()

    return Lazy(atoms)
