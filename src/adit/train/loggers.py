"""Live logging of the training curve to TensorBoard or Weights & Biases, in addition to ``metrics.csv``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from adit.errors import ConfigError

PROJECT = "adit"
"""Project name for Weights & Biases, unless WANDB_PROJECT is set."""


class Logger(Protocol):
    """Writes rows of the training curve."""

    def add(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Write one row.

        Args:
            step: number of optimiser steps done.
            split: ``train`` or ``val``.
            values: name → value, e.g. the losses.
        """
        ...

    def close(self) -> None:
        """Write buffered values and end the logger."""
        ...


class TensorBoard:
    """Event files in ``folder``; rows after the step that a resumed training starts from are dropped.

    Args:
        folder: the files are written into its subfolder ``tensorboard``.
        resumed_at: number of steps done when the training starts.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise _missing("tensorboard") from None
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1)

    def add(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Write one row."""
        for name, value in values.items():
            self._writer.add_scalar(f"{name}/{split}", value, step)

    def close(self) -> None:
        """Write buffered values and close the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases, stored in ``folder``; nothing is sent unless ``WANDB_MODE=online`` is set.

    An offline run is sent later with ``wandb sync``. A resumed training continues the same run.

    Args:
        folder: folder of the run's files; created if it is missing.
        name: name of the trained network.
        key: hash of configuration and data; it identifies the run.
        settings: settings to show with the curve.

    Raises:
        ConfigError: the package is not installed, or refuses to start (no login, no network).
    """

    def __init__(self, folder: Path, name: str, key: str, settings: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise _missing("wandb") from None
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "project": os.environ.get("WANDB_PROJECT", PROJECT),
            "mode": os.environ.get("WANDB_MODE", "offline"),
            "name": os.environ.get("WANDB_NAME", name),
        }
        try:
            self._run: Any = wandb.init(
                dir=str(folder), id=f"{name}-{key[:16]}", resume="allow", config=dict(settings), **options
            )
        except wandb.Error as error:
            raise ConfigError(f"wandb: {str(error).splitlines()[0]}; log in, or set WANDB_MODE=offline") from None

    def add(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Write one row."""
        self._run.log({f"{split}/{name}": value for name, value in values.items()}, step=step)

    def close(self) -> None:
        """Write buffered values and end the run."""
        self._run.finish()


def make_loggers(
    names: Sequence[str], folder: Path, task: str, key: str, settings: Mapping[str, Any], resumed_at: int
) -> list[Logger]:
    """Return the requested loggers.

    Args:
        names: of ``tensorboard`` and ``wandb``.
        folder: folder of their files.
        task: name of the trained network.
        key: hash of configuration and data, which identifies the run.
        settings: settings to show with the curve.
        resumed_at: step that the training starts from.

    Raises:
        ConfigError: a package is not installed, or Weights & Biases does not start.
    """
    loggers: list[Logger] = []
    for name in names:
        if name == "tensorboard":
            loggers.append(TensorBoard(folder, resumed_at))
        else:
            loggers.append(WeightsAndBiases(folder, task, key, settings))
    return loggers


def _missing(package: str) -> ConfigError:
    return ConfigError(
        f"loggers: {package} is not installed; run `pip install {package}`, or remove it from train.vae.loggers and "
        "train.dit.loggers (metrics.csv is written in any case)"
    )
