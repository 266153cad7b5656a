"""Bundles of trained weights: autoencoder and denoiser in files small enough to ship, with their hashes.

bundle.json                       hash of every file, provenance
vae/model.safetensors             float32: decoded positions need a precision of 0.01 Å
vae/config.json, metrics.csv
dit/model-00001-of-00002.safetensors …   bfloat16
dit/config.json, metrics.csv
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from adit import __version__
from adit.config import DitStage, OptimConfig, SampleConfig, VaeStage, parse_as
from adit.errors import ConfigError, DataError
from adit.model.build import build_dit, build_vae
from adit.model.stored import check_hash, read_model, read_record
from adit.outputs.replace import check_folder, replaced_folder
from adit.progress import log
from adit.store import read_json, read_weights, sha256, weights_sha256, write_json, write_tensors
from adit.train.distributed import World

SHARD_BYTES = 12 * 2**20
"""Largest size of a file of weights, bytes."""

MANIFEST = "bundle.json"
"""Name of the file that lists all others with their SHA-256."""

NAMES = (MANIFEST, *(f"{part}/{name}" for part in ("vae", "dit") for name in ("config.json", "metrics.csv")))
"""Files that every bundle has, beside those of the weights."""


ROUNDS = "rounds"
"""Entry of the record of a denoiser that rounds of verified samples led to, and of its bundle."""


def pack(vae_dir: Path, dit_dir: Path, out: Path, sample: Mapping[str, Any] | None = None) -> None:
    """Write a bundle of a trained pair.

    Args:
        vae_dir: folder of the trained autoencoder.
        dit_dir: folder of the denoiser that was trained on its latents.
        out: folder of the bundle; an older bundle in it is replaced.
        sample: recommended settings of sampling, from section ``sample``.

    Raises:
        DataError: the denoiser was trained on latents of another autoencoder, or a file is missing or broken, or is not
            that of its record.
        ConfigError: ``sample`` has an unknown key or a wrong value; or a file to write exists and is in no manifest.
    """
    parse_as(SampleConfig, dict(sample or {}), "sample")
    check_folder(out, "bundle", inputs=[vae_dir, dit_dir], names=NAMES)
    vae_config, dit_config = read_record(vae_dir, "vae"), read_record(dit_dir, "dit")
    check_hash(dit_dir, dit_config)
    if dit_config["vae_sha256"] != check_hash(vae_dir, vae_config):
        raise DataError(f"{dit_dir}: was trained on latents of another autoencoder than {vae_dir}; train it again")
    with replaced_folder(out, "bundle", inputs=[vae_dir, dit_dir], names=NAMES) as new:
        _write_part(vae_dir, new / "vae", vae_config, torch.float32)
        _write_part(dit_dir, new / "dit", dit_config | {"vae_sha256": weights_sha256(new / "vae")}, torch.bfloat16)
        files = sorted(path for part in ("vae", "dit") for path in (new / part).iterdir() if path.is_file())
        described = {
            "adit_version": __version__,
            "sample": dict(sample or {}),
            **({ROUNDS: dit_config[ROUNDS]} if ROUNDS in dit_config else {}),
            "files": {str(path.relative_to(new)): sha256(path) for path in files},
        }
        write_json(new / MANIFEST, described)
        size = sum(path.stat().st_size for path in files)
    log.info("%s: %.1f MB in %d files", out, size / 1e6, len(files))


def _write_part(source: Path, out: Path, config: Mapping[str, Any], precision: torch.dtype) -> None:
    tensors = {
        name: tensor.to(precision) if tensor.is_floating_point() else tensor
        for name, tensor in sorted(read_weights(source).items())
    }
    shards = _shards(tensors)
    for number, shard in enumerate(shards, 1):
        name = "model" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}"
        write_tensors(out / f"{name}.safetensors", shard)
    metadata = {name: value for name, value in config.items() if name != "started_from"}  # a path on this machine
    write_json(out / "config.json", {**metadata, "weights_sha256": weights_sha256(out)})
    shutil.copyfile(source / "metrics.csv", out / "metrics.csv")


def _shards(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Split tensors, in order, into files below ``SHARD_BYTES``; a larger tensor gets its own file."""
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    if total <= SHARD_BYTES * 4 / 3:
        return [dict(tensors)]
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if shards[-1] and filled + size > SHARD_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += size
    return shards


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a bundle, after comparing the SHA-256 of every file.

    Raises:
        DataError: the folder is not a bundle, a file is missing or has changed, or there is a file of weights that the
            manifest does not name.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{folder}: no bundle of weights (it has no {MANIFEST}); give model.weights, or train")
    again = f"fetch the weights again (git checkout {folder})"
    try:
        manifest = read_json(folder / MANIFEST)
        files = dict(manifest["files"])
        dict(manifest["sample"])
    except (DataError, KeyError, TypeError, ValueError):
        raise DataError(f"{folder / MANIFEST}: is not a list of weights; {again}") from None
    there = {str(path.relative_to(folder)) for part in ("vae", "dit") for path in (folder / part).glob("*.safetensors")}
    if alien := sorted(there - set(files)):
        raise DataError(f"{folder / alien[0]}: is not among the files that {MANIFEST} names; delete it")
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path}: is missing; {again}")
        if sha256(path) != expected:
            raise DataError(f"{path}: is not the file that {MANIFEST} names; {again}")
    return manifest


def adopt(folder: Path, part: Literal["vae", "dit"], out: Path, changes: Mapping[str, Any]) -> None:
    """Write the weights of a bundle as the trained network of a run; with several processes, the first one writes.

    Args:
        folder: the bundle.
        part: which network.
        out: folder of the run's network.
        changes: entries of its ``config.json`` to replace.

    Raises:
        DataError: the bundle is incomplete or changed, or its weights do not fit its configuration.
        ConfigError: a file to write exists and is in no manifest.
    """
    manifest = read_manifest(folder)
    config, tensors = part_of(folder, part)
    if not World.named().leads:
        return
    with replaced_folder(out, part, inputs=[folder]) as new:
        write_tensors(new / "model.safetensors", tensors)
        shutil.copyfile(folder / part / "metrics.csv", new / "metrics.csv")
        hashes = {"weights_sha256": sha256(new / "model.safetensors"), "bundle": manifest["files"]}
        write_json(new / "config.json", {**config, **changes, **hashes})
    log.info("%s: as in %s", part, folder)


def part_of(folder: Path, part: Literal["vae", "dit"]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return configuration and weights of one network of a bundle, after checking names and shapes.

    Raises:
        DataError: a file is missing or broken, or names or shapes are not those of the network.
        ConfigError: the network needs e3nn, and it is not installed.
    """
    config, tensors = read_model(folder / part, part)
    (build_vae if part == "vae" else build_dit)(config, tensors, str(folder / part))
    return config, tensors


@dataclass(frozen=True)
class Start:
    """Weights that a training starts from.

    Attributes:
        where: folder of the network within the bundle.
        config: its ``config.json``.
        tensors: its weights.
        sha256: their hash.
    """

    where: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    sha256: str

    @classmethod
    def of(cls, stage: VaeStage | DitStage, part: Literal["vae", "dit"]) -> Start | None:
        """Return the initial weights of a stage; ``None``: random weights.

        Args:
            stage: slice of the configuration; ``source`` and ``weights`` say where the weights come from.
            part: which network.

        Raises:
            DataError: the bundle is incomplete or changed, or its weights do not fit its configuration.
        """
        if stage.source == "train":
            return None
        folder = Path(stage.weights)
        read_manifest(folder)
        config, tensors = part_of(folder, part)
        return cls(str(folder / part), config, tensors, weights_sha256(folder / part))

    @staticmethod
    def described(start: Start | None) -> dict[str, str]:
        """Return the entries about the initial weights for the record of the trained network."""
        return {} if start is None else {"started_from": start.where, "started_from_sha256": start.sha256}

    def same_settings(self, requested: OptimConfig, section: str, names: tuple[str, ...]) -> None:
        """Check that settings of a training are those that the weights were trained with.

        Args:
            requested: settings of the new training.
            section: their section of the configuration, for messages.
            names: settings to compare; those that the record lacks are not compared.

        Raises:
            ConfigError: a setting differs; the message names the first.
        """
        made_with = self.config.get("train", {})
        for name in names:
            if name in made_with and made_with[name] != getattr(requested, name):
                raise ConfigError(
                    f"{section}.{name}: the weights in {self.where} were trained with "
                    f"{str(made_with[name]).lower()}; set it so, or train from the start (model.source: train)"
                )
