"""Trained networks on disk: the record, the hash and the shapes are checked before a tensor is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from adit.config import DitModelConfig, VaeModelConfig, parse_as
from adit.errors import ConfigError, DataError
from adit.model.dit import DiT
from adit.model.vae import VAE
from adit.store import read_json, read_weights, tensor_shapes, weights_sha256

Part = Literal["vae", "dit"]
"""Which network: autoencoder or denoiser."""

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a tensor → its shape."""

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}$")]
"""Number of atoms as text, 1 to 9999999: a key of a JSON object."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Relative frequency, not negative."""

AGAIN = "train again, or fetch the weights again"
"""What to do, at the end of messages."""


class ModelRecord(BaseModel):
    """Checked entries of the ``config.json`` beside the weights; other entries are for display.

    Attributes:
        weights_sha256: SHA-256 of the weights, hexadecimal.
        model: the section of the configuration that describes the network.
        train: the settings of its training.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    weights_sha256: str
    model: dict[str, Any]
    train: dict[str, Any] = Field(default_factory=dict)


class VaeRecord(ModelRecord):
    """Record of an autoencoder.

    Attributes:
        max_atomic_number: highest atomic number that the network knows.
    """

    max_atomic_number: Annotated[int, Field(ge=1, le=118)]


class DitRecord(ModelRecord):
    """Record of a denoiser.

    Attributes:
        latent_dim: channels of the latents.
        vae_sha256: SHA-256 of the weights of the autoencoder that made the latents.
        center_noise: whether the noise was centred in training.
        size_histograms: kind → number of atoms → weight.
        formula_histograms: kind → formula → weight.
    """

    latent_dim: Annotated[int, Field(ge=1, le=10**6)]
    vae_sha256: str
    center_noise: bool
    size_histograms: dict[str, dict[Size, Weight]]
    formula_histograms: dict[str, dict[str, Weight]] = Field(default_factory=dict)


def read_record(folder: Path, part: Part) -> dict[str, Any]:
    """Return the content of ``config.json`` of a trained network.

    Args:
        folder: folder of the network.
        part: the expected network.

    Raises:
        DataError: it is missing or not JSON, or an entry is missing or of a wrong type.
    """
    where = folder / "config.json"
    values = read_json(where)
    if not isinstance(values, dict):
        raise DataError(f"{where}: is not a record of a trained network; {AGAIN}")
    try:
        (VaeRecord if part == "vae" else DitRecord).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        problem = "lacks" if first["type"] == "missing" else f"has a wrong value ({first['msg']}) for"
        raise DataError(f"{where}: the model's config.json {problem} '{key}'; {AGAIN}") from None
    return values


def check_hash(folder: Path, record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the weights in a folder, after comparing it with ``weights_sha256`` of their record.

    Raises:
        DataError: they differ, or a file of weights is missing or broken.
    """
    there = weights_sha256(folder)
    if there != record["weights_sha256"]:
        raise DataError(f"{folder}: the weights are not those of its config.json (their SHA-256 differs); {AGAIN}")
    return there


def read_model(folder: Path, part: Part) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return record and weights of a trained network.

    Args:
        folder: holds ``config.json`` and ``model.safetensors``, or shards of it.
        part: the expected network.

    Raises:
        DataError: a file is missing or broken, the weights are not those of the record, or have other shapes.
    """
    record = read_record(folder, part)
    check_hash(folder, record)
    check_shapes(record, part, tensor_shapes(folder), str(folder))
    return record, read_weights(folder)


def check_shapes(record: Mapping[str, Any], part: Part, shapes: Shapes, where: str) -> None:
    """Compare the shapes in a file with those of the network that its record describes, without allocating it.

    Args:
        record: checked entries of ``config.json``.
        part: the expected network.
        shapes: name → shape of the tensors in the file.
        where: the folder, for messages.

    Raises:
        DataError: the record does not describe a network, or names or shapes differ.
    """
    try:
        if part == "vae":
            vae = parse_as(VaeModelConfig, record["model"], "model")
            _check_layers(vae.encoder_layers + vae.decoder_layers, shapes, where)
            if vae.encoder == "equivariant":
                _check_equivariant(vae, record["max_atomic_number"], shapes, where)
                return
            with torch.device("meta"):
                own = VAE(vae, record["max_atomic_number"]).state_dict()
        else:
            dit = parse_as(DitModelConfig, record["model"], "model")
            _check_layers(dit.layers + len(dit.labels), shapes, where)
            with torch.device("meta"):
                own = DiT(dit, record["latent_dim"]).state_dict()
    except ConfigError as error:
        raise DataError(f"{where}: config.json: {error}; {AGAIN}") from None
    except (RuntimeError, OverflowError):  # more elements than a tensor can have
        raise DataError(f"{where}: config.json describes a network that no file holds; {AGAIN}") from None
    compare_shapes({name: tuple(tensor.shape) for name, tensor in own.items()}, shapes, where)


def compare_shapes(own: Shapes, stored: Shapes, where: str) -> None:
    """Compare the names and shapes of a network's own tensors with those of stored ones.

    Raises:
        DataError: a name is missing or unknown, or a shape differs.
    """
    missing, unknown = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    other = "it belongs to another model configuration, train again"
    if missing or unknown:
        name, problem = (missing[0], "lacks") if missing else (unknown[0], "has an unknown")
        raise DataError(f"{where}: {problem} tensor '{name}'; {other}")
    for name, shape in stored.items():
        if own[name] != shape:
            raise DataError(f"{where}: tensor '{name}' has shape {shape}, the configuration wants {own[name]}; {other}")


def _check_layers(layers: int, shapes: Shapes, where: str) -> None:
    """Check that there are at least as many tensors as layers, before modules are created for the layers."""
    if layers > len(shapes):
        raise DataError(f"{where}: config.json says {layers} layers, the file has {len(shapes)} tensors; {AGAIN}")


def _check_equivariant(config: VaeModelConfig, max_atomic_number: int, shapes: Shapes, where: str) -> None:
    """Check the sizes of an equivariant network, which e3nn cannot create without allocating its weights."""
    width, scalars = config.d_model, config.latent_dim - 3 * config.latent_vectors
    wanted = {
        "encoder.types.weight": (max_atomic_number + 1, width),
        "encoder.mean.weight": (scalars, width),
        "encoder.logvar.weight": (scalars + config.latent_vectors, width),
        "decoder.types.weight": (max_atomic_number, width),
    }
    compare_shapes(wanted, {name: shapes[name] for name in wanted if name in shapes}, where)
