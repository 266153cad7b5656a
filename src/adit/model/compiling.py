"""Compilation of the blocks, which take most of the time of a training step."""

from __future__ import annotations

import os
import shutil
import sys
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
        mode: ``auto`` (on the devices where it pays, if there is a compiler), or yes or no.
        device: device of the training.

    Raises:
        ConfigError: ``mode`` is true, and there is no compiler for the device.
    """
    if mode is True:
        need_compiler(device, "compile", "auto")
    return PAYS.get(device.type, False) and has_compiler(device) if mode == "auto" else mode


def _needed(device: torch.device) -> tuple[str, str, tuple[str, ...]]:
    """Return language, variable of the environment and usual names of the compiler that code for a device needs.

    Code for CPUs is C++. Kernels for GPUs are launched from C code, which Triton compiles.
    """
    if device.type == "cuda":
        return "C", "CC", ("gcc", "clang")
    return "C++", "CXX", ("clang++",) if sys.platform == "darwin" else ("g++",)


def has_compiler(device: torch.device) -> bool:
    """Return whether the compiler is installed that ``torch.compile`` needs for a device, also for a GPU."""
    _, variable, names = _needed(device)
    return any(shutil.which(name) for name in ((os.environ[variable],) if variable in os.environ else names))


def need_compiler(device: torch.device, setting: str, otherwise: str) -> None:
    """Check that the compiler is installed that ``torch.compile`` needs.

    Args:
        device: device of the network.
        setting: key that asks for compilation, for the message.
        otherwise: value of the key with which nothing is compiled here.

    Raises:
        ConfigError: it is not installed.
    """
    if not has_compiler(device):
        language, variable, names = _needed(device)
        named = f" ({variable} is '{os.environ[variable]}')" if variable in os.environ else ""
        raise ConfigError(
            f"{setting}: no {language} compiler was found{named}; install {names[0]}, or set {setting}: {otherwise}"
        )
