"""Request for samples of one kind, checked against the labels of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adit.config import ConditionsOfKind, LabelConfig, SampleStage
from adit.elements import symbol
from adit.errors import ConfigError
from adit.model.conditions import encode
from adit.progress import log
from adit.sample.composition import Composition, parse_composition
from adit.sample.formulas import FormulaPrior, substituted_formulas, training_formulas
from adit.sample.motif import Motif, place, read_motif
from adit.sample.prior import Draw, SizePrior, allowed_sizes, training_sizes
from adit.seeds import generator
from adit.systems import Kind


@dataclass(frozen=True)
class Request:
    """Requested samples of one kind, and the distributions of their initial states.

    Attributes:
        seed: seed of the run.
        kind: kind of system.
        sizes: prior of the number of atoms.
        latent_dim: d, channels of the latents.
        values: label → value, the same for all samples.
        composition: allowed composition, or ``None``.
        formulas: prior of the composition if none is requested; ``None``: the model decides.
        conditioned: whether the model receives the composition as a condition.
        motif: fixed atoms, or ``None``.
    """

    seed: int
    kind: Kind
    sizes: SizePrior
    latent_dim: int
    values: Mapping[str, float]
    composition: Composition | None
    formulas: FormulaPrior | None
    conditioned: bool
    motif: Motif | None

    def draw(self, index: int) -> Draw:
        """Return the initial state of the sample with global index ``index``; it depends on no other sample.

        Conditions and formulas affect size and noise only through the sizes that they allow.

        Raises:
            ConfigError: the motif does not fit into the drawn composition.
        """
        random = generator("sample", self.seed, str(self.kind), index)
        n = self.sizes.draw(random)
        noise = random.standard_normal((n, self.latent_dim)).astype(np.float32)
        if self.formulas is None:
            counts = self._counts(n, random)
        else:
            counts = self.formulas.draw(n, generator("formula", self.seed, str(self.kind), index))
        held = None if self.motif is None else place(self.motif, n, counts, random)
        return Draw(index, f"{self.kind}-{self.seed}-{index}", noise, counts, held)

    def labels(self, draws: Sequence[Draw]) -> list[dict[str, Any]]:
        """Return label → value of each sample, for ``adit.model.conditions.encode``."""
        counts = [{"composition": draw.counts} if self.conditioned and draw.counts else {} for draw in draws]
        return [{**self.values, **own} for own in counts]

    def _counts(self, n: int, random: np.random.Generator) -> dict[int, int] | None:
        if self.composition is None:
            return None
        counts = self.composition.counts(n)
        if counts is None and self.conditioned:  # the model needs amounts: any that contain the required atoms
            least = self.composition.least({} if self.motif is None else self.motif.counts)
            places = n - sum(least.values()) + len(least) - 1
            cuts = np.sort(random.choice(places, len(least) - 1, replace=False))
            free = np.diff([-1, *cuts.tolist(), places]) - 1
            counts = {z: amount + int(more) for (z, amount), more in zip(least.items(), free, strict=True)}
        return counts


def make_request(
    stage: SampleStage,
    kind: Kind,
    *,
    histograms: Mapping[str, Mapping[str, float]],
    formulas: Mapping[str, Mapping[str, float]],
    labels: Sequence[LabelConfig],
    latent_dim: int,
    max_atomic_number: int,
) -> Request:
    """Check a request for a kind against the model and return it.

    Args:
        stage: slice of the configuration.
        kind: kind of system.
        histograms: kind → number of atoms → weight in the training data.
        formulas: kind → formula → weight in the training data.
        labels: the labels that the model was trained with.
        latent_dim: d, channels of the latents.
        max_atomic_number: highest atomic number of the model's vocabulary.

    Raises:
        ConfigError: the model does not know the kind or a label, the composition or the motif is invalid or outside the
            model's vocabulary, or the conditions contradict each other or leave no number of atoms.
        DataError: the file of the motif cannot be read.
    """
    conditions = stage.sample.conditions.of(kind)
    composition = (
        None if conditions.composition is None else parse_composition(conditions.composition, max_atomic_number)
    )
    motif = None if conditions.motif is None else read_motif(Path(conditions.motif), kind)
    what = f"sample.conditions.{kind}"
    values = _values(conditions, labels, what)
    encode(labels, [kind], [values])
    if motif is not None:
        _check_motif(motif, composition, max_atomic_number, what)

    def fits(n: int) -> bool:
        held = {} if motif is None else motif.counts
        return n >= max(1, sum(held.values())) and (composition is None or composition.fits(n, kind, held))

    needs = _needs(composition, motif)
    sizes = allowed_sizes(training_sizes(histograms, kind), conditions.atoms, fits, stage.max_atoms, what, needs)
    prior = None
    if stage.sample.formulas != "model" and (composition is None or composition.unit is None):
        elements = None if composition is None else composition.elements
        drawn = training_formulas if stage.sample.formulas == "training" else substituted_formulas
        prior = drawn(formulas, kind, elements, {} if motif is None else motif.counts)
        sizes, prior = _with_formulas(sizes, prior, what)
    decided = composition is not None or prior is not None
    conditioned = decided and any(label.type == "composition" for label in labels)
    return Request(stage.seed, kind, SizePrior(sizes), latent_dim, values, composition, prior, conditioned, motif)


def _with_formulas(
    sizes: dict[int, float], prior: FormulaPrior, what: str
) -> tuple[dict[int, float], FormulaPrior | None]:
    """Return the sizes that have formulas, and the prior; if there are none, all sizes and ``None``."""
    usable = {n: weight for n, weight in sizes.items() if n in prior.sizes}
    if usable:
        return usable, prior
    log.warning("%s: no formula fits; the model decides them", what)
    return sizes, None


def _values(conditions: ConditionsOfKind, labels: Sequence[LabelConfig], what: str) -> dict[str, float]:
    """Return the labels that are the same for all samples."""
    for label in labels:
        value = conditions.labels.get(label.name)
        if value is not None and label.type == "composition":
            raise ConfigError(
                f"{what}.labels.{label.name}: is not a number; ask for it as a composition, such as NaCl2"
            )
        if value is not None and label.type == "category" and value != int(value):
            raise ConfigError(f"{what}.labels.{label.name}: {value:g} is not a class; give a whole number")
    return {**conditions.labels, **({} if conditions.spacegroup is None else {"spacegroup": conditions.spacegroup})}


def _check_motif(motif: Motif, composition: Composition | None, max_atomic_number: int, what: str) -> None:
    for z in motif.counts:
        if z > max_atomic_number:
            raise ConfigError(f"{what}: the motif holds {symbol(z)}, which is outside the model's vocabulary")
        if composition is not None and z not in composition.elements:
            raise ConfigError(f"{what}: the motif holds {symbol(z)}, which the composition {composition.text} lacks")


def _needs(composition: Composition | None, motif: Motif | None) -> str:
    """Return a text about the conditions on the number of atoms."""
    needs = []
    if composition is not None and composition.unit is not None:
        needs.append(f"{composition.text} ({composition.unit_size} atoms a formula unit)")
    elif composition is not None:
        needs.append(f"{composition.text} (at least one atom of each element)")
    if motif is not None:
        needs.append("a motif of " + ", ".join(f"{count} {symbol(z)}" for z, count in motif.counts.items()))
    return " with ".join(needs)
