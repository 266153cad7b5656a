"""Formulas of samples, drawn from the training data, or from substitutions in them, like the numbers of atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adit.errors import ConfigError
from adit.sample.composition import parse_composition
from adit.systems import Kind


class FormulaPrior:
    """Draws formulas with a given number of atoms.

    Args:
        weights: formula → weight, not negative.

    Raises:
        ConfigError: a text is not a formula.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._formulas: dict[int, tuple[list[dict[int, int]], list[float]]] = {}
        for text, weight in weights.items():
            counts = parse_composition(text).unit or {}
            formulas, edges = self._formulas.setdefault(sum(counts.values()), ([], [0.0]))
            formulas.append(counts)
            edges.append(edges[-1] + weight)

    @property
    def sizes(self) -> frozenset[int]:
        """Return the numbers of atoms that formulas have."""
        return frozenset(self._formulas)

    def draw(self, n: int, random: np.random.Generator) -> dict[int, int]:
        """Return atomic number → number of atoms of a system of ``n`` atoms.

        Args:
            n: number of atoms, one of ``sizes``.
            random: generator of the choice.
        """
        formulas, edges = self._formulas[n]
        position = int(np.searchsorted(edges[1:], random.random() * edges[-1], side="right"))
        return formulas[min(position, len(formulas) - 1)]


def training_formulas(
    histograms: Mapping[str, Mapping[str, float]], kind: Kind, elements: Sequence[int] | None, held: Mapping[int, int]
) -> FormulaPrior:
    """Return the prior of the formulas of molecules in the training data; it is empty if none fits.

    Args:
        histograms: kind → formula → weight in the training data.
        kind: kind of the samples.
        elements: exact set of atomic numbers of a formula; ``None``: any.
        held: atomic number → number of atoms of a motif, which a formula must contain.

    Raises:
        ConfigError: the kind is periodic, or the model has no formulas of this kind.
    """
    if kind.periodic:
        raise ConfigError(
            f"sample.formulas: training would give every {kind} a known composition; set it for molecules "
            "alone (by_kind.molecule.formulas), or ask for one composition (--composition)"
        )
    if not histograms.get(kind):
        raise ConfigError(
            f"sample.formulas: this model does not know the formulas of the {kind}s that it was trained on; train "
            "it again, or set formulas: model"
        )
    return FormulaPrior({text: weight for text, weight in histograms[kind].items() if _fits(text, elements, held)})


def substituted_formulas(
    histograms: Mapping[str, Mapping[str, float]], kind: Kind, elements: Sequence[int] | None, held: Mapping[int, int]
) -> FormulaPrior:
    """Return the prior of formulas made by substitution, for crystals; arguments as of ``training_formulas``.

    Raises:
        ConfigError: the kind is not periodic: molecules have no ions to exchange.
    """
    if not kind.periodic:
        raise ConfigError(
            f"sample.formulas: substitution exchanges ions, which a {kind} has none of; set it for crystals"
        )
    return FormulaPrior({text: weight for text, weight in histograms[kind].items() if _fits(text, elements, held)})


def _fits(text: str, elements: Sequence[int] | None, held: Mapping[int, int]) -> bool:
    """Return whether a formula has the elements requested and room for the motif."""
    counts = parse_composition(text).unit or {}
    if elements is not None and set(elements) != set(counts):
        return False
    return all(count <= counts.get(z, 0) for z, count in held.items())
