"""A potential of a run, with its weights and interpreter. Picklable; nothing is loaded before use."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from adit import convert, store
from adit.config.base import load_place
from adit.elements import symbol
from adit.errors import ConfigError, DataError, ExternalToolError, why_no_file
from adit.relax.potentials import chgnet
from adit.relax.potentials.chgnet_calculator import network
from adit.relax.potentials.corrections import mp2020
from adit.relax.potentials.evaluators import Evaluator, fed, quiet
from adit.relax.potentials.identity import Identity
from adit.relax.potentials.interpreter.loaders import load_calculator
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.registry import Potential, potential
from adit.relax.potentials.remote import Remote
from adit.systems import AtomicSystem

HASH_LENGTH = 8
"""Number of digits of the weights' hash in the energy tag, for weights from a user's file."""


@dataclass(frozen=True)
class Chosen:
    """One potential with its weights and its interpreter.

    Attributes:
        name: name of the potential in the registry.
        weights: file of weights; ``None``: those of the package.
        python: Python interpreter in which its package is installed; ``None``: this one.
    """

    name: str = "chgnet"
    weights: str | None = None
    python: str | None = None

    @property
    def potential(self) -> Potential:
        """Return its entry in the registry."""
        return potential(self.name)

    @property
    def label(self) -> str:
        """Return its name for display."""
        return self.potential.label

    @property
    def energy_tag(self) -> str:
        """Return the energy tag of its corrected energies.

        Raises:
            ConfigError: it needs a file of weights, and none is named, or the named one does not exist.
        """
        return self.potential.energy_tag(self.identity().version)

    def check(self) -> None:
        """Check that package, interpreter and weights exist; nothing is loaded.

        Raises:
            ConfigError: it needs a file of weights, and none is named, or the named one does not exist.
            ExternalToolError: its package or the interpreter is not installed.
        """
        entry = self.potential
        self.check_weights()
        if self.python is not None and shutil.which(self.python) is None:
            raise ExternalToolError(
                f"{self.python}: does not start (no such program); name a Python that has {self.name}"
            )
        if self.python is None and find_spec(entry.package) is None:
            raise ExternalToolError(
                f"{entry.label}: {entry.distribution} is not installed; install it, or name a Python that has it "
                "(relax.python, judge.python)"
            )

    def check_weights(self) -> None:
        """Check that the file of weights exists if one is needed or named.

        Raises:
            ConfigError: no file is named although one is needed, the named one does not exist, or one is named and the
                potential has no weights.
        """
        if self.weights and not self.potential.has_weights:
            raise ConfigError(
                f"{self.weights}: {self.label} has no weights; leave out relax.weights, judge.weights and --weights"
            )
        if self.potential.needs_weights and not self.weights:
            raise ConfigError(f"{self.label} needs a file of weights: set relax.weights or judge.weights to it")
        if self.weights and not Path(self.weights).is_file():
            raise ConfigError(f"{self.weights}: {why_no_file(Path(self.weights), 'file of weights for ' + self.label)}")

    def identity(self) -> Identity:
        """Return name, version and hash of the weights; nothing is loaded.

        Raises:
            ConfigError: it needs a file of weights, and none is named, or the named one does not exist.
            ExternalToolError: its package is not installed, or does not contain one file of weights.
        """
        return chgnet.identity() if self == CHGNET else _identity(self)

    def unknown(self, system: AtomicSystem) -> str | None:
        """Return why it has no energy for a system (elements), or ``None``."""
        unknown = unknown_elements(self.potential, system.numbers)
        return f"{self.label} does not know {', '.join(unknown)}" if unknown else None

    def evaluator(self, device: str = "cpu") -> Evaluator:
        """Return the evaluator of its uncorrected energies, loaded once per process.

        Raises:
            ConfigError: it needs a file of weights, and none is named, or the named one does not exist.
            ExternalToolError: it is not installed, or does not load.
        """
        return _evaluator(self, device)

    def correction(self, system: AtomicSystem) -> float:
        """Return the correction that makes its energy comparable with the Materials Project's, eV per cell.

        Raises:
            DataError: MP2020 has no correction for it.
        """
        return mp2020(system) if self.potential.corrections == "MP2020" else 0.0

    def energy_per_atom(self, system: AtomicSystem) -> float:
        """Return its corrected energy of a crystal as it is, eV/atom.

        Raises:
            DataError: an element is unknown to it, or MP2020 has no correction.
            ConfigError: it needs a file of weights, and it is missing.
            ExternalToolError: it is not installed, or does not load.
        """
        reason = self.unknown(system)
        if reason is not None:
            raise DataError(f"{system.system_id}: {reason}")
        atoms = convert.to_atoms(system)
        atoms.calc = fed(self.evaluator())
        with quiet():
            return (float(atoms.get_potential_energy()) + self.correction(system)) / len(system)

    def relax(self, task: tuple[AtomicSystem, Limits]) -> Relaxed:
        """Relax atoms and cell of one crystal on one CPU thread; other systems have the status ``refused``."""
        if self == CHGNET:
            return chgnet.relax(task)
        system, limits = task
        correction = self.correction if self.potential.corrections == "MP2020" else None
        (result,) = relax_together([system], limits, self.evaluator(), self.unknown, correction=correction)
        return result


CHGNET = Chosen()
"""The default potential."""


def unknown_elements(entry: Potential, numbers: Iterable[int]) -> list[str]:
    """Return the symbols of the elements that a potential has not been trained on."""
    return sorted({symbol(int(z)) for z in numbers if int(z) not in entry.elements})


@cache
def _identity(chosen: Chosen) -> Identity:
    entry = chosen.potential
    chosen.check_weights()
    if chosen.weights:
        digest = store.sha256(Path(chosen.weights))
        stem = re.sub(r"[^A-Za-z0-9.]+", "_", Path(chosen.weights).stem)
        return Identity(entry.name, f"{stem}_{digest[:HASH_LENGTH]}", digest)
    if not entry.files:
        return Identity(entry.name, entry.version, "")
    file = packaged_weights(entry)
    return Identity(entry.name, entry.version, store.sha256(file))


def packaged_weights(entry: Potential) -> Path:
    """Return the file of weights in a potential's package.

    Raises:
        ExternalToolError: the package is not installed here, or does not contain exactly one such file.
    """
    spec = find_spec(entry.package)
    if spec is None or spec.origin is None:
        raise ExternalToolError(
            f"{entry.label}: {entry.distribution} is not installed; install it, or name a Python that has it and a "
            "file of weights"
        )
    files = sorted(Path(spec.origin).parent.glob(entry.files))
    if len(files) != 1:
        raise ExternalToolError(
            f"{Path(spec.origin).parent}: {len(files)} files {entry.files}, not one; install requirements.lock again"
        )
    return files[0]


@cache
def _evaluator(chosen: Chosen, device: str) -> Evaluator:
    if chosen == CHGNET:
        return network(device)
    chosen.check()
    weights = chosen.weights or (str(packaged_weights(chosen.potential)) if chosen.potential.files else "")
    if chosen.python is not None:
        return Remote(chosen.python, chosen.name, weights, device)
    try:
        with quiet():
            calculator = load_calculator(chosen.name, weights, device)
            evaluator: Evaluator = load_place(chosen.potential.evaluator)(calculator)
            return evaluator
    except Exception as error:
        why = " ".join(str(error).split())[:300]
        raise ExternalToolError(f"{chosen.label}: does not load ({type(error).__name__}: {why})") from error
