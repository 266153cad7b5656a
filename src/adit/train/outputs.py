"""Outputs of a training: weights, configuration with provenance, metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from adit import __version__
from adit.config import DitStage, VaeStage
from adit.model.build import hardware
from adit.outputs.replace import replaced_folder
from adit.store import sha256, write_frame, write_json, write_tensors
from adit.train.plan import Fit

NAMES: Final = ("config.json", "metrics.csv", "model.safetensors")
"""Files of a trained network."""

BUDGET: Final = frozenset(
    ("max_epochs", "max_steps", "max_minutes", "checkpoint_minutes", "val_every", "log_every", "loggers", "compile")
)
"""Settings that may change when a training continues from its last state."""


def settings_key(stage: VaeStage | DitStage, *hashes: str) -> str:
    """Return a hash of a stage's configuration, without duration and logging, and of its inputs' ``hashes``.

    Only values that differ from the default count: new options do not invalidate the states of a training.
    """
    settings = stage.model_dump_json(exclude={"train": set(BUDGET)}, exclude_defaults=True)
    return hashlib.sha256("\n".join([settings, *hashes]).encode()).hexdigest()


def write_model(
    out: Path,
    name: str,
    stage: VaeStage | DitStage,
    weights: Mapping[str, Tensor],
    described: Mapping[str, Any],
    result: Fit,
    data: Mapping[str, str],
) -> None:
    """Write ``metrics.csv``, ``model.safetensors`` and ``config.json`` (with the hash of the weights) together.

    Args:
        out: folder of the network; an older network in it is replaced.
        name: ``vae`` or ``dit``.
        stage: slice of the configuration.
        weights: name → tensor.
        described: further entries of ``config.json``.
        result: result of the training; without ``leads``, nothing is written.
        data: name of dataset → SHA-256 of its file.

    Raises:
        ConfigError: a file to write exists and is in no manifest.
        ExternalToolError: another process writes into the folder.
    """
    if not result.leads:
        return
    with replaced_folder(out, name, names=NAMES) as new:
        write_frame(new / "metrics.csv", result.metrics)
        write_tensors(new / "model.safetensors", weights)
        write_json(
            new / "config.json",
            {
                "kind": name,
                "adit_version": __version__,
                "model": stage.model.model_dump(mode="json"),
                "train": stage.train.model_dump(mode="json"),
                "seed": stage.seed,
                "steps": result.steps,
                "minutes": round(result.minutes, 3),
                "hardware": hardware(),
                "parameters": sum(t.numel() for t in weights.values()),
                "weights_sha256": sha256(new / "model.safetensors"),
                "data_sha256": dict(data),
                **described,
            },
        )
