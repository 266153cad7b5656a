"""Cached shards of samples of a run, under a key of everything that they depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from adit.config import CommandStage, SampleStage
from adit.store import sha256


def sample_key(stage: SampleStage, vae: Path, dit: Path, kind: str, data: Sequence[Path] = ()) -> str:
    """Return a hash (16 hexadecimal digits) of everything that samples depend on.

    Args:
        stage: slice of the configuration.
        vae: folder of the autoencoder; its weights count by the hash in their record.
        dit: folder of the denoiser.
        kind: kind of system; its motif counts by its content.
        data: files whose formulas are changed by substitution.
    """
    records = [folder / "config.json" for folder in (vae, dit)]
    parts = [record.read_text(encoding="utf-8") if record.is_file() else "" for record in records]
    motif = stage.sample.conditions.of(kind).motif
    if motif is not None and Path(motif).is_file():
        parts.append(hashlib.sha256(Path(motif).read_bytes()).hexdigest())
    parts += [sha256(path) for path in data if path.is_file()]
    return hashlib.sha256("\n".join([stage.model_dump_json(), *parts]).encode()).hexdigest()[:16]


def command_key(stage: CommandStage) -> str:
    """Return a hash (16 hexadecimal digits) of everything that samples of a program depend on.

    The wall limit and the limits of reading are left out.
    """
    parts = stage.model_dump_json(exclude={"command_wall_limit_s", "limits"})
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
