"""A trained model that generates structures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adit import config, store
from adit.api.structures import Structures
from adit.errors import ConfigError
from adit.places import shared
from adit.systems import Kind
from adit.transfer import let_threads_sleep

if TYPE_CHECKING:
    from adit.sample.engine import Sampler


@dataclass(frozen=True, eq=False)
class Model:
    """Autoencoder and denoiser, ready to generate.

    Attributes:
        weights: folder of the weights.
        settings: settings of sampling that are stored with the weights.
    """

    weights: Path
    settings: config.SampleConfig
    _sampler: Sampler = field(repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the labels that ``sample`` accepts."""
        return tuple(label.name for label in self._sampler.dit.config.labels)

    def sample(
        self,
        kind: Literal["crystal", "molecule", "mof"],
        n: int,
        *,
        seed: int = 0,
        atoms: int | tuple[int, int] | None = None,
        composition: str | None = None,
        spacegroup: int | None = None,
        labels: dict[str, float] | None = None,
        **settings: Any,
    ) -> Structures:
        """Generate structures; samples that cannot be decoded are failures.

        The same seed, settings and machine give the same samples, and sample i does not depend on ``n``.

        Args:
            kind: kind of the samples.
            n: number of samples.
            seed: seed of the random numbers.
            atoms: number of atoms, or its range; ``None``: as in training.
            composition: formula (``NaCl2``) or chemical system (``Li-Fe-O``); ``None``: any.
            spacegroup: 1 to 230; ``None``: any.
            labels: other labels of the model, see ``labels``.
            settings: settings of sampling, as in section ``sample`` of the configuration: solver, steps, guidance, …

        Raises:
            ConfigError: a setting is unknown or out of range, or the model does not know the kind or a label.
        """
        from adit.sample.generate import write_samples

        if n < 1:
            raise ConfigError(f"n = {n}: generate at least one structure")
        values = config.SampleStage(seed=seed, sample=self.settings.of_kind(kind)).model_dump()
        values["sample"] |= settings
        conditions = values["sample"]["conditions"][kind]
        named = {"atoms": atoms, "composition": composition, "spacegroup": spacegroup}
        conditions |= {name: value for name, value in named.items() if value is not None}
        conditions["labels"] = {**conditions["labels"], **(labels or {})}
        stage = config.parse_as(config.SampleStage, values, "sample")
        with tempfile.TemporaryDirectory(prefix="adit-") as scratch:
            file = Path(scratch, "samples.arrow")
            write_samples(self._sampler, stage, Kind(kind), range(n), file)
            return Structures.of(list(store.read_systems(file)))


def load_model(weights: str | Path | None = None) -> Model:
    """Return a trained model.

    Args:
        weights: folder with ``vae/`` and ``dit/``, a bundle or the results of a run; ``None``: the shipped weights.

    Raises:
        ConfigError: this installation has no weights.
        DataError: a file is missing or broken, or is not that of its record.
    """
    let_threads_sleep()
    from adit.sample.engine import Sampler

    folder = shared("weights") if weights is None else Path(weights)
    settings = stored_settings(folder)
    return Model(folder, settings, Sampler(folder / "vae", folder / "dit", settings.precision))


def stored_settings(weights: Path | None) -> config.SampleConfig:
    """Return the settings of sampling of a bundle of weights, whose hashes are checked, or the defaults.

    Raises:
        DataError: a file of the bundle is missing, or is not that of its record.
    """
    from adit.train.bundle import MANIFEST, read_manifest

    named = read_manifest(weights)["sample"] if weights is not None and (weights / MANIFEST).is_file() else {}
    return config.parse_as(config.SampleConfig, named, f"{weights}/{MANIFEST}")
