"""Formulas drawn from the training data: what a sample consists of, as its number of atoms is drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adit.errors import ConfigError
from adit.progress import log
from adit.sample.composition import parse_composition
from adit.systems import Kind


class FormulaPrior:
    """Draws formulas of a number of atoms.

    Args:
        weights: formula → weight; at least one.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._known: dict[int, tuple[list[dict[int, int]], list[float]]] = {}
        for text, weight in weights.items():
            counts = parse_composition(text).unit or {}
            formulas, edges = self._known.setdefault(sum(counts.values()), ([], [0.0]))
            formulas.append(counts)
            edges.append(edges[-1] + weight)

    def draw(self, n: int, random: np.random.Generator) -> dict[int, int] | None:
        """Return atomic number → atoms of a system of ``n`` atoms; ``None`` where no formula has so many."""
        if n not in self._known:
            return None
        formulas, edges = self._known[n]
        position = int(np.searchsorted(edges[1:], random.random() * edges[-1], side="right"))
        return formulas[min(position, len(formulas) - 1)]


def training_formulas(
    histograms: Mapping[str, Mapping[str, float]], kind: Kind, held: Mapping[int, int]
) -> FormulaPrior | None:
    """Return what draws the formulas of a kind.

    Args:
        histograms: kind → formula → weight in the training data.
        kind: kind of system.
        held: atomic number → atoms of a motif, which a formula must have.

    Returns:
        the prior; ``None``, with a warning, where no formula of the training data has room for the motif.

    Raises:
        ConfigError: the model knows no formulas of this kind.
    """
    if kind.periodic:
        raise ConfigError(
            f"sample.formulas: training would give every {kind} a composition that is known; set it for molecules "
            "alone (by_kind.molecule.formulas), or ask for one composition (--composition)"
        )
    if kind not in histograms:
        raise ConfigError(
            f"sample.formulas: this model does not know the formulas of the {kind}s that it was trained on; train "
            "it again, or set formulas: model"
        )
    known = {text: weight for text, weight in histograms[kind].items() if _holds(text, held)}
    if not known:
        log.warning("no %s of the training data has room for the motif: the model decides the rest", kind)
        return None
    return FormulaPrior(known)


def _holds(text: str, held: Mapping[int, int]) -> bool:
    counts = (parse_composition(text).unit or {}) if held else {}
    return all(count <= counts.get(z, 0) for z, count in held.items())
