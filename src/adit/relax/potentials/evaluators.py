"""Evaluators of any potential: energy, forces and stress of batches of structures."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ase import Atoms

Results = dict[str, Any]
"""``energy`` and ``free_energy`` in eV per cell, ``forces`` (n, 3) in eV/Å, ``stress`` (6,) in eV/Å³, Voigt order."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block, suppress standard output and warnings (of potentials, pymatgen and ASE)."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Evaluator(Protocol):
    """Evaluates energies of structures."""

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure, see ``Results``, or its error."""
        ...

    def energies(self, structures: Sequence[Atoms]) -> list[float | Exception]:
        """Return the energy (eV per cell) of each structure, or its error."""
        answers = self.evaluate(structures)
        return [each if isinstance(each, Exception) else float(each["energy"]) for each in answers]


class ByCalculator(Evaluator):
    """Evaluates one structure after the other with an ASE calculator.

    Args:
        calculator: ASE calculator of energy, forces and stress.
    """

    def __init__(self, calculator: Any) -> None:
        self._calculator = calculator

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        """Return energy, forces and stress of each structure, see ``Results``, or the calculator's error."""
        from adit.relax.potentials.interpreter.loaders import answer

        answers: list[Results | Exception] = []
        for atoms in structures:
            try:
                answers.append(answer(self._calculator, atoms))
            except Exception as error:  # noqa: BLE001 - calculators raise many kinds; each is this structure's alone
                answers.append(error)
        return answers


def fed(evaluator: Evaluator) -> Any:
    """Return a new ASE calculator (eV, eV/Å, eV/Å³) that also accepts results of a batch through ``feed``."""
    from ase.calculators.calculator import Calculator, all_changes

    class Fed(Calculator):  # type: ignore[misc]
        implemented_properties = ("energy", "free_energy", "forces", "stress")

        def feed(self, atoms: Atoms, results: Results) -> None:
            """Store the results of a geometry, as if they were computed here."""
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
