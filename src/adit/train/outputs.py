"""What a training leaves behind: weights, configuration with provenance, metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from adit import __version__
from adit.config import DitStage, VaeStage
from adit.model.build import hardware
from adit.store import sha256, write_frame, write_json, write_tensors
from adit.train.loop import Fit


def settings_key(stage: VaeStage | DitStage, *hashes: str) -> str:
    """Return a hash of a stage's configuration and its inputs."""
    return hashlib.sha256("\n".join([stage.model_dump_json(), *hashes]).encode()).hexdigest()


def write_model(
    out: Path,
    name: str,
    stage: VaeStage | DitStage,
    weights: Mapping[str, Tensor],
    described: Mapping[str, Any],
    result: Fit,
    data: Mapping[str, str],
) -> None:
    """Write ``metrics.csv``, ``model.safetensors`` and, last, ``config.json`` with the hash of the weights."""
    if not result.leads:
        return
    write_frame(out / "metrics.csv", result.metrics)
    write_tensors(out / "model.safetensors", weights)
    write_json(
        out / "config.json",
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
            "weights_sha256": sha256(out / "model.safetensors"),
            "data_sha256": dict(data),
            **described,
        },
    )
