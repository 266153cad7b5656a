"""Networks from their stored configuration and weights; other shapes are a ``DataError``."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adit.config import DitModelConfig, VaeModelConfig, parse_as
from adit.errors import DataError
from adit.model.dit import DiT
from adit.model.stored import compare_shapes, read_model
from adit.model.vae import VAE


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy ``tensors`` into ``module``.

    Args:
        module: the network.
        tensors: name → tensor.
        where: the file or folder, for messages.

    Raises:
        DataError: names or shapes differ from those of the module.
        DataError: names or shapes differ.
    """
    own, stored = (
        {name: tuple(tensor.shape) for name, tensor in each.items()} for each in (module.state_dict(), tensors)
    )
    compare_shapes(own, stored, where)
    module.load_state_dict(dict(tensors))


def build_vae(config: Mapping[str, Any], tensors: Mapping[str, Tensor], where: str) -> VAE:
    """Return the autoencoder of a stored ``vae/config.json`` with its weights, in evaluation mode, without gradients.

    Args:
        config: the content of ``config.json``.
        tensors: name → tensor.
        where: the folder, for messages.

    Raises:
        DataError: an entry of ``config`` is missing, or names or shapes of the tensors are not those of the network.
        ConfigError: the section ``model`` is invalid, or the network needs e3nn and it is not installed.
    """
    model = VAE(
        parse_as(VaeModelConfig, _entry(config, "model", where), where), int(_entry(config, "max_atomic_number", where))
    )
    load_weights(model, tensors, where)
    return model.eval().requires_grad_(False)


def build_dit(config: Mapping[str, Any], tensors: Mapping[str, Tensor], where: str) -> DiT:
    """Return the denoiser of a stored ``dit/config.json`` with its weights, in evaluation mode, without gradients.

    Args:
        config: the content of ``config.json``.
        tensors: name → tensor.
        where: the folder, for messages.

    Raises:
        DataError: an entry of ``config`` is missing, or names or shapes of the tensors are not those of the network.
        ConfigError: the section ``model`` is invalid.
    """
    model = DiT(
        parse_as(DitModelConfig, _entry(config, "model", where), where), int(_entry(config, "latent_dim", where))
    )
    load_weights(model, tensors, where)
    return model.eval().requires_grad_(False)


def load_vae(folder: Path) -> tuple[dict[str, Any], VAE]:
    """Return the record (``config.json``) and the network of a trained autoencoder, on the CPU.

    Raises:
        DataError: a file is missing or broken, or the weights are not those of the record.
        ConfigError: the network needs e3nn, and it is not installed.
    """
    record, tensors = read_model(folder, "vae")
    return record, build_vae(record, tensors, str(folder))


def load_dit(folder: Path) -> tuple[dict[str, Any], DiT]:
    """Return the record (``config.json``) and the network of a trained denoiser, on the CPU.

    Raises:
        DataError: a file is missing or broken, or the weights are not those of the record.
    """
    record, tensors = read_model(folder, "dit")
    return record, build_dit(record, tensors, str(folder))


def _entry(config: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in config:
        raise DataError(f"{where}: the model's config.json lacks '{key}'; train again")
    return config[key]


def hardware() -> dict[str, str | int]:
    """Return the hardware of a training: ``device`` (processor or accelerator), ``threads``, version of ``torch``."""
    described: dict[str, str | int] = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        return {"device": torch.cuda.get_device_name(), **described}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"device": names[0] if names else platform.machine(), **described}


def parameter_count(module: nn.Module) -> int:
    """Return the number of weights and biases, frozen ones included; buffers are not counted."""
    return sum(p.numel() for p in module.parameters())


def pick_device() -> torch.device:
    """Return the accelerator of this process (``LOCAL_RANK``), after selecting it, or the CPU if there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def fast_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def in_bf16(device: torch.device, precision: str) -> bool:
    """Return whether a precision (``auto``, ``bf16`` or ``fp32``) means bf16 on a device."""
    return precision == "bf16" or (precision == "auto" and fast_bf16(device))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the autocast context of a precision (``auto``, ``bf16`` or ``fp32``); disabled unless it means bf16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16(device, precision))
