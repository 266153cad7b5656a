"""Folders of small networks with random weights, as training writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from adit.config import DitModelConfig, VaeModelConfig
from adit.model.dit import DiT
from adit.model.vae import VAE
from adit.store import sha256, write_json, write_tensors

SIZES = {"crystal": {"2": 1.0, "4": 2.0, "6": 1.0, "9": 1.0}, "molecule": {"3": 1.0, "5": 1.0}}
FORMULAS = {"molecule": {"H2O": 3.0, "CO2": 1.0, "CH4": 1.0}}
SPACEGROUP = {"name": "spacegroup", "type": "category", "classes": 231}
COMPOSITION = {"name": "composition", "type": "composition"}
BAND_GAP = {"name": "band_gap", "type": "number", "mean": 1.0, "std": 2.0}


def speak(module: nn.Module) -> None:
    """Fill the weights that start at zero, so that the network depends on what it is given."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.05)


def write_weights(
    folder: Path,
    labels: Sequence[Mapping[str, Any]] = (),
    sizes: Mapping[str, Mapping[str, float]] = SIZES,
    seed: int = 0,
    **dit: Any,
) -> Path:
    """Write ``vae/`` and ``dit/`` into ``folder`` and return it."""
    torch.manual_seed(seed)
    vae_config = VaeModelConfig(
        d_model=16, heads=2, encoder_layers=1, decoder_layers=1, latent_dim=4, encode_lattice=True
    )
    dit_config = DitModelConfig.model_validate({"d_model": 16, "heads": 2, "layers": 2, "labels": labels, **dit})
    vae, denoiser = VAE(vae_config, 100), DiT(dit_config, 4)
    speak(denoiser)
    with torch.no_grad():
        vae.decoder.lattice.weight.mul_(0.1)  # cells near the cube at which the decoder starts
    write_tensors(folder / "vae/model.safetensors", vae.state_dict())
    vae_hash = sha256(folder / "vae/model.safetensors")
    record = {"model": vae_config.model_dump(mode="json"), "max_atomic_number": 100, "weights_sha256": vae_hash}
    write_json(folder / "vae/config.json", record)
    write_tensors(folder / "dit/model.safetensors", denoiser.state_dict())
    described = {
        "model": dit_config.model_dump(mode="json"),
        "latent_dim": 4,
        "center_noise": False,
        "size_histograms": sizes,
        "formula_histograms": FORMULAS,
        "vae_sha256": vae_hash,
        "weights_sha256": sha256(folder / "dit/model.safetensors"),
    }
    write_json(folder / "dit/config.json", described)
    return folder
