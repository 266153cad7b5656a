"""Compilation of the blocks, which take most of the time of a training step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from adit.errors import ConfigError
from adit.model.blocks import EncoderLayer
from adit.model.dit import DitBlock

PAYS = {"cuda": True, "cpu": False}
"""Type of device → whether ``auto`` compiles. On CPUs with varying shapes, the gain was only 2 to 7 %."""


def compile_blocks(module: nn.Module, backend: str | Callable[..., Any] = "inductor") -> int:
    """Compile the Transformer blocks of a network in place and return how many there are.

    All blocks share their code, so it is compiled once; the names of the weights do not change.

    Args:
        module: autoencoder or denoiser.
        backend: of ``torch.compile``.
    """
    blocks = [layer for layer in module.modules() if isinstance(layer, (EncoderLayer, DitBlock))]
    for block in blocks:
        block.compile(dynamic=True, backend=backend)
    return len(blocks)


def to_compile(mode: Literal["auto"] | bool, device: torch.device) -> bool:
    """Return whether to compile on ``device``.

    Args:
        mode: ``auto`` (on the devices where it pays, if there is a C++ compiler), or yes or no.
        device: device of the training.

    Raises:
        ConfigError: ``mode`` is true, and there is no C++ compiler.
    """
    if mode is True and not _has_compiler():
        raise ConfigError("compile: no C++ compiler was found; install g++, or set compile: auto")
    return PAYS.get(device.type, False) and _has_compiler() if mode == "auto" else mode


def _has_compiler() -> bool:
    """Return whether a C++ compiler is installed; code for GPUs needs one too, to launch the kernels."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))
