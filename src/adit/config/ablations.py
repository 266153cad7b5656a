"""Section of the ablations: variants of autoencoder and denoiser, each defined by its changes of the run's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from adit.config.base import Positive, Strict
from adit.config.data import DataConfig
from adit.config.datasets import DATASETS

M = TypeVar("M", bound=BaseModel)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
"""Name of a variant; it names a folder and is a wildcard of the workflow."""


class AutoencoderVariant(Strict):
    """One row of Table 5."""

    datasets: tuple[str, ...] | None = Field(None, description="those of data.datasets to train on; null: all")
    model: dict[str, Any] = Field(default_factory=dict, description="keys of model.vae and their values here")
    train: dict[str, Any] = Field(default_factory=dict, description="keys of train.vae and their values here")


class DenoiserVariant(Strict):
    """One row of Table 6."""

    autoencoder: str = Field(
        description="autoencoder variant that provides the latents; the denoiser is trained on the same datasets"
    )
    model: dict[str, Any] = Field(default_factory=dict, description="keys of model.dit and their values here")
    train: dict[str, Any] = Field(default_factory=dict, description="keys of train.dit and their values here")


class AblationsConfig(Strict):
    """Variants side by side. Source: Tables 5 and 6."""

    systems: Positive | None = Field(None, description="test systems of each dataset to reconstruct; null: all")
    samples: Positive = Field(10000, description="systems of each kind sampled from each denoiser")
    autoencoders: dict[Name, AutoencoderVariant] = Field({}, description="by name; see config/ablations.yaml")
    denoisers: dict[Name, DenoiserVariant] = Field({}, description="by name; see config/ablations.yaml")


def changed(section: M, changes: Mapping[str, Any]) -> M:
    """Return a section with some keys changed.

    Args:
        section: section of the configuration.
        changes: new values by key.

    Raises:
        ValueError: a key is unknown or a value does not fit.
    """
    try:
        return type(section).model_validate({**section.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{key}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")) from None


def chosen_datasets(data: DataConfig, names: tuple[str, ...] | None) -> DataConfig:
    """Return the section with only some of its datasets.

    Args:
        data: section ``data`` of the configuration.
        names: names of datasets; ``None``: all.

    Raises:
        ValueError: a name is not among those of the section, or there is none.
    """
    if names is None:
        return data
    unknown = set(names) - {d.name for d in data.datasets}
    if unknown or not names:
        available = ", ".join(d.name for d in data.datasets)
        raise ValueError(f"datasets: '{min(unknown, default='')}' is not among data.datasets ({available})")
    return data.model_copy(update={"datasets": tuple(d for d in data.datasets if d.name in names)})


def kinds_of(data: DataConfig) -> list[str]:
    """Return the kinds of the systems in the datasets, each once."""
    kinds = []
    for entry in data.datasets:
        own = data.custom.get(entry.name)
        kinds.append(own.kind if own else DATASETS[entry.name].kind)
    return list(dict.fromkeys(kinds))
